"""``hyperband``: successive halving in brackets that begin to stop trials at different epochs.

Li et al. 2018, arXiv:1603.06560, in the stopping variant of Ray Tune's ASHAScheduler with brackets.
How much an early epoch says is not known beforehand: the first bracket has all rungs, the next ones
lack the first of them, and the last one trains in full. Trials are compared within their bracket.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from nas.stopping.contract import Evidence
from nas.stopping.halving import Halving


def shares(rungs: int, reduction: int) -> list[int]:
    """How many trials each bracket gets beside those of the others: all cost about as much.

    The bracket with k of the ``rungs`` gets ⌈(rungs + 1) / (k + 1) · reduction^k⌉.

    >>> shares(2, 3)
    [9, 5, 3]
    """
    return [-(-(rungs + 1) * reduction**left // (left + 1)) for left in range(rungs, -1, -1)]


def cycle(shares: Sequence[int]) -> list[int]:
    """Brackets of so many trials in a row, each spread evenly.

    >>> cycle([4, 2, 1])
    [0, 1, 0, 2, 0, 1, 0]
    """
    places = (
        ((2 * place + 1) / (2 * share), bracket)
        for bracket, share in enumerate(shares)
        for place in range(share)
    )
    return [bracket for _, bracket in sorted(places)]


@dataclass(frozen=True)
class Hyperband(Halving):
    """Halving within brackets; the bracket of a trial follows from its number."""

    def bracket(self, trial: int) -> int:
        """0 for the one with all rungs."""
        return self._cycle[trial % len(self._cycle)]

    def looks_at(self, trial: int, epoch: int) -> bool:
        """At the rungs of its bracket."""
        return epoch in self.rungs[self.bracket(trial) :]

    def reason(self, trial: int, epoch: int, value: float, evidence: Evidence) -> str | None:
        """That it is not in the best part of its bracket."""
        bracket = self.bracket(trial)
        among = {n: one for n, one in evidence.at(epoch).items() if self.bracket(n) == bracket}
        why = self.compare(trial, epoch, value, evidence, among)
        return why and f"{why} in bracket {bracket + 1} of {len(self.rungs) + 1}"

    @cached_property
    def _cycle(self) -> list[int]:
        return cycle(shares(len(self.rungs), self.reduction))
