"""Several studies in one picture."""

from __future__ import annotations

import altair as alt
import pandas as pd
import streamlit as st

from nas.dashboard import charts, data
from nas.dashboard.text import nothing
from nas.study.front import pareto_front

MOST = 6


def page(url: str) -> None:
    """Accuracy against cost of the chosen studies, each with its front."""
    st.title("Compare studies")
    st.caption(
        "Trials trained in full, by study. Accuracies are comparable only where the studies "
        "trained for as many epochs, on the same images."
    )
    names = data.names(url)
    if not names:
        nothing("there is no study in this database yet; start one with: nas search")
        return
    chosen = st.multiselect(
        f"Studies (at most {MOST})",
        names,
        default=data.with_results(url)[:2],
        max_selections=MOST,
        key="studies",
    )  # fmt: skip
    sources = [found for name in chosen if (found := data.source(url, name))]
    frames = [source.trials() for source in sources]
    full = {
        source.name: trials[(trials["state"] == "COMPLETE") & (trials["policy"] != "reused")]
        for source, trials in zip(sources, frames, strict=True)
    }
    if not full or all(trials.empty for trials in full.values()):
        nothing("none of the chosen studies has a trial that was trained in full")
        return
    cost = st.segmented_control(
        "Cost", list(charts.COSTS), default="macs", format_func=charts.COSTS.__getitem__,
        required=True, key="cost",
    )  # fmt: skip
    _fronts(full, cost)


def _fronts(full: dict[str, pd.DataFrame], cost: str) -> None:
    st.subheader("Accuracy and cost")
    most = charts.POINTS // len(full)
    drawn = pd.concat([charts.thinned(trials, most) for trials in full.values()])
    charts.say_thinned(len(drawn), sum(map(len, full.values())))
    fronts = pd.concat([pareto_front(trials, cost) for trials in full.values()])
    columns = ["study", "number", "val_accuracy", "epochs", cost]
    x, y, colour = charts.cost_axis(cost), charts.accuracy_axis(), charts.study_colour(list(full))
    points = (
        alt.Chart(drawn[columns])
        .mark_point(filled=True, size=40, opacity=0.5)
        .encode(
            x=x,
            y=y,
            color=colour,
            tooltip=[
                alt.Tooltip("study:N", title="study"),
                alt.Tooltip("number:Q", title="trial"),
                alt.Tooltip("val_accuracy:Q", title="accuracy", format=".2%"),
                alt.Tooltip("epochs:Q", title="after epochs"),
                alt.Tooltip(f"{cost}:Q", title=charts.COSTS[cost], format=".3~s"),
            ],
        )
    )
    lines = (
        alt.Chart(fronts[columns])
        .mark_line(interpolate="step-after")
        .encode(x=x, y=y, color=colour)
    )
    st.altair_chart((points + lines).properties(height=charts.HEIGHT), key="fronts")
