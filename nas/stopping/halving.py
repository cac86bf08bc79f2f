"""Asynchronous successive halving: who is stopped early.

Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning", in the stopping variant
that Ray Tune's ASHAScheduler implements. The state is what the study database holds, so a decision
is the same after a restart, and drivers that share a study share their rungs.
"""

from collections.abc import Sequence

import numpy as np


def rungs(grace: int, reduction: int, epochs: int) -> list[int]:
    """Epochs at which trials are compared: grace × reduction^k, below ``epochs``."""
    found = []
    epoch = grace
    while epoch < epochs:
        found.append(epoch)
        epoch *= reduction
    return found


def stops(value: float, earlier: Sequence[float], reduction: int, minimizes: bool = False) -> bool:
    """Whether a trial with ``value`` at a rung is worse than the best 1/``reduction`` of those that
    came to it ``earlier``; the first one goes on. Less is better where the study ``minimizes``."""
    if not earlier:
        return False
    if minimizes:
        return value > float(np.percentile(earlier, 100 / reduction))
    return value < float(np.percentile(earlier, 100 * (1 - 1 / reduction)))
