"""Parallel coordinates: one axis per knob, one line per trial."""

from __future__ import annotations

import math

import altair as alt
import pandas as pd

from nas.dashboard import charts
from nas.metrics import Measure


def parallel(drawn: pd.DataFrame, knobs: list[str], measure: Measure) -> alt.LayerChart:
    """The trials of a frame as lines over the axes ``knobs``, in the colour of what they are judged
    by."""
    placed = {knob: _positions(drawn[knob]) for knob in knobs}
    long = pd.concat(
        [
            drawn[["number", measure.metric]].assign(
                knob=knob, position=placed[knob], value=drawn[knob].map(_short)
            )
            for knob in knobs
        ]
    ).dropna(subset=["position"])
    x = alt.X(
        "knob:N",
        title=None,
        sort=knobs,
        axis=alt.Axis(labelAngle=-40, labelLimit=160, labelOverlap=False),
    )
    y = alt.Y("position:Q", axis=None)
    lines = (
        alt.Chart(long)
        .mark_line(strokeWidth=1.2, opacity=0.6)
        .encode(
            x=x,
            y=y,
            detail="number:N",
            color=alt.Color(
                f"{measure.metric}:Q",
                title=measure.word,
                scale=alt.Scale(scheme="viridis", reverse=measure.minimizes),
                legend=alt.Legend(format=".1%" if measure.is_fraction else ".4~g"),
            ),
            tooltip=[
                alt.Tooltip("number:Q", title="trial"),
                charts.value_tooltip(measure),
            ],
        )
    )
    ticks = pd.concat(
        [_ticks(knob, drawn[knob], placed[knob]) for knob in knobs], ignore_index=True
    )
    labels = (
        alt.Chart(ticks)
        .mark_text(align="left", dx=4, fontSize=11, color="#888888")
        .encode(x=x, y=y, text="value:N")
    )
    chart: alt.LayerChart = (lines + labels).properties(height=charts.HEIGHT)
    return chart


def _positions(values: pd.Series) -> pd.Series:
    """Between 0 and 1: along the range, or evenly in the order of the few values."""
    if charts.is_range(values):
        along = values.astype(float)
        along = along.map(math.log) if charts.is_log(values) else along
        return (along - along.min()) / (along.max() - along.min())
    order = sorted(values.dropna().unique())
    place = {value: k / max(1, len(order) - 1) for k, value in enumerate(order)}
    return values.map(place).astype(float)


def _ticks(knob: str, values: pd.Series, positions: pd.Series) -> pd.DataFrame:
    found = pd.DataFrame({"knob": knob, "value": values.map(_short), "position": positions})
    found = found.drop_duplicates("position").sort_values("position")
    return found.iloc[[0, -1]] if charts.is_range(values) else found


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
