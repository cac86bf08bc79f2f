"""Small networks first, then what contains one that was trained: for a search that inherits."""

from __future__ import annotations

import random
from collections.abc import Hashable, Sequence

from nas.samplers.base import Choice
from nas.samplers.candidates import Candidate, Candidates
from nas.samplers.history import History
from nas.samplers.model import SIZES, Fit, ModelSampler, at_place, spread_out

FIRST = 32  # of the smallest, one of which is the first
OTHERS = 64  # draws that say how many networks contain it
KNOWN = 200_000  # pairs of networks that are remembered


class GrowingSampler(ModelSampler):
    """The small network that most others contain first; then what contains a trained network, as
    long as there is such a one, by the model's expected improvement.

    So nearly all values are of one kind: a network from scratch, which was trained for longer,
    would look better than it is beside those that inherit. In a plain study nothing is known of
    what contains what: then it is the model, beginning with a small network.
    """

    _contained: dict[tuple[Hashable, Hashable], bool]

    def _first(self, history: History, rng: random.Random) -> Choice | None:
        """Until there is a result, a small one that many contain; then the middle, the smallest,
        the largest, … of those that contain a result."""
        known = sorted(self.everything() or self.pool(SIZES), key=lambda one: one.size)
        fresh = [one for one in known if self.is_new(one, history)]
        parents = [one.candidate for one in history.results.values() if one.values is not None]
        growing = [one for one in fresh if self._grows(one, parents)]
        if growing:
            return Choice(at_place(growing, spread_out(len(history) - 1)), "guided")
        others = self.pool(SIZES)[:OTHERS]
        ranked = sorted(
            fresh[:FIRST], key=lambda one: -sum(self._contains(other, one) for other in others)
        )
        return Choice(ranked[0], "guided") if ranked else None

    def _eligible(self, fit: Fit, fresh: list[Candidate]) -> list[Candidate]:
        """Those that contain one of the best results; all, where none does."""
        parents = [candidate for _, candidate in fit.best]
        return [one for one in fresh if self._grows(one, parents)] or fresh

    def _grows(self, candidate: Candidate, parents: Sequence[Candidate]) -> bool:
        return any(self._contains(candidate, parent) for parent in parents)

    def _contains(self, larger: Candidate, smaller: Candidate) -> bool:
        pair = (larger.key, smaller.key)
        if pair not in self._contained:
            assert self._candidates is not None
            if len(self._contained) >= KNOWN:
                self._contained.clear()
            self._contained[pair] = self._candidates.contains(larger, smaller)
        return self._contained[pair]

    def _forget(self, candidates: Candidates | None) -> None:
        super()._forget(candidates)
        self._contained = {}
