"""Learning curves of chosen trials."""

from __future__ import annotations

import altair as alt
import pandas as pd
import streamlit as st

from nas.dashboard import charts
from nas.dashboard.data import Source
from nas.dashboard.text import heading, nothing
from nas.quantity import percent, plural

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
        "stopped, failed or still runs.",
    )
    trials = source.trials()
    measured = trials[trials["epochs"].notna() & (trials["policy"] != "reused")]
    if measured.empty:
        nothing("no trial has trained an epoch yet")
        return
    ranked = measured.sort_values("val_accuracy", ascending=False)
    labels = {
        int(row["number"]): f"{row['number']}: {percent(row['val_accuracy']).strip()} after "
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
    )
    measure = st.selectbox("Measure", list(MEASURES), format_func=MEASURES.__getitem__)
    if not chosen:
        nothing("no trial is chosen")
        return
    st.altair_chart(_lines(_last_attempts(source.epochs(), chosen), measure), key="learning-curves")


def _last_attempts(epochs: pd.DataFrame, chosen: list[int]) -> pd.DataFrame:
    """Of each trial, the curve of its last attempt that has one: that is whole."""
    own = epochs[epochs["number"].isin(chosen)]
    return own[own["attempt"] == own.groupby("number")["attempt"].transform("max")]


def _lines(epochs: pd.DataFrame, measure: str) -> alt.Chart:
    value = (
        charts.accuracy_axis()
        if measure == "val_accuracy"
        else alt.Y(f"{measure}:Q", title=MEASURES[measure], scale=alt.Scale(zero=False))
    )
    shown = ".2%" if measure == "val_accuracy" else ".4~g"
    chart: alt.Chart = (
        alt.Chart(epochs[["number", "epoch", measure]])
        .mark_line(point=True)
        .encode(
            x=alt.X("epoch:Q", title="epoch", axis=alt.Axis(format="d", tickMinStep=1)),
            y=value,
            color=alt.Color("number:N", title="trial"),
            tooltip=[
                alt.Tooltip("number:N", title="trial"),
                alt.Tooltip("epoch:Q", title="epoch"),
                alt.Tooltip(f"{measure}:Q", title=MEASURES[measure], format=shown),
            ],
        )
        .properties(height=charts.HEIGHT)
    )
    return chart
