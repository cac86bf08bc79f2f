"""The front page: every study of the database, how far it is, what it has found."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from nas.dashboard import data
from nas.dashboard.text import no_study, refused
from nas.study.database import engines
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
    "created": st.column_config.DatetimeColumn("created (UTC)", format="YYYY-MM-DD HH:mm"),
    "problem": st.column_config.TextColumn(
        "problem", help="Why a damaged study cannot be read; nas check says all of it."
    ),
}


def page(url: str) -> None:
    """All studies, refreshed by itself."""
    st.title("Studies")
    st.text(engines.shown(url))
    st.caption("Each study searches one design space. Choose one on the left to look into it.")
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
        ended = studies[["complete", "pruned", "failed"]].sum(axis=1)
        listed = data.listed(url).reindex(studies["study"])
        shown = studies.assign(
            progress=(ended / studies["planned"].clip(lower=1)).clip(upper=1),
            best=100 * listed["best_accuracy"].to_numpy(),
            best_score=listed["best_score"].to_numpy(),
            objective=listed["objective"].map(visible, na_action="ignore").to_numpy(),
            dataset=listed["dataset"].to_numpy(),
            study=studies["study"].map(visible),
            problem=studies["problem"].map(visible, na_action="ignore"),
        )
        scores = shown["best_score"].notna().any()
        st.dataframe(
            shown[[name for name in COLUMNS if name != "best_score" or scores]].iloc[::-1],
            column_config=COLUMNS,
            hide_index=True,
            placeholder="",
            height="content",
        )


def _totals(studies: pd.DataFrame) -> None:
    columns = st.columns(4)
    columns[0].metric("studies", len(studies))
    columns[1].metric("running", int((studies["state"] == "running").sum()))
    columns[2].metric("trials ended", int(studies[["complete", "pruned", "failed"]].sum().sum()))
    columns[3].metric("trials failed", int(studies["failed"].sum()))
