"""Two samples of weighted errors: their tests, medians, and bootstrap.

A weight is 1/n, or, at matched cost, 1 / (networks in the bin of the cost · number of bins).
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from nas.analysis.edf import Places, bin_weights, step
from nas.analysis.population import Floats


class Side(NamedTuple):
    """The networks of one design space."""

    errors: Floats  # (n,)
    place: Places  # (n,) bin of the cost
    bins: int

    @property
    def weights(self) -> Floats:
        """(n,) adding up to 1."""
        return bin_weights(self.place, self.bins)

    def resampled(self, draws: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """(draws, n) errors and weights, drawn anew within each bin."""
        order = np.argsort(self.place, kind="stable")
        counts = np.bincount(self.place, minlength=self.bins)
        start = np.repeat(np.cumsum(counts) - counts, counts)
        inside = (rng.random((draws, len(order))) * np.repeat(counts, counts)).astype(int)
        chosen = order[start + inside]
        return self.errors[chosen], np.broadcast_to(self.weights[order], chosen.shape)


def scipy_tests(a: Floats, b: Floats) -> dict[str, float]:
    """Kolmogorov–Smirnov, both one-sided forms of it, and Mann–Whitney, as SciPy has them."""
    with warnings.catch_warnings():  # that it takes the asymptotic p where there are ties
        warnings.simplefilter("ignore", RuntimeWarning)
        both, above, below = (
            stats.ks_2samp(a, b, alternative=which) for which in ("two-sided", "greater", "less")
        )
    return {
        "ks": float(both.statistic),
        "ks_p": float(both.pvalue),
        "a_dominates_p": float(above.pvalue),
        "b_dominates_p": float(below.pvalue),
        "p": float(stats.mannwhitneyu(a, b).pvalue),
    }


def permutation_tests(a: Side, b: Side, draws: int, rng: np.random.Generator) -> dict[str, float]:
    """The same tests with weights: which network is of which space is permuted within each bin."""
    errors, place = np.concatenate([a.errors, b.errors]), np.concatenate([a.place, b.place])
    at = np.unique(errors)
    labels = np.arange(len(errors)) < len(a.errors)

    def measures(is_a: NDArray[np.bool_]) -> tuple[float, float, float]:
        (x, wx), (y, wy) = (
            (errors[side], bin_weights(place[side], a.bins)) for side in (is_a, ~is_a)
        )
        gap = step(x, wx, at) - step(y, wy, at)
        return float(gap.max()), float(-gap.min()), abs(p_better(x, wx, y, wy) - 0.5)

    def shuffled() -> NDArray[np.bool_]:
        mixed = labels.copy()
        for each in range(a.bins):
            inside = np.flatnonzero(place == each)
            mixed[inside] = labels[rng.permutation(inside)]
        return mixed

    above, below, effect = measures(labels)
    null = np.array([measures(shuffled()) for _ in range(draws)])

    def p(statistic: Floats, seen: float) -> float:
        return float((1 + np.sum(statistic >= seen - 1e-12)) / (1 + draws))

    return {
        "ks": max(above, below),
        "ks_p": p(null[:, :2].max(axis=1), max(above, below)),
        "a_dominates_p": p(null[:, 0], above),
        "b_dominates_p": p(null[:, 1], below),
        "p": p(null[:, 2], effect),
    }


def p_better(a: Floats, weights_a: Floats, b: Floats, weights_b: Floats) -> float:
    """P(e_a < e_b) + ½ P(e_a = e_b), of weighted errors."""
    order = np.argsort(b)
    total = np.concatenate([[0.0], np.cumsum(weights_b[order])])
    below = total[np.searchsorted(b[order], a, side="left")]
    up_to = total[np.searchsorted(b[order], a, side="right")]
    return float(np.sum(weights_a * (total[-1] - (below + up_to) / 2)))


def weighted_median(errors: Floats, weights: Floats) -> Floats:
    """(…,) weighted medians of (…, n): with equal weights, the median."""
    order = np.argsort(errors, axis=-1)
    ordered = np.take_along_axis(errors, order, -1)
    total = np.cumsum(np.take_along_axis(weights, order, -1), axis=-1)
    # half of the weight lies up to one of the two, and half from the other one on
    first = np.argmax(total >= 0.5 - 1e-9, axis=-1)[..., None]
    second = np.argmax(total > 0.5 + 1e-9, axis=-1)[..., None]
    middle = np.take_along_axis(ordered, first, -1) + np.take_along_axis(ordered, second, -1)
    return np.asarray(middle[..., 0] / 2)
