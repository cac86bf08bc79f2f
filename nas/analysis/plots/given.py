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
        AnalysisError: two of them have the same name.
    """
    if isinstance(given, Study):
        return given.frame()
    if isinstance(given, pd.DataFrame):
        return given
    names = [study.name for study in given if isinstance(study, Study)]
    if len(set(names)) != len(names):
        raise AnalysisError("a study is named twice; each is drawn once")
    return pd.concat([trials_of(one) for one in given])


def epochs_of(given: One) -> pd.DataFrame:
    """The learning curves of a study, or a frame of them."""
    return given.epochs() if isinstance(given, Study) else given


def name_of(given: One, name: str) -> str:
    """What the study is called in a title: ``name``, where one is given."""
    return name or (given.name if isinstance(given, Study) else "")
