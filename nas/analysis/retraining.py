"""What networks of a study are worth, by trainings with new seeds: means with intervals."""

from __future__ import annotations

import math

import pandas as pd
from scipy import stats

ESTIMATES = {
    "number": "int64", "recipe": "string", "epochs": "Int64", "trainings": "int64",
    "val_accuracy": "float64", "val_half": "float64",
    "tested": "int64", "test_accuracy": "float64", "test_half": "float64",
}  # fmt: skip
LEVEL = 0.95


def estimates(retrained: pd.DataFrame, level: float = LEVEL) -> pd.DataFrame:
    """One row per network, recipe and length: ``ESTIMATES``, the best mean first.

    ``val_half`` and ``test_half`` are half of the interval of the mean that Student's t gives; NaN
    of one training. The interval of a network that was chosen by the search holds for it: its
    trainings had no part in the choice. The best of these means is chosen again, by validation; its
    test accuracy is the number to quote.

    Args:
        retrained: ``study.retrained()``; trainings that did not end are left out.
        level: of the intervals.

    >>> frame = pd.DataFrame({"number": [3, 3], "recipe": "long", "epochs": 9, "state": "COMPLETE",
    ...                       "val_accuracy": [0.91, 0.93], "test_accuracy": [0.92, math.nan]})
    >>> estimates(frame)[["number", "trainings", "val_accuracy", "tested"]].values.tolist()
    [[3.0, 2.0, 0.92, 1.0]]
    """
    done = retrained[retrained["state"] == "COMPLETE"]
    rows = []
    for (number, recipe, epochs), group in done.groupby(
        ["number", "recipe", "epochs"], dropna=False
    ):
        validation, test = group["val_accuracy"].dropna(), group["test_accuracy"].dropna()
        rows.append(
            {
                "number": number,
                "recipe": recipe,
                "epochs": epochs,
                "trainings": len(group),
                "val_accuracy": validation.mean(),
                "val_half": half_interval(validation, level),
                "tested": len(test),
                "test_accuracy": test.mean(),
                "test_half": half_interval(test, level),
            }
        )
    found = pd.DataFrame(rows, columns=list(ESTIMATES)).astype(ESTIMATES)
    return found.sort_values("val_accuracy", ascending=False).reset_index(drop=True)


def half_interval(values: pd.Series[float], level: float = LEVEL) -> float:
    """Half of the interval of the mean of so few values, by Student's t; NaN of fewer than two."""
    if len(values) < 2:
        return math.nan
    quantile = float(stats.t.ppf((1 + level) / 2, len(values) - 1))
    return quantile * float(values.std(ddof=1)) / math.sqrt(len(values))
