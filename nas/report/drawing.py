"""An architecture as a picture: its stages from left to right, as SVG that stands in any page.

A block is a slab: as high as its image is large, as thick as it is wide (on a log scale), cut by
its groups, under an arc where it is residual. Lines and words take the colour of the text around
them, so that the drawing is readable on light and on dark.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from math import log2

from nas.architecture import Architecture, Stage
from nas.blocks import BLOCKS
from nas.quantity import plural

COLUMN, SLABS, LINE, MARGIN = 150, 130, 16, 12  # pixels: of a part, of its slabs, of a line of text
MOST = 8  # slabs of a stage, and groups of a slab: nobody counts more
OTHER, DIFFERENT = "#949494", "#d55e00"
ROWS = ("depth", "block", "width", "bottleneck", "groups", "stride", "residual", "resolution")
HEIGHT = SLABS + (len(ROWS) + 4) * LINE  # of one network
LEGEND = (
    "height: resolution · thickness: width, on a log scale · cuts: groups",
    "arc: residual connection, dashed where it is a 1×1 convolution",
)


@dataclass(frozen=True)
class _Part:
    name: str  # stem, stages.0, …, head
    facts: Mapping[str, str]  # what is written under it, by the words of ROWS
    colour: str
    size: int  # height of its output in pixels of the image
    width: int  # channels
    depth: int = 1
    groups: int = 1
    residual: bool = False
    projects: bool = False  # its first shortcut is a 1×1 convolution


def draw(
    architecture: Architecture,
    input_shape: tuple[int, int, int] = (1, 28, 28),
    num_classes: int = 10,
) -> str:
    """The network as an ``<svg>`` element, for images of ``input_shape`` = (channels, H, W).

    Raises:
        ArchitectureError: a part would shrink the image below 1 pixel.
    """
    parts = _parts(architecture, input_shape, num_classes)
    rows = [_row(parts, 0, max(part.size for part in parts), frozenset())]
    return _svg(rows, len(parts), str(architecture), HEIGHT)


def draw_pair(
    first: Architecture,
    second: Architecture,
    input_shape: tuple[int, int, int] = (1, 28, 28),
    num_classes: int = 10,
    names: tuple[str, str] = ("first", "second"),
) -> str:
    """Two networks, one above the other, as an ``<svg>`` element: what differs is marked with ≠.

    Raises:
        ArchitectureError: as ``draw``.
    """
    drawn = [_parts(network, input_shape, num_classes) for network in (first, second)]
    facts = [{(p.name, k): v for p in parts for k, v in p.facts.items()} for parts in drawn]
    different = frozenset(
        place for place in facts[0] | facts[1] if facts[0].get(place) != facts[1].get(place)
    )
    largest = max(part.size for parts in drawn for part in parts)
    rows = []
    height = HEIGHT + 2 * LINE
    for number, (parts, name) in enumerate(zip(drawn, names, strict=True)):
        top = number * height
        rows.append(_text(MARGIN, top + LINE, escape(name), "font-weight='bold' font-size='14'"))
        rows.append(_row(parts, top + 1.5 * LINE, largest, different))
    title = f"{names[0]}\n{first}\n\n{names[1]}\n{second}"
    return _svg(rows, max(map(len, drawn)), title, 2 * height)


def _parts(
    architecture: Architecture, input_shape: tuple[int, int, int], classes: int
) -> list[_Part]:
    sizes = architecture.resolutions(input_shape)
    stem = architecture.stem
    facts = {
        "depth": f"{stem.kernel}×{stem.kernel} convolution",
        "block": "3×3 max-pool" if stem.pool else "",
        "width": f"width {stem.width}",
        "stride": f"stride {stem.stride}",
        "resolution": _pixels(sizes[0]),
    }
    parts = [_Part("stem", facts, OTHER, sizes[0][0], stem.width)]
    widths = architecture.input_widths()
    for number, stage in enumerate(architecture.stages):
        parts.append(
            _Part(
                f"stages.{number}",
                _facts(stage) | {"resolution": _pixels(sizes[number + 1])},
                BLOCKS[stage.block].colour,
                sizes[number + 1][0],
                stage.width,
                stage.depth,
                stage.groups,
                stage.residual,
                stage.projects(widths[number]),
            )
        )
    head = {"depth": "global average pool", "block": f"linear to {classes}"}
    return [*parts, _Part("head", head, OTHER, 1, classes)]


def _facts(stage: Stage) -> dict[str, str]:
    not_all = f" ({MOST} drawn)" * (stage.depth > MOST)
    facts = {
        "depth": f"{plural(stage.depth, 'block')}{not_all}",
        "block": stage.block,
        "width": f"width {stage.width}",
        "stride": f"stride {stage.stride}",
    }
    keys, inner, groups = BLOCKS[stage.block].keys, stage.inner_width, stage.groups
    if "bottleneck" in keys:
        facts["bottleneck"] = f"inner {inner} (× {stage.bottleneck:g})"
    if "groups" in keys:
        facts["groups"] = f"{groups} groups of {inner // groups}" if groups > 1 else "1 group"
    if "residual" in keys:
        facts["residual"] = "residual" if stage.residual else "no residual"
    return facts


def _pixels(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]} pixels"


def _row(
    parts: list[_Part], top: float, largest: int, different: frozenset[tuple[str, str]]
) -> str:
    """One network: its slabs, an arrow between parts, names and facts below."""
    middle = top + SLABS / 2 + LINE
    drawn = []
    for column, part in enumerate(parts):
        left = MARGIN + column * COLUMN
        thickness, height = _slab_size(part, largest)
        count = min(part.depth, MOST)
        used = count * thickness + (count - 1) * thickness / 2
        start = left + (COLUMN - MARGIN - used) / 2
        if column:
            drawn.append(_arrow(left - MARGIN - 2, left + 2, middle))
        for block in range(count):
            x = start + block * 1.5 * thickness
            drawn.append(_slab(part, x, middle, thickness, height))
            if part.residual:
                dashed = part.projects and block == 0
                drawn.append(_arc(x, middle - height / 2, thickness, dashed))
        line = top + SLABS + 3 * LINE
        centre = left + (COLUMN - MARGIN) / 2
        drawn.append(_text(centre, line, part.name, "text-anchor='middle' font-weight='bold'"))
        for row, key in enumerate(ROWS, 1):
            text = part.facts.get(key, "")
            y = line + row * LINE
            if (part.name, key) in different:
                drawn.append(
                    f"<rect x='{left}' y='{y - 12:g}' width='{COLUMN - MARGIN}' height='15' rx='3' "
                    f"fill='{DIFFERENT}' fill-opacity='0.2'/>"
                )
                text = f"≠ {text or 'none'}"
            drawn.append(_text(centre, y, text, "text-anchor='middle'"))
    return "".join(drawn)


def _slab_size(part: _Part, largest: int) -> tuple[float, float]:
    """Thickness and height; the slabs of a deep stage are thinner, so that all have room."""
    room = (COLUMN - 3 * MARGIN) / (1.5 * min(part.depth, MOST))
    return min(4 + 2 * log2(part.width), room), 14 + (SLABS - 30) * part.size / largest


def _slab(part: _Part, x: float, middle: float, thickness: float, height: float) -> str:
    top = middle - height / 2
    box = (
        f"<rect x='{x:g}' y='{top:g}' width='{thickness:g}' height='{height:g}' rx='2' "
        f"fill='{part.colour}' fill-opacity='0.75' stroke='currentColor' stroke-width='0.8'/>"
    )
    groups = min(part.groups, MOST, int(height / 5))
    cuts = (f"M{x:g} {top + height * cut / groups:g}h{thickness:g}" for cut in range(1, groups))
    path = "".join(cuts)
    return box + (f"<path d='{path}' stroke='currentColor' stroke-width='0.8'/>" if path else "")


def _arc(x: float, top: float, thickness: float, dashed: bool) -> str:
    reach = thickness / 4
    dash = " stroke-dasharray='3 2'" if dashed else ""
    return (
        f"<path d='M{x - reach:g} {top + 6:g}V{top - 2:g}Q{x + thickness / 2:g} {top - 16:g} "
        f"{x + thickness + reach:g} {top - 2:g}V{top + 6:g}' fill='none' stroke='currentColor' "
        f"stroke-width='1.2'{dash}/>"
    )


def _arrow(start: float, end: float, y: float) -> str:
    return f"<path d='M{start:g} {y:g}H{end:g}m-5 -4l5 4l-5 4' fill='none' stroke='currentColor'/>"


def _text(x: float, y: float, text: str, attributes: str) -> str:
    return f"<text x='{x:g}' y='{y:g}' fill='currentColor' {attributes}>{text}</text>" * bool(text)


def _svg(rows: list[str], columns: int, title: str, height: float) -> str:
    width = max(2 * MARGIN + columns * COLUMN, 520)
    legend = [
        _text(MARGIN, height + (number + 1) * LINE, line, "font-size='11' opacity='0.8'")
        for number, line in enumerate(LEGEND)
    ]
    total = height + (len(LEGEND) + 1) * LINE
    return "".join(
        [
            f"<svg xmlns='http://www.w3.org/2000/svg' role='img' width='{width}' "
            f"height='{total:g}' viewBox='0 0 {width} {total:g}' font-size='12' "
            "font-family='system-ui, sans-serif'>",
            f"<title>{escape(title)}</title>",
            *rows,
            *legend,
            "</svg>",
        ]
    )
