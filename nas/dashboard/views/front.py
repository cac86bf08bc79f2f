"""Accuracy against cost, with the trials that no other beats in both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import altair as alt
import pandas as pd
import streamlit as st

from nas.dashboard import charts, columns, links, tables
from nas.dashboard.data import Source
from nas.dashboard.text import heading, nothing
from nas.metrics import COST_WORDS, Measure
from nas.study.front import front_words, pareto_front

ROWS = 20  # of the table: more are scrolled


def page(source: Source) -> None:
    """The scatter, and the front as a table."""
    record, measure = source.study().record, source.measure
    heading(
        f"{measure.word.title()} and cost",
        source.name,
        "Each point is a network. The line is the Pareto front: networks that no other one "
        f"beats in both {measure.word} and cost, among those trained in full. Click a point to "
        "open its trial.",
    )
    trials = source.trials()
    if trials["macs"].isna().all():
        nothing("no network has been proposed yet")
        return
    cost = charts.choose_cost(trials, record.costs[0])
    ended = trials["state"].isin(list(charts.ENDINGS)) & (trials["policy"] != "reused")
    shown = trials[ended & trials[measure.metric].notna() & trials[cost].notna()]
    if shown.empty:
        nothing("no trial has ended with a result yet")
        return
    full = shown[shown["state"] == "COMPLETE"]
    # of a front, beside what is far below it, little is seen
    if 0 < len(full) < len(shown) and not st.toggle(
        "Trials stopped early, too", value=not record.minimize, key="stopped", bind="query-params"
    ):
        shown = full
    front = pareto_front(full, cost, measure)
    searched = pareto_front(full, record.minimize, measure) if record.minimize else front
    if record.minimize:
        st.text(front_words(trials, record))
    several = len(record.minimize) > 1
    kept = front.index.union(searched.index)
    drawn = pd.concat([charts.thinned(shown.drop(kept)), shown.loc[kept]])
    charts.say_thinned(len(drawn), len(shown))
    points = _described(source, drawn)
    chart = _chart(points, front, searched if several else None, cost, measure)
    charts.show(chart, points, key="front", opens=True)
    if several:
        words = " and ".join(COST_WORDS[name] for name in record.minimize)
        st.caption(f"A ring is around the networks on the front of {measure.word}, {words}.")
    if front.empty:
        nothing("there is no front, as no trial was trained in full yet")
    st.subheader(f"The front, from the cheapest to the {measure.superlative}")
    _table(searched, measure, record.minimize)


def _described(source: Source, drawn: pd.DataFrame) -> pd.DataFrame:
    """What is drawn, with a column for each part of the network."""
    measure = source.measure
    known = ["number", "epochs", measure.metric, "params", "macs", "activations"]
    points = drawn[known].assign(ending=charts.endings(drawn, measure))
    parts = source.parts(tuple(drawn["key"]))
    return points.join(pd.DataFrame(list(parts), index=points.index))


def _chart(
    points: pd.DataFrame,
    front: pd.DataFrame,
    ringed: pd.DataFrame | None,
    cost: str,
    measure: Measure,
) -> alt.LayerChart:
    """Points, the line of the front against one cost, and rings around some points."""
    parts = [name for name in points.columns if name.startswith(("stem", "stage"))]
    tooltip = [
        alt.Tooltip("number:Q", title="trial"),
        charts.value_tooltip(measure),
        alt.Tooltip("epochs:Q", title="after epochs"),
        alt.Tooltip("params:Q", title="parameters", format=".3~s"),
        alt.Tooltip("macs:Q", title="MACs", format=".3~s"),
        *(alt.Tooltip(f"{part}:N", title=part) for part in parts),
    ]
    line = (
        alt.Chart(front[[cost, measure.metric]])
        .mark_line(interpolate="step-after", color=charts.LINE, strokeWidth=2.5)
        .encode(x=charts.cost_axis(cost), y=charts.value_axis(measure))
    )
    scatter = (
        alt.Chart(points)
        .mark_point(filled=True, size=60, opacity=0.8, cursor="pointer")
        .encode(
            x=charts.cost_axis(cost),
            y=charts.value_axis(measure),
            color=charts.ending_colour(measure),
            shape=charts.ending_shape(measure),
            tooltip=tooltip,
        )
        .add_params(links.clickable())
    )
    layers = line + scatter
    if ringed is not None:
        layers += (
            alt.Chart(ringed[[cost, measure.metric]])
            .mark_point(filled=False, size=180, color=charts.LINE, strokeWidth=1.5)
            .encode(x=charts.cost_axis(cost), y=charts.value_axis(measure))
        )
    chart: alt.LayerChart = layers.properties(height=charts.HEIGHT)
    return chart


def _table(front: pd.DataFrame, measure: Measure, minimize: Sequence[str]) -> None:
    shown = ["number", measure.word, "epochs", "params_k", "macs_m", "activations_k"]
    measured = {"latency": "trial_ms", "memory": "memory_mb"}
    shown += [column for name, column in measured.items() if name in minimize]
    shown.append("seconds")
    height: Literal["content", "auto"] = "content" if len(front) <= ROWS else "auto"
    tables.show_trials(columns.in_units(front), shown, "front-table", height=height)
