"""The script that Streamlit runs for each visitor, from top to bottom after each click."""

import streamlit as st

from nas.dashboard import data
from nas.dashboard.text import no_study, refused
from nas.dashboard.views import (
    architectures,
    compare,
    curves,
    failures,
    front,
    knobs,
    live,
    reproduce,
    studies,
    trials,
    workers,
)
from nas.study.storage_url import storage_url
from nas.text import visible

# The heading in the sidebar, and below it: title, address, function
ONE_STUDY = {
    "Progress": ("progress", live.page),
    "Trials": ("trials", trials.page),
    "Learning curves": ("curves", curves.page),
    "Accuracy and cost": ("front", front.page),
    "Architectures": ("architectures", architectures.page),
    "Knobs": ("knobs", knobs.page),
    "Failures": ("failures", failures.page),
    "Workers": ("workers", workers.page),
    "Run it again": ("again", reproduce.page),
}


def main() -> None:
    """Choose the page and, for those of one study, the study."""
    st.set_page_config("nas", layout="wide")
    url = storage_url()
    pages = {
        title: st.Page(_page(page), title=title, url_path=path)
        for title, (path, page) in ONE_STUDY.items()
    }
    overview = st.Page(lambda: studies.page(url), title="Studies", url_path="studies", default=True)
    comparison = st.Page(lambda: compare.page(url), title="Compare studies", url_path="compare")
    chosen = st.navigation({"Database": [overview, comparison], "Study": list(pages.values())})
    with refused(url):
        names = data.names(url)
        if names:
            st.sidebar.selectbox(
                "Study", names, key="study", bind="query-params", format_func=visible
            )
        chosen.run()


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
