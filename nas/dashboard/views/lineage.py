"""Who begins with whose weights: over all of a study, and around one trial."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from nas.analysis.inheritance import Lineage, agreement_text
from nas.dashboard import columns, lineages, tables
from nas.dashboard.data import Source
from nas.dashboard.text import heading, nothing, numbers
from nas.study.states import INHERITED

ROWS = 20  # of the table of a trial's relatives: more are scrolled
HEIGHT = 280  # pixels of their picture


def page(source: Source) -> None:
    """The picture, and what inherited values are worth in this study."""
    heading(
        "Lineage",
        source.name,
        "Who begins with whose weights: a line leads from a trial to those that began with its "
        "weights. What they reached is no result from scratch. Click a point to open its trial.",
    )
    if not source.inherits:
        nothing("every trial of this study begins from scratch")
        return
    trials = source.trials()
    there = lineages.measured(source)
    if there.empty:
        nothing("no trial has trained an epoch yet")
        return
    _summary(source, trials)
    lineage = Lineage.of(trials)
    drawn = lineages.best_lines(there, lineage, source.measure)
    along = lineages.choose_axis(source, "along")
    lineages.say_drawn(len(drawn), len(there))
    lineages.draw(source, drawn, lineage, along, "lineage")


def _summary(source: Source, trials: pd.DataFrame) -> None:
    """How many of both kinds there are, and the best of each."""
    measure = source.measure
    shown: dict[str, str] = {}
    for word, state in (("from scratch", "COMPLETE"), ("inherited", INHERITED)):
        values = trials.loc[trials["state"] == state, measure.metric]
        best = values.min() if measure.minimizes else values.max()
        shown[word] = f"{len(values):,}"
        shown[f"best {word}"] = "–" if pd.isna(best) else measure.shown(best).strip()
    numbers(shown, {"inherited": "Trials that came to their end with the weights of others."})
    if (trials["state"] == INHERITED).any():
        st.text(agreement_text(trials))


def of_trial(source: Source, number: int) -> None:
    """Those that stand behind a trial's weights, and those behind whose weights it stands, as a
    picture and as a table; nothing where there are none."""
    trials = source.trials()
    lineage = Lineage.of(trials)
    if number not in lineage:
        return
    st.subheader("Lineage")
    above, below = lineage.ancestors(number), lineage.descendants(number)
    related = dict.fromkeys(above, "ancestor") | dict.fromkeys(below, "descendant")
    related |= dict.fromkeys(lineage.children.get(number, ()), "child")
    related |= {number: "this trial"} | ({above[-1]: "parent"} if above else {})
    there = lineages.measured(source)
    there = there[there["number"].isin(related)]
    if not there.empty:
        drawn = lineages.best_lines(there, lineage, source.measure, always=[*above, number])
        along = lineages.choose_axis(source, "lineage-along")
        lineages.say_drawn(len(drawn), len(there))
        lineages.draw(source, drawn, lineage, along, "trial-lineage", [number], HEIGHT)
    order = {one: place for place, one in enumerate((*above, number, *below))}
    rows = trials[trials["number"].isin(order)]
    rows = rows.sort_values("number", key=lambda numbers: numbers.map(order))
    rows = rows.assign(related=rows["number"].map(related))
    tables.show_trials(
        columns.in_units(rows),
        ["number", "related", "inherits", "state", "epochs", source.measure.word, "macs_m"],
        "lineage-table",
        {"related": "related as"},
        height="content" if len(rows) <= ROWS else "auto",
    )
