"""What a figure is drawn of: a study, its frame, or several of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import pandas as pd

from nas.errors import AnalysisError
from nas.study.reader import Study

One: TypeAlias = Study | pd.DataFrame
Several: TypeAlias = One | Sequence[One]


def trials_of(given: Several) -> pd.DataFrame:
    """The trials of a study, of a frame of trials, or of several of them in one frame.

    Raises:
        AnalysisError: two of them have the same name, there is none, or one is another frame.
    """
    if isinstance(given, Study):
        return given.frame()
    if isinstance(given, pd.DataFrame):
        return _with(given, "state", "frame()")
    if not len(given):
        raise AnalysisError("no study was given; accepted: one or more, or their frames")
    names = [study.name for study in given if isinstance(study, Study)]
    if len(set(names)) != len(names):
        raise AnalysisError("a study is named twice; each is drawn once")
    return pd.concat([trials_of(one) for one in given])


def epochs_of(given: One) -> pd.DataFrame:
    """The learning curves of a study, or a frame of them.

    Raises:
        AnalysisError: it is another frame, or one of several studies.
    """
    if isinstance(given, Study):
        return given.epochs()
    found = _with(given, "attempt", "epochs()")
    if found.duplicated(["number", "attempt", "epoch"]).any():
        raise AnalysisError("the curves are of several studies; accepted: those of one")
    return found


def _with(given: pd.DataFrame, column: str, call: str) -> pd.DataFrame:
    if column not in given:
        raise AnalysisError(
            f"the frame has no column {column}; accepted: a study, or a frame as its {call} is"
        )
    return given


def name_of(given: One, name: str) -> str:
    """What the study is called in a title: ``name``, where one is given."""
    return name or (given.name if isinstance(given, Study) else "")
