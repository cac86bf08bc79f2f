"""Who ran what, where and when, and who waited."""

from __future__ import annotations

import altair as alt
import pandas as pd
import streamlit as st

from nas.analysis.workers import occupancy, spans
from nas.dashboard import charts, links
from nas.dashboard.data import Source
from nas.dashboard.text import heading, nothing

ATTEMPTS, WORKERS = 1_000, 40  # drawn at most, the latest
STATES = {
    "complete": "#0072B2",
    "inherited": "#56B4E9",
    "pruned": "#E69F00",
    "failed": "#D55E00",
    "died": "#CC79A7",
    "abandoned": "#882255",
    "interrupted": "#999999",
    "running": "#009E73",
}


def page(source: Source) -> None:
    """The attempts over time, and how busy each worker was."""
    heading(
        "Workers",
        source.name,
        "Each bar is one attempt at a trial, in the row of the process that ran it (host/process). "
        "Where a row is empty, its process waited. Click a bar to open its trial.",
    )
    attempts = source.attempts()
    if attempts.empty:
        nothing("no trial has begun yet")
        return
    ran = spans(attempts, pd.Timestamp.now("UTC"))
    busy = occupancy(ran)
    latest = busy.sort_values("last").tail(WORKERS)["worker"]
    drawn = ran[ran["worker"].isin(latest)].sort_values("started").tail(ATTEMPTS)
    if len(drawn) < len(ran):
        st.caption(f"Drawn: the latest {len(drawn):,} of {len(ran):,} attempts.")
    charts.show(_gantt(drawn), drawn, key="gantt", opens=True)
    st.subheader("How busy each worker was")
    st.dataframe(
        busy,
        column_config={
            "worker": "worker (host/process)",
            "first": st.column_config.DatetimeColumn("first (UTC)", format="YYYY-MM-DD HH:mm:ss"),
            "last": st.column_config.DatetimeColumn("last (UTC)", format="YYYY-MM-DD HH:mm:ss"),
            "busy": st.column_config.NumberColumn("busy (s)", format="%.1f"),
            "idle": st.column_config.NumberColumn("idle (s)", format="%.1f"),
            "busy_share": st.column_config.ProgressColumn(
                "busy (%)", min_value=0, max_value=1, format="percent"
            ),
        },
        hide_index=True,
        placeholder="",
    )


def _time_format(ran: pd.DataFrame) -> str:
    """Seconds only where they matter, days where there are several."""
    length = ran["ended"].max() - ran["started"].min()
    if length < pd.Timedelta(minutes=10):
        return "%H:%M:%S"
    return "%H:%M" if length < pd.Timedelta(days=1) else "%b %d %H:%M"


def _gantt(ran: pd.DataFrame) -> alt.Chart:
    order = list(dict.fromkeys(ran["worker"]))
    bars = ran[["worker", "number", "attempt", "state", "started", "ended", "device"]].assign(
        seconds=(ran["ended"] - ran["started"]).dt.total_seconds()
    )
    states = [state for state in STATES if state in set(ran["state"])]
    chart: alt.Chart = (
        alt.Chart(bars)
        .mark_bar(height=14, stroke="white", strokeWidth=0.5, cursor="pointer")
        .encode(
            x=alt.X(
                "started:T",
                title="time (UTC)",
                scale=alt.Scale(type="utc"),
                axis=alt.Axis(format=_time_format(ran), labelOverlap=True),
            ),
            x2="ended:T",
            y=alt.Y(
                "worker:N",
                title=None,
                sort=order,
                axis=alt.Axis(labelLimit=180, labelOverlap=False),
            ),
            color=alt.Color(
                "state:N",
                title=None,
                scale=alt.Scale(domain=states, range=[STATES[state] for state in states]),
                legend=alt.Legend(orient="top"),
            ),
            tooltip=[
                alt.Tooltip("number:Q", title="trial"),
                alt.Tooltip("attempt:Q", title="attempt"),
                alt.Tooltip("state:N", title="state"),
                alt.Tooltip("seconds:Q", title="seconds", format=".1f"),
                alt.Tooltip("worker:N", title="worker"),
                alt.Tooltip("device:N", title="device"),
            ],
        )
        .add_params(links.clickable())
        .properties(height=alt.Step(22))
    )
    return chart
