"""The exact command and files that make the study again."""

from __future__ import annotations

import json

import streamlit as st

from nas.dashboard.data import Source
from nas.dashboard.text import heading
from nas.quantity import plural
from nas.study.exchange import reproduce


def page(source: Source) -> None:
    """The command, its two files, and what the study was made with."""
    heading(
        "Run it again",
        source.name,
        "Put both files into one folder and run the command there. A random sampler proposes the "
        "same networks from the same seed, a guided one follows the results; what a network "
        "reaches also depends on the hardware and libraries it was trained with.",
    )
    record = source.study().record
    policies = source.trials()["policy"]
    for policy, what in (("enqueued", "enqueued by hand"), ("imported", "of another study")):
        count = int((policies == policy).sum())
        if count:
            st.text(f"Not proposed by the command, as {what}: {plural(count, 'trial')}.")
    st.code(reproduce.command(source.name), language=None, wrap_lines=True)
    space, config = reproduce.space_file(record), reproduce.config_file(record)
    with st.container(horizontal=True):
        for label, text, name in (
            ("Download the design space", space, reproduce.SPACE_FILE),
            ("Download the options", config, reproduce.CONFIG_FILE),
        ):
            st.download_button(label, text, name, "application/yaml", on_click="ignore")
    options, design_space, provenance = st.tabs(["Options", "Design space", "Made with"])
    options.code(config, language=None)
    design_space.code(space, language=None)
    provenance.code(_indented(dict(record.provenance)), language=None)
    provenance.text(f"dataset {record.dataset}")
    provenance.code(_indented(source.study().devices()), language=None)


def _indented(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
