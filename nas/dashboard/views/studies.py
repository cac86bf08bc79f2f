"""The front page: every study of the database, how far it is, what it has found."""

from __future__ import annotations

from functools import partial

import pandas as pd
import streamlit as st

from nas.dashboard import data, links, tables
from nas.dashboard.text import no_study, numbers, refused
from nas.study.database import engines
from nas.study.states import ENDED
from nas.text import visible

COLUMNS = {
    "study": st.column_config.TextColumn("study", pinned=True),
    "state": st.column_config.TextColumn(
        "state",
        help="finished: all its trials ended. running: a driver works on it. interrupted: neither; "
        "the same command carries it on. damaged: it cannot be read.",
    ),
    "progress": st.column_config.ProgressColumn(
        "ended", min_value=0, max_value=1, format="percent", help="Of the trials planned."
    ),
    "planned": st.column_config.NumberColumn("planned", help="Trials that it shall have."),
    "complete": st.column_config.NumberColumn("in full", help="Trials trained in full."),
    "pruned": st.column_config.NumberColumn("stopped early"),
    "failed": st.column_config.NumberColumn("failed"),
    "best": st.column_config.NumberColumn(
        "best accuracy", format="%.2f %%", help="On the validation images, of those in full."
    ),
    "best_score": st.column_config.NumberColumn(
        "best score",
        format="%.4g",
        help="Of studies whose objective reports one, of those in full.",
    ),
    "objective": st.column_config.TextColumn(
        "objective", help="What was measured; synthetic: no training, the accuracies are made up."
    ),
    "dataset": st.column_config.TextColumn("data set", help="Whose images were trained on."),
    "tags": st.column_config.TextColumn("tags", help="Of the study's page Progress."),
    "note": st.column_config.TextColumn("note", help="Of the study's page Progress."),
    "created": st.column_config.DatetimeColumn("created (UTC)", format="YYYY-MM-DD HH:mm"),
    "problem": st.column_config.TextColumn(
        "problem", help="Why a damaged study cannot be read; nas check says all of it."
    ),
}


def page(url: str) -> None:
    """All studies, refreshed by itself."""
    st.title("Studies")
    st.text(engines.shown(url))
    st.caption("Each study searches one design space. Click one to look into it.")
    _table(url, data.names(url))


@st.fragment(run_every="3s")
def _table(url: str, names: list[str]) -> None:
    with refused(url):
        studies = data.progress(url)
        if list(studies["study"])[::-1] != names:
            st.rerun()  # the sidebar offers the studies, too
        if studies.empty:
            no_study(url)
            return
        _totals(studies)
        ended = studies[list(ENDED)].sum(axis=1)
        listed = data.listed(url).reindex(studies["study"])
        said = data.study_notes(url)
        shown = studies.assign(
            progress=(ended / studies["planned"].clip(lower=1)).clip(upper=1),
            best=100 * listed["best_accuracy"].to_numpy(),
            best_score=listed["best_score"].to_numpy(),
            objective=listed["objective"].map(visible, na_action="ignore").to_numpy(),
            dataset=listed["dataset"].to_numpy(),
            tags=studies["study_id"].map(
                lambda one: ", ".join(said[one].tags) if one in said else ""
            ),
            note=studies["study_id"].map(lambda one: said[one].text if one in said else ""),
            study=studies["study"].map(visible),
            problem=studies["problem"].map(visible, na_action="ignore"),
        )
        seldom = ("best_score", "tags", "note")
        empty = {name for name in seldom if shown[name].replace("", None).isna().all()}
        order = [name for name in COLUMNS if name not in empty]
        opens = partial(_opens, url, names)
        tables.show(shown[order].iloc[::-1], order, COLUMNS, "overview", opens, height="content")


def _opens(url: str, names: list[str], position: int, _: str) -> None:
    source = data.source(url, names[position])
    pairs = links.EFFECT in data.own_pages(source)
    links.open_study(names[position], links.EFFECT if pairs else links.PROGRESS)


def _totals(studies: pd.DataFrame) -> None:
    numbers(
        {
            "studies": len(studies),
            "running": int((studies["state"] == "running").sum()),
            "trials ended": int(studies[list(ENDED)].sum().sum()),
            "trials failed": int(studies["failed"].sum()),
        }
    )
