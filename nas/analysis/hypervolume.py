"""How good a whole front of accuracy against cost is, in one number (Zitzler and Thiele 1999)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from nas.analysis.measured import refuse_scores
from nas.analysis.population import populations
from nas.errors import AnalysisError
from nas.study.front import dominated, pareto_front


def hypervolume(
    trials: pd.DataFrame,
    cost: str | Sequence[str] = "macs",
    *,
    reference: tuple[float, ...] | None = None,
    epochs: int | None = None,
) -> pd.DataFrame:
    """The part of a box that the front of each study dominates, from 0 to 1.

    The box, a rectangle with one ``cost``, reaches from the reference point, an accuracy and costs
    so poor that anything beyond does not count, to the ideal: accuracy 1 at no cost. Only numbers
    of one reference can be compared: by default it is the worst accuracy and the highest cost of
    all studies in the frame, so name it to compare with another frame. Columns: study, hypervolume,
    accuracy and cost (the reference; with two costs a column for each, by its name), front
    (networks on it), n.

    Any trial trained in full counts, however it was proposed: a front is what a search found, no
    statistic of the space. Stopped trials have no place on it.

    Raises:
        AnalysisError: no such cost; unequal epochs; a reference that is no accuracy below 1 and no
            cost above 0.
    """
    refuse_scores(trials)
    costs = [cost] if isinstance(cost, str) else [*cost]
    spaces = populations(trials, policy="any", stopped="drop", epochs=epochs)
    if reference is None:
        reference = (
            min(float(space.trials["val_accuracy"].min()) for space in spaces.values()),
            *(max(float(space.cost(one).max()) for space in spaces.values()) for one in costs),
        )
    floor, *limits = reference
    if not (0 <= floor < 1 and len(limits) == len(costs) and all(limit > 0 for limit in limits)):
        example = ", ".join("50e6" for _ in costs)
        raise AnalysisError(
            f"reference is {reference}; accepted: (accuracy, {', '.join(costs)}), as "
            f"(0.8, {example})"
        )
    rows = []
    for space in spaces.values():
        known = space.trials.assign(**{one: space.cost(one) for one in costs})
        inside = known[(known["val_accuracy"] > floor) & (known[costs] < limits).all(axis=1)]
        best = pareto_front(inside, costs)
        share = dominated(
            np.column_stack(
                [(1 - best["val_accuracy"]) / (1 - floor), best[costs].to_numpy(float) / limits]
            )
        )
        rows.append((space.study, share, *reference, len(best), len(space)))
    named = ["cost"] if len(costs) == 1 else costs
    return pd.DataFrame(rows, columns=["study", "hypervolume", "accuracy", *named, "front", "n"])
