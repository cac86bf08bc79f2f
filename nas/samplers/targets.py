"""Results as numbers, constraints and failures included: more is better."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nas.dominance import ranks
from nas.samplers.curves import estimates
from nas.samplers.history import Result

Array = NDArray[np.float64]
BEYOND = 0.1  # of the range of values lies between the worst one and the least violation


def targets(results: Sequence[Result], objectives: int) -> tuple[Array, Array]:
    """(n, k) values; (n,) variances of the first one, as shares of its variance.

    A stopped trial has the estimate of its first value, and of others what is like it has. One that
    failed by itself is the worst in all; below it are those that break a constraint, by how much.
    """
    values = np.full((len(results), objectives), np.nan)
    finals = [None if one.values is None else one.values[0] for one in results]
    values[:, 0], spread = estimates([{} if one.failed else one.curve for one in results], finals)
    for i, one in enumerate(results):
        if one.values is not None:
            values[i] = one.values
    bad = np.array([one.failed for one in results])
    for k in range(1, objectives):
        _fill(values[:, k], results, ~bad)
    violations = np.array([one.violation for one in results])
    for k in range(objectives):
        column = values[:, k]
        fine = column[np.isfinite(column) & (violations == 0)]
        if not len(fine):
            fine = column[np.isfinite(column)] if np.isfinite(column).any() else np.zeros(1)
        worst, reach = fine.min(), max(float(np.ptp(fine)), 1e-9)
        column[~np.isfinite(column)] = worst
        broken = violations > 0
        if broken.any():
            column[broken] = worst - reach * (BEYOND + violations[broken] / violations.max())
    variance = float(values[:, 0].var())
    return values, spread / variance if variance else np.zeros(len(results))


def _fill(column: Array, results: Sequence[Result], wanted: NDArray[np.bool_]) -> None:
    """Give each missing value that is wanted the value of the nearest result that has one."""
    known = np.flatnonzero(np.isfinite(column))
    if not len(known):
        return
    features = np.array([one.candidate.features for one in results])
    scale = np.where((deviation := features.std(axis=0)) < 1e-9, 1.0, deviation)
    points = features / scale
    for i in np.flatnonzero(~np.isfinite(column) & wanted):
        column[i] = column[known[np.abs(points[known] - points[i]).sum(axis=1).argmin()]]


def fronts(values: Array) -> NDArray[np.int64]:
    """(n,) how many fronts dominate each row of (n, k): 0 is the front. Deb et al. 2002."""
    return ranks(values, ["maximize"] * values.shape[1])


def crowding(values: Array, rank: NDArray[np.int64]) -> Array:
    """(n,) how far the neighbours of each row are within its front; endless at its ends."""
    found = np.zeros(len(values))
    for level in np.unique(rank):
        front = np.flatnonzero(rank == level)
        for k in range(values.shape[1]):
            order = front[values[front, k].argsort(kind="stable")]
            reach = values[order[-1], k] - values[order[0], k] or 1.0
            found[order[[0, -1]]] = np.inf
            found[order[1:-1]] += (values[order[2:], k] - values[order[:-2], k]) / reach
    return found
