"""Exact counts of, and exact draws from, the sequences of stages that keep ties and orders.

What a stage may be depends on the stages before it through the last value of each related key
alone: a tied key must equal it, an ordered one must not fall below it, or not rise above it. So
the number of ways to go on is a function of (stage, those last values), which is remembered; the
count is that function at the start, and a draw walks through it with no rejection.
"""

from __future__ import annotations

import math
import operator
import random
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any, TypeAlias

from nas.space.domains import Value, below

DIRECTIONS = {"nondecreasing": operator.le, "nonincreasing": operator.ge}

State: TypeAlias = tuple[Any, ...]  # the last value of each related key, None before the first


@dataclass(frozen=True)
class Relations:
    """Which keys are ``tied`` over the stages, and which are in an ``order``."""

    tied: tuple[str, ...]
    order: dict[str, str]  # key → a word of DIRECTIONS

    def of(self, keys: Iterable[str]) -> Relations:
        """Those that concern ``keys``."""
        among = set(keys)
        return Relations(
            tuple(key for key in self.tied if key in among),
            {key: word for key, word in self.order.items() if key in among},
        )

    @property
    def start(self) -> State:
        """The state before the first stage."""
        return (None,) * (len(self.tied) + len(self.order))

    def follow(self, state: State, values: Mapping[str, Value]) -> State | None:
        """The state after a stage with ``values``, or None where a relation forbids it.

        A stage without a key passes its last value on.
        """
        after = list(state)
        for slot, (key, holds) in enumerate(self._rules):
            if key in values:
                value, last = values[key], state[slot]
                if last is not None and not holds(last, value):
                    return None
                after[slot] = value
        return tuple(after)

    @property
    def last_ordered(self) -> str | None:
        """The ordered key whose last value stands at the end of a state, if there is one."""
        return next(reversed(self.order), None)

    def order_key(self, state: State) -> float:
        """What never falls along a sequence: the last ordered key's value, or its negative."""
        if not self.order:
            return 0
        if state[-1] is None:
            return -math.inf
        return float(state[-1]) * self._sign

    @cached_property
    def _sign(self) -> int:
        return 1 if self._rules[-1][1] is operator.le else -1

    @cached_property
    def _rules(self) -> list[tuple[str, Any]]:
        tied = [(key, operator.eq) for key in self.tied]
        return tied + [(key, DIRECTIONS[word]) for key, word in self.order.items()]


@dataclass(frozen=True)
class Option:
    """What one stage may be: a value for each key, and how likely it is beside the others."""

    values: Mapping[str, Value]
    weight: int = 1


class Chain:
    """All sequences with one of ``layers[i]`` at place i that keep the ``relations``.

    The options of a layer have the same keys. ``total()`` is the sum over all sequences of the
    product of their weights: with weights of 1, their number.
    """

    def __init__(self, layers: Sequence[Sequence[Option]], relations: Relations) -> None:
        self._layers = layers
        self._relations = relations
        self._forks: dict[tuple[int, State], _Fork] = {}

    def total(self) -> int:
        """The weight of all sequences together."""
        return self._total(0, self._relations.start)

    def draw(self, rng: random.Random) -> list[Mapping[str, Value]]:
        """One sequence, as likely as its weight; one call of ``rng.random`` for each place."""
        state, drawn = self._relations.start, []
        for place in range(len(self._layers)):
            fork = self._fork(place, state)
            rung = fork.rungs[self._shut(fork, state)]
            rung += below(rng, fork.rungs[-1] - rung)
            option, state = fork.ways[bisect_right(fork.rungs, rung) - 1]
            drawn.append(option.values)
        return drawn

    def __iter__(self) -> Iterator[list[Mapping[str, Value]]]:
        """All sequences, one after another, each once."""
        return self._from(0, self._relations.start)

    def _from(self, place: int, state: State) -> Iterator[list[Mapping[str, Value]]]:
        """What may stand at ``place`` and after it."""
        if place == len(self._layers):
            yield []
            return
        for option in self._layers[place]:
            after = self._relations.follow(state, option.values)
            if after is not None:
                yield from ([option.values, *rest] for rest in self._from(place + 1, after))

    def _total(self, place: int, state: State) -> int:
        if place == len(self._layers):
            return 1
        fork = self._fork(place, state)
        return fork.rungs[-1] - fork.rungs[self._shut(fork, state)]

    def _shut(self, fork: _Fork, state: State) -> int:
        """How many of the ways, the first ones, the order forbids."""
        return bisect_left(fork.order_keys, self._relations.order_key(state))

    def _fork(self, place: int, state: State) -> _Fork:
        """The ways to go on, in the direction of the last ordered key.

        One table serves all last values of that key: from each, the rest of the table is open.
        A layer without the key passes it on, so it has a table for each.
        """
        layer, relations = self._layers[place], self._relations
        keyed = bool(layer) and relations.last_ordered in layer[0].values
        origin = (*state[:-1], None) if keyed else state
        if (place, origin) not in self._forks:
            follow, order_key = relations.follow, relations.order_key
            ways = [(o, after) for o in layer if (after := follow(origin, o.values)) is not None]
            ways.sort(key=lambda way: order_key(way[1]))
            totals = (option.weight * self._total(place + 1, after) for option, after in ways)
            self._forks[place, origin] = _Fork(
                ways, [order_key(after) for _, after in ways], [0, *accumulate(totals)]
            )
        return self._forks[place, origin]


@dataclass(frozen=True)
class _Fork:
    """Where sequences may go from one place."""

    ways: Sequence[tuple[Option, State]]
    order_keys: Sequence[float]  # of the states after them, never falling
    rungs: Sequence[int]  # the weight of the first 0, 1, … ways
