"""Words on a page. What a database holds is shown as it is: no Markdown, no HTML."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from nas.errors import NasError
from nas.study import database


def heading(title: str, study: str, explanation: str) -> None:
    """The top of a page of one study; ``explanation`` tells a newcomer what it shows."""
    st.title(title)
    st.text(study)
    st.caption(explanation)


def nothing(reason: str) -> None:
    """In place of a chart: why there is none."""
    with st.container(border=True):
        st.text(f"Nothing to show: {reason}")


@contextmanager
def refused(url: str) -> Iterator[None]:
    """What a user or a database caused becomes a box with its one line, instead of a traceback."""
    try:
        with database.explained(url):
            yield
    except NasError as error:
        with st.container(border=True):
            st.text(str(error))
