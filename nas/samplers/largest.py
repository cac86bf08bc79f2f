"""The largest first: no search at all, and the baseline that a search has to beat."""

from __future__ import annotations

import random
from collections.abc import Hashable

from nas.samplers.base import Choice, OwnSampler
from nas.samplers.candidates import Candidate, Candidates
from nas.samplers.history import History

POOL = 256  # draws, the largest of which are climbed from
STARTS = 4
STUCK = 40  # mutations in a row that are not larger, then it is a summit
RECENT = 4  # trials whose mutations may be the next largest
MUTATIONS = 16  # of each


class LargestSampler(OwnSampler):
    """Proposes the largest candidate that is new: by MACs in a design space; in a plain study by
    the places of its ordered knobs.

    Exact in a space of a few thousand settings; in others what climbing finds.
    """

    def choose(self, history: History, number: int, rng: random.Random) -> Choice | None:
        """See ``OwnSampler``."""
        found = self.largest(history, rng)
        return Choice(found, "largest") if found else None

    def largest(self, history: History, rng: random.Random) -> Candidate | None:
        """The largest candidate that is new, of those that can be found."""
        found = sorted(self._around(history, rng), key=lambda one: -one.size)
        return next((one for one in found if self.is_new(one, history)), None)

    def _forget(self, candidates: Candidates | None) -> None:
        super()._forget(candidates)
        self._ways: dict[Hashable, list[Candidate]] = {}

    def _around(self, history: History, rng: random.Random) -> list[Candidate]:
        """Where the next largest is: among all, or near the last ones and near the summits."""
        everything = self.everything()
        if everything is not None:
            return everything
        pool = self.pool(POOL)
        found = list(pool)
        summits = sorted(pool, key=lambda one: -one.size)[:STARTS]
        for start in summits:
            found += self._climbed(start)
        last = sorted(history.tried)[-RECENT:]
        for number in last:
            found += self.mutations(history.tried[number], MUTATIONS, number)
        return found

    def _climbed(self, start: Candidate) -> list[Candidate]:
        """All that is seen on the way up from a candidate; the same at each call."""
        if start.key in self._ways:
            return self._ways[start.key]
        assert self._candidates is not None
        rng, here, seen, stuck = self._rng("climb", start.key), start, [start], 0
        while stuck < STUCK:
            there = self._candidates.mutate(here, rng)
            if there is not None and stuck % 2:  # under a limit, one knob down lets another up
                there = self._candidates.mutate(there, rng)
            stuck += 1
            if there is None:
                continue
            seen.append(there)
            if there.size > here.size:
                here, stuck = there, 0
        self._ways[start.key] = seen
        return seen
