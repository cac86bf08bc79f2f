"""Frames for the pages, read again only when the study has changed.

They are shared by all visitors: a page that changes one copies it first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

import nas.study.reader as reader
from nas.dashboard import links
from nas.dashboard.text import printable
from nas.errors import NasError
from nas.metrics import Measure
from nas.study.networks import read_architectures
from nas.study.notes import Note, read_study_notes
from nas.study.progress import Progress, stamp
from nas.study.reader import Study

FRAMES_KEPT = 8  # of each kind, over all studies: those of 10,000 trials are tens of megabytes


@dataclass(frozen=True)
class Source:
    """One study as it was at one moment; ``stamp`` changes whenever its results do."""

    url: str
    name: str
    stamp: tuple[int, ...]

    def study(self) -> Study:
        """The study itself."""
        return _study(self.url, self.name, self.stamp[0])

    @property
    def measure(self) -> Measure:
        """What its networks are judged by."""
        return self.study().record.measure

    @property
    def pairs(self) -> str | None:
        """The knob in which the two networks of each pair differ, in a study of such pairs."""
        flip = self.study().record.config.get("flip")
        return flip if flip in self.study().space.parameters else None

    @property
    def inherits(self) -> bool:
        """Whether its trials begin with the weights of others, where they can."""
        return bool(self.study().record.config.get("inherit"))

    def trials(self) -> pd.DataFrame:
        """``Study.frame``."""
        return _trials(self)

    def epochs(self) -> pd.DataFrame:
        """``Study.epochs``."""
        return _epochs(self)

    def attempts(self) -> pd.DataFrame:
        """``Study.attempts``."""
        return _attempts(self)

    def parts(self, keys: tuple[str, ...]) -> list[dict[str, str]]:
        """Of each key, what the parts of its network are: {"stem": "3×3 to 16", "stage 0": …}."""
        return _parts(self, keys)


View = Callable[[], None]
Page = Callable[[Source], None]


def progress(url: str) -> pd.DataFrame:
    """``Progress.read``: never older than this call."""
    return _progress(url).read()


def names(url: str) -> list[str]:
    """Of the studies, the latest first."""
    return list(progress(url)["study"])[::-1]


def with_results(url: str) -> list[str]:
    """Those of ``names`` that can be read, with trials that were trained in full."""
    found = progress(url)
    return list(found.loc[(found["complete"] > 0) & found["problem"].isna(), "study"])[::-1]


def study_notes(url: str) -> dict[int, Note]:
    """What is said of each study itself, by their ids."""
    return read_study_notes(_progress(url).engine, url)


def source(url: str, name: str) -> Source | None:
    """The study of this name; None where it is not there any more."""
    found = progress(url)
    rows = found[found["study"] == name]
    return None if rows.empty else Source(url, name, stamp(rows.iloc[0]))


def chosen(url: str) -> Source | None:
    """The study that the visitor has chosen in the sidebar."""
    name = st.session_state.get("study")
    return None if name is None else source(url, name)


def own_pages(source: Source | None) -> set[str]:
    """The addresses of the pages that this study has and most others have not."""
    if source is None:
        return set()
    try:
        there = {links.EFFECT: source.pairs is not None, links.LINEAGE: source.inherits}
    except NasError:  # a damaged one, which its pages say
        return set()
    return {path for path, has in there.items() if has}


def listed(url: str) -> pd.DataFrame:
    """``nas.studies`` by study."""
    stamps = tuple(stamp(row) for _, row in progress(url).iterrows())
    return _studies(url, stamps).set_index("study")


@st.cache_resource(show_spinner=False)
def _progress(url: str) -> Progress:
    return Progress(url)


@st.cache_resource(show_spinner=False, max_entries=FRAMES_KEPT)
def _studies(url: str, stamps: tuple[tuple[int, ...], ...]) -> pd.DataFrame:
    return reader.studies(url)


@st.cache_resource(show_spinner=False, max_entries=32)
def _study(url: str, name: str, study_id: int) -> Study:
    return reader.open_study(url, name)


_KEY: dict[str | type, Callable[[Any], Any]] = {
    Source: lambda source: (source.url, source.name, source.stamp)
}


@st.cache_resource(show_spinner="Reading trials …", max_entries=FRAMES_KEPT, hash_funcs=_KEY)
def _trials(source: Source) -> pd.DataFrame:
    return printable(source.study().frame())


@st.cache_resource(show_spinner="Reading epochs …", max_entries=FRAMES_KEPT, hash_funcs=_KEY)
def _epochs(source: Source) -> pd.DataFrame:
    return printable(source.study().epochs())


@st.cache_resource(show_spinner="Reading attempts …", max_entries=FRAMES_KEPT, hash_funcs=_KEY)
def _attempts(source: Source) -> pd.DataFrame:
    return printable(source.study().attempts())


@st.cache_resource(show_spinner="Reading networks …", max_entries=FRAMES_KEPT, hash_funcs=_KEY)
def _parts(source: Source, keys: tuple[str, ...]) -> list[dict[str, str]]:
    study = source.study()
    found = read_architectures(study.engine, study.id, set(keys))
    described = {
        key: {
            "stem": str(network.stem),
            **{f"stage {k}": str(stage) for k, stage in enumerate(network.stages)},
        }
        for key, network in found.items()
    }
    return [described.get(key, {}) for key in keys]
