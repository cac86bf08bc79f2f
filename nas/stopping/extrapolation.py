"""``curves``: a trial is stopped once its learning curve says that it will not become the best.

What a trial gains from an epoch to the last one is predicted from its value by a straight line
through those that were trained in full, with the uncertainty of a Student's t: what is far from all
of them is uncertain. A trial is stopped when it ends below the best with a probability above
``SURE``; with several objectives, below the best of those that cost no more.

A line with an error of its own takes ``ENOUGH`` whole curves. Until a study has them, the rungs of
successive halving decide; from then on, at each epoch from the grace on, the curves alone do.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nas.metrics import Direction
from nas.stopping.contract import Evidence
from nas.stopping.halving import Halving

SURE = 0.95
ENOUGH = 4  # curves; two of them are spent on the line


def chance_below(value: float, best: float, now: npt.ArrayLike, at_end: npt.ArrayLike) -> float:
    """The probability that a trial with ``value`` ends below ``best``; more is better.

    Args:
        value: what it has at some epoch.
        best: what is to be reached at the last one.
        now: what others had at that epoch, (n,), ``ENOUGH`` or more.
        at_end: what they had at the last one, (n,).

    >>> round(chance_below(0.5, 0.9, [0.6, 0.7, 0.75, 0.8], [0.71, 0.79, 0.86, 0.9]), 2)
    1.0
    """
    from scipy.special import stdtr  # a tenth of a second that other rules need not wait

    x, gains = np.asarray(now, dtype=float), np.asarray(at_end, dtype=float)
    gains = gains - x
    n, middle = len(x), x.mean()
    spread = ((x - middle) ** 2).sum()
    slope = ((x - middle) * gains).sum() / spread if spread else 0.0
    line = gains.mean() + slope * (x - middle)
    away = (value - middle) ** 2 / spread if spread else 0.0
    error = np.sqrt(((gains - line) ** 2).sum() / (n - 2) * (1 + 1 / n + away))
    missing = best - (value + gains.mean() + slope * (value - middle))
    if error == 0:
        return float(missing > 0)
    return float(stdtr(n - 2, missing / error))


@dataclass(frozen=True)
class Extrapolation:
    """Stops what its curve shows to be below the best."""

    rungs: tuple[int, ...]
    reduction: int
    grace: int
    epochs: int
    directions: tuple[Direction, ...]

    def looks_at(self, trial: int, epoch: int) -> bool:
        """From the grace on."""
        return epoch >= self.grace

    def reason(self, trial: int, epoch: int, value: float, evidence: Evidence) -> str | None:
        """That it will not become the best; before enough is known, that of halving."""
        ends = {n: end for n, end in evidence.at(self.epochs).items() if n != trial}
        here = evidence.at(epoch)
        both = [number for number in ends if number in here]
        if len(both) < ENOUGH:
            halving = Halving(self.rungs, self.reduction, self.directions)
            return halving.reason(trial, epoch, value, evidence) if epoch in self.rungs else None
        rivals = list(self._rivals(trial, both, evidence.costs))
        if not rivals:
            return None
        sign = -1 if self.directions[0] == "minimize" else 1
        chance = chance_below(
            sign * value,
            max(sign * ends[number] for number in rivals),
            [sign * here[number] for number in both],
            [sign * ends[number] for number in both],
        )
        if chance <= SURE:
            return None
        return f"below the best of {len(rivals)} with a probability of {chance:.3f}"

    def _rivals(
        self, trial: int, among: Iterable[int], costs: Mapping[int, npt.ArrayLike]
    ) -> Iterable[int]:
        """Those that cost no more than the trial; all where there are no costs."""
        if len(self.directions) == 1:
            return among
        own = np.asarray(costs[trial])
        return (n for n in among if n in costs and (np.asarray(costs[n]) <= own).all())
