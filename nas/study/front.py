"""Which trials no other trial beats in both accuracy and cost."""

import pandas as pd


def pareto_front(trials: pd.DataFrame, cost: str = "macs") -> pd.DataFrame:
    """The rows that no other row beats, from the cheapest to the most accurate.

    A row is beaten by one that is at least as accurate and at most as expensive, and better in one
    of both; of equal rows the first stays. A row without a cost or an accuracy takes no part.
    """
    trials = trials.dropna(subset=[cost, "val_accuracy"])
    ordered = trials.sort_values([cost, "val_accuracy"], ascending=[True, False], kind="stable")
    before = ordered["val_accuracy"].astype(float).cummax().shift(fill_value=float("-inf"))
    return ordered[ordered["val_accuracy"] > before]
