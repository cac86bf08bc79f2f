"""Figures of single knobs: their best values, effects, importance, and accuracy by value."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from nas.analysis.bootstrap import best_values
from nas.analysis.effects import Matching, differences
from nas.analysis.effects import effects as effects_of
from nas.analysis.importance import DEFAULT, Evaluator, order
from nas.analysis.importance import importance as importance_of
from nas.analysis.measured import accuracy_label, error_label, measure_of
from nas.analysis.plots.canvas import (
    MARKERS,
    canvas,
    caption,
    colours,
    cost_axis,
    notes,
    percent_axes,
    whole_ticks,
)
from nas.analysis.plots.given import One, trials_of
from nas.analysis.population import COSTS, Rules, knob_value, knobs, population
from nas.errors import AnalysisError, choose
from nas.quantity import plural

SHOWN = 40  # rows that a figure of effects can hold and be read


def knob(
    study: One,
    knob: str,
    *,
    level: float = 0.95,
    seed: int = 0,
    ax: Axes | None = None,
    **rules: Unpack[Rules],
) -> Figure:
    """The error by one knob, and where the best value of it is: the empirical bootstrap."""
    trials = trials_of(study)
    space = population(trials, rules)
    (row,) = best_values(trials, knob, level=level, seed=seed, **rules).to_dict("records")
    with canvas(ax=ax) as (figure, axes):
        values = space.trials[knob]
        if np.isfinite(row["median"]):
            line, band = colours(4)[3], colours(1)[0]
            axes.axvspan(row["low"], row["high"], color=band, alpha=0.15, lw=0)
            axes.axvline(row["median"], color=line, lw=1.4)
            axes.scatter(values.to_numpy(float), space.errors, s=16, color="0.25", alpha=0.8)
            if knob in COSTS:
                cost_axis(axes, knob)
            else:
                whole_ticks(axes.xaxis, values)
            said = f"best {knob}: {knob_value(row['median'])} [{knob_value(row['low'])}, "
            said += f"{knob_value(row['high'])}], {100 * level:g} % of 10,000 bootstrap draws"
        else:
            _by_value(axes, values, space.errors, seed)
            said = f"best {knob}: {knob_value(row['most'])} in {row['share']:.0%} of 10,000 draws"
        if knob not in COSTS:
            axes.set_xlabel(knob)
        axes.set_ylabel(error_label(trials))
        percent_axes(axes, "y")
        caption(axes, space.title, [said, *notes([space])])
    return figure


def effects(
    study: One,
    knob: str | list[str] | None = None,
    *,
    cost: str = "macs",
    matching: Matching = "auto",
    tolerance: float = 0.1,
    level: float = 0.95,
    seed: int = 0,
    ax: Axes | None = None,
    **rules: Unpack[Rules],
) -> Figure:
    """What flipping knobs does to the accuracy, with intervals; the pairs stand at the right."""
    trials = trials_of(study)
    space = population(trials, rules, flips=True)
    found = effects_of(
        trials, knob, cost=cost, matching=matching, tolerance=tolerance, level=level, seed=seed,
        **rules,
    )  # fmt: skip
    shown = found.dropna(subset=["effect"]) if len(found) else found
    if not len(shown):
        raise AnalysisError(f"no two values of a knob of {space.study} have 5 pairs; train more")
    few, smaller = len(found) - len(shown), max(0, len(shown) - SHOWN)
    shown = shown.loc[shown["effect"].abs().nlargest(SHOWN).index.sort_values()]
    with canvas(7.4, 1.5 + 0.24 * len(shown), ax) as (figure, axes):
        at = np.arange(len(shown))[::-1]
        said = []  # in place of a legend, which could lie over the end of an interval
        for k, (how, sign, pairs_of) in enumerate(
            (
                ("exact", "●", "equal in all other knobs"),
                ("cost", "■", f"whose {cost} differ by at most {100 * tolerance:g} %"),
            )
        ):
            mask = (shown["matching"] == how).to_numpy()
            if mask.any():
                rows = shown[mask]
                said.append(f"{sign} pairs of networks {pairs_of}")
                reach = np.abs(rows[["low", "high"]].to_numpy().T - rows["effect"].to_numpy())
                axes.errorbar(
                    100 * rows["effect"], at[mask], xerr=100 * reach, fmt=MARKERS[k], ms=5,
                    color=colours(2)[k], lw=1.4, capsize=2,
                )  # fmt: skip
        axes.axvline(0, color="0.3", lw=0.8)
        axes.set_yticks(
            at,
            [
                f"{row.knob}: {knob_value(row.value)} → {knob_value(row.other)}"
                for row in shown.itertuples()
            ],
        )
        right = axes.secondary_yaxis("right")
        right.set_yticks(
            at,
            [
                f"{plural(pairs, 'pair')}, {ratio:.2f} × {cost}"
                for pairs, ratio in zip(shown["pairs"], shown["cost_ratio"], strict=True)
            ],
        )
        right.tick_params(length=0, labelsize=8)
        unit = f"percentage points, {100 * level:g} % interval"
        # from the right, as the axes are short where names of knobs are long
        axes.set_xlabel(f"effect on {accuracy_label(trials)} ({unit})", loc="right")
        axes.set_ylim(-0.7, len(shown) - 0.3)
        axes.grid(False, axis="y")
        if smaller:
            said.append(f"the {SHOWN} largest effects; {smaller} smaller ones left out")
        if few:
            said.append(f"{plural(few, 'flip')} with fewer than 5 pairs left out")
        title = f"Effect of a knob: {space.title}"
        caption(axes, title, [*said, *notes([space])], whole=True)
    return figure


def pairs(
    study: One,
    knob: str,
    *,
    against: str | None = None,
    ax: Axes | None = None,
    **rules: Unpack[Rules],
) -> Figure:
    """What flipping one knob did to each pair of networks, against something that a pair shares.

    ``against`` is blocks (of all stages together), macs, params or another knob; by default
    blocks, or, where no stage's depth is searched by itself, macs.
    """
    trials = trials_of(study)
    space = population(trials, rules, flips=True)
    found = differences(trials, knob, **rules)
    shared = list(found.columns[6:])  # after the pair and its difference
    if against is None:
        against = "blocks" if "blocks" in shared else "macs"
    if against not in shared:
        raise AnalysisError(f"against is {against!r}; {choose(against, shared)}")
    flips = sorted({(row.value, row.other) for row in found.itertuples()})
    named = not is_numeric_dtype(found[against]) or is_bool_dtype(found[against])
    order = sorted(found[against].dropna().unique().tolist()) if named else []
    with canvas(ax=ax) as (figure, axes):
        for k, (value, other) in enumerate(flips):
            rows = found[(found["value"] == value) & (found["other"] == other)]
            axes.scatter(
                rows[against].map(order.index) if named else rows[against].astype(float),
                100 * rows["difference"], s=28, alpha=0.75,
                color=colours(len(flips))[k], marker=MARKERS[k % len(MARKERS)], lw=0,
                label=f"{knob_value(value)} → {knob_value(other)} ({plural(len(rows), 'pair')})",
            )  # fmt: skip
        axes.axhline(0, color="0.3", lw=0.8)
        if against in COSTS:
            cost_axis(axes, against)
        else:
            axes.set_xlabel("blocks in all stages" if against == "blocks" else against)
            if named:
                axes.set_xticks(range(len(order)), [knob_value(value) for value in order])
                axes.set_xlim(-0.5, len(order) - 0.5)
            else:
                whole_ticks(axes.xaxis, found[against])
        axes.set_ylabel(f"effect on {accuracy_label(trials)} (points)")
        axes.legend(loc="best", fontsize=8, frameon=True)
        said = ["each point: two networks that are equal in every other knob"]
        caption(axes, f"Flipping {knob}: {space.title}", [*said, *notes([space])])
    return figure


def importance(
    study: One,
    *,
    evaluator: Evaluator = DEFAULT,
    level: float = 0.95,
    draws: int | None = None,
    seed: int = 0,
    ax: Axes | None = None,
    **rules: Unpack[Rules],
) -> Figure:
    """How much each knob matters, with bootstrap intervals, and how far the order is sure."""
    trials = trials_of(study)
    space = population(trials, rules)
    found = importance_of(trials, evaluator=evaluator, level=level, draws=draws, seed=seed, **rules)
    intervals = found["low"].notna().all()
    with canvas(6.4, 1.6 + 0.24 * len(found), ax) as (figure, axes):
        axes.barh(found["knob"], found["importance"], color=colours(1)[0])
        if intervals:
            axes.hlines(found["knob"], found["low"], found["high"], color="0.15", lw=1.4)
        axes.invert_yaxis()
        axes.set(xlabel=f"importance ({evaluator}; all add up to 1)")
        axes.grid(False, axis="y")
        said = f"{order(found)}; lines: {100 * level:g} % bootstrap" if intervals else order(found)
        caption(axes, f"Importance of knobs: {space.title}", [said, *notes([space])], whole=True)
    return figure


def marginal(
    study: One, knob: str, *, seed: int = 0, ax: Axes | None = None, **rules: Unpack[Rules]
) -> Figure:
    """The accuracy, or score, by the values of one knob: networks, and the median of each value."""
    trials = trials_of(study)
    space = population(trials, rules)
    if knob not in knobs(space.trials):
        raise AnalysisError(
            f"{space.study} has no knob {knob!r}; {choose(knob, knobs(space.trials))}"
        )
    with canvas(ax=ax) as (figure, axes):
        measure = measure_of(space.trials)
        accuracy = space.trials[measure.metric].to_numpy(float)
        values = space.trials[knob]
        if values.nunique() <= 12:
            _by_value(axes, values, accuracy, seed)
            said = "bars: median of the networks with this value"
        else:
            axes.scatter(values.to_numpy(float), accuracy, s=16, color=colours(1)[0], alpha=0.8)
            whole_ticks(axes.xaxis, values)
            said = "too many values for medians"
        axes.set(xlabel=knob, ylabel=accuracy_label(trials))
        if measure.is_fraction:
            percent_axes(axes, "y")
        caption(axes, space.title, [said, *notes([space])])
    return figure


def _by_value(axes: Axes, values: pd.Series[Any], heights: Any, seed: int) -> None:
    """A column of points for each value, moved apart at random, with its median as a bar."""
    rng = np.random.default_rng(seed)
    order = sorted(values.dropna().unique().tolist())
    for k, value in enumerate(order):
        column = heights[np.asarray(values == value, dtype=bool)]
        x = k + rng.uniform(-0.15, 0.15, len(column))
        axes.scatter(x, column, s=16, color=colours(1)[0], alpha=0.7)
        axes.hlines(np.median(column), k - 0.28, k + 0.28, color="0.15", lw=2)
    counts = [int((values == value).sum()) for value in order]
    axes.set_xticks(
        range(len(order)),
        [f"{knob_value(value)}\nn = {number}" for value, number in zip(order, counts, strict=True)],
    )
    axes.set_xlim(-0.5, len(order) - 0.5)
    axes.grid(False, axis="x")
