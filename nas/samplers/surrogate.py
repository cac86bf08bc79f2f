"""A Gaussian process for a few hundred results: what a candidate would have, and how sure that is.

k(a, b) = (1 − trend)·(Matérn 5/2 of |a − b| / length + a·b / d) / 2 + trend·a₀·b₀ on standardised
features: a part for what is additive, as most of an architecture's effect is, one for the rest, one
for the first feature alone, the size. Rasmussen & Williams 2006, algorithm 2.1; length, noise and
trend are those of a grid with the highest evidence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular
from scipy.special import ndtr, ndtri

Array = NDArray[np.float64]

LENGTHS = (0.5, 1.0, 2.0, 4.0)  # times the root of the number of features
NOISES = (0.01, 0.05, 0.2, 0.6)  # share of the variance of results
TRENDS = (0.0, 0.4)  # share of what goes with the size
JITTER = 1e-8


@dataclass(frozen=True)
class Hyper:
    """Of a process."""

    length: float
    noise: float
    trend: float


class Process:
    """A Gaussian process given results: features (n, d), the size first, values (n,), and variances
    (n,) of those that are estimates, as shares of the variance of ``values``."""

    def __init__(
        self, features: Array, values: Array, variances: Array, hyper: Hyper | None = None
    ) -> None:
        self._middle = features.mean(axis=0)
        scale = features.std(axis=0)
        self._scale = np.where(scale < 1e-9, 1.0, scale)  # a knob at one value says nothing
        self._points = (features - self._middle) / self._scale
        self._mean = float(values.mean())
        self._values = values - self._mean
        self._variances = variances
        self.hyper = hyper or self._most_evident()
        self._factor = self._factored(self.hyper)
        half = solve_triangular(self._factor, self._values, lower=True, check_finite=False)
        self._variance = max(float(half @ half) / len(half), 1e-12)
        self._weights = solve_triangular(
            self._factor, half, lower=True, trans="T", check_finite=False
        )

    def predict(self, features: Array) -> tuple[Array, Array]:
        """(m,) means and (m,) standard deviations of candidates' values, without noise."""
        points = (features - self._middle) / self._scale
        share, trend = 1 - self.hyper.noise, self.hyper.trend
        between = share * _kernel(points, self._points, self.hyper)
        solved = solve_triangular(self._factor, between.T, lower=True, check_finite=False)
        rest = (1 + (points**2).mean(axis=1)) / 2
        own = share * ((1 - trend) * rest + trend * points[:, 0] ** 2)
        variance = np.maximum(own - (solved**2).sum(axis=0), 1e-9) * self._variance
        return self._mean + between @ self._weights, np.sqrt(variance)

    def _factored(self, hyper: Hyper) -> Array:
        kernel = (1 - hyper.noise) * _kernel(self._points, self._points, hyper)
        kernel[np.diag_indices_from(kernel)] += hyper.noise + self._variances + JITTER
        factor: Array = cholesky(kernel, lower=True, overwrite_a=True, check_finite=False)
        return factor

    def _most_evident(self) -> Hyper:
        root = math.sqrt(self._points.shape[1])
        grid = product(LENGTHS, NOISES, TRENDS)
        return max((Hyper(a * root, noise, trend) for a, noise, trend in grid), key=self._evidence)

    def _evidence(self, hyper: Hyper) -> float:
        """The logarithm of the likelihood, up to a constant, with the best variance."""
        factor = self._factored(hyper)
        half = solve_triangular(factor, self._values, lower=True, check_finite=False)
        variance = max(float(half @ half) / len(half), 1e-12)
        return -0.5 * len(half) * math.log(variance) - float(np.log(np.diag(factor)).sum())


def _kernel(left: Array, right: Array, hyper: Hyper) -> Array:
    inner = left @ right.T
    squares = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)[None] - 2 * inner
    far = np.sqrt(5 * np.maximum(squares, 0)) / hyper.length
    matern = (1 + far + far**2 / 3) * np.exp(-far)
    sizes = np.outer(left[:, 0], right[:, 0])
    mixed: Array = (1 - hyper.trend) * (matern + inner / left.shape[1]) / 2 + hyper.trend * sizes
    return mixed


def expected_improvement(means: Array, deviations: Array, best: float) -> Array:
    """E[max(value − best, 0)] of each candidate. Jones et al. 1998."""
    z = (means - best) / deviations
    density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    found: Array = deviations * (z * ndtr(z) + density)
    return found


def as_gaussian(values: Sequence[float] | Array) -> Array:
    """Values at the quantiles of a normal distribution that their ranks have; equal ones are equal.

    A network that never learns is far below all others; its rank is just the last one.
    """
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # from 1; the mean of those that are equal
    found: Array = ndtri((ranks[place] - 0.5) / len(place))
    return found
