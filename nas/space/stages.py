"""The sequences of stages of a space: how many there are, fair draws, and their networks."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cached_property
from itertools import pairwise, product
from math import lcm, prod
from typing import Any, TypeAlias

from nas.architecture import Stage
from nas.errors import ArchitectureError, InfeasibleError, SpaceError
from nas.space.counting import DIRECTIONS, Chain, Option, Relations
from nas.space.domains import Domain, Knob, Value, options
from nas.space.file.fields import INNER_KEYS

StageKnobs: TypeAlias = Mapping[str, Knob]  # a complete stage of a space: block, depth, width, …
StageValues: TypeAlias = Mapping[str, Value]  # one value for each of its keys
Widths: TypeAlias = tuple[int, int, int]  # of a block: width, inner width, groups
WidthIndex: TypeAlias = Mapping[Widths, Sequence[StageValues]]

# Keys of a row depend on one another within a stage, by divisibility; those of different rows
# are independent, so their counts multiply.
FACTORS = (("width", *INNER_KEYS), ("depth",), ("stride",), ("residual",))
MAX_OPTIONS = 100_000  # of one row in one stage: counting walks through them all


def build_stage(values: StageValues, adjust: bool = False) -> Stage:
    """The stage with these values; a ``group_width`` above the inner width means one group.

    With ``adjust``, the stage's width is the nearest that the group width divides (``adjusted``).

    Raises:
        InfeasibleError: the inner width is not divisible, or below 1.
    """
    rest: dict[str, Any] = dict(values)
    group_width = rest.pop("group_width", None)
    try:
        if group_width is not None and adjust:
            rest["width"], rest["groups"] = adjusted(rest["width"], rest["bottleneck"], group_width)
        elif group_width is not None:
            inner = Stage(**rest).inner_width
            if inner > group_width and inner % group_width:
                raise InfeasibleError(
                    f"inner width {inner} (width {rest['width']} × bottleneck "
                    f"{rest['bottleneck']}) is not divisible by group_width {group_width}"
                )
            rest["groups"] = max(1, inner // group_width)
        return Stage(**rest)
    except ArchitectureError as error:
        raise InfeasibleError(str(error).removeprefix("stage: ")) from None


def adjusted(width: int, bottleneck: float, group_width: int) -> tuple[int, int]:
    """The width, and its number of groups, that pycls makes of one that may not be divisible.

    v = max(1, ⌊w·b⌋); g = min(g, v); m = g, or lcm(g, b) for b > 1; v = max(m, round(v/m)·m);
    w = ⌊v/b⌋, in v/g groups. ``adjust_block_compatibility`` of pycls, models/blocks.py.

    Raises:
        InfeasibleError: b is such that no whole width has an inner width of v.
    """
    inner = max(1, int(width * bottleneck))
    group_width = min(group_width, inner)
    multiple = lcm(group_width, int(bottleneck)) if bottleneck > 1 else group_width
    inner = max(multiple, round(inner / multiple) * multiple)
    width = int(inner / bottleneck)
    if round(width * bottleneck) != inner:
        raise InfeasibleError(
            f"no width has an inner width of {inner} with bottleneck {bottleneck}; those of pycls "
            "are 1, 2, 3, … and 1/2, 1/3, …"
        )
    return width, inner // group_width


class StageSequences:
    """All sequences of one setting per stage that keep ties, orders and divisibility.

    Ties and orders are those of the settings: with ``adjust``, the networks' widths may differ.
    """

    def __init__(
        self, knobs: Sequence[StageKnobs], relations: Relations, adjust: bool = False
    ) -> None:
        self.knobs = knobs
        self.relations = relations
        self._adjust = adjust
        self._widths: dict[int, WidthIndex] = {}

    def path(self, number: int, key: str) -> str:
        """The parameter that has the value of ``key`` in stage ``number``."""
        return key if key in self.relations.tied else f"stages.{number}.{key}"

    def count(self) -> int:
        """How many there are."""
        if any(knob.log for stage in self.knobs for knob in stage.values() if hasattr(knob, "log")):
            return prod(self._chain(keys, weighted=False).total() for keys in FACTORS)
        return prod(chain.total() for chain in self._chains.values())

    def __iter__(self) -> Iterator[list[dict[str, Value]]]:
        """Values for each stage, one sequence after another, each once."""
        for rows in product(*self._chains.values()):
            yield [
                {k: v for row in stage for k, v in row.items()} for stage in zip(*rows, strict=True)
            ]

    def mass(self) -> float:
        """The chance that one option of each stage, drawn by weight, keeps ties and orders."""
        whole = prod(
            sum(option.weight for option in self.options(number, keys, weighted=True))
            for number in range(len(self.knobs))
            for keys in FACTORS
        )
        return float(Fraction(prod(chain.total() for chain in self._chains.values()), whole))

    def draw(self, rng: random.Random) -> list[dict[str, Value]]:
        """Values for what is searched of each stage; see ``SearchSpace.sample_setting``."""
        drawn: list[dict[str, Value]] = [{} for _ in self.knobs]
        for keys, chain in self._chains.items():
            if any(isinstance(stage.get(key), Domain) for stage in self.knobs for key in keys):
                for values, more in zip(drawn, chain.draw(rng), strict=True):
                    values.update(more)
        return drawn

    def build(self, values: Sequence[StageValues]) -> tuple[Stage, ...]:
        """The stages with these values.

        Raises:
            InfeasibleError: they break an order or a divisibility; the message says where.
        """
        for key, word in self.relations.order.items():
            having = [(i, stage[key]) for i, stage in enumerate(values) if key in stage]
            for (i, value), (j, following) in pairwise(having):
                if not DIRECTIONS[word](value, following):
                    raise InfeasibleError(
                        f"order.{key} is {word}, but stages.{i}.{key} is {value} and "
                        f"stages.{j}.{key} is {following}"
                    )
        stages = []
        for number, stage in enumerate(values):
            try:
                stages.append(build_stage(stage, self._adjust))
            except InfeasibleError as error:
                raise InfeasibleError(f"stages.{number}: {error}") from None
        return tuple(stages)

    def build_one(self, number: int, values: StageValues) -> Stage:
        """Stage ``number`` with these values of it, and without what they do not name.

        Raises:
            InfeasibleError: the inner width is not divisible.
        """
        block: Any = self.knobs[number]["block"]
        return build_stage({"block": block, **values}, self._adjust)

    def check_not_empty(self) -> None:
        """Raise SpaceError, naming the first stage that nothing is left for, if there is none."""
        for keys, chain in self._chains.items():
            length = len(self.knobs)
            if chain.total():
                continue
            while not self._chain(keys, weighted=False, length=length - 1).total():
                length -= 1
            number = length - 1
            among = ", ".join(key for key in keys if key in self.knobs[number])
            if not any(self.options(number, keys, weighted=False)):
                first = {key: next(iter(options(k))) for key, k in self.knobs[number].items()}
                try:
                    build_stage(first, self._adjust)
                except InfeasibleError as error:
                    raise SpaceError(f"stages.{number}: no setting is possible: {error}") from None
            raise SpaceError(
                f"stages.{number}: no setting of {among} keeps tie and order with the stages "
                "before it; widen a domain or leave out a rule"
            )

    def widths(self, number: int) -> WidthIndex:
        """What gives each width of one stage: values of width, groups and bottleneck."""
        if number not in self._widths:
            index: dict[Widths, list[StageValues]] = {}
            for option in self.options(number, FACTORS[0], weighted=False):
                stage = self.build_one(number, {"depth": 1, **option.values})
                key = (stage.width, stage.inner_width, stage.groups)
                index.setdefault(key, []).append(option.values)
            self._widths[number] = index
        return self._widths[number]

    @cached_property
    def _chains(self) -> dict[tuple[str, ...], Chain]:
        return {keys: self._chain(keys, weighted=True) for keys in FACTORS}

    def _chain(self, keys: tuple[str, ...], weighted: bool, length: int | None = None) -> Chain:
        numbers = range(len(self.knobs))[:length]
        layers = [list(self.options(number, keys, weighted)) for number in numbers]
        return Chain(layers, self.relations.of(keys))

    def options(self, number: int, keys: tuple[str, ...], weighted: bool) -> Iterator[Option]:
        """What ``keys`` may be in one stage, without indivisible widths."""
        stage = self.knobs[number]
        columns: dict[str, Mapping[Value, int]] = {}
        for key in keys:
            if key in stage:
                weights = options(stage[key])
                # a tied value counts where it is chosen, not again where it is repeated
                again = key in self.relations.tied and any(key in s for s in self.knobs[:number])
                columns[key] = dict.fromkeys(weights, 1) if again or not weighted else weights
        if (count := prod(map(len, columns.values()))) > MAX_OPTIONS:
            raise SpaceError(
                f"stages.{number}: {', '.join(columns)} have {count:,} combinations; "
                f"accepted: {MAX_OPTIONS:,} (larger steps leave fewer)"
            )
        for row in product(*(weights.items() for weights in columns.values())):
            values = {key: value for key, (value, _) in zip(columns, row, strict=True)}
            if "width" in keys:
                try:
                    self.build_one(number, {"depth": 1, **values})
                except InfeasibleError:
                    continue
            yield Option(values, prod(weight for _, weight in row))
