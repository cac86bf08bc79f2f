"""What each knob of the space does: marginal plots, and all knobs of a trial as one line."""

from __future__ import annotations

import math

import altair as alt
import pandas as pd
import streamlit as st

from nas.dashboard import charts
from nas.dashboard.data import Source
from nas.dashboard.text import heading, nothing

LINES = 200  # of parallel coordinates: more are a carpet
FEW = 12  # a knob with more values than these is drawn as a range


def page(source: Source) -> None:
    """One chart per knob, then one over all knobs."""
    heading(
        "Knobs",
        source.name,
        "What is searched, and how accuracy goes with it. Trials trained in full only.",
    )
    trials = source.trials()
    knobs = [knob for knob in source.study().space.parameters if trials[knob].nunique() > 1]
    full = trials[(trials["state"] == "COMPLETE") & (trials["policy"] != "reused")]
    if full.empty:
        nothing("no trial was trained in full yet")
        return
    if not knobs:
        nothing("all trials have the same setting")
        return
    _marginals(full, knobs)
    _parallel(full, knobs)


def _marginals(full: pd.DataFrame, knobs: list[str]) -> None:
    st.subheader("One knob at a time")
    chosen = st.selectbox("Knob", knobs, key="knob")
    drawn = charts.thinned(full.dropna(subset=[chosen]))
    charts.say_thinned(len(drawn), len(full))
    values = drawn[chosen]
    points = drawn[["number", "val_accuracy"]].assign(
        value=values.astype(float) if _is_range(values) else values.astype(str)
    )
    kind = "Q" if _is_range(values) else "O"
    st.altair_chart(
        alt.Chart(points)
        .mark_point(filled=True, size=45, opacity=0.6)
        .encode(
            x=alt.X(
                f"value:{kind}", title=chosen, sort=_order(values), scale=_scale(values),
                axis=alt.Axis(labelAngle=0),
            ),
            y=charts.accuracy_axis(),
            tooltip=[
                alt.Tooltip("number:Q", title="trial"),
                alt.Tooltip(f"value:{kind}", title=chosen),
                alt.Tooltip("val_accuracy:Q", title="accuracy", format=".2%"),
            ],
        )
        .properties(height=320),
        key="marginal",
    )  # fmt: skip


def _parallel(full: pd.DataFrame, knobs: list[str]) -> None:
    st.subheader("All knobs at once")
    st.caption("Each line is a trial, its colour the accuracy; the small numbers are the values.")
    best = full.sort_values("val_accuracy", ascending=False)
    drawn = charts.thinned(best, LINES)
    charts.say_thinned(len(drawn), len(full))
    placed = {knob: _positions(drawn[knob]) for knob in knobs}
    long = pd.concat(
        [
            drawn[["number", "val_accuracy"]].assign(
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
                "val_accuracy:Q",
                title="accuracy",
                scale=alt.Scale(scheme="viridis"),
                legend=alt.Legend(format=".1%"),
            ),
            tooltip=[
                alt.Tooltip("number:Q", title="trial"),
                alt.Tooltip("val_accuracy:Q", title="accuracy", format=".2%"),
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
    st.altair_chart((lines + labels).properties(height=charts.HEIGHT), key="parallel")


def _is_range(values: pd.Series) -> bool:
    return values.nunique() > FEW and pd.api.types.is_numeric_dtype(values)


def _is_log(values: pd.Series) -> bool:
    return bool(values.min() > 0 and values.max() > 20 * values.min())


def _scale(values: pd.Series) -> alt.Scale | alt.typing.Optional[None]:
    if not _is_range(values):
        return alt.Undefined
    return alt.Scale(type="log" if _is_log(values) else "linear", zero=False, padding=12)


def _order(values: pd.Series) -> list[str] | None:
    return None if _is_range(values) else [str(value) for value in sorted(values.unique())]


def _positions(values: pd.Series) -> pd.Series:
    """Between 0 and 1: along the range, or evenly in the order of the few values."""
    if _is_range(values):
        along = values.astype(float)
        along = along.map(math.log) if _is_log(values) else along
        return (along - along.min()) / (along.max() - along.min())
    order = sorted(values.dropna().unique())
    place = {value: k / max(1, len(order) - 1) for k, value in enumerate(order)}
    return values.map(place).astype(float)


def _ticks(knob: str, values: pd.Series, positions: pd.Series) -> pd.DataFrame:
    found = pd.DataFrame({"knob": knob, "value": values.map(_short), "position": positions})
    found = found.drop_duplicates("position").sort_values("position")
    return found.iloc[[0, -1]] if _is_range(values) else found


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
