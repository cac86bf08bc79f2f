"""Figures of whole spaces: the distribution of their errors, and random search in them."""

from __future__ import annotations

from typing import Unpack

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from nas.analysis.edf import edf as edf_of
from nas.analysis.efficiency import efficiency as efficiency_of
from nas.analysis.measured import error_label
from nas.analysis.plots.canvas import (
    MARKERS,
    canvas,
    caption,
    colours,
    legend_of_names,
    notes,
    percent_axes,
    shortened,
)
from nas.analysis.plots.given import Several, trials_of
from nas.analysis.population import Rules, populations, sample_size
from nas.quantity import plural


def edf(
    studies: Several,
    *,
    cost: str | None = None,
    bins: int = 5,
    level: float = 0.95,
    ax: Axes | None = None,
    **rules: Unpack[Rules],
) -> Figure:
    """The empirical distribution of the error of each study, with its band."""
    trials = trials_of(studies)
    spaces = populations(trials, **rules)
    found = edf_of(trials, cost=cost, bins=bins, level=level, **rules)
    with canvas(ax=ax) as (figure, axes):
        right = found["error"].max() + 0.03 * (found["error"].max() - found["error"].min())
        for colour, (name, rows) in zip(
            colours(len(spaces)), found.groupby("study", sort=False), strict=True
        ):
            size = sample_size(rows["n"].iloc[0], rows["networks"].iloc[0])
            epochs = plural(spaces[str(name)].epochs, "epoch")
            # a step function is 0 before its first error and stays at 1 after its last
            x = np.concatenate([rows["error"].iloc[:1], rows["error"], [right]])
            y, low, high = (
                np.concatenate([[0.0], rows[column], rows[column].iloc[-1:]])
                for column in ("edf", "low", "high")
            )
            axes.step(
                x, y, where="post", color=colour, lw=1.6,
                label=f"{shortened(str(name))} ({size}, {epochs})",
            )  # fmt: skip
            axes.fill_between(x[1:], low[1:], high[1:], step="post", color=colour, alpha=0.15, lw=0)
        axes.set(xlabel=error_label(trials), ylabel="fraction of networks", ylim=(0, 1.02))
        percent_axes(axes, "x")
        legend_of_names(axes, "lower right")
        matched = f", at equal {cost} ({bins} ranges)" if cost else ""
        band = f"band: {100 * level:g} % confidence" + (", approximate" if cost else "")
        if any(len(space.stopped) for space in spaces.values()):
            band += "; stopped trials between error 0 and their last one"
        outside = sum(map(len, spaces.values())) - int(found.groupby("study")["n"].first().sum())
        if cost and outside:
            band += f"; {plural(outside, 'network')} outside of the shared range left out"
        caption(axes, f"Distribution of the error{matched}", [band, *notes(spaces.values())])
    return figure


def efficiency(
    studies: Several,
    *,
    sizes: list[int] | None = None,
    seed: int = 0,
    ax: Axes | None = None,
    **rules: Unpack[Rules],
) -> Figure:
    """The error of the best of m random networks of each study, with two standard errors."""
    trials = trials_of(studies)
    spaces = populations(trials, **rules)
    found = efficiency_of(trials, sizes=sizes, seed=seed, **rules)
    with canvas(ax=ax) as (figure, axes):
        for k, (colour, (name, rows)) in enumerate(
            zip(colours(len(spaces)), found.groupby("study", sort=False), strict=True)
        ):
            axes.plot(
                rows["m"], rows["error"], color=colour, marker=MARKERS[k % len(MARKERS)], ms=5,
                lw=1.4, label=f"{shortened(str(name))} {spaces[str(name)].extent}",
            )  # fmt: skip
            axes.fill_between(
                rows["m"].to_numpy(float), rows["low"].to_numpy(), rows["high"].to_numpy(),
                color=colour, alpha=0.15, lw=0,
            )  # fmt: skip
        axes.set_xscale("log", base=2)
        axes.set_xticks(sorted(set(found["m"])))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set(xlabel="networks drawn (m)", ylabel="error of the best of m networks")
        percent_axes(axes, "y")
        legend_of_names(axes, "upper right")
        caption(
            axes,
            "Efficiency of random search",
            [
                "mean ± 2 standard errors over n // m draws; no band where there is one draw",
                *notes(spaces.values()),
            ],
        )
    return figure
