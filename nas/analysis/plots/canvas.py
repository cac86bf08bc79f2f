"""The paper that all figures are drawn on: size, palette, axes of counts and percents, captions."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import matplotlib as mpl
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from nas.analysis.population import COSTS, Population
from nas.quantity import count

# colour-blind safe, and different in lightness, so that a black and white print can be read
PALETTE = "colorblind"
MARKERS = "osD^vPX*"


@contextmanager
def canvas(width: float = 6.4, height: float = 4.0) -> Iterator[tuple[Figure, Axes]]:
    """An empty figure, in inches; drawn in it, no window is opened and no state is left behind."""
    # names of studies are no formulas, whatever dollars they have in them
    plain = mpl.rc_context({"text.parse_math": False})
    with plain, sns.axes_style("whitegrid"), sns.color_palette(PALETTE):
        figure = Figure(figsize=(width, height), dpi=150, layout="constrained")
        yield figure, figure.add_subplot()


def colours(number: int) -> list[tuple[float, float, float]]:
    """As many colours as asked for, the palette's own first."""
    palette: list[tuple[float, float, float]] = sns.color_palette(PALETTE, number)
    return palette


def caption(axes: Axes, title: str, notes: Iterable[str] = (), *, whole: bool = False) -> None:
    """The title, and below it in smaller print what has to be known to read the figure.

    They begin where the axes do; or at the left end of the ``whole`` figure, where the labels of
    the axes are so long that there would be too little room.
    """
    left = 0.0
    if whole:
        figure = axes.get_figure(root=True)
        assert figure is not None, "it was made by ``canvas``"
        figure.draw_without_rendering()  # the layout is known then
        place = axes.get_position()
        left = (0.02 - place.x0) / place.width
    width = int(16 * axes.figure.bbox.width / axes.figure.dpi)
    # names of studies have few places to break at
    title = "\n".join(textwrap.wrap(title, int(0.66 * width), break_on_hyphens=False))
    text = "\n".join(line for note in notes if note for line in textwrap.wrap(note, width))
    axes.set_title(title, loc="left", x=left, pad=6 + 10.5 * (text.count("\n") + 1) if text else 6)
    if text:
        axes.annotate(
            text, (left, 1), (0, 4), "axes fraction", "offset points", va="bottom", fontsize=8,
            color="0.35", linespacing=1.1,
        )  # fmt: skip


def notes(spaces: Iterable[Population]) -> list[str]:
    """What was left out of each population, or taken in against the rules."""
    return [f"{space.study}: {space.note}" for space in spaces if space.note]


def cost_axis(axes: Axes, cost: str) -> None:
    """A logarithmic x axis with 1, 2, 5, 10 … in short: 5M."""
    low, high = axes.get_xlim()
    axes.set(xscale="log", xlabel=COSTS[cost])
    # over less than a decade, 1, 2 and 5 would be one or two ticks
    near = low > 0 and math.log10(high / low) < 0.7
    axes.xaxis.set_major_locator(LogLocator(subs=range(1, 10) if near else (1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    axes.xaxis.set_minor_formatter(FuncFormatter(lambda *_: ""))


def percent_axes(axes: Axes, which: str) -> None:
    """Fractions of 1 as percents on the axis x or y, with the digits that its ticks need."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{round(100 * value, 6):g} %"))


def _short(value: float) -> str:
    text = count(value) if value >= 10 else f"{value:g}"
    number, suffix = (text[:-1], text[-1]) if text[-1].isalpha() else (text, "")
    return (number.rstrip("0").rstrip(".") if "." in number else number) + suffix
