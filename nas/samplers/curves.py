"""What stopped trials would have had in the end, by what those that went on gained.

From the last step of a trial to the end, the value of others that have both is a straight line of
their value at that step, about which it scatters. Trials that were stopped later stand in for the
end with their own estimate: the way from the first step is known from all that went beyond it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
LINE = 6  # points that a straight line is put through; with fewer, the gain is their median


def estimates(
    curves: Sequence[Mapping[int, float]], finals: Sequence[float | None]
) -> tuple[Array, Array]:
    """The final value of every trial, and the variance of what is no more than an estimate.

    ``curves`` have values by step; ``finals`` those of trials that came to their end, and None for
    others. One without any value is nan.
    """
    known = np.array([np.nan if final is None else final for final in finals], dtype=float)
    spread = np.zeros(len(known))
    last = np.array([max(curve, default=-1) for curve in curves], dtype=int)
    stopped = np.isnan(known)
    ends = sorted({int(step) for step in last[stopped] if step >= 0}, reverse=True)
    for step in ends:
        here = np.flatnonzero(stopped & (last == step))
        now = np.array([curves[int(i)][step] for i in here])
        beyond = [i for i in range(len(known)) if step in curves[i] and not np.isnan(known[i])]
        before = np.array([curves[i][step] for i in beyond])
        known[here], spread[here] = _carried(now, before, known[beyond], spread[beyond])
    return known, spread


def _carried(now: Array, before: Array, after: Array, spread: Array) -> tuple[Array, Array]:
    """Estimates for values ``now`` at a step, where others had ``before`` then and ``after``."""
    if len(before) < LINE or np.ptp(before) == 0:
        gain = float(np.median(after - before)) if len(before) else 0.0
        scatter = float(np.var(after - before)) if len(before) > 1 else 0.0
        return now + gain, np.full(len(now), scatter)
    middle = before.mean()
    slope = float(((before - middle) * after).sum() / ((before - middle) ** 2).sum())
    slope = min(max(slope, 0.0), 1.5)  # a better start is no worse end
    rest = after - after.mean() - slope * (before - middle)
    variance = float((rest**2).sum() / (len(rest) - 2) + spread.mean())
    return after.mean() + slope * (now - middle), np.full(len(now), variance)
