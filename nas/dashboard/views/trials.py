"""Every trial in a table: filtered, sorted by a click on a column's head, downloaded."""

from __future__ import annotations

import io
from functools import partial

import pandas as pd
import streamlit as st

from nas.dashboard import columns
from nas.dashboard.data import Source
from nas.dashboard.text import heading, nothing
from nas.metrics import Measure
from nas.quantity import plural
from nas.study.exchange.tabular import defused

COLUMNS = (
    "number", "state", "policy", "epochs", "accuracy", "val_loss", "params_k", "macs_m",
    "activations_k", "seconds", "device", "attempts", "reason",
)  # fmt: skip


def page(source: Source) -> None:
    """The table of all trials."""
    heading("Trials", source.name, "One row per network. Compare equal epochs only.")
    trials = source.trials()
    if trials.empty:
        nothing("no trial has begun yet")
        return
    measure = source.measure
    shown = _filtered(trials, measure)
    st.text(f"{len(shown):,} of {plural(len(trials), 'trial')}")
    if shown.empty:
        nothing("no trial is left by these filters")
    else:
        st.dataframe(
            columns.in_units(shown),
            column_order=[
                *(measure.word if name == "accuracy" else name for name in COLUMNS),
                *columns.metrics(shown),
                *columns.knobs(shown),
            ],
            column_config=columns.TRIALS,
            hide_index=True,
            placeholder="",
            height=480,
        )
    _downloads(shown)


def _filtered(trials: pd.DataFrame, measure: Measure) -> pd.DataFrame:
    with st.container(horizontal=True):
        states = st.multiselect(
            "State", sorted(trials["state"].unique()), key="states", placeholder="all"
        )
        policies = st.multiselect(
            "Policy", sorted(trials["policy"].dropna().unique()), key="policies", placeholder="all"
        )
        worst = _worst(measure)
        most = st.number_input(
            "MACs at most (millions)", 0.0, value=None, step=1.0, key="most", placeholder="any"
        )
    kept = pd.Series(True, index=trials.index)
    if states:
        kept &= trials["state"].isin(states)
    if policies:
        kept &= trials["policy"].isin(policies)
    if worst is not None:
        values = trials[measure.metric]
        kept &= values <= worst if measure.minimizes else values >= worst
    if most is not None:
        kept &= (trials["macs"] <= 1e6 * most).fillna(False)
    return trials[kept]


def _worst(measure: Measure) -> float | None:
    """The worst value that a trial may have, as the visitor wants it; none for any."""
    if measure.is_fraction:
        least = st.number_input(
            "Accuracy at least (%)", 0.0, 100.0, 0.0, step=1.0, format="%.2f", key="least"
        )
        return least / 100 or None
    end = "most" if measure.minimizes else "least"
    return st.number_input(f"Score at {end}", value=None, key="worst", placeholder="any")


def _downloads(shown: pd.DataFrame) -> None:
    with st.container(horizontal=True):
        for name, (write, mime) in FORMATS.items():
            st.download_button(
                f"Download {name}",
                partial(write, shown),  # written when it is asked for
                f"trials.{name.lower()}",
                mime,
                on_click="ignore",
                disabled=shown.empty,
            )


def _csv(trials: pd.DataFrame) -> bytes:
    return defused(trials).to_csv(index=False).encode()


def _parquet(trials: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    trials.to_parquet(buffer, engine="pyarrow", index=False)
    return buffer.getvalue()


FORMATS = {"CSV": (_csv, "text/csv"), "Parquet": (_parquet, "application/vnd.apache.parquet")}
