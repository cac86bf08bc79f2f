"""Learning curves of chosen trials."""

from __future__ import annotations

import altair as alt
import pandas as pd
import streamlit as st

from nas.dashboard import charts, links
from nas.dashboard.data import Source
from nas.dashboard.text import heading, nothing
from nas.metrics import NAMED, PREFIX, Measure
from nas.quantity import plural

MEASURES = {
    "val_accuracy": "validation accuracy",
    "val_loss": "validation loss (nats)",
    "train_loss": "training loss (nats)",
    "learning_rate": "learning rate",
    "images_per_second": "images per second",
}
MOST, FIRST = 20, 5


def page(source: Source) -> None:
    """One line per chosen trial, over its epochs."""
    heading(
        "Learning curves",
        source.name,
        "What each epoch of training brought. A curve that ends early belongs to a trial that was "
        "stopped, failed or still runs. Click a point to open its trial.",
    )
    trials = source.trials()
    own = (trials["policy"] != "reused") & trials["inherits"].isna()
    measured = trials[trials["epochs"].notna() & own]
    if measured.empty:
        nothing("no trial has trained an epoch yet")
        return
    judged = source.measure
    ranked = measured.sort_values(judged.metric, ascending=judged.minimizes).head(charts.OFFERED)
    charts.say_offered(len(ranked), len(measured))
    labels = {
        int(row["number"]): f"{row['number']}: {judged.shown(row[judged.metric]).strip()} after "
        f"{plural(row['epochs'], 'epoch')}, {row['state'].lower()}"
        for row in ranked.to_dict("records")
    }
    chosen = st.multiselect(
        f"Trials (at most {MOST}, the best first)",
        list(labels),
        default=list(labels)[:FIRST],
        format_func=labels.__getitem__,
        max_selections=MOST,
        key="curves",
        bind="query-params",
    )
    epochs = source.epochs()
    offered = offered_measures(epochs, judged)
    measure = st.selectbox(
        "Measure", list(offered), format_func=offered.__getitem__, key="measure",
        bind="query-params",
    )  # fmt: skip
    if not chosen:
        nothing("no trial is chosen")
        return
    drawn = _last_attempts(epochs, chosen)
    charts.show(_lines(drawn, measure, offered[measure]), drawn, key="learning-curves", opens=True)


def offered_measures(epochs: pd.DataFrame, judged: Measure) -> dict[str, str]:
    """Columns that some epoch has a value in, with their labels: what is judged comes first."""
    own = [name for name in epochs if str(name).startswith(PREFIX)]
    names = {judged.metric: judged.label, **MEASURES}
    names |= {str(name): str(name).removeprefix(PREFIX) for name in (*NAMED, *own)} | names
    return {name: label for name, label in names.items() if epochs[name].notna().any()}


def _last_attempts(epochs: pd.DataFrame, chosen: list[int]) -> pd.DataFrame:
    """Of each trial, the curve of its last attempt that has one: that is whole."""
    own = epochs[epochs["number"].isin(chosen)]
    return own[own["attempt"] == own.groupby("number")["attempt"].transform("max")]


def _lines(epochs: pd.DataFrame, measure: str, label: str) -> alt.Chart:
    value = (
        charts.value_axis()
        if measure == "val_accuracy"
        else alt.Y("value:Q", title=label, scale=alt.Scale(zero=False))
    )
    shown = ".2%" if measure == "val_accuracy" else ".4~g"
    # a name with a dot in it would be a path to Vega
    points = epochs[["number", "epoch", "val_accuracy"]].assign(value=epochs[measure])
    chart: alt.Chart = (
        alt.Chart(points)
        .mark_line(point=alt.OverlayMarkDef(size=60, cursor="pointer"))
        .encode(
            x=alt.X("epoch:Q", title="epoch", axis=alt.Axis(format="d", tickMinStep=1)),
            y=value,
            color=alt.Color("number:N", title="trial"),
            tooltip=[
                alt.Tooltip("number:N", title="trial"),
                alt.Tooltip("epoch:Q", title="epoch"),
                alt.Tooltip("value:Q", title=label, format=shown),
            ],
        )
        .add_params(links.clickable())
        .properties(height=charts.HEIGHT)
    )
    return chart
