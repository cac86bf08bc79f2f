"""The paper that all figures are drawn on: size, palette, axes of counts and percents, captions."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any, Literal

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator
from pandas.api.types import is_numeric_dtype

from nas.analysis.population import COSTS, Population
from nas.quantity import count
from nas.text import visible

# colour-blind safe, and different in lightness, so that a black and white print can be read
PALETTE = "colorblind"
MARKERS = "osD^vPX*"
NAME = 40  # characters of a study's name in a legend


class Drawing(Figure):
    """A figure that a notebook shows where it is the value of a cell, without pyplot."""

    def _repr_png_(self) -> bytes:
        buffer = BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()


@contextmanager
def canvas(
    width: float = 6.4, height: float = 4.0, ax: Axes | None = None
) -> Iterator[tuple[Figure, Axes]]:
    """An empty figure, in inches, or the axes of the caller's own with their figure.

    Drawn in it, no window is opened and no state is left behind.
    """
    # names of studies are no formulas, whatever dollars they have in them
    plain = mpl.rc_context({"text.parse_math": False})
    with plain, sns.axes_style("whitegrid"), sns.color_palette(PALETTE):
        if ax is None:
            figure: Figure = Drawing(figsize=(width, height), dpi=150, layout="constrained")
            yield figure, figure.add_subplot()
        else:
            yield _figure(ax), ax


def colours(number: int) -> list[tuple[float, float, float]]:
    """As many colours as asked for, the palette's own first."""
    palette: list[tuple[float, float, float]] = sns.color_palette(PALETTE, number)
    return palette


def shortened(name: str) -> str:
    """A study's name in a legend: names of populations differ at both ends, so these are kept."""
    name = visible(name)
    if len(name) <= NAME:
        return name
    return f"{name[: NAME // 2]}…{name[1 - NAME // 2 :]}"


def caption(axes: Axes, title: str, notes: Iterable[str] = (), *, whole: bool = False) -> None:
    """The title, and below it in smaller print what has to be known to read the figure.

    They begin where the axes do, and are broken where the figure ends; axes of the caller's have
    neighbours, and theirs are broken where the axes end. With ``whole`` they begin at the left end
    of the figure, where the labels of the axes are so long that there would be too little room.
    """
    figure, left = _figure(axes), 0.0
    if isinstance(figure, Drawing):
        figure.draw_without_rendering()  # the layout is known then
        place = axes.get_position()
        left = (0.02 - place.x0) / place.width if whole else 0.0
        room = figure.bbox.width * (0.985 - place.x0 - left * place.width)
    else:
        if figure.get_layout_engine() is not None:  # it moves axes: to where they will be
            figure.draw_without_rendering()
        room = axes.bbox.width
    head = axes.set_title("", loc="left", x=left, parse_math=False)
    _fit(head, [title], room)
    note = axes.annotate(
        "", (left, 1), (0, 4), "axes fraction", "offset points", va="bottom", fontsize=8,
        color="0.35", linespacing=1.1, parse_math=False,
    )  # fmt: skip
    said = [note for note in notes if note]
    _fit(note, said, room)
    if not said:
        note.remove()
    lines = note.get_text().count("\n") + 1 if said else 0
    axes.set_title(head.get_text(), loc="left", x=left, pad=6 + 10.5 * lines)
    if isinstance(figure, Drawing):  # what is drawn keeps its room below many lines
        more = head.get_text().count("\n") + 1 + lines - 3
        figure.set_figheight(figure.get_figheight() + 0.16 * max(0, more))


def legend_of_names(axes: Axes, place: Literal["upper right", "lower right"]) -> None:
    """A legend of studies; where it is wider than the axes, sample sizes get lines of their own."""
    legend = axes.legend(loc=place, frameon=True)
    if legend.get_window_extent().width > axes.bbox.width:
        for text in legend.get_texts():
            text.set_text(text.get_text().replace(" (", "\n(", 1))
            text.set_fontsize(7)


def _fit(text: Text, said: Iterable[str], room: float) -> None:
    """Write into ``text``, broken into lines that are at most ``room`` pixels long."""
    lines: list[str] = []
    waiting = [visible(one) for one in said][::-1]
    while waiting:
        one = waiting.pop()
        text.set_text(one)
        if text.get_window_extent().width > room and " (" in one:  # the sample size stays together
            before, _, behind = one.partition(" (")
            waiting += [f"({behind}", before]
            continue
        width = len(one)
        # names of studies have few places to break at
        while (reach := text.get_window_extent().width) > room and width > 1:
            width = max(1, min(width - 1, int(width * room / reach) + 3))
            text.set_text("\n".join(textwrap.wrap(one, width, break_on_hyphens=False)))
        lines.append(text.get_text())
    text.set_text("\n".join(lines))


def notes(spaces: Iterable[Population]) -> list[str]:
    """What was left out of each population, or taken in against the rules."""
    return [f"{space.study}: {space.note}" for space in spaces if space.note]


def cost_axis(axes: Axes, cost: str) -> None:
    """A logarithmic x axis with 1, 2, 5, 10 … in short: 5M."""
    axes.set(xscale="log", xlabel=COSTS[cost])
    low, high = axes.get_xlim()  # around a single cost, a decade
    # over less than a decade, 1, 2 and 5 would be one or two ticks
    near = low > 0 and math.log10(high / low) < 0.7
    axes.xaxis.set_major_locator(LogLocator(subs=range(1, 10) if near else (1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    axes.xaxis.set_minor_formatter(FuncFormatter(lambda *_: ""))


def percent_axes(axes: Axes, which: str) -> None:
    """Fractions of 1 as percents on the axis x or y, with the digits that its ticks need."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{round(100 * value, 6):g} %"))


def whole_ticks(axis: Axis, values: pd.Series[Any] | None = None) -> None:
    """Ticks at whole numbers alone; where ``values`` are given, if all of them are whole."""
    if values is None or (
        is_numeric_dtype(values) and bool((values.dropna().astype(float) % 1 == 0).all())
    ):
        axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _figure(axes: Axes) -> Figure:
    figure = axes.get_figure(root=True)
    assert figure is not None, "axes that were removed from their figure cannot be drawn in"
    return figure


def _short(value: float) -> str:
    text = count(value) if value >= 10 else f"{value:g}"
    number, suffix = (text[:-1], text[-1]) if text[-1].isalpha() else (text, "")
    return (number.rstrip("0").rstrip(".") if "." in number else number) + suffix
