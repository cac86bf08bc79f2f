"""Which trials a page shows, as its visitor wants it; all of it stands in the address."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from nas.dashboard import charts, columns
from nas.dashboard.data import Source
from nas.dashboard.expression import matching
from nas.dashboard.text import nothing
from nas.errors import AnalysisError
from nas.quantity import plural
from nas.text import visible

NAMES = {"accuracy": "val_accuracy", "loss": "val_loss", "trial": "number"}
EXAMPLE = "accuracy > 90 % and macs < 8M and not state = FAIL"
HELP = (
    "Columns are compared by =, !=, <, <=, >, >=, in (…) and has, and joined by and, or, not. "
    "Numbers may have k, M, G or %."
)


def by_expression(trials: pd.DataFrame) -> pd.DataFrame:
    """The rows that an expression is true of; none, and why, where it cannot be read."""
    expression = st.text_input(
        "Filter", key="where", bind="query-params", placeholder=f"such as {EXAMPLE}", help=HELP
    )
    own = {columns.label(name): name for name in columns.metrics(trials)}
    try:
        return trials[matching(trials, expression, {**own, **NAMES})]
    except AnalysisError as error:
        with st.container(border=True):
            st.text(f"Filter: {visible(error)}")
        return trials.iloc[:0]


def by_column(source: Source, trials: pd.DataFrame) -> pd.DataFrame:
    """The rows with the values that are chosen in boxes: of states, of any column."""
    shown = columns.in_units(trials)
    offered = {name: columns.label(name) for name in _offered(source, shown)}
    chosen = st.multiselect(
        "Filter by", list(offered), key="by", bind="query-params", placeholder="any column",
        format_func=offered.__getitem__,
    )  # fmt: skip
    kept = pd.Series(True, index=trials.index)
    if chosen:
        with st.container(horizontal=True):
            for name in chosen:
                kept &= _chosen_values(name, offered[name], shown[name])
    return trials[kept]


def say_filtered(shown: pd.DataFrame, trials: pd.DataFrame) -> None:
    """How many are left, and that none is."""
    st.text(f"{len(shown):,} of {plural(len(trials), 'trial')}")
    if shown.empty:
        nothing("no trial is left by these filters")


def _offered(source: Source, shown: pd.DataFrame) -> list[str]:
    first = ["state", "policy", source.measure.word, "epochs", "params_k", "macs_m", "seconds"]
    names = [*first, "tags", *columns.knobs(shown), *columns.metrics(shown), "device"]
    return [name for name in names if name in shown and shown[name].notna().any()]


def _chosen_values(name: str, label: str, values: pd.Series) -> pd.Series:
    """Whether each row has one of the chosen values, or lies between the chosen ends."""
    if charts.is_range(values):
        least = st.number_input(
            f"{label} at least", value=None, key=f"least.{name}", bind="query-params",
            placeholder=f"{values.min():.4g}",
        )  # fmt: skip
        most = st.number_input(
            f"{label} at most", value=None, key=f"most.{name}", bind="query-params",
            placeholder=f"{values.max():.4g}",
        )  # fmt: skip
        kept = pd.Series(True, index=values.index)
        if least is not None:
            kept &= (values >= least).fillna(False).astype(bool)
        if most is not None:
            kept &= (values <= most).fillna(False).astype(bool)
        return kept
    words = values.astype("string")
    found = {str(word): visible(word) for word in sorted(words.dropna().unique())}
    chosen = st.multiselect(
        label, list(found), key=f"is.{name}", bind="query-params", placeholder="all",
        format_func=found.__getitem__,
    )  # fmt: skip
    return words.isin(chosen) if chosen else pd.Series(True, index=values.index)
