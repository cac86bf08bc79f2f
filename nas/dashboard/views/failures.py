"""What went wrong, and how often: trials that failed, attempts whose process died."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from nas.dashboard import tables
from nas.dashboard.data import Source
from nas.dashboard.text import heading, nothing, numbers

BAD = ("failed", "died", "abandoned")
LONGEST = 100  # characters of a reason in the table of reasons


def page(source: Source) -> None:
    """Failed trials by reason, every bad attempt, and the whole text of one."""
    heading(
        "Failures",
        source.name,
        "A trial that fails is a row with its reason. One whose process died is tried again, so a "
        "bad attempt may belong to a trial that ended well.",
    )
    attempts = source.attempts()
    if attempts.empty:
        nothing("no trial has begun yet")
        return
    failed = source.trials().query("state == 'FAIL'")
    bad = attempts[attempts["state"].isin(BAD)]
    numbers(
        {
            "trials failed": len(failed),
            "attempts that failed or died": len(bad),
            "of attempts": len(attempts),
        }
    )
    if bad.empty and failed.empty:
        nothing("nothing has failed")
        return
    st.subheader("Reasons")
    st.dataframe(
        _by_reason(bad, failed),
        column_config={"trials": st.column_config.ListColumn("trials")},
        hide_index=True,
        placeholder="",
    )
    st.subheader("Attempts")
    order = ["number", "attempt", "state", "epochs", "host", "device", "ended", "reason"]
    tables.show_trials(bad, order, "bad-attempts")
    _whole_text(bad, failed)


def _by_reason(bad: pd.DataFrame, failed: pd.DataFrame) -> pd.DataFrame:
    """How often each first line of a reason is there, the most frequent first."""
    unseen = failed[~failed["number"].isin(bad["number"])]  # failed before an attempt began
    both = pd.concat([bad[["number", "reason"]], unseen[["number", "reason"]]])
    first = both["reason"].fillna("no reason given").str.split("\n").str[0].str[:LONGEST]
    rows = [
        (reason, len(own), sorted(set(own["number"])))
        for reason, own in both.groupby(first.to_numpy())
    ]
    counted = pd.DataFrame(rows, columns=["reason", "times", "trials"])
    return counted.sort_values("times", ascending=False)


def _whole_text(bad: pd.DataFrame, failed: pd.DataFrame) -> None:
    texts = {f"trial {n}": r for n, r in zip(failed["number"], failed["reason"], strict=True)}
    texts |= {
        f"trial {n}, attempt {a}": r
        for n, a, r in zip(bad["number"], bad["attempt"], bad["reason"], strict=True)
    }
    chosen = st.selectbox("The whole reason of", list(texts), key="failure", bind="query-params")
    reason = texts[chosen]
    st.code("no reason given" if pd.isna(reason) else str(reason), language=None, wrap_lines=True)
