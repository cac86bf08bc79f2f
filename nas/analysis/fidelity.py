"""Does a short training rank networks as a long one does: rank correlation between fidelities."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from nas.analysis.edf import fraction
from nas.analysis.measured import measure_of
from nas.errors import AnalysisError, choose
from nas.quantity import plural

TRIALS = 5


def rank_correlation(
    curves: pd.DataFrame,
    *,
    late: int | None = None,
    stopped: Literal["refuse", "drop"] = "refuse",
    level: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """How the accuracies after each epoch rank the networks as those after epoch ``late`` do.

    ``curves`` is ``Study.epochs()``; the last attempt of a trial holds its whole curve. Columns:
    early, late (epochs; late is the last one by default), kendall, kendall_low, kendall_high,
    spearman, spearman_low, spearman_high (intervals of a bootstrap over trials), n.

    Trials that did not come to ``late`` were stopped for being poor (or still run). Without them
    the rest is more alike and the correlation lower than among all, so they are refused unless
    ``stopped="drop"``.

    Raises:
        AnalysisError: such trials; an epoch that no trial came to; fewer than 5 trials.
    """
    fraction(level, "level")
    if stopped not in ("refuse", "drop"):
        raise AnalysisError(f"stopped is {stopped!r}; {choose(stopped, ('refuse', 'drop'))}")
    metric = measure_of(curves).metric
    wide = last_curves(curves).pivot(index="number", columns="epoch", values=metric)
    epochs = sorted(int(epoch) for epoch in wide.columns)
    if len(epochs) < 2:
        raise AnalysisError(
            "no trial has two epochs to compare; use a study with --epochs 2 or more"
        )
    end = epochs[-1] if late is None else late
    if end not in epochs[1:]:
        raise AnalysisError(f"late is {end}; accepted: {', '.join(map(str, epochs[1:]))}")
    missing = int(wide[end].isna().sum())
    if missing and stopped == "refuse":
        raise AnalysisError(
            f"{missing} of {len(wide)} trials did not come to epoch {end}: those that did were "
            "chosen by their rank; use a study with --scheduler none, or stopped='drop'"
        )
    full = wide[wide[end].notna()]
    if len(full) < TRIALS:
        came = plural(len(full), "trial")
        raise AnalysisError(f"{came} came to epoch {end}; accepted: {TRIALS} or more")
    at = np.array([epoch for epoch in epochs if epoch < end])
    chosen = np.random.default_rng(seed).integers(len(full), size=(draws, len(full)))
    final = full[end].to_numpy(float)
    rows = []
    for early in at:
        x = full[early].to_numpy(float)
        row: dict[str, float] = {"early": int(early), "late": end}
        for name, measure in (("kendall", stats.kendalltau), ("spearman", stats.spearmanr)):
            values = np.array([_statistic(measure, x[k], final[k]) for k in chosen])
            values = values[np.isfinite(values)]
            row[name] = _statistic(measure, x, final)
            row[f"{name}_low"], row[f"{name}_high"] = (
                np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
                if len(values)
                else (np.nan, np.nan)
            )
        rows.append(row | {"n": len(full)})
    return pd.DataFrame(rows)


def last_curves(curves: pd.DataFrame) -> pd.DataFrame:
    """The rows of the last attempt of each trial, which hold its whole curve; of those from scratch
    alone."""
    if "inherits" in curves:
        curves = curves[curves["inherits"].isna()]
    last = curves.groupby("number")["attempt"].transform("max")
    return curves[curves["attempt"] == last]


def _statistic(measure: object, x: object, y: object) -> float:
    # a draw in which all are equal has no ranks: NaN, and left out of the interval
    if np.ptp(x) == 0 or np.ptp(y) == 0:  # type: ignore[call-overload]
        return float("nan")
    return float(measure(x, y).statistic)  # type: ignore[operator]
