"""What each part of an architecture puts out and costs, as a table that prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nas.architecture import Architecture, Stage, Stem
from nas.cost import Cost, cost_of_parts


@dataclass(frozen=True, slots=True)
class Row:
    """One part: the stem, a stage or the head."""

    part: str  # stem, stages.0, …, head
    layers: str  # as a person reads them
    output_shape: tuple[int, ...]  # of one image: (channels, height, width), or (classes,)
    params: int
    macs: int
    activations: int


@dataclass(frozen=True, slots=True)
class Summary:
    """The parts in the order of computation: iterates over its rows, prints as a table.

    ``pandas.DataFrame(summary)`` has a column for each field of ``Row``.
    """

    rows: tuple[Row, ...]

    @property
    def total(self) -> Cost:
        """Of all parts: what ``nas.cost`` returns."""
        return sum((Cost(r.params, r.macs, r.activations) for r in self.rows), Cost(0, 0, 0))

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        table = [("part", "layers", "output shape", "params", "MACs", "activations")]
        for row in self.rows:
            shape = f"({','.join(map(str, row.output_shape))})"
            table.append((row.part, row.layers, shape, *_numbers(row)))
        table.append(("total", "", "", *_numbers(self.total)))
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        return "\n".join(_line(cells, widths) for cells in table)


def summary(
    architecture: Architecture,
    input_shape: tuple[int, int, int] = (1, 28, 28),
    num_classes: int = 10,
) -> Summary:
    """Output shape, parameters, MACs and activations of the stem, each stage and the head.

    In closed form, for one image of ``input_shape`` = (channels, height, width).

    Raises:
        ArchitectureError: as ``nas.cost``.

    >>> from nas import preset
    >>> stem, *others = summary(preset("resnet18"), (3, 224, 224)).rows
    >>> stem.part, stem.output_shape, stem.params
    ('stem', (64, 56, 56), 9536)
    """
    *costs, head = cost_of_parts(architecture, input_shape, num_classes)
    parts: tuple[Stem | Stage, ...] = (architecture.stem, *architecture.stages)
    names = ("stem", *(f"stages.{number}" for number in range(len(architecture.stages))))
    sizes = architecture.resolutions(input_shape)
    rows = [
        _row(name, str(part), (part.width, *size), cost)
        for name, part, size, cost in zip(names, parts, sizes, costs, strict=True)
    ]
    rows.append(_row("head", f"linear {parts[-1].width} to {num_classes}", (num_classes,), head))
    return Summary(tuple(rows))


def _row(part: str, layers: str, output_shape: tuple[int, ...], cost: Cost) -> Row:
    return Row(part, layers, output_shape, cost.params, cost.macs, cost.activations)


def _numbers(counted: Row | Cost) -> tuple[str, str, str]:
    return (f"{counted.params:,}", f"{counted.macs:,}", f"{counted.activations:,}")


def _line(cells: Sequence[str], widths: list[int]) -> str:
    """Words to the left, numbers to the right."""
    words = [cell.ljust(width) for cell, width in zip(cells[:3], widths[:3], strict=True)]
    numbers = [cell.rjust(width) for cell, width in zip(cells[3:], widths[3:], strict=True)]
    return "  ".join(words + numbers)
