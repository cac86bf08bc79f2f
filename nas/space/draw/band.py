"""Exact draws from the settings whose amount of one measure lies in a band.

The chance that a path through the graph ends inside the band is a function of (node, what is left
of the band's upper end), with amounts counted in whole units. It is computed once, backwards, and
a draw walks forwards by it. Each of n stages rounds its amount down by less than a unit, so the
band is kept n − 1 units too wide at its lower end: nothing that is inside is lost, and what is
outside is met by the exact check of the caller, who draws again. So the draws are exactly those of
a rejection from the whole space, up to the rounding of float64 sums (a relative 1e-12).
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from nas.space.domains import Setting
from nas.space.draw.graph import Fan, Graph, Start
from nas.space.draw.stage_costs import Floats, Ints, Meter, TooLargeError
from nas.space.stages import StageSequences

UNITS = (128, 512)  # at least and at most, that the upper end of a band is counted in
UNITS_PER_BAND = 4  # for each stage: then four draws of five are inside the band
MAX_TERMS = 4_000_000  # numbers at a time
MAX_KEPT = 30_000_000  # edges of one stage, about a gigabyte
REMEMBERED = 4_000_000  # edges of fans that were met


class BandDraws:
    """Draws of settings whose amount is in [least, most] or a little below it."""

    def __init__(
        self,
        sequences: StageSequences,
        starts: Sequence[Start],
        meter: Meter,
        least: int,
        most: int,
    ) -> None:
        """Raises TooLargeError: the space has more options than arrays are good for."""
        self._starts = starts
        self._sequences = sequences
        self._graph = graph = Graph(sequences, starts, meter, most)
        stages = graph.stages
        units = UNITS_PER_BAND * stages * most // max(1, most - least)
        self._unit = max(1, most // min(max(units, UNITS[0]), UNITS[1]))
        self._top = most // self._unit
        # a unit of 1 rounds nothing
        bottom = least // self._unit - (stages - 1 if self._unit > 1 else 0)
        end = np.zeros((1, self._top + 1))
        end[0, : self._top - max(bottom, 0) + 1] = 1
        self._chances = [end]
        for stage in range(stages - 1, 0, -1):
            self._chances.insert(0, self._backwards(stage, self._chances[0]))
        self._chances.insert(0, np.zeros((0, 0)))  # each start has its own, below
        self._fans: OrderedDict[tuple[int, int], Fan] = OrderedDict()
        self._remembered = 0
        chance = [
            start.weight * self._edges(0, node, self._top)[1].sum()
            for node, start in enumerate(starts)
        ]
        self._start = np.cumsum(chance)

    @property
    def empty(self) -> bool:
        """Whether it is certain that no setting is in the band."""
        return self.mass == 0

    @property
    def mass(self) -> float:
        """The chance that one option of each stage, drawn by weight, keeps all rules and is drawn.

        It is in proportion to the weight of the settings in the band and just below it.
        """
        return float(self._start[-1]) if len(self._start) else 0.0

    def setting(self, rng: random.Random) -> Setting:
        """One setting; as many calls of ``rng.random`` as there are stages, and one."""
        return self._walk(rng)[0]

    def amount(self, rng: random.Random) -> int:
        """The amount of one setting, drawn in the same way."""
        return self._walk(rng)[1]

    def _walk(self, rng: random.Random) -> tuple[Setting, int]:
        node = _pick(self._start, rng)
        left, amount = self._top, 0
        drawn = dict(self._starts[node].setting)
        for stage in range(self._graph.stages):
            fan, chances, spent = self._edges(stage, node, left)
            edge = _pick(np.cumsum(chances), rng)
            amount += int(fan.amount[edge])
            for key, value in fan.table.values(int(fan.options[edge])).items():
                drawn[self._sequences.path(stage, key)] = value
            node, left = int(fan.following[edge]), left - int(spent[edge])
        return drawn, amount

    def _edges(self, stage: int, node: int, left: int) -> tuple[Fan, Floats, Ints]:
        """The fan of a node, the chance of each of its edges, and what each takes of ``left``."""
        number, place = self._graph.place(stage, node)
        fan = self._fan(stage, number)
        spent = fan.amount // self._unit
        after = left - spent
        chances = fan.weight * self._chances[stage + 1][fan.following, np.maximum(after, 0)]
        chances[after < 0] = 0
        chances[: fan.first[place]] = 0
        chances[fan.last[place] :] = 0
        return fan, chances, spent

    def _fan(self, stage: int, number: int) -> Fan:
        """One fan of the graph; those met last are remembered."""
        if (stage, number) in self._fans:
            self._fans.move_to_end((stage, number))
            return self._fans[stage, number]
        found = self._fans[stage, number] = self._graph.fan(stage, number)
        self._remembered += len(found.options)
        while self._remembered > REMEMBERED and len(self._fans) > 1:
            self._remembered -= len(self._fans.popitem(last=False)[1].options)
        return found

    def _backwards(self, stage: int, following: Floats) -> Floats:
        """The chances at the nodes of ``stage``, from those one stage on: (nodes, units)."""
        nodes = len(self._graph.nodes[stage])
        fans = list(self._graph.fans(stage))
        if not fans:
            return np.zeros((nodes, self._top + 1))
        # where the edges of a fan's nodes begin or end, the fan is cut into rows
        cuts = [np.unique(np.concatenate([fan.first, fan.last])) for fan in fans]
        offsets = np.cumsum([0, *(len(cut) - 1 for cut in cuts)])
        parts, kept = [], 0
        for fan, cut, offset in zip(fans, cuts, offsets, strict=False):
            spent = fan.amount // self._unit
            row = np.searchsorted(cut, np.arange(len(fan.options)), "right") - 1
            inside = (row >= 0) & (row < len(cut) - 1)
            parts.append(_merged(spent, row + offset, fan.following, fan.weight, inside))
            kept += len(parts[-1][0])
            if kept > MAX_KEPT:
                raise TooLargeError
        spent, rows, columns, weights = (np.concatenate(one) for one in zip(*parts, strict=True))
        sums = self._convolved(spent, rows, columns, weights, int(offsets[-1]), following)
        chances = np.zeros((nodes, self._top + 1))
        for fan, cut, offset in zip(fans, cuts, offsets, strict=False):
            first, last = np.searchsorted(cut, fan.first), np.searchsorted(cut, fan.last)
            mine = sums[offset : offset + len(cut) - 1]
            if (first == 0).all():
                sums_up_to = np.cumsum(mine, axis=0)
                some = last > 0
                chances[fan.nodes[some]] = sums_up_to[last[some] - 1]
            else:  # all end with the last row
                sums_from = np.cumsum(mine[::-1], axis=0)[::-1]
                some = first < len(mine)
                chances[fan.nodes[some]] = sums_from[first[some]]
        return chances

    def _convolved(
        self, spent: Ints, rows: Ints, columns: Ints, weights: Floats, count: int, following: Floats
    ) -> Floats:
        """Σ weight × following[column], moved up by what is spent: (count, units)."""
        sums = np.zeros((count, self._top + 1))
        order = np.lexsort((rows, spent))
        spent, rows, columns, weights = spent[order], rows[order], columns[order], weights[order]
        for start, end in pairwise([*np.flatnonzero(np.diff(spent, prepend=-1)), len(spent)]):
            moved = int(spent[start])
            units = self._top + 1 - moved
            step = max(1, MAX_TERMS // units)
            for low in range(start, end, step):
                part = slice(low, min(low + step, end))
                terms = weights[part, None] * following[columns[part], :units]
                first = np.flatnonzero(np.diff(rows[part], prepend=-1))
                sums[rows[part][first], moved:] += np.add.reduceat(terms, first, axis=0)
        return sums


def _merged(
    spent: Ints, rows: Ints, columns: Ints, weights: Floats, inside: NDArray[np.bool_]
) -> tuple[Ints, Ints, Ints, Floats]:
    """The edges inside, those that differ in their weight alone made one."""
    spent, rows, columns, weights = spent[inside], rows[inside], columns[inside], weights[inside]
    if not len(spent) or rows[0] != rows[-1]:
        return spent, rows, columns, weights
    width = int(columns.max()) + 1
    if (int(spent.max()) + 1) * width > 4 * len(spent):
        return spent, rows, columns, weights
    total: Floats = np.bincount(spent * width + columns, weights).astype(np.float64)
    found: Ints = np.flatnonzero(total).astype(np.int64)
    return found // width, np.full(len(found), rows[0]), found % width, total[found]


def _pick(sums: Floats, rng: random.Random) -> int:
    """A place, as likely as its part of the running ``sums``; one call of ``rng.random``."""
    share = rng.random() * sums[-1]
    # rounding may have made it the whole, of which the last step that is one is the end
    return int(min(np.searchsorted(sums, share, "right"), np.searchsorted(sums, sums[-1])))
