"""Figures of characters, for a cluster's shell: the Pareto front, and the best learning curves."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import log10

import pandas as pd
from plotille import Canvas
from rich.text import Text

from nas.metrics import ACCURACY, Measure
from nas.quantity import count
from nas.study.reader import Study

HEIGHT = 14  # lines
MARGIN = 10  # characters of a label of the vertical axis, and the axis
ROOM = 0.05  # on either side of the data, as a share of its range
NOTHING = "\u2800"  # an empty cell of a canvas: braille without a dot
COLOURS = ("green", "cyan", "magenta", "yellow", "blue")


def front_figure(study: Study, width: int) -> Text:
    """Validation accuracy, or score, against MACs of every trial from scratch that was measured.

    It is ``width`` characters wide. Those on the Pareto front, in full and stopped early have signs
    of their own.
    """
    trials = study.frame()
    measure = study.record.measure
    own = (trials["policy"] != "reused") & trials["inherits"].isna()
    measured = trials[trials[measure.metric].notna() & own]
    if measured.empty:
        return Text("No trial was measured yet: there is no front to draw.")
    best = measured["number"].isin(study.front()["number"])
    full = measured["state"] == "COMPLETE"
    macs = measured["macs"].astype(float).map(log10)
    canvas = _canvas(width, macs, measured[measure.metric])
    # the last ones lie on top
    for sign, colour, drawn in (
        ("·", "yellow", ~full),
        ("o", "cyan", full & ~best),
        ("●", "green", best),
    ):
        for x, y in zip(macs[drawn], measured[measure.metric][drawn], strict=True):
            canvas.text(x, y, sign, color=colour)
    return _with_axes(
        canvas,
        f"{study.record.accuracy} against multiply-accumulates per image, a log scale",
        lambda value: count(10**value),
        f"● Pareto front   o trained in full   · stopped early or running, {measure.word} then",
        measure,
    )


def curves_figure(study: Study, width: int, most: int = 5) -> Text:
    """Learning curves of the best trials, ``width`` characters wide."""
    best = [int(number) for number in study.best(most)["number"]]
    if not best:
        return Text("No trial was trained in full yet: there are no curves to draw.")
    epochs = study.epochs()
    last = epochs["attempt"] == epochs.groupby("number")["attempt"].transform("max")
    shown = epochs[last & epochs["number"].isin(best)]
    measure = study.record.measure
    canvas = _canvas(width, shown["epoch"], shown[measure.metric])
    for rank, number in reversed(list(enumerate(best, 1))):  # the best one lies on top
        curve = shown[shown["number"] == number]
        points = list(zip(curve["epoch"], curve[measure.metric], strict=True))
        colour = COLOURS[(rank - 1) % len(COLOURS)]
        for start, end in pairwise(points):
            canvas.line(*start, *end, color=colour)
        for x, y in points:
            canvas.text(x, y, str(rank), color=colour)
    legend = "   ".join(f"{rank} trial {number}" for rank, number in enumerate(best, 1))
    which = measure.superlative if study.record.minimize else "best"
    title = f"{study.record.accuracy} by epoch of the {which} trials"
    return _with_axes(canvas, title, _epoch, legend, measure)


def _epoch(value: float) -> str:
    """Of a place on an axis of epochs; nothing between two of them."""
    return f"{value:.0f}" if abs(value - round(value)) < 0.01 else ""


def _canvas(width: int, x: pd.Series[float], y: pd.Series[float]) -> Canvas:
    """With room around the data, also where it is a single point."""
    limits: dict[str, float] = {}
    for axis, values in (("x", x), ("y", y)):
        low, high = float(values.min()), float(values.max())
        room = ROOM * ((high - low) or abs(high) or 1.0)
        limits |= {f"{axis}min": low - room, f"{axis}max": high + room}
    return Canvas(max(20, width - MARGIN), HEIGHT, mode="names", **limits)


def _with_axes(
    canvas: Canvas,
    title: str,
    label: Callable[[float], str],
    legend: str,
    measure: Measure = ACCURACY,
) -> Text:
    lines = canvas.plot().replace(NOTHING, " ").splitlines()
    step = (canvas.ymax - canvas.ymin) / len(lines)
    rows = [title]
    for row, line in enumerate(lines):
        value = measure.shown(canvas.ymax - (row + 0.5) * step) if row % 3 == 1 else ""
        rows.append(f"{value:>{MARGIN - 2}} │{line.rstrip()}")
    rows.append(f"{'':{MARGIN - 1}}└{'─' * canvas.width}")
    room = ROOM / (1 + 2 * ROOM)
    places = (canvas.xmin + share * (canvas.xmax - canvas.xmin) for share in (room, 0.5, 1 - room))
    labels = [label(place) for place in places]
    third = canvas.width // 3
    centre = canvas.width - 2 * third
    rows.append(
        f"{'':{MARGIN}}{labels[0]:<{third}}{labels[1]:^{centre}}{labels[2]:>{third}}".rstrip()
    )
    return Text.from_ansi("\n".join([*rows, legend]))
