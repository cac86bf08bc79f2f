"""Every trial in a table: filtered, ordered, grouped by a knob, downloaded."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from nas.dashboard import charts, columns, downloads, filters, notes, tables
from nas.dashboard.data import Source
from nas.dashboard.text import heading, nothing
from nas.metrics import Measure
from nas.study.front import in_full

COLUMNS = (
    "number", "state", "policy", "inherits", "epochs", "accuracy", "val_loss", "params_k",
    "macs_m", "activations_k", "seconds", "device", "attempts", "tags", "note", "reason",
)  # fmt: skip
PAGE = 500  # rows: a browser has them at once
BEST, NUMBER = "the best first", "by number"
BINS = 8  # of a knob with many values


def page(source: Source) -> None:
    """The table of the trials that are wanted."""
    heading(
        "Trials",
        source.name,
        "One row per network. Compare equal epochs only. Click a row to open its trial.",
    )
    trials = notes.noted(source, source.trials())
    if trials.empty:
        nothing("no trial has begun yet")
        return
    measure = source.measure
    shown = filters.by_expression(trials)
    shown = filters.by_column(source, shown) if len(shown) else shown
    known = [measure.word if name == "accuracy" else name for name in COLUMNS]
    known = [name for name in known if name in (*trials.columns, *columns.UNITS)]
    if trials["inherits"].isna().all():
        known.remove("inherits")
    known += [*columns.metrics(trials), *columns.knobs(trials)]
    order, wanted, knob = _arranged(source, known)
    filters.say_filtered(shown, trials)
    if not shown.empty:
        if knob:
            _groups(shown, knob, measure)
        _table(columns.in_units(_ordered(shown, order, measure)), wanted or known)
    with st.container(horizontal=True):
        downloads.offer(shown, "trials", downloads.FORMATS)


def _arranged(source: Source, known: list[str]) -> tuple[str, list[str], str | None]:
    """In which order, with which columns, grouped by which knob."""
    first, second, third = st.columns(3)
    offered = {BEST: BEST, NUMBER: NUMBER} | {
        name: columns.label(name) for name in known if name not in ("number", "state", "reason")
    }
    order = first.selectbox(
        "Order", list(offered), key="order", bind="query-params", format_func=offered.__getitem__
    )
    wanted = second.multiselect(
        "Columns", [name for name in known if name != "number"], key="columns",
        bind="query-params", placeholder="all", format_func=columns.label,
    )  # fmt: skip
    knob = third.selectbox(
        "Group by", list(source.study().space.parameters), index=None, key="group",
        bind="query-params", placeholder="nothing",
    )  # fmt: skip
    return order, ["number", *wanted] if wanted else [], knob


def _ordered(trials: pd.DataFrame, order: str, measure: Measure) -> pd.DataFrame:
    """Of equal ones, the cheaper network comes first; those in full before those stopped early."""
    if order == NUMBER:
        return trials
    if order != BEST:
        return columns.in_units(trials).sort_values([order, "number"])[trials.columns]
    early = trials["state"] != "COMPLETE"
    ranked = trials.assign(early=early).sort_values(
        ["early", measure.metric, "macs", "number"], ascending=[True, measure.minimizes, True, True]
    )
    return ranked.drop(columns="early")


def _table(rows: pd.DataFrame, order: list[str]) -> None:
    pages = -(-len(rows) // PAGE)
    if pages > 1:
        if (st.session_state.get("page") or 1) > pages:  # of a table that was longer
            st.session_state["page"] = 1
        number = st.number_input(
            f"Page (of {pages}, {PAGE} rows each)", 1, pages, key="page", bind="query-params",
            width=240,
        )  # fmt: skip
        rows = rows.iloc[PAGE * (int(number) - 1) : PAGE * int(number)]
    tables.show_trials(rows, order, "trials", height=480 if len(rows) > 10 else "content")


def _groups(shown: pd.DataFrame, knob: str, measure: Measure) -> None:
    """A row for each value of a knob, or for each part of its range."""
    values = shown[knob]
    ranged = charts.is_range(values)
    by = pd.qcut(values.astype(float), BINS, duplicates="drop") if ranged else values
    full = in_full(shown)
    scale = 100 if measure.is_fraction else 1
    found = full.groupby(by.loc[full.index], observed=True)[measure.metric]
    table = pd.DataFrame(
        {
            "trials": shown.groupby(by, observed=True)["number"].count(),
            "networks in full": found.count(),
            "best": scale * (found.min() if measure.minimizes else found.max()),
            "median": scale * found.median(),
            "worst": scale * (found.max() if measure.minimizes else found.min()),
        }
    )
    table.insert(0, knob, [str(value) for value in table.index])
    shape = "%.2f %%" if measure.is_fraction else "%.4g"
    numbers = {
        name: st.column_config.NumberColumn(f"{name} {measure.word}", format=shape)
        for name in ("best", "median", "worst")
    }
    st.dataframe(table, column_config=numbers, hide_index=True, placeholder="")
    with st.container(horizontal=True):
        downloads.offer(table, "groups", ["CSV"], quiet=True)
