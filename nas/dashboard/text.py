"""Words on a page. What a database holds is text: no Markdown, no HTML, nothing unprintable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import pandas as pd
import streamlit as st

from nas.errors import NasError
from nas.study.database import engines
from nas.study.shell import nas_command
from nas.text import one_line, visible


def heading(title: str, study: str, explanation: str) -> None:
    """The top of a page of one study; ``explanation`` tells a newcomer what it shows."""
    st.title(title)
    st.text(visible(study))
    st.caption(explanation)


def numbers(shown: Mapping[str, str | int], explained: Mapping[str, str] | None = None) -> None:
    """Values under their names, as many in a row as there is room for: two on a phone."""
    with st.container(horizontal=True, gap="medium"):
        for name, value in shown.items():
            st.metric(name, value, help=(explained or {}).get(name), width="content")


def nothing(reason: str) -> None:
    """In place of a chart: why there is none."""
    with st.container(border=True):
        st.text(f"Nothing to show: {visible(reason, lines=True)}")


def printable(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with what is not printable in its texts escaped, but for line breaks."""
    texts = {
        str(name): frame[name]
        .map(partial(visible, lines=True), na_action="ignore")
        .astype("string")
        for name, kind in frame.dtypes.items()
        if kind == "string" and name != "study"  # the name is a key, too
    }
    return frame.assign(**texts)


def no_study(url: str) -> None:
    """In place of a page: the database is empty."""
    start = nas_command("search", storage=url, here=False)
    nothing(f"there is no study in this database yet; start one with: {start}")


@contextmanager
def refused(url: str) -> Iterator[None]:
    """What a user or a database caused becomes a box with its one line, instead of a traceback."""
    try:
        with engines.translate_errors(url):
            yield
    except NasError as error:
        with st.container(border=True):
            st.text(one_line(error))
