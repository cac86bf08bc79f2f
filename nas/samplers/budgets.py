"""What a candidate would add to a front: improvement on the best within each of many budgets.

The area that a front dominates is the sum, over all budgets of the costs, of the best value within
the budget. So the expected improvement of that area is the mean, over budgets that the candidate
keeps, of its expected improvement on the best that keeps them: the expected hypervolume improvement
(Emmerich et al. 2006) where costs are known and the value alone is uncertain.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nas.samplers.surrogate import expected_improvement

Array = NDArray[np.float64]

BUDGETS = 128  # points at which fronts are compared
SPREAD = 10.0  # a cost whose largest value is so many times its least counts by its logarithm


def as_costs(columns: Array) -> Array:
    """(n, k) costs, less is better, of (n, k) objectives where more is better.

    Positive ones that differ by a factor of ten or more are given as logarithms.
    """
    costs = -columns
    for k in range(costs.shape[1]):
        column = costs[:, k]
        if column.min() > 0 and column.max() > SPREAD * column.min():
            costs[:, k] = np.log(column)
    return costs


def budgets(costs: Array, seed: int) -> Array:
    """(b, k) budgets, evenly between the least and the most of (n, k) costs."""
    least, most = costs.min(axis=0), costs.max(axis=0)
    if costs.shape[1] == 1:
        places = (np.arange(BUDGETS)[:, None] + 0.5) / BUDGETS
    else:
        places = np.random.default_rng(seed).random((BUDGETS, costs.shape[1]))
    found: Array = least + places * (most - least)
    return found


def area_improvement(
    means: Array, deviations: Array, costs: Array, known: Array, known_costs: Array, at: Array
) -> Array:
    """(n,) the expected improvement of the dominated area by each of n candidates.

    ``means`` and ``deviations`` (n,) are of their values, ``costs`` (n, k) theirs; ``known`` (m,)
    and ``known_costs`` (m, k) of the results so far, ``at`` (b, k) the budgets.
    """
    keeps = (known_costs[:, None] <= at[None]).all(axis=2)  # (m, b)
    best = np.where(keeps, known[:, None], known.min()).max(axis=0)  # (b,)
    gains = expected_improvement(means[:, None], deviations[:, None], best[None])
    mean: Array = np.where((costs[:, None] <= at[None]).all(axis=2), gains, 0.0).mean(axis=1)
    return mean
