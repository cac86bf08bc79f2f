"""``asha``: asynchronous successive halving. At each rung, the best 1/``reduction`` go on.

Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning", in the stopping variant
that Ray Tune's ASHAScheduler implements. With several objectives, "best" goes by the non-dominated
rank (MO-ASHA).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nas.dominance import Floats, ranks
from nas.metrics import Direction
from nas.stopping.contract import Evidence


def rungs(grace: int, reduction: int, epochs: int) -> list[int]:
    """Epochs at which trials are compared: grace × reduction^k, below ``epochs``."""
    found = []
    epoch = grace
    while epoch < epochs:
        found.append(epoch)
        epoch *= reduction
    return found


def stops(
    value: float, earlier: Sequence[float] | Floats, reduction: int, minimizes: bool = False
) -> bool:
    """Whether a trial with ``value`` at a rung is worse than the best 1/``reduction`` of those that
    came to it ``earlier``; the first one goes on. Less is better where the study ``minimizes``."""
    if not len(earlier):
        return False
    if minimizes:
        return value > float(np.percentile(earlier, 100 / reduction))
    return value < float(np.percentile(earlier, 100 * (1 - 1 / reduction)))


def outranked(
    own: Sequence[float], earlier: npt.ArrayLike, reduction: int, directions: Sequence[Direction]
) -> bool:
    """``stops`` for a trial with the values ``own`` (k,) and ``earlier`` ones (n, k).

    With one objective it is ``stops``. With several, the trial's non-dominated rank among all is
    compared with the best 1/``reduction`` of the others' ranks. Costs are known before training,
    so what many others of no more cost are ahead of has the worst ranks and stops first.

    >>> outranked([0.7, 3.0], [[0.9, 2.0], [0.8, 1.0], [0.5, 4.0]], 2, ["maximize", "minimize"])
    True
    """
    values = np.asarray(earlier, dtype=float).reshape(-1, len(directions))  # (n, k)
    if len(directions) == 1:
        return stops(own[0], values[:, 0], reduction, directions[0] == "minimize")
    if not len(values):
        return False
    mine, *others = ranks([own, *values], directions)
    return bool(mine > np.percentile(others, 100 / reduction))


@dataclass(frozen=True)
class Halving:
    """Compares a trial with those that came to the same rung, in the first of ``directions`` by
    its curve and in the others by its costs."""

    rungs: tuple[int, ...]
    reduction: int
    directions: tuple[Direction, ...]

    def looks_at(self, trial: int, epoch: int) -> bool:
        """At its rungs."""
        return epoch in self.rungs

    def reason(self, trial: int, epoch: int, value: float, evidence: Evidence) -> str | None:
        """That it is not in the best part of those that came to the rung earlier."""
        return self.compare(trial, epoch, value, evidence, evidence.at(epoch))

    def compare(
        self, trial: int, epoch: int, value: float, evidence: Evidence, among: Mapping[int, float]
    ) -> str | None:
        """``reason``, where the trials at the rung are those ``among``, with their values."""
        own, earlier = judged(trial, value, among, evidence, len(self.directions) > 1)
        if not outranked(own, earlier, self.reduction, self.directions):
            return None
        return f"not in the best 1/{self.reduction} of {len(earlier)} at epoch {epoch}"


def judged(
    trial: int, value: float, among: Mapping[int, float], evidence: Evidence, has_costs: bool
) -> tuple[list[float], Floats]:
    """What a trial and the other ones ``among`` are judged by: their values, then their costs."""
    others = {number: one for number, one in among.items() if number != trial}
    if not has_costs:
        return [value], np.array(list(others.values()), dtype=float)[:, None]  # (n, 1)
    own, costs = [value, *evidence.costs[trial]], evidence.costs
    known = [[one, *costs[number]] for number, one in others.items() if number in costs]
    return own, np.array(known, dtype=float).reshape(-1, len(own))  # (n, k)
