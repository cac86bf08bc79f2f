"""From a network back to values of a space that give it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

from nas.architecture import Architecture, Stage
from nas.errors import InfeasibleError
from nas.space.counting import Relations, State
from nas.space.domains import options
from nas.space.stages import StageKnobs, StageValues, build_stage


def match_stages(
    knobs: Sequence[StageKnobs], relations: Relations, architecture: Architecture
) -> list[StageValues] | None:
    """Values for every stage that give the blocks of ``architecture``, or None.

    A network is a sequence of blocks, whatever stages it was written in; each stage of the space
    takes the next few of them. What was in vain once is not tried again.
    """
    blocks = list(_blocks(architecture))
    in_vain: set[tuple[int, int, State]] = set()

    def match(number: int, taken: int, state: State) -> list[StageValues] | None:
        if number == len(knobs):
            return [] if taken == len(blocks) else None
        if taken < len(blocks) and (number, taken, state) not in in_vain:
            for values in _matches(knobs[number], blocks, taken):
                after = relations.follow(state, values)
                if after is not None:
                    following = match(number + 1, taken + int(values["depth"]), after)
                    if following is not None:
                        return [values, *following]
            in_vain.add((number, taken, state))
        return None

    return match(0, 0, relations.start)


def _blocks(architecture: Architecture) -> Iterator[Stage]:
    """Every block as a stage of depth 1."""
    for stage in architecture.stages:
        # 0.33 and 0.34 of width 4 are the same inner width
        first = replace(stage, depth=1, bottleneck=stage.inner_width / stage.width)
        yield first
        for _ in range(stage.depth - 1):
            yield replace(first, stride=1)


def _matches(stage: StageKnobs, blocks: Sequence[Stage], taken: int) -> Iterator[StageValues]:
    """The values of ``stage`` that give a run of ``blocks`` which begins after ``taken``."""
    first = blocks[taken]
    run = 1
    while blocks[taken + run : taken + run + 1] == [replace(first, stride=1)]:
        run += 1
    depths = [depth for depth in options(stage["depth"]) if int(depth) <= run]
    columns = {key: list(options(knob)) for key, knob in stage.items() if key != "depth"}
    for key in ("block", "width", "stride", "residual"):
        columns[key] = [value for value in columns[key] if value == getattr(first, key)]
    for row in product(*columns.values()):
        values = dict(zip(columns, row, strict=True))
        try:
            built = build_stage(values | {"depth": 1})
        except InfeasibleError:
            continue
        if (built.inner_width, built.groups) == (first.inner_width, first.groups):
            yield from (values | {"depth": depth} for depth in depths)
