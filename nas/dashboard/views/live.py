"""A search while it runs: refreshed by itself, from the first trial on."""

from __future__ import annotations

import altair as alt
import pandas as pd
import streamlit as st

from nas.dashboard import charts, columns, data, links, notes, tables
from nas.dashboard.data import Source
from nas.dashboard.text import heading, nothing, numbers, refused
from nas.metrics import Measure
from nas.quantity import format_duration, plural
from nas.search.pace import Pace, seconds_left
from nas.search.watched import paces_of
from nas.study.front import pareto_front
from nas.study.states import ENDED

LATEST = 10
PACE = {
    "of it": st.column_config.NumberColumn("of it", format="%.0f %%", help="Of the epoch."),
    "images/s": st.column_config.NumberColumn(
        "images/s", format="localized", help="In this epoch."
    ),
    "left": st.column_config.TextColumn("left", help="Of the trial, if it is trained in full."),
}


def page(source: Source) -> None:
    """How far the study is, what runs now, what ended last."""
    heading("Progress", source.name, "Refreshed every two seconds while this page is open.")
    _live(source.url, source.name)
    notes.edit(source)


@st.fragment(run_every="2s")
def _live(url: str, name: str) -> None:
    with refused(url):
        found = data.progress(url)
        rows = found[found["study"] == name]
        source = data.source(url, name)
        if rows.empty or source is None:
            nothing("this study is not in the database any more")
            return
        _numbers(rows.iloc[0], source)
        _running(source, int(rows.iloc[0]["working"]))
        _by_number(source)
        _ended(source)


def _numbers(now: pd.Series, source: Source) -> None:
    ended = int(now[list(ENDED)].sum())
    planned = int(now["planned"])
    st.progress(min(1.0, ended / max(1, planned)), f"{ended} of {plural(planned, 'trial')} ended")
    record, measure = source.study().record, source.measure
    if not record.untrained:  # which the app says above each page
        st.text(f"Trained {record.trained_by}")
    in_full = source.trials().query("state == 'COMPLETE'")
    full = in_full[measure.metric]
    best = full.min() if measure.minimizes else full.max()
    shown: dict[str, str | int] = {
        "state": str(now["state"]),
        "running now": int(now["working"]),
        "trained in full": int(now["complete"]),
        "stopped early": int(now["pruned"]),
        "failed": int(now["failed"]),
        f"best {measure.word}": measure.shown(best).strip() if len(full) else "–",
    }
    if record.minimize:
        shown["on the front"] = len(pareto_front(in_full, record.minimize, measure))
    numbers(shown)


def _running(source: Source, working: int) -> None:
    st.subheader("Running now")
    attempts = source.attempts()
    running = attempts[attempts["state"] == "running"]
    if running.empty:
        nothing("no trial is being trained")
        return
    if not working:
        st.caption("Their driver is gone: the command of the search carries them on.")
    epochs = int(source.study().record.config["epochs"])
    tables.show_trials(
        _paced(_with_results(running, source), source, epochs),
        ["number", "attempt", "epochs", *PACE, source.measure.word, "macs_m", "host", "started"],
        "running",
        {
            "epochs": st.column_config.ProgressColumn(
                "epochs", min_value=0, max_value=epochs, format=f"%d of {epochs}"
            ),
            **PACE,
        },
    )


def _paced(running: pd.DataFrame, source: Source, epochs: int) -> pd.DataFrame:
    """With the columns ``PACE`` where their workers' folder is seen from here."""
    paces = paces_of(source.study())
    rows = [
        _pace(paces.read(int(number), int(attempt)), int(done), epochs)
        for number, attempt, done in running[["number", "attempt", "epochs"]].itertuples(
            index=False
        )
    ]
    if not any(rows):
        return running
    return running.assign(**pd.DataFrame(rows, columns=list(PACE), index=running.index))


def _pace(pace: Pace | None, done: int, epochs: int) -> dict[str, object]:
    """A row of ``PACE``; nothing where the epoch that is under way is not known."""
    if pace is None or pace.epoch <= done:
        return {}
    left = seconds_left(epochs, done, pace)
    return {
        "of it": 100 * pace.share,
        "images/s": round(pace.images_per_second),
        "left": None if left is None else format_duration(left),
    }


def _by_number(source: Source) -> None:
    measure = source.measure
    st.subheader(f"{measure.word.title()} by trial")
    trials = source.trials()
    endings = [*charts.ENDINGS, "RUNNING"]
    own = trials["inherits"].isna()  # what was inherited is another fidelity
    shown = trials[trials["state"].isin(endings) & trials[measure.metric].notna() & own]
    if shown.empty:
        nothing("no trial has ended with a result yet")
        return
    running = shown["state"] == "RUNNING"  # always drawn: there are as many as workers
    drawn = pd.concat([charts.thinned(shown[~running]), shown[running].tail(charts.POINTS)])
    charts.say_thinned(len(drawn), len(shown))
    points = drawn[["number", measure.metric, "epochs"]].assign(
        ending=charts.endings(drawn, measure)
    )
    x = alt.X("number:Q", title="trial", axis=alt.Axis(format="d", tickMinStep=1))
    dots = (
        alt.Chart(points)
        .mark_point(filled=True, size=50, cursor="pointer")
        .encode(
            x=x,
            y=charts.value_axis(measure),
            color=charts.ending_colour(measure, running=bool(running.any())),
            shape=charts.ending_shape(measure, running=bool(running.any())),
            tooltip=[
                alt.Tooltip("number:Q", title="trial"),
                charts.value_tooltip(measure),
                alt.Tooltip("epochs:Q", title="epochs"),
            ],
        )
        .add_params(links.clickable())
    )
    line = (
        alt.Chart(_best_so_far(shown, measure))
        .mark_line(interpolate="step-after", color=charts.LINE, strokeWidth=2)
        .encode(x=x, y=charts.value_axis(measure))
    )
    charts.show((line + dots).properties(height=320), points, key="by-number", opens=True)
    st.caption(
        "The line: the best of those trained in full so far. Click a point to open its trial."
    )


def _best_so_far(shown: pd.DataFrame, measure: Measure) -> pd.DataFrame:
    """A row where the best one changes, and one at the end."""
    full = shown.loc[shown["state"] == "COMPLETE", ["number", measure.metric]]
    values = full[measure.metric]
    best = values.cummin() if measure.minimizes else values.cummax()
    steps = full.assign(**{measure.metric: best})[best != best.shift()]
    last = steps.tail(1).assign(number=shown["number"].max())
    return pd.concat([steps, last])


def _ended(source: Source) -> None:
    st.subheader("Ended last")
    attempts = source.attempts()
    ended = attempts.dropna(subset=["ended"]).sort_values("ended", ascending=False).head(LATEST)
    if ended.empty:
        nothing("no trial has ended yet")
        return
    order = ["ended", "number", "attempt", "state", "epochs", source.measure.word, "reason"]
    tables.show_trials(_with_results(ended, source), order, "ended-last")


def _with_results(attempts: pd.DataFrame, source: Source) -> pd.DataFrame:
    """The attempts with what is known of their trials."""
    known = ["number", source.measure.word, "macs_m"]
    trials = columns.in_units(source.trials())[known]
    return attempts.merge(trials, on="number", how="left")
