"""One trial: its network, curve, knobs and costs, who ran it, and what to do with it."""

from __future__ import annotations

from functools import partial

import altair as alt
import pandas as pd
import streamlit as st

from nas.dashboard import charts, columns, drawings, links, notes
from nas.dashboard.data import Source
from nas.dashboard.text import heading, nothing, numbers, printable
from nas.dashboard.views import lineage
from nas.dashboard.views.curves import offered_measures
from nas.metrics import MEASURED, Measure, shown_cost
from nas.quantity import count, format_duration, percent, plural
from nas.study.evaluation import evaluated
from nas.study.front import in_full
from nas.study.record import StudyRecord
from nas.study.shell import nas_command

EXPLANATION = (
    "One network of the study: what it is, how it was trained, what it cost. Better and Worse go "
    "through the networks that were trained in full, by what they reached."
)
ROWS = 20  # of a table: more are scrolled


def page(source: Source) -> None:
    """All that the study has of the trial whose number stands in the address."""
    trials = source.trials()
    if trials.empty:
        heading("Trial", source.name, EXPLANATION)
        nothing("no trial has begun yet")
        return
    ranked = _ranked(trials, source.measure)
    top = st.container()
    number = _chosen(trials, ranked)
    with top:
        heading(f"Trial {number}", source.name, EXPLANATION)
    rows = trials[trials["number"] == number]
    if rows.empty:
        nothing(f"there is no trial {number} of nas in this study")
        return
    row = rows.iloc[0]
    _summary(source, row, ranked)
    if pd.notna(row["macs"]):
        st.subheader("Network")
        drawings.show(source, number)
    _curve(source, row)
    if source.inherits:
        lineage.of_trial(source, number)
    left, right = st.columns(2)
    with left:
        _knobs(source, row)
    with right:
        _costs(source, row)
    _attempts(source, number)
    _commands(source, row)
    notes.edit(source, number)


def _ranked(trials: pd.DataFrame, measure: Measure) -> list[int]:
    """The numbers of those trained in full, the best first."""
    order = [measure.metric, "macs"]
    full = in_full(trials).sort_values(order, ascending=[measure.minimizes, True])
    return [int(number) for number in full["number"]]


def _chosen(trials: pd.DataFrame, ranked: list[int]) -> int:
    """A box with the number, and steps to the next better and the next worse network."""
    first = ranked[0] if ranked else int(trials["number"].iloc[0])
    last = int(trials["number"].max())
    if (st.session_state.get("number") or 0) > last:  # of another study
        st.session_state["number"] = None
    with st.container(horizontal=True, vertical_alignment="bottom"):
        asked = st.number_input(
            "Number", 0, last, None, step=1, key="number",
            bind="query-params", placeholder="the best", width=150,
        )  # fmt: skip
        number = first if asked is None else int(asked)
        place = ranked.index(number) if number in ranked else None
        steps = {
            "Best": 0,
            "Better": None if place is None else place - 1,
            "Worse": None if place is None else place + 1,
        }
        for label, at in steps.items():
            there = at is not None and 0 <= at < len(ranked) and ranked[at] != number
            to = ranked[at] if there and at is not None else number
            st.button(label, on_click=links.open_trial, args=(to,), disabled=not there)
    return number


def _summary(source: Source, row: pd.Series, ranked: list[int]) -> None:
    measure, number = source.measure, int(row["number"])
    value = row[measure.metric]
    rank = f"{ranked.index(number) + 1} of {len(ranked)}" if number in ranked else "–"
    lasted = "–" if pd.isna(row["seconds"]) else format_duration(row["seconds"])
    epochs = "–" if pd.isna(row["epochs"]) else f"{row['epochs']} of {_planned(source)}"
    numbers(
        {
            "state": str(row["state"]).lower(),
            measure.word: "–" if pd.isna(value) else measure.shown(value).strip(),
            "epochs": epochs,
            "rank": rank,
            "training": lasted,
        },
        {"rank": "Among the networks that were trained in full."},
    )
    proposed = "" if pd.isna(row["policy"]) else f"Proposed as: {row['policy']}. "
    st.text(f"{proposed}Run {plural(int(row['attempts']), 'time')}.")
    if pd.notna(row["inherits"]):
        parent = int(row["inherits"])
        said = f"Began with the weights of trial {parent}: no result from scratch."
        st.button(said, on_click=links.open_trial, args=(parent,), type="tertiary")
    if pd.notna(row["reason"]):
        st.code(str(row["reason"]), language=None, wrap_lines=True)


def _planned(source: Source) -> int:
    return int(source.study().record.config["epochs"])


def _curve(source: Source, row: pd.Series) -> None:
    st.subheader("Learning curve")
    epochs = source.epochs()
    own = epochs[epochs["number"] == int(row["number"])]
    if own.empty:
        nothing(
            "its result was told, as an equal network had been trained before"
            if row["policy"] == "reused"
            else "it has no epoch behind it"
        )
        return
    offered = offered_measures(own, source.measure)
    measure = st.selectbox(
        "Measure", list(offered), format_func=offered.__getitem__, key="measure",
        bind="query-params",
    )  # fmt: skip
    drawn = own[["number", "attempt", "epoch"]].assign(value=own[measure])
    fraction = measure == "val_accuracy"
    shown = ".2%" if fraction else ".4~g"
    chart = (
        alt.Chart(drawn)
        .mark_line(point=True)
        .encode(
            x=alt.X("epoch:Q", title="epoch", axis=alt.Axis(format="d", tickMinStep=1)),
            y=alt.Y(
                "value:Q",
                title=offered[measure],
                scale=alt.Scale(zero=False, padding=8),
                axis=alt.Axis(format=".1~%" if fraction else ".4~g"),
            ),
            color=charts.nominal("attempt", drawn["attempt"]),
            tooltip=[
                alt.Tooltip("attempt:N", title="attempt"),
                alt.Tooltip("epoch:Q", title="epoch"),
                alt.Tooltip("value:Q", title=offered[measure], format=shown),
            ],
        )
        .properties(height=280)
    )
    charts.show(chart, drawn, key="trial-curve")
    with st.expander("Epochs in numbers"):
        st.dataframe(
            own.dropna(axis="columns", how="all").drop(
                columns=["number", "objective", "metric", "direction"], errors="ignore"
            ),
            hide_index=True,
            placeholder="",
        )


def _knobs(source: Source, row: pd.Series) -> None:
    st.subheader("Knobs")
    space = source.study().space.parameters
    known = {knob: row[knob] for knob in space if pd.notna(row[knob])}
    if not known:
        nothing("nothing was searched, or nothing is known of it yet")
        return
    _facts(
        {
            "knob": list(known),
            "value": [
                f"{value:.6g}" if isinstance(value, float) else charts.value_name(value)
                for value in known.values()
            ],
            "searched": [str(space[knob]) for knob in known],
        }
    )


def _costs(source: Source, row: pd.Series) -> None:
    st.subheader("Costs")
    words = {"params": "parameters", "macs": "MACs per image", "activations": "activations"}
    rows = [(what, count(row[name])) for name, what in words.items() if pd.notna(row[name])]
    rows += [
        (f"{name} in the trial", shown_cost(name, row[name]))
        for name in MEASURED
        if pd.notna(row[name])
    ]
    latencies = source.study().latencies()
    for one in latencies[latencies["key"] == row["key"]].to_dict("records"):
        where = f"{one['device']}, {plural(one['threads'], 'thread')}, batch {one['batch']}"
        rows.append((f"latency on {where}", f"{one['milliseconds']:.3g} ms"))
    final = evaluated(source.url, source.name, int(row["number"]))
    if final:
        rows.append(
            (f"test accuracy, read {final['evaluated']:%Y-%m-%d}", percent(final["test_accuracy"]))
        )
    if not rows:
        nothing("no network has been proposed yet")
        return
    _facts({"cost": [what for what, _ in rows], "amount": [amount for _, amount in rows]})
    if latencies.empty:
        st.caption("Latency: nas latency measures it on a machine.")


def _facts(texts: dict[str, list[str]]) -> None:
    table = printable(pd.DataFrame(texts, dtype="string"))
    st.dataframe(table, hide_index=True, height="content" if len(table) <= ROWS else "auto")


def _attempts(source: Source, number: int) -> None:
    attempts = source.attempts()
    own = attempts[attempts["number"] == number]
    if own.empty:
        return
    st.subheader("Attempts")
    st.dataframe(
        own,
        column_order=[
            "attempt", "state", "epochs", "host", "device", "numerics", "started", "ended",
            "reason",
        ],
        column_config=columns.TRIALS,
        hide_index=True,
        placeholder="",
    )  # fmt: skip


def _commands(source: Source, row: pd.Series) -> None:
    if pd.isna(row["macs"]):
        return
    st.subheader("What to do with it")
    study = source.study()
    for words, command in next_commands(study.name, study.record, int(row["number"]), source.url):
        st.text(words)
        st.code(command, language=None, wrap_lines=True)


def next_commands(study: str, record: StudyRecord, number: int, url: str) -> list[tuple[str, str]]:
    """What may be wanted of a trial, with the command that does it; none that would be refused."""
    command = partial(nas_command, storage=url, here=False)
    file = f"trial-{number}.pt"
    found = [
        (
            "Train it for longer, and write it to a file that can be shipped:",
            command("retrain", study, trial=number, output=file),
        ),
        (
            "Write that one for other programs, with a model card:",
            nas_command("export", file, output=f"trial-{number}.onnx", here=False),
        ),
    ]
    if not record.is_retrainable:
        found = []
    space = str(record.config["space"])
    search = command("search", space=space, study="another", start_from=f"{study}#{number}")
    return [*found, ("Begin another search with it:", search)]
