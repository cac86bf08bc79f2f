"""What the charts have in common: axes with units, limits on what is drawn."""

from __future__ import annotations

import altair as alt
import pandas as pd
import streamlit as st

from nas.analysis.population import COSTS
from nas.metrics import ACCURACY, Measure

ENDINGS = {
    "COMPLETE": "trained in full",
    "PRUNED": "stopped early, accuracy then",
}
# Okabe and Ito (2008): told apart without seeing red or green, on light and on dark
COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9"]
POINTS = 2_000  # a browser draws and hovers over as many without a delay
HEIGHT = 420  # pixels
FEW = 12  # a knob with more values than these is drawn as a range


def choose_cost(trials: pd.DataFrame, first: str = "macs") -> str:
    """One of the costs that are known of some trial, from a row of buttons; ``first`` to begin
    with."""
    known = [cost for cost in COSTS if trials[cost].notna().any()]
    return st.segmented_control(
        "Cost", known, default=first, format_func=COSTS.__getitem__, required=True, key="cost"
    )


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
    """How each trial ended, in words of the legend."""
    return trials["state"].map(_endings(measure))


def _endings(measure: Measure) -> dict[str, str]:
    return {state: ending.replace("accuracy", measure.word) for state, ending in ENDINGS.items()}


def thinned(rows: pd.DataFrame, most: int = POINTS) -> pd.DataFrame:
    """Every n-th row, so that at most ``most`` remain."""
    step = -(-len(rows) // most) or 1
    return rows.iloc[::step]


def say_thinned(drawn: int, there: int) -> None:
    """Say it where not all is drawn; the tables and downloads have all."""
    if drawn < there:
        st.caption(f"Drawn: {drawn:,} of {there:,} trials, evenly over their numbers.")


def ending_colour(measure: Measure) -> alt.Color:
    """Of a trial, from the column ``ending``."""
    return alt.Color(
        "ending:N",
        title=None,
        scale=alt.Scale(domain=list(_endings(measure).values()), range=["#0072B2", "#E69F00"]),
        legend=alt.Legend(orient="top", labelLimit=300, columns=1),  # a phone is narrow
    )


def ending_shape(measure: Measure) -> alt.Shape:
    """Beside the colour: legible without seeing colours."""
    return alt.Shape(
        "ending:N",
        title=None,
        scale=alt.Scale(domain=list(_endings(measure).values()), range=["circle", "cross"]),
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
