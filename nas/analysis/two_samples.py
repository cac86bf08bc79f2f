"""Two samples of weighted errors: their tests, medians, and bootstrap.

A weight is 1/n, or, at matched cost, 1 / (networks in the bin of the cost · number of bins). What
is drawn anew, or permuted, is networks: one that was drawn repeatedly is one piece of evidence.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from nas.analysis.edf import bin_weights
from nas.analysis.population import Floats, Places

CHUNK = 200  # permutations at a time: a matrix of all would not fit the memory of a laptop


class Side(NamedTuple):
    """Draws of networks of one design space."""

    errors: Floats  # (n,)
    place: Places  # (n,) bin of the cost
    networks: Places  # (n,) equal numbers are one network; each lies in one bin
    bins: int

    @property
    def weights(self) -> Floats:
        """(n,) adding up to 1."""
        return bin_weights(self.place, self.bins)

    @property
    def distinct(self) -> int:
        """Of different networks."""
        return len(np.unique(self.networks))

    def resampled(self, draws: int, rng: np.random.Generator) -> Floats:
        """(draws, n) weights, networks drawn anew within each bin, each with all of its draws."""
        weights = np.zeros((draws, len(self.errors)))
        for each in range(self.bins):
            inside = np.flatnonzero(self.place == each)
            _, network = np.unique(self.networks[inside], return_inverse=True)
            count = int(network.max()) + 1
            chosen = rng.integers(count, size=(draws, count)) + count * np.arange(draws)[:, None]
            times = np.bincount(chosen.ravel(), minlength=draws * count).reshape(draws, count)
            drawn = times[:, network]
            weights[:, inside] = drawn / (drawn.sum(axis=1, keepdims=True) * self.bins)
        return weights


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
    """The same tests with weights: which network is of which space is permuted within each bin.

    A network that was drawn repeatedly changes sides with all of its draws.
    """
    errors = np.concatenate([a.errors, b.errors])
    order = np.argsort(errors, kind="stable")
    errors, place = errors[order], np.concatenate([a.place, b.place])[order]
    of_a = np.arange(len(errors)) < len(a.errors)
    # a network that both sides have is one on each
    unit = np.concatenate([a.networks, b.networks + 1 + a.networks.max()])[order]
    labels = of_a[order]
    first = np.searchsorted(errors, errors, side="left")
    last = np.searchsorted(errors, errors, side="right")
    bins = [np.flatnonzero(place == each) for each in range(a.bins)]

    def shuffled(count: int) -> NDArray[np.bool_]:
        mixed = np.empty((count, len(errors)), dtype=bool)
        for inside in bins:
            _, where, network = np.unique(unit[inside], return_index=True, return_inverse=True)
            sides = np.tile(labels[inside][where], (count, 1))
            mixed[:, inside] = rng.permuted(sides, axis=1)[:, network]
        return mixed

    def measures(is_a: NDArray[np.bool_]) -> Floats:
        """(…, 3) F_A above F_B at most, below it at most, |P(A better) − ½|."""
        x, y = (_in_bins(side, bins) for side in (is_a, ~is_a))
        sum_x, sum_y = _cumulated(x), _cumulated(y)
        gap = (sum_x - sum_y)[:, last]
        better = (x * (1 - (sum_y[:, first] + sum_y[:, last]) / 2)).sum(axis=1)
        return np.stack([gap.max(axis=1), -gap.min(axis=1), np.abs(better - 0.5)], axis=1)

    ((above, below, effect),) = measures(labels[None])
    null = np.concatenate(
        [measures(shuffled(min(CHUNK, draws - done))) for done in range(0, draws, CHUNK)]
    )

    def p(statistic: Floats, seen: float) -> float:
        return float((1 + np.sum(statistic >= seen - 1e-12)) / (1 + draws))

    return {
        "ks": float(max(above, below)),
        "ks_p": p(null[:, :2].max(axis=1), max(above, below)),
        "a_dominates_p": p(null[:, 0], above),
        "b_dominates_p": p(null[:, 1], below),
        "p": p(null[:, 2], effect),
    }


def p_better(a: Floats, weights_a: Floats, b: Floats, weights_b: Floats) -> Floats:
    """(…,) P(e_a < e_b) + ½ P(e_a = e_b), of errors (n,) with weights (…, n)."""
    order = np.argsort(b)
    total = _cumulated(weights_b[..., order])
    below = total[..., np.searchsorted(b[order], a, side="left")]
    up_to = total[..., np.searchsorted(b[order], a, side="right")]
    return np.asarray(np.sum(weights_a * (1 - (below + up_to) / 2), axis=-1))


def weighted_median(errors: Floats, weights: Floats) -> Floats:
    """(…,) weighted medians of errors (n,) with weights (…, n): with equal ones, the median."""
    order = np.argsort(errors)
    ordered, total = errors[order], np.cumsum(weights[..., order], axis=-1)
    # half of the weight lies up to one of the two, and half from the other one on
    first = np.argmax(total >= 0.5 - 1e-9, axis=-1)
    second = np.argmax(total > 0.5 + 1e-9, axis=-1)
    return np.asarray((ordered[first] + ordered[second]) / 2)


def _in_bins(side: NDArray[np.bool_], bins: Sequence[Places]) -> Floats:
    """(…, n) weights of those on a side, equal in each bin and adding up to 1."""
    weights = np.zeros(side.shape)
    for inside in bins:
        chosen = side[:, inside]
        weights[:, inside] = chosen / (chosen.sum(axis=1, keepdims=True) * len(bins))
    return weights


def _cumulated(weights: Floats) -> Floats:
    """(…, n + 1) the sum of the first 0, 1, …, n weights."""
    total = np.cumsum(weights, axis=-1)
    return np.concatenate([np.zeros_like(total[..., :1]), total], axis=-1)
