"""What a random network of a design space reaches."""

from __future__ import annotations

from typing import Unpack

import numpy as np
import pandas as pd

from nas.analysis.comparison import Estimate
from nas.analysis.edf import fraction
from nas.analysis.population import Rules, population
from nas.analysis.two_samples import Side, weighted_median


def typical(
    trials: pd.DataFrame,
    *,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
    **rules: Unpack[Rules],
) -> Estimate:
    """The median accuracy of the networks of one study, a fraction of 1, with its interval.

    The interval is of a bootstrap that draws networks, each with all of its draws.

    Raises:
        AnalysisError: trials that the rules refuse.
    """
    fraction(level, "level")
    space = population(trials, rules)
    side = Side(space.errors, np.zeros(len(space), dtype=np.intp), space.networks, 1)
    drawn = side.resampled(draws, np.random.default_rng(seed))
    low, high = np.quantile(
        1 - weighted_median(side.errors, drawn), [(1 - level) / 2, (1 + level) / 2]
    )
    middle = 1 - float(weighted_median(side.errors, side.weights))
    return Estimate(middle, float(low), float(high))
