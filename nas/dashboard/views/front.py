"""Accuracy against cost, with the trials that no other beats in both."""

from __future__ import annotations

import altair as alt
import pandas as pd
import streamlit as st

from nas.dashboard import charts, columns, drawings
from nas.dashboard.data import Source
from nas.dashboard.text import heading, nothing
from nas.study.front import pareto_front


def page(source: Source) -> None:
    """The scatter, the front as a table, the network of a point that is clicked."""
    heading(
        "Accuracy and cost",
        source.name,
        "Each point is a network. The line is the Pareto front: networks that no other one "
        "beats in both accuracy and cost, among those trained in full. Click a point to see its "
        "network.",
    )
    trials = source.trials()
    if trials["macs"].isna().all():
        nothing("no network has been proposed yet")
        return
    cost = charts.choose_cost(trials)
    ended = trials["state"].isin(list(charts.ENDINGS)) & (trials["policy"] != "reused")
    shown = trials[ended & trials["val_accuracy"].notna() & trials[cost].notna()]
    if shown.empty:
        nothing("no trial has ended with a result yet")
        return
    front = pareto_front(shown[shown["state"] == "COMPLETE"], cost)
    others = shown.drop(front.index)
    drawn = pd.concat([charts.thinned(others), front])
    charts.say_thinned(len(drawn), len(shown))
    picked = st.altair_chart(
        _chart(_described(source, drawn, cost), front, cost),
        on_select="rerun",
        selection_mode="point",
        key="front",
    )
    if front.empty:
        nothing("there is no front, as no trial was trained in full yet")
    _network(source, picked)
    st.subheader("The front, from the cheapest to the most accurate")
    _table(front)


def _described(source: Source, drawn: pd.DataFrame, cost: str) -> pd.DataFrame:
    """What is drawn, with a column for each part of the network."""
    points = drawn[["number", "epochs", "val_accuracy", "params", "macs", "activations"]].assign(
        ending=drawn["state"].map(charts.ENDINGS)
    )
    parts = source.parts(tuple(drawn["key"]))
    return points.join(pd.DataFrame(list(parts), index=points.index))


def _chart(points: pd.DataFrame, front: pd.DataFrame, cost: str) -> alt.LayerChart:
    parts = [name for name in points.columns if name.startswith(("stem", "stage"))]
    tooltip = [
        alt.Tooltip("number:Q", title="trial"),
        alt.Tooltip("val_accuracy:Q", title="accuracy", format=".2%"),
        alt.Tooltip("epochs:Q", title="after epochs"),
        alt.Tooltip("params:Q", title="parameters", format=".3~s"),
        alt.Tooltip("macs:Q", title="MACs", format=".3~s"),
        *(alt.Tooltip(f"{part}:N", title=part) for part in parts),
    ]
    line = (
        alt.Chart(front[[cost, "val_accuracy"]])
        .mark_line(interpolate="step-after", color="#D55E00", strokeWidth=1.5)
        .encode(x=charts.cost_axis(cost), y=charts.accuracy_axis())
    )
    scatter = (
        alt.Chart(points)
        .mark_point(filled=True, size=60, opacity=0.8)
        .encode(
            x=charts.cost_axis(cost),
            y=charts.accuracy_axis(),
            color=charts.ending_colour(),
            shape=charts.ending_shape(),
            tooltip=tooltip,
        )
        .add_params(alt.selection_point("point", fields=["number"], empty=False))
    )
    chart: alt.LayerChart = (line + scatter).properties(height=charts.HEIGHT)
    return chart


def _network(source: Source, picked: object) -> None:
    selection = getattr(picked, "selection", {})
    points = selection.get("point") or []
    if points:
        number = int(points[0]["number"])
        st.subheader(f"Trial {number}")
        drawings.show(source, number)


def _table(front: pd.DataFrame) -> None:
    shown = ["number", "accuracy", "epochs", "params_k", "macs_m", "activations_k", "seconds"]
    st.dataframe(
        columns.in_units(front),
        column_order=shown,
        column_config=columns.TRIALS,
        hide_index=True,
        placeholder="",
    )
