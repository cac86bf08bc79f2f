"""The stem and stages of a space as a graph of costs: its bands, and its least and most."""

from __future__ import annotations

import random
from collections.abc import Mapping
from itertools import product
from math import prod

import numpy as np

from nas.architecture import Stem
from nas.errors import ArchitectureError
from nas.space.domains import Knob, Setting, options
from nas.space.draw.band import BandDraws
from nas.space.draw.graph import Graph, Start
from nas.space.draw.stage_costs import Ints, Meter
from nas.space.limits import Limits
from nas.space.stages import StageSequences


class CostGraph:
    """Settings by their amount of one measure. Raises TooLargeError where arrays are too small."""

    def __init__(
        self,
        stem: Mapping[str, Knob],
        sequences: StageSequences,
        measure: str,
        limits: Limits,
        flags: Mapping[str, bool],
    ) -> None:
        self._sequences = sequences
        self._meter = Meter(measure, limits.input_shape, limits.num_classes, flags)
        self._starts = list(self._stems(stem))

    def band(self, least: int, most: int) -> BandDraws:
        """Draws of settings with an amount of [least, most]."""
        return BandDraws(self._sequences, self._starts, self._meter, least, most)

    def mass(self) -> float:
        """That of all settings, in the units of ``BandDraws.mass``."""
        return self._sequences.mass()

    def extremes(self) -> tuple[int, int] | None:
        """The least and the most that a setting has; None if there is no setting."""
        graph = Graph(self._sequences, self._starts, self._meter, None)
        least = most = np.zeros(1, np.int64)
        none = np.iinfo(np.int64).max // 2
        for stage in reversed(range(graph.stages)):
            lowest = np.full(len(graph.nodes[stage]), none)
            highest = np.full(len(graph.nodes[stage]), -none)
            for fan in graph.fans(stage):
                low = fan.amount + least[fan.following]
                high = fan.amount + most[fan.following]
                lowest[fan.nodes] = _least(low, fan.first, fan.last, none)
                highest[fan.nodes] = -_least(-high, fan.first, fan.last, none)
            least, most = lowest, highest
        if not len(least) or least.min() > most.max():
            return None
        return int(least.min()), int(most.max())

    def nearest(self, least: int, most: int) -> list[int]:
        """Amounts below and above an empty band, the nearest among some hundred draws.

        There must be a setting.
        """
        rng, margin = random.Random(0), 1
        while True:
            band = self.band(max(0, least - margin), most + margin)
            found = [] if band.empty else [band.amount(rng) for _ in range(300)]
            below = [amount for amount in found if amount < least]
            above = [amount for amount in found if amount > most]
            if below or above:
                return [*([max(below)] if below else []), *([min(above)] if above else [])]
            margin *= 2

    def _stems(self, stem: Mapping[str, Knob]) -> list[Start]:
        starts = []
        columns = {key: options(knob) for key, knob in stem.items()}
        whole = prod(sum(column.values()) for column in columns.values())
        for row in product(*(column.items() for column in columns.values())):
            setting = {key: value for key, (value, _) in zip(columns, row, strict=True)}
            rest: dict[str, object] = dict(setting)
            built = Stem(**rest)  # type: ignore[arg-type]
            try:
                amount, size = self._meter.stem(built)
            except ArchitectureError:  # it leaves nothing of the image
                continue
            weight = prod(weight for _, (_, weight) in zip(columns, row, strict=True)) / whole
            paths: Setting = {f"stem.{key}": value for key, value in setting.items()}
            starts.append(Start(paths, weight, built.width, size, amount))
        return starts


def _least(amounts: Ints, first: Ints, last: Ints, none: int) -> Ints:
    """The least of each amounts[first:last], all of which begin or end with the amounts."""
    if not len(amounts):
        return np.full(len(first), none)
    if (first == 0).all():
        least = np.minimum.accumulate(amounts)[np.maximum(last, 1) - 1]
    else:
        least = np.minimum.accumulate(amounts[::-1])[::-1][np.minimum(first, len(amounts) - 1)]
    found: Ints = np.where(first < last, least, none)
    return found
