"""Figures of a study, from its frame: one call each, ready for print."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, PercentFormatter

from nas.quantity import count
from nas.study.front import pareto_front

COSTS = {
    "macs": "multiply-accumulates per image",
    "params": "parameters",
    "activations": "activations per image",
}


def front(trials: pd.DataFrame, cost: str = "macs") -> Figure:
    """Validation accuracy against ``cost`` (macs, params or activations), with the Pareto front.

    Trials that were stopped early are drawn apart, at the accuracy of the epoch they came to: they
    take no part in the front, which compares equal fidelities alone.
    """
    shown = trials[trials["val_accuracy"].notna() & (trials["policy"] != "reused")]
    full = shown[shown["state"] == "COMPLETE"]
    epochs = full["epochs"].max() if len(full) else shown["epochs"].max()
    label = {
        "COMPLETE": f"trained in full ({epochs} epochs)",
        "PRUNED": "stopped early, accuracy then",
    }
    shown = shown[shown["state"].isin(label)]
    best = pareto_front(full, cost)
    with sns.axes_style("whitegrid"), sns.color_palette("colorblind"):
        figure = Figure(figsize=(6.4, 4.0), dpi=150, layout="constrained")
        axes = figure.add_subplot()
        sns.scatterplot(
            x=shown[cost].astype(float),
            y=shown["val_accuracy"],
            hue=shown["state"].map(label),
            style=shown["state"].map(label),
            hue_order=list(label.values()),
            style_order=list(label.values()),
            markers=["o", "X"],
            s=36,
            ax=axes,
        )
        axes.step(
            best[cost].astype(float), best["val_accuracy"], where="post", lw=1, label="Pareto front"
        )
        axes.set(xscale="log", xlabel=COSTS[cost], ylabel="validation accuracy")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: count(value)))
        axes.xaxis.set_minor_formatter(FuncFormatter(lambda *_: ""))
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.legend(loc="lower right", frameon=True)
        name = shown["study"].iloc[0] if len(shown) else "study"
        axes.set_title(f"{name}: {len(full)} of {len(trials)} trials trained in full", loc="left")
    return figure
