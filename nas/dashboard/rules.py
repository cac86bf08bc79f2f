"""Which trials the statistics of a page use: what a visitor may allow, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import pandas as pd
import streamlit as st

from nas.analysis.population import Rules, populations
from nas.dashboard.text import nothing
from nas.errors import AnalysisError

POLICY: dict[Literal["random", "any"], str] = {
    "random": "random ones only",
    "any": "guided and quasi-random ones, too (policy='any')",
}
STOPPED: dict[Literal["refuse", "drop", "bound"], str] = {
    "refuse": "allow none",
    "drop": "leave them out (stopped='drop')",
    "bound": "as bounds (stopped='bound')",
}


def choose_rules(key: str, *, bounds: bool = False) -> Rules:
    """Two boxes; ``bounds`` where the statistic can use the bounds of stopped trials."""
    offered = [word for word in STOPPED if bounds or word != "bound"]
    left, right = st.columns(2)
    policy = left.selectbox(
        "Trials that the statistics use", list(POLICY), format_func=POLICY.__getitem__,
        key=f"{key}-policy",
    )  # fmt: skip
    stopped = right.selectbox(
        "Trials that were stopped early", offered, format_func=STOPPED.__getitem__,
        key=f"{key}-stopped",
    )  # fmt: skip
    return Rules(policy=policy, stopped=stopped)


def say_notes(trials: pd.DataFrame, rules: Rules) -> None:
    """What of each study was left out or taken in against the rules."""
    for study in populations(trials, **rules).values():
        if study.note:
            st.text(f"{study.study}: {study.note}")


@contextmanager
def explained_refusal() -> Iterator[None]:
    """A statistic that refuses its trials says why, in place of its chart."""
    try:
        yield
    except AnalysisError as refusal:
        nothing(str(refusal))
