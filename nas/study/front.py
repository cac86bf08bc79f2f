"""Which trials no other trial beats in both accuracy, or score, and cost."""

import pandas as pd

from nas.metrics import ACCURACY, Measure


def pareto_front(
    trials: pd.DataFrame, cost: str = "macs", measure: Measure = ACCURACY
) -> pd.DataFrame:
    """The rows that no other row beats, from the cheapest to the most accurate.

    A row is beaten by one that is at least as good by ``measure`` and at most as expensive, and
    better in one of both; of equal rows the first stays. A row without a cost or a value takes no
    part.
    """
    trials = trials.dropna(subset=[cost, measure.metric])
    order = [True, measure.minimizes]
    ordered = trials.sort_values([cost, measure.metric], ascending=order, kind="stable")
    gain = ordered[measure.metric].astype(float) * (-1 if measure.minimizes else 1)
    return ordered[gain > gain.cummax().shift(fill_value=float("-inf"))]
