"""What a sampler may propose: settings that are possible, and what is known of each for free.

A sampler ranks candidates; it never asks for what cannot be. ``Distributions`` makes them of
Optuna's distributions; a design space makes its own (``nas/search/candidates.py``), with the costs
of its networks, its ties, orders and limits.
"""

from __future__ import annotations

import math
import random
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Protocol, TypeAlias

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

Params: TypeAlias = Mapping[str, Any]

ENTRIES = 64  # a categorical knob of more values is one of their positions to a model
NEAR = 0.5  # of the steps of a mutation go one value further, half of the rest two, and so on
WIDTH = 0.15  # of a continuous knob, the standard deviation of a mutation
TRIES = 8  # mutations that end where they began


@dataclass(frozen=True)
class Candidate:
    """One possible setting."""

    params: Params
    key: Hashable  # of what it stands for: two of one key are the same trial
    features: tuple[float, ...]  # what a model sees
    size: float  # by which the largest is the largest: a logarithm of MACs, where there are some


class Candidates(Protocol):
    """All settings of one study that are possible."""

    @property
    def distributions(self) -> Mapping[str, BaseDistribution]:
        """Of every knob, as the study's trials have them."""

    def draw(self, rng: random.Random) -> Candidate:
        """One of the space's own draws."""

    def mutate(self, candidate: Candidate, rng: random.Random) -> Candidate | None:
        """It with one knob at another value, a near one where the values have an order; None where
        that was possible nowhere."""

    def read(self, params: Params) -> Candidate | None:
        """The candidate of these values; None where they are no setting of the space."""

    def everything(self, most: int) -> list[Candidate] | None:
        """All candidates, each once; None where that takes a look at more than ``most``."""

    def accepts(self, candidate: Candidate) -> bool:
        """Whether it may be proposed, for all that is known beside the study's trials."""

    def contains(self, larger: Candidate, smaller: Candidate) -> bool:
        """Whether a trial of the larger one may begin with the weights of the smaller one."""


class Scale:
    """One knob of Optuna's: its values on [0, 1], in their order, log where the knob is."""

    def __init__(self, distribution: BaseDistribution) -> None:
        self.distribution = distribution
        self._values: tuple[Any, ...] = ()
        self.ordered = True
        if isinstance(distribution, CategoricalDistribution):
            self._values = distribution.choices
            self.ordered = ordered(distribution.choices)
            if self.ordered:
                self._values = tuple(sorted(distribution.choices))
            self.count: int | None = len(self._values)
            return
        if not isinstance(distribution, IntDistribution | FloatDistribution):
            raise NotImplementedError(f"no distribution of Optuna's: {distribution!r:.60}")
        self.count = None
        if distribution.step is not None:
            self.count = round((distribution.high - distribution.low) / distribution.step) + 1

    @property
    def single(self) -> bool:
        """Whether there is one value only."""
        return self.distribution.single()

    def features(self, value: Any) -> list[float]:
        """What a model sees of a value: its place, or one number per value without an order."""
        if self.ordered or len(self._values) > ENTRIES:
            return [self.place(value)]
        return [float(value == other) for other in self._values]

    def place(self, value: Any) -> float:
        """Where a value is on [0, 1]."""
        known = self.distribution
        if isinstance(known, CategoricalDistribution):
            return self._values.index(value) / max(len(self._values) - 1, 1)
        assert isinstance(known, IntDistribution | FloatDistribution)
        if known.low == known.high:
            return 0.0
        if known.log:
            return math.log(value / known.low) / math.log(known.high / known.low)
        return float((value - known.low) / (known.high - known.low))

    def value(self, place: float) -> Any:
        """The value nearest to a place."""
        known, place = self.distribution, min(max(place, 0.0), 1.0)
        if isinstance(known, CategoricalDistribution):
            return self._values[round(place * (len(self._values) - 1))]
        assert isinstance(known, IntDistribution | FloatDistribution)
        if known.log:
            value = known.low * (known.high / known.low) ** place
        else:
            value = known.low + (known.high - known.low) * place
        if known.step is not None:
            value = known.low + round((value - known.low) / known.step) * known.step
        value = min(max(value, known.low), known.high)
        return int(value) if isinstance(known, IntDistribution) else float(value)

    def draw(self, rng: random.Random) -> Any:
        """A value as Optuna's random sampler draws it."""
        known = self.distribution
        if isinstance(known, CategoricalDistribution):
            return self._values[rng.randrange(len(self._values))]
        if self.count is not None and not known.log:  # type: ignore[attr-defined]
            assert isinstance(known, IntDistribution | FloatDistribution)
            assert known.step is not None
            value = known.low + rng.randrange(self.count) * known.step
            return min(value, known.high)
        return self.value(rng.random())

    def values(self) -> Sequence[Any]:
        """All values of a knob that is not continuous."""
        known = self.distribution
        if isinstance(known, CategoricalDistribution):
            return self._values
        assert isinstance(known, IntDistribution | FloatDistribution)
        assert known.step is not None and self.count is not None
        return [min(known.low + i * known.step, known.high) for i in range(self.count)]

    def mutate(self, value: Any, rng: random.Random) -> Any:
        """Another value: a near one where there is an order."""
        if not self.ordered:
            return rng.choice([other for other in self._values if other != value])
        known = self.distribution
        if self.count is None or (not isinstance(known, CategoricalDistribution) and known.log):  # type: ignore[attr-defined]
            place = self.place(value)
            moved = self.value(place + rng.gauss(0, WIDTH))
            if moved == value and isinstance(known, IntDistribution):
                moved = value + rng.choice((-1, 1))
                moved = min(max(moved, known.low), known.high)
            return moved
        return self.value(
            near(round(self.place(value) * (self.count - 1)), self.count, rng) / (self.count - 1)
        )


def ordered(values: tuple[Any, ...]) -> bool:
    """Whether the values of a choice are numbers, two or more."""
    return all(type(value) in (int, float) for value in values)


def near(position: int, count: int, rng: random.Random) -> int:
    """Another of ``count`` positions in a row: half of the draws go one step, a quarter two, ..."""
    steps = 1
    while rng.random() > NEAR and steps < count - 1:
        steps += 1
    ways = [there for there in (position - steps, position + steps) if 0 <= there < count] or [
        there for there in (position - 1, position + 1) if 0 <= there < count
    ]
    return rng.choice(ways)


class Distributions:
    """The candidates of plain distributions of Optuna's: ``Candidates`` without limits or costs.

    The largest is the one whose ordered knobs are highest.
    """

    def __init__(self, distributions: Mapping[str, BaseDistribution]) -> None:
        self.distributions: Mapping[str, BaseDistribution] = dict(distributions)
        self._scales = {name: Scale(known) for name, known in distributions.items()}
        self._free = [name for name, scale in self._scales.items() if not scale.single]

    def draw(self, rng: random.Random) -> Candidate:
        """See ``Candidates``."""
        return self._candidate({name: scale.draw(rng) for name, scale in self._scales.items()})

    def mutate(self, candidate: Candidate, rng: random.Random) -> Candidate | None:
        """See ``Candidates``."""
        for _ in range(TRIES if self._free else 0):
            name = rng.choice(self._free)
            value = candidate.params[name]
            moved = self._scales[name].mutate(value, rng)
            if moved != value:
                return self._candidate({**candidate.params, name: moved})
        return None

    def read(self, params: Params) -> Candidate | None:
        """See ``Candidates``."""
        if not self._scales.keys() <= params.keys():  # it may have others that not all have
            return None
        for name, known in self.distributions.items():
            try:
                inside = known._contains(known.to_internal_repr(params[name]))
            except (TypeError, ValueError):
                return None
            if not inside:
                return None
        return self._candidate({name: params[name] for name in self._scales})

    def everything(self, most: int) -> list[Candidate] | None:
        """See ``Candidates``."""
        counts = [scale.count for scale in self._scales.values()]
        if math.prod(count or most + 1 for count in counts) > most:
            return None
        every = product(*(scale.values() for scale in self._scales.values()))
        return [self._candidate(dict(zip(self._scales, one, strict=True))) for one in every]

    def accepts(self, candidate: Candidate) -> bool:
        """See ``Candidates``."""
        return True

    def _candidate(self, params: Params) -> Candidate:
        scales = self._scales.items()
        features = [x for name, scale in scales for x in scale.features(params[name])]
        size = sum(scale.place(params[name]) for name, scale in scales if scale.ordered)
        return Candidate(params, tuple(params.values()), tuple(features), size)

    def contains(self, larger: Candidate, smaller: Candidate) -> bool:
        """See ``Candidates``: what they stand for is not known here."""
        return False
