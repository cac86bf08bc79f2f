"""One network stage by stage, or two side by side."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import streamlit as st

from nas.dashboard import charts, drawings
from nas.dashboard.data import Source
from nas.dashboard.text import heading, nothing
from nas.metrics import Measure
from nas.quantity import count, plural


def page(source: Source) -> None:
    """Pictures of chosen trials' networks."""
    heading(
        "Architectures",
        source.name,
        "A network from its input to its classes. Each stage repeats one block; the first block of "
        "a stage carries its stride.",
    )
    trials = source.trials()
    known = trials[trials["macs"].notna()]
    if known.empty:
        nothing("no network has been proposed yet")
        return
    measure = source.measure
    ranked = known.sort_values([measure.metric, "macs"], ascending=[measure.minimizes, True])
    offered = ranked.head(charts.OFFERED)
    charts.say_offered(len(offered), len(ranked))
    labels = {int(row["number"]): _label(row, measure) for row in offered.to_dict("records")}
    left, right = st.columns(2)
    first = left.selectbox(
        "Trial (the best first)",
        list(labels),
        format_func=labels.__getitem__,
        key="first",
        bind="query-params",
    )
    second = right.selectbox(
        "Compare with", list(labels), index=None, format_func=labels.__getitem__, key="second",
        bind="query-params",
        placeholder="no other trial",
    )  # fmt: skip
    if second is None:
        drawings.show(source, first)
    else:
        drawings.show_pair(source, first, second)


def _label(row: Mapping[Hashable, Any], measure: Measure) -> str:
    value = row[measure.metric]
    measured = (
        f"{measure.shown(value).strip()} after {plural(row['epochs'], 'epoch')}"
        if value == value  # not NaN
        else str(row["state"]).lower()
    )
    return f"{row['number']}: {measured}, {count(row['macs'])} MACs"
