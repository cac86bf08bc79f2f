"""Figure of a search: accuracy against cost, with the Pareto front."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nas.analysis.measured import accuracy_label, measure_of, minimized, untrained_notes
from nas.analysis.plots.canvas import canvas, caption, colours, cost_axis, percent_axes
from nas.analysis.plots.given import One, trials_of
from nas.analysis.population import COSTS
from nas.errors import AnalysisError, choose
from nas.metrics import COST_WORDS, Measure
from nas.quantity import plural
from nas.study.front import pareto_front

MARKS = {"COMPLETE": "o", "PRUNED": "X"}
LINE = "#D55E00"  # of the front: told from both kinds of trials by all eyes


def front(study: One, cost: str = "macs", *, ax: Axes | None = None) -> Figure:
    """Validation accuracy, or score, against ``cost``, with the Pareto front.

    ``cost`` is macs, params or activations, or another one that was measured. Trials that were
    stopped early are drawn apart, at the accuracy of the epoch they came to: they take no part in
    the front, which compares equal fidelities alone. Where the study minimizes two costs, the
    networks on the front of both have a ring.

    Raises:
        AnalysisError: no such cost, no trial with a result, or several studies.
    """
    trials = trials_of(study)
    if len(names := trials["study"].unique()) > 1:
        raise AnalysisError(f"one study at a time is accepted, not {', '.join(names)}")
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
    label = {state: words for state, words in label.items() if (shown["state"] == state).any()}
    if shown.empty:
        raise AnalysisError(f"no trial has ended with {measure.article} and {cost} yet")
    best = pareto_front(full, cost, measure)
    with canvas(ax=ax) as (figure, axes):
        tints = dict(zip(MARKS, colours(2), strict=True))
        sns.scatterplot(
            x=shown[cost].astype(float),
            y=shown[measure.metric],
            hue=shown["state"].map(label),
            style=shown["state"].map(label),
            hue_order=list(label.values()),
            style_order=list(label.values()),
            markers=dict(zip(label.values(), [MARKS[state] for state in label], strict=True)),
            palette=dict(zip(label.values(), [tints[state] for state in label], strict=True)),
            s=36,
            ax=axes,
        )
        axes.step(
            best[cost].astype(float), best[measure.metric], where="post", lw=2, zorder=0.5,
            color=LINE, label="Pareto front" if len(best) else None,
            # a line of one point is not seen
            marker="o" if len(best) == 1 else None, ms=10 if len(best) == 1 else None,
        )  # fmt: skip
        if len(costs := minimized(trials)) > 1:
            words = " and ".join(COST_WORDS[one] for one in costs)
            both = pareto_front(full, costs, measure).dropna(subset=[cost])
            axes.scatter(
                both[cost].astype(float), both[measure.metric], s=90, facecolors="none",
                edgecolors="0.3", lw=1, label=f"on the front of {words}",
            )  # fmt: skip
        axes.set_ylabel(accuracy_label(trials))
        cost_axis(axes, cost)
        beyond = _look_at(axes, full, shown, measure) if minimized(trials) else ""
        if measure.is_fraction:
            percent_axes(axes, "y")
        axes.legend(loc="best", frameon=True)
        name = shown["study"].iloc[0]
        said = f"{name}: {len(full)} of {plural(len(trials), 'trial')} trained in full"
        caption(axes, said, [*untrained_notes(trials), beyond])
    return figure


def _look_at(axes: Axes, full: pd.DataFrame, shown: pd.DataFrame, measure: Measure) -> str:
    """Let the axis end a little beyond what was trained in full, so that a front is seen; what of
    those that are ``shown`` is then outside."""
    values = full[measure.metric]
    room = (values.max() - values.min()) / 2
    if not room > 0:
        return ""
    if measure.minimizes:
        end = values.max() + room
        outside = int((shown[measure.metric] > end).sum())
    else:
        end = values.min() - room
        outside = int((shown[measure.metric] < end).sum())
    if outside:
        axes.set_ylim(**{"top" if measure.minimizes else "bottom": end})
    return f"{plural(outside, 'trial')} stopped early, beyond the axis" if outside else ""
