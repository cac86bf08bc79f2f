"""What the accuracies of a frame are, as its column ``objective`` says: for labels and notes."""

from __future__ import annotations

import pandas as pd

from nas.study.record import accuracy_of, untrained


def accuracy_label(frame: pd.DataFrame) -> str:
    """Of an axis: validation accuracy, synthetic accuracy, or accuracy where both are in it."""
    labels = {accuracy_of(name) for name in _objectives(frame)} or {accuracy_of(None)}
    return labels.pop() if len(labels) == 1 else "accuracy"


def error_label(frame: pd.DataFrame) -> str:
    """Of an axis of errors."""
    return f"error (1 − {accuracy_label(frame)})"


def untrained_notes(frame: pd.DataFrame) -> list[str]:
    """That no network was trained for results of the frame; empty where all were."""
    return [note.rstrip(".") for name in _objectives(frame) if (note := untrained(name))]


def _objectives(frame: pd.DataFrame) -> list[object]:
    """None in a frame that was made by hand and does not say."""
    return frame["objective"].dropna().unique().tolist() if "objective" in frame else []
