"""``pasha``: successive halving whose top rung grows only while the ranking of trials changes.

Bohdal et al. 2022, "PASHA: Efficient HPO and NAS with Progressive Resource Allocation",
arXiv:2207.06940. The top rung is at first the second one. While the trials that reached it are
ranked otherwise than at the rung below, and by more than noise, the next one is the top rung.

PASHA ends with a ranking at the top rung; a study of ours compares what was trained in full, and a
trial that was stopped is PRUNED at its fidelity. So a trial that comes to the top rung or above is
stopped there unless it is, within the noise, the best that came to that rung (with several
objectives: unless one that is better by more than the noise costs no more). These go on, so that
the best of a study are trained in full whatever the top rung is.

The top rung is computed from the curves each time, not kept: it is the first at which the ranking
agrees, so it can move back when more is known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nas.dominance import Floats, losses
from nas.metrics import Direction
from nas.stopping.contract import Evidence
from nas.stopping.halving import Halving, judged

RANKED = 64  # the best so many of a rung: it is their ranking that decides
PERCENTILE = 90  # of the differences that turned out to be noise


def noise(curves: npt.ArrayLike) -> float:
    """Differences up to this between two curves (n, epochs) say nothing about their ranking.

    A percentile of the last differences of all pairs that changed their order at least twice; 0
    where none did.

    >>> noise([[0.5, 0.7, 0.8], [0.6, 0.6, 0.9], [0.1, 0.2, 0.3]])
    0.09999999999999998
    """
    values = np.asarray(curves, dtype=float)  # (n, epochs)
    if len(values) < 2:
        return 0.0
    first, second = np.triu_indices(len(values), 1)
    ahead = values[first] - values[second]  # (pairs, epochs)
    turned = (ahead[:, 1:] * ahead[:, :-1] < 0).sum(1) >= 2
    return float(np.percentile(np.abs(ahead[turned, -1]), PERCENTILE)) if turned.any() else 0.0


def agree(lower: npt.ArrayLike, upper: npt.ArrayLike, noise: float) -> bool:
    """Whether the trials are ranked at the ``upper`` rung as at the ``lower`` one.

    At each rank of the upper rung stands a trial whose value at the lower rung is that of the trial
    of the same rank there, within ``noise``.

    >>> agree([0.5, 0.6, 0.7], [0.6, 0.8, 0.7], 0.05), agree([0.5, 0.6, 0.7], [0.6, 0.8, 0.7], 0.2)
    (False, True)
    """
    before, after = np.asarray(lower, dtype=float), np.asarray(upper, dtype=float)
    ranked = before[np.argsort(after, kind="stable")]
    return bool((np.abs(ranked - np.sort(before)) <= noise).all())


@dataclass(frozen=True)
class Pasha(Halving):
    """Halving, and a top rung above which only the best go on."""

    def reason(self, trial: int, epoch: int, value: float, evidence: Evidence) -> str | None:
        """That it is not in the best part, or that it came to the top rung and is not the best."""
        if why := super().reason(trial, epoch, value, evidence):
            return why
        top, within = self.top(evidence)
        if top is None or epoch < top:
            return None
        several = len(self.directions) > 1
        own, others = judged(trial, value, evidence.at(epoch), evidence, several)
        if not _beaten(own, others, within, self.directions):
            return None
        return f"not the best of {len(others)} at epoch {epoch}, and the top rung is epoch {top}"

    def top(self, evidence: Evidence) -> tuple[int | None, float]:
        """The top rung, and the noise there; None where the ranking agrees at no rung."""
        within = 0.0
        for lower, upper in zip(self.rungs, self.rungs[1:], strict=False):
            curves = self._best(evidence, upper)
            within = noise(curves)
            if agree(curves[:, lower - 1], curves[:, upper - 1], within):
                return upper, within
        return None, within

    def _best(self, evidence: Evidence, epoch: int) -> Floats:
        """Curves up to ``epoch`` of the best that reached it, a row each; less is worse."""
        sign = -1 if self.directions[0] == "minimize" else 1
        at = evidence.at(epoch)
        best = sorted(at, key=lambda number: (-sign * at[number], number))[:RANKED]
        rows = [_whole(evidence.of(number), epoch) for number in best]
        whole = [row for row in rows if row is not None]
        return sign * np.asarray(whole, dtype=float).reshape(len(whole), epoch)


def _whole(curve: Mapping[int, float], epoch: int) -> list[float] | None:
    """The first ``epoch`` values; None where one is missing."""
    values = [curve.get(number) for number in range(1, epoch + 1)]
    return [value for value in values if value is not None] if None not in values else None


def _beaten(
    own: Sequence[float], others: npt.ArrayLike, noise: float, directions: Sequence[Direction]
) -> bool:
    """Whether another one has a value that is better by more than ``noise``, at no more cost."""
    values = np.asarray(others, dtype=float).reshape(-1, len(directions))
    rows, one = losses(values, directions), losses(own, directions)
    better = rows[:, 0] < one[:, 0] - noise
    return bool((better & (rows[:, 1:] <= one[:, 1:]).all(1)).any())
