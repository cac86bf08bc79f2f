"""What the charts have in common: axes with units, limits on what is drawn, what a click does."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from nas.analysis.population import COSTS, knob_value
from nas.dashboard import downloads, links
from nas.metrics import ACCURACY, Measure

ENDINGS = {
    "COMPLETE": "trained in full",
    "PRUNED": "stopped early, accuracy then",
}
# Okabe and Ito (2008): told apart without seeing red or green, on light and on dark
COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9"]
RUNNING = {"RUNNING": "running, accuracy by now"}
LINE = "#D55E00"  # of what is best: told from all kinds of points by all eyes
POINTS = 2_000  # a browser draws and hovers over as many without a delay
OFFERED = 1_000  # trials in a box: nobody looks through more
HEIGHT = 420  # pixels
FEW = 12  # a knob with more values than these is drawn as a range


def show(
    chart: alt.Chart | alt.LayerChart,
    data: pd.DataFrame,
    *,
    key: str,
    opens: bool = False,
    on_select: Callable[[], None] | None = None,
    selections: Sequence[str] = (links.CLICKED,),
) -> None:
    """Draw it, and offer its picture and ``data`` below.

    ``opens`` where a click opens a trial; ``on_select`` where more than that is to be done, with
    one of its ``selections``.
    """
    if opens:
        on_select = links.from_chart(key)
    if on_select is None:
        st.altair_chart(chart, key=key)
    else:
        st.altair_chart(chart, key=key, on_select=on_select, selection_mode=selections)
    with st.container(horizontal=True, gap="small"):
        downloads.offer_picture(chart, key)
        downloads.offer(data, key, ["CSV"], quiet=True)


def say_offered(offered: int, there: int) -> None:
    """Say it where a box does not offer all trials."""
    if offered < there:
        st.caption(
            f"Offered: the best {offered:,} of {there:,} trials. A click in Trials opens any other."
        )


def nominal(field: str, values: pd.Series) -> alt.Color:
    """A colour for each of a few values, in their order."""
    found = sorted(values.dropna().unique().tolist())
    colours = [COLOURS[k % len(COLOURS)] for k in range(len(found))]
    return alt.Color(
        f"{field}:N",
        title=field,
        scale=alt.Scale(domain=found, range=colours),
        legend=alt.Legend(orient="top") if len(found) > 1 else None,
    )


def choose_cost(trials: pd.DataFrame, first: str = "macs") -> str:
    """One of the costs that are known of some trial, from a row of buttons; ``first`` to begin
    with."""
    known = [cost for cost in COSTS if trials[cost].notna().any()]
    return st.segmented_control(
        "Cost", known, default=first, format_func=COSTS.__getitem__, required=True, key="cost",
        bind="query-params",
    )  # fmt: skip


def cost_axis(cost: str) -> alt.X:
    """Logarithmic, as 8.5M."""
    return alt.X(
        f"{cost}:Q",
        title=COSTS[cost],
        scale=alt.Scale(type="log", nice=False, padding=12),
        axis=alt.Axis(format=".3~s", labelOverlap=True),
    )


def value_axis(measure: Measure = ACCURACY) -> alt.Y:
    """Of what networks are judged by: as far as what is drawn, an accuracy in percent."""
    return alt.Y(
        f"{measure.metric}:Q",
        title=measure.label,
        scale=alt.Scale(zero=False, padding=8),
        axis=alt.Axis(format=".1~%" if measure.is_fraction else ".4~g"),
    )


def value_tooltip(measure: Measure = ACCURACY) -> alt.Tooltip:
    """What a network is judged by, beside the pointer."""
    shown = ".2%" if measure.is_fraction else ".4~g"
    return alt.Tooltip(f"{measure.metric}:Q", title=measure.word, format=shown)


def endings(trials: pd.DataFrame, measure: Measure) -> pd.Series:
    """How each trial ended, or that it runs, in words of the legend."""
    return trials["state"].map(_endings(measure, running=True))


def _endings(measure: Measure, *, running: bool = False) -> dict[str, str]:
    known = {**ENDINGS, **RUNNING} if running else ENDINGS
    return {state: ending.replace("accuracy", measure.word) for state, ending in known.items()}


def thinned(rows: pd.DataFrame, most: int = POINTS) -> pd.DataFrame:
    """Every n-th row, so that at most ``most`` remain."""
    step = -(-len(rows) // most) or 1
    return rows.iloc[::step]


def say_thinned(drawn: int, there: int, what: str = "trials") -> None:
    """Say it where not all is drawn; the tables and downloads have all."""
    if drawn < there:
        st.caption(f"Drawn: {drawn:,} of {there:,} {what}, evenly over their numbers.")


def ending_colour(measure: Measure, *, running: bool = False) -> alt.Color:
    """Of a trial, from the column ``ending``."""
    words = list(_endings(measure, running=running).values())
    return alt.Color(
        "ending:N",
        title=None,
        scale=alt.Scale(domain=words, range=COLOURS[: len(words)]),
        legend=alt.Legend(orient="top", labelLimit=300, columns=1),  # a phone is narrow
    )


def ending_shape(measure: Measure, *, running: bool = False) -> alt.Shape:
    """Beside the colour: legible without seeing colours."""
    words = list(_endings(measure, running=running).values())
    return alt.Shape(
        "ending:N",
        title=None,
        scale=alt.Scale(domain=words, range=["circle", "cross", "diamond"][: len(words)]),
        legend=alt.Legend(orient="top", labelLimit=300, columns=1),  # a phone is narrow
    )


def study_colour(names: list[str]) -> alt.Color:
    """One colour per study, the same in each chart of a page."""
    return alt.Color(
        "study:N",
        title=None,
        scale=alt.Scale(domain=names, range=COLOURS[: len(names)]),
        legend=alt.Legend(orient="top", labelLimit=300, columns=1),
    )


def is_range(values: pd.Series) -> bool:
    """Whether a knob has so many values that they are drawn along a line, not one by one."""
    return values.nunique() > FEW and pd.api.types.is_numeric_dtype(values)


def is_log(values: pd.Series) -> bool:
    """Whether positive numbers spread so far that a line of them is logarithmic."""
    return bool(values.min() > 0 and values.max() > 20 * values.min())


def plotted(values: pd.Series, *, along: bool = False) -> pd.Series:
    """Of a knob, as ``value_x`` draws them: numbers along a line, others by their names."""
    return values.astype(float) if is_range(values) or along else values.map(value_name)


def value_x(field: str, values: pd.Series, title: str, *, along: bool = False) -> alt.X:
    """Of a knob: a line of numbers where it has many values, or ``along`` it is wanted, else a
    place for each."""
    if is_range(values) or along:
        scale = alt.Scale(type="log" if is_log(values) else "linear", zero=False, padding=12)
        return alt.X(f"{field}:Q", title=title, scale=scale, axis=alt.Axis(labelOverlap=True))
    return alt.X(f"{field}:O", title=title, sort=_order(values), axis=alt.Axis(labelAngle=0))


def value_y(field: str, values: pd.Series, title: str) -> alt.Y:
    """As ``value_x``, upwards."""
    if is_range(values):
        scale = alt.Scale(type="log" if is_log(values) else "linear", zero=False, padding=12)
        return alt.Y(f"{field}:Q", title=title, scale=scale, axis=alt.Axis(format=".3~s"))
    return alt.Y(f"{field}:O", title=title, sort=_order(values)[::-1])


def _order(values: pd.Series) -> list[str]:
    return [value_name(value) for value in sorted(values.dropna().unique())]


def value_name(value: object) -> str:
    """In full, but for on and off, which are as the space file has them."""
    return knob_value(value) if isinstance(value, bool | np.bool_) else str(value)
