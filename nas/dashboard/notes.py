"""Notes and tags on a page: the one thing that the dashboard writes."""

from __future__ import annotations

import sys

import pandas as pd
import streamlit as st

from nas.dashboard.data import Source
from nas.dashboard.serve import READ_ONLY
from nas.errors import NasError
from nas.study.notes import (
    LONGEST,
    OF_STUDY,
    Note,
    read_notes,
    read_tags,
    why_not_writable,
    write_note,
)
from nas.text import one_line


def is_read_only() -> bool:
    """Whether whoever started the dashboard wants it to write nothing."""
    return READ_ONLY in sys.argv[1:]


def edit(source: Source, trial: int = OF_STUDY) -> None:
    """What was said of a trial, or of the study, in boxes where that can be changed."""
    study = source.study()
    known = read_notes(study).get(trial, Note())
    refusal = "it was started so" if is_read_only() else why_not_writable(study)
    if refusal is not None:
        if known != Note():
            st.subheader("Notes")
            st.text(known.text)
            st.text(" · ".join(known.tags))
        return
    st.subheader("Notes")
    with st.form(f"notes of {source.name} {trial}", border=False):
        words = st.text_area(
            "Note", known.text, max_chars=LONGEST, key=f"note of {source.name} {trial}",
            placeholder="What you saw, and why you look at it",
        )  # fmt: skip
        tags = st.text_input(
            "Tags", ", ".join(known.tags), key=f"tags of {source.name} {trial}",
            placeholder="with commas between them",
        )  # fmt: skip
        if st.form_submit_button("Save"):
            try:
                write_note(study, trial, Note(words.strip(), read_tags(tags)))
                st.text("Saved.")
            except NasError as error:
                st.text(one_line(error))


def noted(source: Source, trials: pd.DataFrame) -> pd.DataFrame:
    """The frame with columns tags and note, where anything was said of a trial."""
    known = read_notes(source.study())
    if not known.keys() - {OF_STUDY}:
        return trials
    said = [known.get(number, Note()) for number in trials["number"]]
    return trials.assign(
        tags=pd.array([", ".join(one.tags) or None for one in said], "string"),
        note=pd.array([one.text or None for one in said], "string"),
    )
