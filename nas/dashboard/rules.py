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
    "any": "guided, quasi-random and flipped ones, too",
}
STOPPED: dict[Literal["refuse", "drop", "bound"], str] = {
    "refuse": "allow none",
    "drop": "leave them out",
    "bound": "as bounds",
}
# The controls on the pages that a statistic's rules are, and what a visitor may do with them
CONTROLS = {
    "policy": "Trials that the statistics use",
    "stopped": "Trials that were stopped early",
    "knob": "Knob",
    "cost": "Matched by cost",
}
OTHERWISE = {
    "policy": f"To use them all the same, choose “{POLICY['any']}” in “{CONTROLS['policy']}”",
    "stopped": f"Choose “{STOPPED['drop']}” in “{CONTROLS['stopped']}”",
    "knob": f"Choose another one in “{CONTROLS['knob']}”",
    "cost": f"Choose another one in “{CONTROLS['cost']}”, or none",
    "epochs": "Such trials cannot be compared on this page",
}


def choose_rules(key: str, *, bounds: bool = False) -> Rules:
    """Two boxes; ``bounds`` where the statistic can use the bounds of stopped trials."""
    offered = [word for word in STOPPED if bounds or word != "bound"]
    left, right = st.columns(2)
    policy = left.selectbox(
        CONTROLS["policy"], list(POLICY), format_func=POLICY.__getitem__,
        key=f"{key}-policy", bind="query-params",
    )  # fmt: skip
    stopped = right.selectbox(
        CONTROLS["stopped"], offered, format_func=STOPPED.__getitem__,
        key=f"{key}-stopped", bind="query-params",
    )  # fmt: skip
    return Rules(policy=policy, stopped=stopped)


def say_notes(trials: pd.DataFrame, rules: Rules, *, flips: bool = False) -> None:
    """What of each study was left out or taken in against the rules, which ``flips`` are not."""
    for study in populations(trials, **rules, flips=flips).values():
        if study.note:
            st.text(f"{study.study}: {study.note}")


@contextmanager
def explained_refusal() -> Iterator[None]:
    """A statistic that refuses its trials says why, in place of its chart, and names the control
    of the page that would help."""
    try:
        yield
    except AnalysisError as refusal:
        otherwise = OTHERWISE.get(refusal.rule)
        nothing(f"{refusal.reason}. {otherwise}." if otherwise else refusal.reason)
