"""Figure of a search: accuracy against cost, with the Pareto front."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from nas.analysis.measured import accuracy_label, measure_of, minimized, untrained_notes
from nas.analysis.plots.canvas import canvas, caption, cost_axis, percent_axes
from nas.analysis.population import COSTS
from nas.errors import AnalysisError, choose
from nas.quantity import plural
from nas.study.front import pareto_front


def front(trials: pd.DataFrame, cost: str = "macs") -> Figure:
    """Validation accuracy, or score, against ``cost``, with the Pareto front.

    ``cost`` is macs, params or activations, or another one that was measured. Trials that were
    stopped early are drawn apart, at the accuracy of the epoch they came to: they take no part in
    the front, which compares equal fidelities alone. Where the study minimizes two costs, the
    networks on the front of both have a ring.

    Raises:
        AnalysisError: no such cost, or no trial with a result.
    """
    if cost not in COSTS or cost not in trials:
        known = [name for name in COSTS if name in trials]
        raise AnalysisError(f"cost is {cost!r}; {choose(cost, known)}")
    measure = measure_of(trials)
    measured = trials[measure.metric].notna() & trials[cost].notna()
    shown = trials[measured & (trials["policy"] != "reused")]
    full = shown[shown["state"] == "COMPLETE"]
    longest = (full if len(full) else shown)["epochs"].max()
    epochs = 0 if pd.isna(longest) else int(longest)
    label = {
        "COMPLETE": f"trained in full ({plural(epochs, 'epoch')})",
        "PRUNED": f"stopped early, {measure.word} then",
    }
    shown = shown[shown["state"].isin(label)]
    if shown.empty:
        raise AnalysisError(f"no trial has ended with {measure.article} and {cost} yet")
    best = pareto_front(full, cost, measure)
    with canvas() as (figure, axes):
        sns.scatterplot(
            x=shown[cost].astype(float),
            y=shown[measure.metric],
            hue=shown["state"].map(label),
            style=shown["state"].map(label),
            hue_order=list(label.values()),
            style_order=list(label.values()),
            markers=["o", "X"],
            s=36,
            ax=axes,
        )
        axes.step(
            best[cost].astype(float), best[measure.metric], where="post", lw=1, label="Pareto front"
        )
        if len(costs := minimized(trials)) > 1:
            both = pareto_front(full, costs, measure).dropna(subset=[cost])
            axes.scatter(
                both[cost].astype(float), both[measure.metric], s=90, facecolors="none",
                edgecolors="0.3", lw=1, label=f"on the front of {' and '.join(costs)}",
            )  # fmt: skip
        axes.set_ylabel(accuracy_label(trials))
        cost_axis(axes, cost)
        if measure.is_fraction:
            percent_axes(axes, "y")
        axes.legend(loc="best", frameon=True)
        name = shown["study"].iloc[0]
        said = f"{name}: {len(full)} of {plural(len(trials), 'trial')} trained in full"
        caption(axes, said, untrained_notes(trials))
    return figure
