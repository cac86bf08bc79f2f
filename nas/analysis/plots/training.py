"""Figures of learning curves, and of what short trainings say about long ones."""

from __future__ import annotations

from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nas.analysis.fidelity import last_curves, rank_correlation
from nas.analysis.measured import accuracy_label, measure_of, untrained_notes
from nas.analysis.plots.canvas import (
    MARKERS,
    canvas,
    caption,
    colours,
    percent_axes,
    whole_ticks,
)
from nas.analysis.plots.given import One, epochs_of, name_of
from nas.errors import AnalysisError
from nas.quantity import plural


def curves(of: One, *, best: int = 3, study: str = "", ax: Axes | None = None) -> Figure:
    """Accuracy, or score, by epoch of every trial; the best ones in colour.

    ``of`` is a study, or the frame of its ``epochs()``, which does not know its name: ``study``.
    """
    epochs = epochs_of(of)
    last = last_curves(epochs)
    if not len(last):
        raise AnalysisError("no trial has trained an epoch yet")
    measure = measure_of(epochs)
    wide = last.pivot(index="epoch", columns="number", values=measure.metric)
    end = int(last["epoch"].max())
    final = last[last["epoch"] == end].set_index("number")[measure.metric]
    leaders = (final.nsmallest(best) if measure.minimizes else final.nlargest(best)).index
    with canvas(ax=ax) as (figure, axes):
        for number in wide.columns.difference(leaders):
            column = wide[number].dropna()
            # a curve of one epoch is a point
            axes.plot(
                column.index, column, color="0.6", lw=0.7, alpha=0.7, zorder=1,
                marker="." if len(column) < end else None,
                markevery=[len(column) - 1],
            )  # fmt: skip
        for k, (number, colour) in enumerate(zip(leaders, colours(len(leaders)), strict=True)):
            axes.plot(
                wide.index, wide[number], color=colour, lw=1.8, marker=MARKERS[k % len(MARKERS)],
                ms=5, label=f"trial {number} ({measure.shown(final[number]).strip()})",
            )  # fmt: skip
        whole_ticks(axes.xaxis)
        axes.set(xlabel="epoch", ylabel=accuracy_label(epochs))
        if measure.is_fraction:
            percent_axes(axes, "y")
        if len(leaders):
            axes.legend(loc="best" if measure.minimizes else "lower right", frameon=True)
        short = wide.shape[1] - len(final)
        said = f"n = {plural(wide.shape[1], 'trial')}, up to {plural(end, 'epoch')}"
        caption(
            axes,
            _title("Learning curves", name_of(of, study)),
            [said + (f"; {short} ended earlier (dots)" if short else ""), *untrained_notes(epochs)],
        )
    return figure


def fidelity(
    of: One,
    *,
    late: int | None = None,
    stopped: Literal["refuse", "drop"] = "refuse",
    level: float = 0.95,
    seed: int = 0,
    study: str = "",
    ax: Axes | None = None,
) -> Figure:
    """How well the accuracy after each epoch ranks networks as the last one does; ``of`` as in
    ``curves``."""
    epochs = epochs_of(of)
    found = rank_correlation(epochs, late=late, stopped=stopped, level=level, seed=seed)
    with canvas(ax=ax) as (figure, axes):
        for k, (name, label) in enumerate(
            {"kendall": "Kendall's τ", "spearman": "Spearman's ρ"}.items()
        ):
            low, high = found[f"{name}_low"], found[f"{name}_high"]
            axes.errorbar(
                found["early"] + 0.06 * (2 * k - 1), found[name],
                # where all orders are equal, what is rounded leaves an end on the wrong side
                yerr=[(found[name] - low).clip(lower=0), (high - found[name]).clip(lower=0)],
                color=colours(2)[k], marker=MARKERS[k], ms=5, lw=1.4, capsize=3, label=label,
            )  # fmt: skip
        end, n = found["late"].iloc[0], found["n"].iloc[0]
        whole_ticks(axes.xaxis)
        axes.set(xlabel="epochs trained", ylabel=f"correlation with epoch {end}")
        axes.set_xlim(found["early"].min() - 0.5, found["early"].max() + 0.5)
        axes.set_ylim(min(0.0, found["kendall_low"].min()), 1.03)
        axes.legend(loc="lower right", frameon=True)
        missing = last_curves(epochs)["number"].nunique() - n
        said = [f"n = {n} trials; intervals: {100 * level:g} % bootstrap"]
        if missing:
            said.append(f"{plural(missing, 'trial')} that did not come to epoch {end} left out")
        said += untrained_notes(epochs)
        caption(axes, _title("Rank correlation between fidelities", name_of(of, study)), said)
    return figure


def _title(what: str, study: str) -> str:
    return f"{what}: {study}" if study else what
