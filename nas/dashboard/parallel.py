"""Parallel coordinates: one axis per knob and one for the result, one line per trial."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import altair as alt
import pandas as pd
import streamlit as st

from nas.dashboard import charts, links
from nas.metrics import Measure

BRUSH = "brush"  # the selection of the chart that marks a part of an axis
MOST_TICKS = 12  # of an axis
ROOM = 80  # pixels to an axis in which names and values stand side by side
# the last part of a path on a line of its own, where names lie
LABEL = r"split(replace(datum.label, /\.([^.]+)$/, '\n.$1'), '\n')"


def parallel(
    drawn: pd.DataFrame, wanted: pd.Series, axes: list[str], measure: Measure
) -> alt.LayerChart:
    """The trials as lines over the columns ``axes``, in the colour of what they are judged by.

    Those that are not ``wanted`` are grey. A click on a line opens its trial, a drag over an axis
    is the selection ``BRUSH``.
    """
    places = {axis: _positions(drawn[axis]) for axis in axes}
    named = {axis: measure.word if axis == measure.metric else axis for axis in axes}
    long = pd.concat(
        [
            drawn[["number", measure.metric]].assign(
                axis=named[axis], position=places[axis], wanted=wanted.loc[drawn.index]
            )
            for axis in axes
        ]
    ).dropna(subset=["position"])
    order = list(named.values())
    narrow = f"width < {ROOM * len(axes)}"
    x = alt.X(
        "axis:N",
        title=None,
        sort=order,
        axis=alt.Axis(
            labelAngle=alt.ExprRef(f"{narrow} ? -90 : 0"),
            labelAlign=alt.ExprRef(f"{narrow} ? 'right' : 'center'"),
            labelBaseline=alt.ExprRef(f"{narrow} ? 'middle' : 'top'"),
            labelExpr=f"{narrow} ? datum.label : {LABEL}", labelOverlap=False, labelLimit=130,
            grid=True, domain=False, ticks=False,
        ),
    )  # fmt: skip
    y = alt.Y("position:Q", axis=None, scale=alt.Scale(domain=[-0.04, 1.04], nice=False))
    tooltip = [alt.Tooltip("number:Q", title="trial"), charts.value_tooltip(measure)]
    colour = alt.Color(
        f"{measure.metric}:Q",
        title=measure.word,
        scale=alt.Scale(scheme="viridis", reverse=measure.minimizes),
        legend=alt.Legend(format=".1%" if measure.is_fraction else ".4~g", orient="top"),
    )
    hover = alt.selection_point("hovered", fields=["number"], on="pointerover", empty=False)
    base = alt.Chart(long).encode(x=x, y=y, detail="number:N")
    lines = base.mark_line().encode(
        color=alt.condition("datum.wanted", colour, alt.value("#999999")),
        opacity=alt.when(hover).then(alt.value(1.0)).when("datum.wanted").then(
            alt.value(0.6)
        ).otherwise(alt.value(0.12)),
        strokeWidth=alt.when(hover).then(alt.value(4)).otherwise(alt.value(1.2)),
    )  # fmt: skip
    # a line of a pixel is hard to meet: what is met is wider, and not seen
    met = (
        base.mark_line(strokeWidth=9, opacity=0, cursor="pointer")
        .encode(tooltip=tooltip)
        .add_params(hover, links.clickable())
    )
    ticks = pd.concat([_ticks(named[axis], drawn[axis], places[axis], measure) for axis in axes])
    labels = alt.Chart(ticks).encode(x=x, y=y, text="value:N")
    # in a grey that is seen on light and on dark; on a phone they would overlap
    seen = alt.ExprRef(f"width < {ROOM / 2 * len(axes)} ? 0 : 1")
    words = labels.mark_text(
        align="left", dx=4, fontSize=12, fontWeight="bold", color="#7a7a7a", opacity=seen
    )
    points = (
        alt.Chart(long)
        .mark_point(opacity=0, size=1)
        .encode(x=x, y=y)
        .add_params(alt.selection_interval(BRUSH, encodings=["x", "y"]))
    )
    chart: alt.LayerChart = (points + lines + met + words).properties(height=charts.HEIGHT + 80)
    return chart


def on_brush(
    key: str, drawn: pd.DataFrame, axes: list[str], measure: Measure
) -> Callable[[], None]:
    """Called when somebody clicks on or drags over the chart ``key``: a drag joins the filter."""
    return partial(_selected, key, drawn, axes, measure)


def _selected(key: str, drawn: pd.DataFrame, axes: list[str], measure: Measure) -> None:
    links.from_chart(key)()
    marked = st.session_state[key]["selection"].get(BRUSH) or {}
    if not {"axis", "position"} <= marked.keys():
        return
    low, high = sorted(marked["position"])
    named = {measure.word if axis == measure.metric else axis: axis for axis in axes}
    parts = [st.session_state.get("where", "").strip()]
    for name in marked["axis"]:
        if name in named:
            values, places = drawn[named[name]], _positions(drawn[named[name]])
            parts.append(_said(name, values, places.between(low, high)))
    st.session_state["where"] = " and ".join(part for part in parts if part)


def _said(name: str, values: pd.Series, inside: pd.Series) -> str:
    """The marked values as an expression; nothing where that is all of them, or none."""
    marked = values[inside].dropna()
    if marked.empty or inside[values.notna()].all():
        return ""
    if charts.is_range(values):
        return f"{name} >= {marked.min()!s} and {name} <= {marked.max()!s}"
    return f"{name} in ({', '.join(map(_quoted, sorted(marked.unique())))})"


def _quoted(value: object) -> str:
    """As an expression has it."""
    if not isinstance(value, str):
        return str(value).lower()
    return f"'{value}'" if '"' in value else f'"{value}"'


def _positions(values: pd.Series) -> pd.Series:
    """Between 0 and 1: along the range, or evenly in the order of the few values."""
    if charts.is_range(values):
        along = values.astype(float)
        along = along.map(math.log) if charts.is_log(values) else along
        return (along - along.min()) / (along.max() - along.min())
    order = sorted(values.dropna().unique())
    place = {value: k / max(1, len(order) - 1) for k, value in enumerate(order)}
    return values.map(place).astype(float)


def _ticks(axis: str, values: pd.Series, positions: pd.Series, measure: Measure) -> pd.DataFrame:
    percent = axis == measure.word and measure.is_fraction
    texts = values.map(lambda value: f"{value:.1%}" if percent else _short(value))
    found = pd.DataFrame({"axis": axis, "value": texts, "position": positions})
    found = found.dropna().drop_duplicates("position").sort_values("position")
    return found.iloc[[0, -1]] if charts.is_range(values) else found.head(MOST_TICKS)


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else charts.value_name(value)
