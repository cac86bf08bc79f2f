"""Networks on a terminal: read as nas sample writes them, printed part by part."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from rich.console import Console

from nas.architecture import Architecture
from nas.cli.console import Table
from nas.errors import ArchitectureError
from nas.summary import Summary


def read_architectures(lines: Iterable[str]) -> Iterator[Architecture]:
    """One of each line, a JSON object; empty lines are none.

    Raises:
        ArchitectureError: a line is none; the message has its number.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
            if not isinstance(found, dict):
                raise ValueError
            yield Architecture.from_dict(found)
        except (ValueError, RecursionError):
            raise ArchitectureError(
                f"line {number} is {line.strip()[:60]!r}; accepted: one network a line, as nas "
                "sample writes it"
            ) from None
        except ArchitectureError as error:
            raise ArchitectureError(f"line {number}: {error}") from None


def print_summary(console: Console, found: Summary) -> None:
    """Print a network part by part; on a terminal that is narrower, layers take several lines."""
    text = str(found)
    if not console.is_terminal or max(map(len, text.splitlines())) <= console.width:
        console.print(text, markup=False, soft_wrap=True)
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("part", "layers", "output"):
        table.add_column(name)
    for name in ("params", "MACs", "activations"):
        table.add_column(name, justify="right")
    for row in found:
        shape = "×".join(map(str, row.output_shape))
        numbers = (f"{n:,}" for n in (row.params, row.macs, row.activations))
        table.add_row(row.part, row.layers, shape, *numbers)
    total = found.total
    table.add_row(
        "total", "", "", *(f"{n:,}" for n in (total.params, total.macs, total.activations))
    )
    console.print(table)
