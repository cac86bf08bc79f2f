"""From a network back to values of a space that give it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from nas.architecture import Architecture, Stage
from nas.space.counting import State
from nas.space.domains import Value, options
from nas.space.stages import StageKnobs, StageSequences, StageValues, WidthIndex


def match_stages(sequences: StageSequences, architecture: Architecture) -> list[StageValues] | None:
    """Values for every stage that give the blocks of ``architecture``, or None.

    A network is a sequence of blocks, whatever stages it was written in; each stage of the space
    takes the next few of them. What was in vain once is not tried again.
    """
    blocks = list(_blocks(architecture))
    knobs, relations = sequences.knobs, sequences.relations
    in_vain: set[tuple[int, int, State]] = set()

    def match(number: int, taken: int, state: State) -> list[StageValues] | None:
        if number == len(knobs):
            return [] if taken == len(blocks) else None
        if taken < len(blocks) and (number, taken, state) not in in_vain:
            for values in _matches(knobs[number], sequences.widths(number), blocks, taken):
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


def _matches(
    stage: StageKnobs, widths: WidthIndex, blocks: Sequence[Stage], taken: int
) -> Iterator[StageValues]:
    """The values of ``stage`` that give a run of ``blocks`` which begins after ``taken``."""
    first = blocks[taken]
    run = 1
    while blocks[taken + run : taken + run + 1] == [replace(first, stride=1)]:
        run += 1
    depths = [depth for depth in options(stage["depth"]) if int(depth) <= run]
    rest: dict[str, Value] = {"block": first.block, "stride": first.stride}
    if "residual" in stage:
        rest["residual"] = first.residual
    if any(value not in options(stage[key]) for key, value in rest.items()):
        return
    for values in widths.get((first.width, first.inner_width, first.groups), ()):
        yield from ({**rest, **values, "depth": depth} for depth in depths)
