"""The script that Streamlit runs for each visitor, from top to bottom after each click."""

import streamlit as st

from nas.dashboard import data, links
from nas.dashboard.text import no_study, refused
from nas.dashboard.views import (
    architectures,
    compare,
    curves,
    effect,
    failures,
    front,
    knobs,
    lineage,
    live,
    pair,
    reproduce,
    studies,
    trial,
    trials,
    workers,
)
from nas.study.storage_url import storage_url
from nas.text import visible

# The heading in the sidebar, and below it: title, address, function
ONE_STUDY = {
    "Effect": (links.EFFECT, effect.page),
    "Progress": (links.PROGRESS, live.page),
    "Trials": ("trials", trials.page),
    "Trial": (links.TRIAL, trial.page),
    "Lineage": (links.LINEAGE, lineage.page),
    "Learning curves": ("curves", curves.page),
    "Accuracy and cost": ("front", front.page),
    "Architectures": ("architectures", architectures.page),
    "Knobs": ("knobs", knobs.page),
    "Two knobs": ("pair", pair.page),
    "Failures": ("failures", failures.page),
    "Workers": ("workers", workers.page),
    "Run it again": ("again", reproduce.page),
}

SOME = (links.EFFECT, links.LINEAGE)  # pages that only some studies have


def main() -> None:
    """Choose the study and, of its pages and those of the database, one."""
    st.set_page_config("nas", layout="wide")
    url = storage_url()
    own = None
    with refused(url):
        _choose_study(data.names(url))
        own = data.own_pages(data.chosen(url))
    pages = [
        st.Page(
            _page(page),
            title=title,
            url_path=path,
            visibility="hidden" if path in SOME and path not in (own or ()) else "visible",
        )
        for title, (path, page) in ONE_STUDY.items()
    ]
    overview = st.Page(lambda: studies.page(url), title="Studies", url_path="studies", default=True)
    comparison = st.Page(lambda: compare.page(url), title="Compare studies", url_path="compare")
    page = st.navigation({"Database": [overview, comparison], "Study": pages}, expanded=True)
    links.follow()
    if own is not None:  # the database could be read
        with refused(url):
            page.run()


def _choose_study(names: list[str]) -> None:
    """A box for it; the latest study is chosen before somebody chooses another one."""
    if not names:
        return
    if st.session_state.get("study") not in names:
        st.session_state["study"] = names[0]
    # none by default: the address then names the study, whichever is the latest one later
    if (
        st.sidebar.selectbox(
            "Study",
            names,
            None,
            key="study",
            bind="query-params",
            format_func=visible,
            required=True,
        )
        is None
    ):
        st.rerun()


def _page(page: data.Page) -> data.View:
    def view() -> None:
        source = data.chosen(storage_url())
        if source is None:
            no_study(storage_url())
            return
        untrained = source.study().record.untrained
        if untrained:
            st.warning(untrained)
        page(source)

    view.__name__ = page.__module__.rpartition(".")[2]
    return view


if __name__ == "__main__":  # so Streamlit runs it
    main()
