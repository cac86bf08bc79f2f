"""Which trials no other trial beats in accuracy, or score, and in each cost; what they dominate."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from optuna._hypervolume import compute_hypervolume

from nas.metrics import ACCURACY, COST_WORDS, Measure, shown_cost
from nas.quantity import plural
from nas.study.record import StudyRecord


def pareto_front(
    trials: pd.DataFrame, cost: str | Sequence[str] = "macs", measure: Measure = ACCURACY
) -> pd.DataFrame:
    """The rows that no other row beats, from the cheapest to the most accurate.

    A row is beaten by one that is at least as good by ``measure`` and at most as expensive in each
    ``cost``, and better in one of them; of equal rows the first stays. A row without a cost or a
    value takes no part.
    """
    costs = [cost] if isinstance(cost, str) else [*cost]
    trials = trials.dropna(subset=[*costs, measure.metric])
    order = [*(True for _ in costs), measure.minimizes]
    ordered = trials.sort_values([*costs, measure.metric], ascending=order, kind="stable")
    gain = ordered[measure.metric].astype(float) * (-1 if measure.minimizes else 1)
    if len(costs) == 1:  # a sweep, for frames of many trials
        return ordered[gain > gain.cummax().shift(fill_value=float("-inf"))]
    return ordered[unbeaten(np.column_stack([ordered[costs].to_numpy(float), -gain]))]


def in_full(trials: pd.DataFrame) -> pd.DataFrame:
    """The rows that can be compared: trained to the end, each network once."""
    return trials[(trials["state"] == "COMPLETE") & (trials["policy"] != "reused")]


def thinned(front: pd.DataFrame, most: int) -> pd.DataFrame:
    """At most so many rows of a front, evenly over its places, with both of its ends."""
    places = np.linspace(0, len(front) - 1, min(most, len(front))).round().astype(int)
    return front.iloc[np.unique(places)]


def unbeaten(losses: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(n,) which rows of ``losses``, (n, objectives), no other row beats; less is better in each.

    >>> unbeaten(np.array([[1.0, 3.0], [2.0, 2.0], [2.0, 4.0], [1.0, 3.0]])).tolist()
    [True, True, False, False]
    """
    front = np.empty_like(losses)
    size = 0
    kept = np.zeros(len(losses), dtype=np.bool_)
    for row in np.lexsort(losses.T[::-1]):  # a row is beaten by an earlier one alone
        if not (front[:size] <= losses[row]).all(axis=1).any():
            front[size] = losses[row]
            size += 1
            kept[row] = True
    return kept


def dominated(losses: NDArray[np.float64]) -> float:
    """The share of the unit cube that the rows of ``losses``, (n, objectives), dominate: exact, by
    Optuna's sweeps.

    >>> dominated(np.array([[0.25, 0.5], [0.5, 0.25]]))
    0.5
    """
    return float(compute_hypervolume(losses, np.ones(losses.shape[1])))


def front_words(trials: pd.DataFrame, record: StudyRecord) -> str:
    """The size and the hypervolume of the front of a study, of which ``trials`` is the frame.

    The reference point is accuracy 0 at the largest costs that a network trained in full has. A
    score has no worst value, so that there is no hypervolume.
    """
    measure, costs = record.measure, [*record.costs]
    full = in_full(trials).dropna(subset=[measure.metric, *costs])
    front = pareto_front(full, costs, measure)
    objectives = " and ".join(COST_WORDS[cost] for cost in costs)
    said = (
        f"The front of {record.accuracy} against {objectives} has {plural(len(front), 'network')} "
        f"of {len(full):,} trained in full."
    )
    if full.empty or not measure.is_fraction:
        return said
    most = full[costs].astype(float).max()
    losses = np.column_stack([1 - front[measure.metric], front[costs].astype(float) / most])
    worst = " and ".join(f"{shown_cost(cost, most[cost])} {COST_WORDS[cost]}" for cost in costs)
    return (
        f"{said} Hypervolume {dominated(losses):.4f}: what it dominates of the box from accuracy 0 "
        f"at {worst}, the most of a network trained in full, to accuracy 1 at no cost."
    )
