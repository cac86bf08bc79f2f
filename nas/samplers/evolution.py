"""Regularized evolution: mutate the best of a few of those that are young. Real et al. 2019.

With several objectives parents are picked as in NSGA-II, by front and crowding: Deb et al. 2002.
"""

from __future__ import annotations

import random

import numpy as np

from nas.samplers.base import Choice, OwnSampler
from nas.samplers.candidates import Candidate
from nas.samplers.history import History
from nas.samplers.targets import crowding, fronts, targets

STARTUP = 8  # random trials
POPULATION = 20  # the last results with one objective, the best ones with several
TOURNAMENT = 5  # of them compete to be the parent
LOOKED_AT = 256  # results among which several objectives are compared
CHILDREN = 24  # of a parent, until one is new; then another parent is picked
PARENTS = 8


class EvolutionSampler(OwnSampler):
    """Random at first; then each proposal is a mutation of a good one of the last results."""

    def choose(self, history: History, number: int, rng: random.Random) -> Choice | None:
        """See ``OwnSampler``."""
        assert self._candidates is not None
        if len(history) < STARTUP:
            return None
        population = self._population(history)
        for _ in range(PARENTS):
            contest = rng.sample(range(len(population)), min(TOURNAMENT, len(population)))
            parent = population[min(contest)]
            for _ in range(CHILDREN):
                child = self._candidates.mutate(parent, rng)
                if child is not None and self.is_new(child, history):
                    return Choice(child, "guided")
        return None

    def _population(self, history: History) -> list[Candidate]:
        """Those that may be parents, the fittest first."""
        several = history.objectives > 1
        results = history.last(LOOKED_AT if several else POPULATION)
        values, _ = targets(results, history.objectives)
        if several:
            rank = fronts(values)
            order = np.lexsort((-crowding(values, rank), rank))[:POPULATION]
        else:
            order = np.argsort(-values[:, 0], kind="stable")
        return [results[i].candidate for i in order]
