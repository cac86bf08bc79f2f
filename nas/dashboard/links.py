"""Where a click leads: a study, a trial. The address of what is opened has all of its state."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlencode

import altair as alt
import streamlit as st

# The addresses of pages that something leads to
TRIAL, EFFECT, LINEAGE, PROGRESS = "trial", "effect", "lineage", "progress"
CLICKED = "clicked"  # the selection of a chart that opens a trial
_TARGET = "target"  # of the last click, in the state of a visitor
# As if the visitor had come back to that address: what it says goes before what boxes had, and the
# way back leads here. (Streamlit's own switch_page leaves two entries in the history.)
_GO = """<script>
history.pushState({}, "", location.pathname.replace(/[^/]*$/, "") + %s);
dispatchEvent(new PopStateEvent("popstate"));
</script>"""


def clickable(*fields: str) -> alt.Parameter:
    """What makes marks open their trial; ``fields`` of its rows are told beside its number."""
    return alt.selection_point(CLICKED, fields=["number", *fields], empty=False)


def from_chart(key: str) -> Callable[[], None]:
    """Called when somebody clicks on a mark of the chart ``key``."""
    return partial(_chart_clicked, key)


def selection(key: str) -> dict[str, Any]:
    """What is selected in the chart or the table ``key``."""
    selected: dict[str, Any] = st.session_state[key]["selection"]
    return selected


def open_trial(number: int, study: str | None = None) -> None:
    """Go to the page of a trial; called where a widget changes."""
    _go(TRIAL, study or str(st.session_state["study"]), number=str(number))


def open_study(name: str, page: str) -> None:
    """Go to a page of a study; called where a widget changes."""
    _go(page, name)


def follow() -> None:
    """Go where the last click leads, if there was one."""
    if target := st.session_state.pop(_TARGET, None):
        # nothing in it can end the script: urlencode leaves letters, digits and %
        st.html(_GO % json.dumps(target), unsafe_allow_javascript=True)
        st.stop()


def _go(page: str, study: str, **parameters: str) -> None:
    st.session_state[_TARGET] = f"{page}?{urlencode({'study': study, **parameters})}"
    st.rerun()  # all of the page, where a part of it was clicked that is drawn anew by itself


def _chart_clicked(key: str) -> None:
    for row in selection(key).get(CLICKED) or ():
        open_trial(int(row["number"]), row.get("study"))
