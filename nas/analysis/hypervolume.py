"""How good a whole front of accuracy against cost is, in one number (Zitzler and Thiele 1999)."""

from __future__ import annotations

import pandas as pd

from nas.analysis.measured import refuse_scores
from nas.analysis.population import costs, populations
from nas.errors import AnalysisError
from nas.study.front import pareto_front


def hypervolume(
    trials: pd.DataFrame,
    cost: str = "macs",
    *,
    reference: tuple[float, float] | None = None,
    epochs: int | None = None,
) -> pd.DataFrame:
    """The part of a rectangle that the front of each study dominates, from 0 to 1.

    The rectangle reaches from the reference point, an accuracy and a cost so poor that anything
    beyond it does not count, to the ideal: accuracy 1 at no cost. Only numbers of one reference can
    be compared: by default it is the worst accuracy and the highest cost of all studies in the
    frame, so name it to compare with another frame. Columns: study, hypervolume, accuracy, cost
    (the reference), front (networks on it), n.

    Any trial trained in full counts, however it was proposed: a front is what a search found, no
    statistic of the space. Stopped trials have no place on it.

    Raises:
        AnalysisError: no such cost; unequal epochs; a reference that is no accuracy below 1 and no
            cost above 0.
    """
    refuse_scores(trials)
    spaces = populations(trials, policy="any", stopped="drop", epochs=epochs)
    if reference is None:
        reference = (
            min(float(space.trials["val_accuracy"].min()) for space in spaces.values()),
            max(float(space.cost(cost).max()) for space in spaces.values()),
        )
    floor, limit = reference
    if not (0 <= floor < 1 and limit > 0):
        raise AnalysisError(
            f"reference is {reference}; accepted: (accuracy, {cost}), as (0.8, 50e6)"
        )
    rows = []
    for space in spaces.values():
        known = space.trials.assign(**{cost: space.cost(cost)})
        inside = known[(known["val_accuracy"] > floor) & (known[cost] < limit)]
        best = pareto_front(inside, cost)
        spent = [*costs(best, cost), limit] if len(best) else [limit]
        area = sum(
            (accuracy - floor) * (after - before)
            for accuracy, before, after in zip(
                best["val_accuracy"], spent[:-1], spent[1:], strict=True
            )
        )
        share = area / ((1 - floor) * limit)
        rows.append((space.study, share, floor, limit, len(best), len(space)))
    return pd.DataFrame(rows, columns=["study", "hypervolume", "accuracy", "cost", "front", "n"])
