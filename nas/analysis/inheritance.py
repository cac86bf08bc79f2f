"""What inherited results are worth: how they rank networks, beside trainings from scratch."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
from scipy import stats

from nas.analysis.measured import measure_of
from nas.study.states import INHERITED


class Agreement(NamedTuple):
    """Of the networks that a study trained in both ways."""

    networks: int
    kendall: float
    """Kendall's τ_b of the two values of each network; NaN of fewer than two, or where all are
    equal."""
    gain: float
    """Mean of the inherited value less the one from scratch; NaN where there is none."""


def agreement(trials: pd.DataFrame) -> Agreement:
    """How the inherited values of a study rank its networks as those from scratch do.

    ``trials`` is ``Study.frame()``. Of a network that was inherited twice, the better value counts,
    as it was chosen by that.

    >>> frame = pd.DataFrame({"key": [*"aabb"], "state": ["INHERITED", "COMPLETE"] * 2,
    ...                       "policy": "random", "val_accuracy": [0.6, 0.5, 0.9, 0.7],
    ...                       "metric": "val_accuracy", "direction": "maximize"})
    >>> agreement(frame)
    Agreement(networks=2, kendall=1.0, gain=0.15)
    """
    metric = measure_of(trials).metric
    own = trials[trials["policy"] != "reused"]
    same = ["key", *(name for name in own if str(name).startswith("training."))]
    inherited = own[own["state"] == INHERITED].groupby(same, dropna=False)[metric].max()
    scratch = own[own["state"] == "COMPLETE"].groupby(same, dropna=False)[metric].first()
    pairs = pd.DataFrame({"inherited": inherited, "scratch": scratch}).dropna()
    gain = (pairs["inherited"] - pairs["scratch"]).mean()
    tau = float("nan")
    if len(pairs) > 1:
        tau = float(stats.kendalltau(pairs["inherited"], pairs["scratch"]).statistic)
    return Agreement(len(pairs), tau, round(float(gain), 12))
