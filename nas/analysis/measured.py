"""What the networks of a frame are judged by, as its columns say: for labels and refusals."""

from __future__ import annotations

import pandas as pd

from nas.errors import AnalysisError
from nas.metrics import ACCURACY, Measure, read_minimized
from nas.study.record import label_of, untrained


def measure_of(frame: pd.DataFrame) -> Measure:
    """By what its networks are judged; accuracy in a frame that was made by hand.

    Raises:
        AnalysisError: it holds studies of several measures.
    """
    found = {measure for _, measure in _judged(frame)} or {ACCURACY}
    if len(found) > 1:
        labels = " and ".join(sorted(measure.label for measure in found))
        raise AnalysisError(f"the studies are judged differently, by {labels}; take them apart")
    return found.pop()


def minimized(frame: pd.DataFrame) -> tuple[str, ...]:
    """The costs that the one study of a frame minimizes; none where it holds several studies."""
    if "minimize" not in frame or len(named := frame["minimize"].dropna().unique()) != 1:
        return ()
    return read_minimized(named[0])


def accuracy_label(frame: pd.DataFrame) -> str:
    """Of an axis: validation accuracy, synthetic accuracy, score, or accuracy where several are in
    it."""
    labels = {label_of(*judged) for judged in _judged(frame)} or {label_of(None)}
    return labels.pop() if len(labels) == 1 else "accuracy"


def error_label(frame: pd.DataFrame) -> str:
    """Of an axis of errors."""
    return f"error (1 − {accuracy_label(frame)})"


def untrained_notes(frame: pd.DataFrame) -> list[str]:
    """That no network was trained for results of the frame; empty where all were."""
    names = dict.fromkeys(name for name, _ in _judged(frame))
    return [note.rstrip(".") for name in names if (note := untrained(name))]


def refuse_scores(frame: pd.DataFrame) -> None:
    """Do nothing if the frame's networks are judged by their accuracy.

    Raises:
        AnalysisError: by a score: then there is no error from 0 to 1.
    """
    if not measure_of(frame).is_fraction:
        raise AnalysisError(
            "this statistic is of validation accuracies, and the study is judged by a score",
            "its frame has the column score",
        )


def _judged(frame: pd.DataFrame) -> list[tuple[object, Measure]]:
    """The objectives of a frame, and what they are judged by."""
    names = [name for name in ("objective", "metric", "direction") if name in frame]
    rows = frame[names].dropna().drop_duplicates().to_dict("records") if names else []
    return [
        (
            row.get("objective"),
            Measure(row.get("metric", "val_accuracy"), row.get("direction", "maximize")),
        )
        for row in rows
    ]
