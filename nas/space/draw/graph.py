"""All settings of a space's stages as paths of one graph, whose edges have exact costs.

A node is what the stages after it need to know: the width and size of the image so far, and the
last value of each key that a tie or an order is about. An edge is an option of the next stage. The
nodes of one stage that differ only in their last depth share their edges: one table, and for each
of the nodes the part of it that the order of depths leaves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nas.space.domains import Setting
from nas.space.draw.stage_costs import (
    Floats,
    Ints,
    Meter,
    Size,
    StageTable,
    TooLargeError,
    stage_table,
)
from nas.space.stages import StageSequences

MAX_EDGES = 500_000_000  # that are looked at while the graph is walked once
MAX_NODES = 50_000  # of one stage
_WIDTH, _SIZE, _SPENT, _KEYS = 0, 1, 2, 3  # columns of a node


@dataclass(frozen=True)
class Start:
    """One setting of the stem, and how likely it is."""

    setting: Setting
    weight: float
    width: int
    size: Size
    amount: int


@dataclass(frozen=True)
class Fan:
    """The edges of some nodes of one stage, sorted by depth where depths are in order.

    Node ``nodes[i]`` has the edges [first[i], last[i]).
    """

    nodes: Ints
    first: Ints
    last: Ints
    options: Ints
    following: Ints  # the node of the next stage
    amount: Ints
    weight: Floats
    table: StageTable


class Graph:
    """The nodes of each stage, and the edges from them.

    With ``most``, edges that alone have more than this amount are left out.

    Raises:
        TooLargeError: there are more options or edges than arrays are good for.
    """

    def __init__(
        self, sequences: StageSequences, starts: Sequence[Start], meter: Meter, most: int | None
    ) -> None:
        self._sequences = sequences
        self._meter = meter
        self._most = most
        self._tied = sequences.relations.tied
        order = sequences.relations.order
        self._order = {key: word for key, word in order.items() if key not in self._tied}
        self._keys = (*self._tied, *self._order)
        # depths in order are taken by sorting edges; the other keys divide nodes into fans
        self._sorted = _KEYS + self._keys.index("depth") if "depth" in self._order else None
        self._sizes: list[Size] = []
        self._tables: dict[tuple[int, int], StageTable] = {}
        self._follow: dict[tuple[int, tuple[float, ...]], Ints] = {}
        self._grouped: dict[int, tuple[list[Ints], Ints]] = {}
        nothing = [self._none(key) for key in self._keys]
        rows = [[s.width, self._size(s.size), s.amount, *nothing] for s in starts]
        self.nodes = [np.array(rows, float).reshape(len(rows), _KEYS + len(self._keys))]
        self.stages = len(sequences.knobs)
        edges = 0
        for stage in range(self.stages):
            self.nodes.append(self._next_nodes(stage))
            for members in self._grouping(stage)[0]:
                edges += len(self._table(stage, self.nodes[stage][members[0]]).weight)
            if edges > MAX_EDGES or len(self.nodes[-1]) > MAX_NODES:
                raise TooLargeError

    def fans(self, stage: int) -> Iterator[Fan]:
        """All edges from the nodes of ``stage``."""
        for number in range(len(self._grouping(stage)[0])):
            yield self.fan(stage, number)

    def place(self, stage: int, node: int) -> tuple[int, int]:
        """The number of the fan that has the edges of one node, and the node's place in it."""
        members, group = self._grouping(stage)
        number = int(group[node])
        return number, int(np.searchsorted(members[number], node))

    def fan(self, stage: int, number: int) -> Fan:
        """The edges of nodes that differ in their last depth at most."""
        members = self._grouping(stage)[0][number]
        nodes = self.nodes[stage][members]
        row, table = nodes[0], self._table(stage, nodes[0])
        options = table.left
        for column, key in enumerate(self._keys, start=_KEYS):
            if key in table.keys and column != self._sorted and row[column] != self._none(key):
                mine = table.keys[key][options]
                if key in self._tied:
                    options = options[mine == row[column]]
                elif self._order[key] == "nondecreasing":
                    options = options[mine >= row[column]]
                else:
                    options = options[mine <= row[column]]
        amount = table.amount(options, int(row[_WIDTH])) + int(row[_SPENT])
        if self._most is not None:
            options, amount = options[amount <= self._most], amount[amount <= self._most]
        first = np.zeros(len(members), np.int64)
        last = np.full(len(members), len(options))
        if self._sorted is not None:
            order = np.argsort(table.keys["depth"][options], kind="stable")
            options, amount = options[order], amount[order]
            depths, ends = table.keys["depth"][options], nodes[:, self._sorted]
            if self._order["depth"] == "nondecreasing":
                first = np.searchsorted(depths, ends, "left")
            else:
                last = np.searchsorted(depths, ends, "right")
        following = self._following(stage, row)[options]
        return Fan(members, first, last, options, following, amount, table.weight[options], table)

    def _grouping(self, stage: int) -> tuple[list[Ints], Ints]:
        """The nodes of a stage that share a fan, and the number of each node's fan."""
        if stage not in self._grouped:
            nodes = self.nodes[stage]
            if self._sorted is not None:
                nodes = np.delete(nodes, self._sorted, axis=1)
            _, group = np.unique(nodes, axis=0, return_inverse=True)
            group = group.ravel()
            order = np.argsort(group, kind="stable")
            bounds = np.flatnonzero(np.diff(group[order])) + 1
            members = np.split(order, bounds) if len(nodes) else []
            self._grouped[stage] = (members, group)
        return self._grouped[stage]

    def _next_nodes(self, stage: int) -> Floats:
        """The nodes behind the edges of ``stage``; the last stage has one for all."""
        nodes = self.nodes[stage]
        columns = _KEYS + len(self._keys)
        if stage == self.stages - 1:
            return np.zeros((1, columns))
        if not len(nodes):
            return nodes
        found, parts = [], []
        narrowest = int(nodes[:, _WIDTH].min())
        for row in np.unique(nodes[:, self._passed(stage)], axis=0):
            size, passed = int(row[0]), row[1:]
            table = self._table_at(stage, size)
            after = np.empty((len(table.weight), columns))
            after[:, _WIDTH] = table.width
            sizes = np.array([self._size(one) for one in table.sizes] + [-1])
            after[:, _SIZE] = sizes[table.size]
            after[:, _SPENT] = 0
            missing = iter(passed)
            for place, key in enumerate(self._keys):
                after[:, _KEYS + place] = table.keys[key] if key in table.keys else next(missing)
            keep = after[:, _SIZE] >= 0
            if self._most is not None:
                keep &= np.minimum(table.slope * narrowest + table.base, table.same) <= self._most
            found.append(after[keep])
            parts.append((size, tuple(passed), keep))
        rows, inverse = np.unique(np.concatenate(found), axis=0, return_inverse=True)
        inverse, start = inverse.ravel(), 0
        for size, passed, keep in parts:
            following = np.full(len(keep), -1)
            following[keep] = inverse[start : start + keep.sum()]
            start += keep.sum()
            self._follow[stage, (float(size), *passed)] = following
        return rows

    def _following(self, stage: int, row: Floats) -> Ints:
        if stage == self.stages - 1:
            return np.zeros(len(self._table(stage, row).weight), np.int64)
        return self._follow[stage, tuple(float(value) for value in row[self._passed(stage)])]

    def _passed(self, stage: int) -> list[int]:
        """Columns that an edge of ``stage`` hands on or looks up: size, keys it does not have."""
        knobs = self._sequences.knobs[stage]
        missing = [_KEYS + i for i, key in enumerate(self._keys) if key not in knobs]
        return [_SIZE, *missing]

    def _table(self, stage: int, row: Floats) -> StageTable:
        return self._table_at(stage, int(row[_SIZE]))

    def _table_at(self, stage: int, size: int) -> StageTable:
        if (stage, size) not in self._tables:
            self._tables[stage, size] = stage_table(
                self._sequences, stage, self._sizes[size], self._meter
            )
        return self._tables[stage, size]

    def _size(self, size: Size) -> int:
        if size not in self._sizes:
            self._sizes.append(size)
        return self._sizes.index(size)

    def _none(self, key: str) -> float:
        """What stands for no value yet: every order holds from there on."""
        if key in self._tied:
            return -1.0
        return -np.inf if self._order[key] == "nondecreasing" else np.inf
