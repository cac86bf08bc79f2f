"""Local search: from the best result, one mutation at a time; from a random one when stuck.

White et al. 2021, "Exploring the loss landscape in neural architecture search", arXiv:2005.02960.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np

from nas.samplers.base import Choice, OwnSampler
from nas.samplers.candidates import Candidate
from nas.samplers.history import History
from nas.samplers.targets import crowding, fronts, targets

STARTUP = 8  # random trials, from the best of which it goes
STUCK = 24  # results in a row that are no better than the one that is mutated: then it starts anew
CHILDREN = 48  # mutations, until one is new; a place that has none left is a summit
LOOKED_AT = 512  # results


@dataclass(frozen=True)
class _Place:
    """Where a search is."""

    candidate: Candidate
    value: float


class LocalSampler(OwnSampler):
    """Random at first; then a mutation of the best result since it last started anew.

    With several objectives, of the loneliest results of the front in turns.
    """

    def choose(self, history: History, number: int, rng: random.Random) -> Choice | None:
        """See ``OwnSampler``."""
        assert self._candidates is not None
        if len(history) < STARTUP:
            return None
        parent = self._place(history) if history.objectives == 1 else self._lonely(history, rng)
        for _ in range(CHILDREN if parent else 0):
            assert parent is not None
            child = self._candidates.mutate(parent, rng)
            if child is not None and self.is_new(child, history):
                return Choice(child, "guided")
        return None

    def _place(self, history: History) -> Candidate | None:
        """What is mutated; None where it starts anew."""
        results = history.last(LOOKED_AT)
        values, _ = targets(results, 1)
        here: _Place | None = None
        worse = 0
        for i, (result, value) in enumerate(zip(results, values[:, 0], strict=True)):
            if here is None or value > here.value:
                here, worse = _Place(result.candidate, float(value)), 0
            elif i >= STARTUP:
                worse += 1
            if worse >= STUCK:
                here, worse = None, 0
        return None if here is None else here.candidate

    def _lonely(self, history: History, rng: random.Random) -> Candidate:
        results = history.last(LOOKED_AT)
        values, _ = targets(results, history.objectives)
        rank = fronts(values)
        front = np.flatnonzero(rank == 0)
        lonely = front[np.argsort(-crowding(values, rank)[front], kind="stable")]
        place = min(rng.randrange(len(lonely)), rng.randrange(len(lonely)))
        candidate: Candidate = results[int(lonely[place])].candidate
        return candidate
