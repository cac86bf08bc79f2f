"""How good the best of m random networks is: the efficiency of random search in a space.

Radosavovic et al. 2019, "On Network Design Spaces for Visual Recognition", arXiv:1905.13214: n
networks are split at random into n // m draws of m, and the error of the best of each is averaged.
Networks are different ones: random search trains none of them twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Unpack

import numpy as np
import pandas as pd

from nas.analysis.measured import refuse_scores
from nas.analysis.population import Floats, Rules, whole
from nas.errors import AnalysisError
from nas.quantity import plural


def efficiency(
    trials: pd.DataFrame,
    *,
    sizes: Sequence[int] | None = None,
    seed: int = 0,
    **rules: Unpack[Rules],
) -> pd.DataFrame:
    """The error of the best of m networks, by study.

    Columns: study, m, draws (of m networks), error, stderr, low, high, n (different networks).

    ``sizes`` are the m, by default 1, 2, 4, … up to n. ``stderr`` is the standard error of the
    mean over the draws; low and high are two of it away. A single draw has none: NaN.

    Raises:
        AnalysisError: trials that the rules refuse; a size above the number of networks.
    """
    rows = []
    for space in whole(trials, rules).values():
        refuse_scores(space.trials)
        errors = 1 - space.distinct["val_accuracy"].to_numpy(float)
        errors = np.random.default_rng(seed).permutation(errors)
        n = len(errors)
        for m in sizes or [2**p for p in range(n.bit_length())]:
            if not 1 <= m <= n:
                raise AnalysisError(
                    f"m is {m}; accepted: 1 to {n}, as {space.study} has {plural(n, 'network')}"
                )
            best = errors[: n // m * m].reshape(-1, m).min(axis=1)
            stderr = best.std(ddof=1) / sqrt(len(best)) if len(best) > 1 else np.nan
            mean = best.mean()
            rows.append(
                (space.study, m, len(best), mean, stderr, mean - 2 * stderr, mean + 2 * stderr, n)
            )
    columns = ["study", "m", "draws", "error", "stderr", "low", "high", "n"]
    return pd.DataFrame(rows, columns=columns)


def expected_best(errors: Floats, m: int, weights: Floats | None = None) -> Floats:
    """(…,) the expected lowest error among m networks drawn with replacement.

    ``errors`` is (n,), ``weights`` (…, n), by default equal ones. A sum over the order statistics,
    E = Σ e₍ᵢ₎ (Sᵢᵐ − Sᵢ₊₁ᵐ) with Sᵢ the weight of the i-th best and all that are worse: smooth, so
    that a bootstrap of it is valid, which one of the minimum itself is not.
    """
    order = np.argsort(errors)
    if weights is None:
        weights = np.full(errors.shape, 1 / len(errors))
    each = weights[..., order]
    worse = np.cumsum(each[..., ::-1], axis=-1)[..., ::-1]
    power = np.clip(worse, 0, 1) ** m
    power[..., 0] = 1
    after = np.concatenate([power[..., 1:], np.zeros_like(power[..., :1])], axis=-1)
    return np.asarray((power - after) @ errors[order])
