"""What trials inherit, on a terminal: a table of a study's, and the tree around one of them."""

from __future__ import annotations

import sys
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from nas.cli.console import Table, plain
from nas.errors import StorageError
from nas.metrics import Measure
from nas.quantity import count, plural
from nas.study.states import INHERITED, SPOKEN

if TYPE_CHECKING:
    from nas.study.reader import Study  # pandas: half a second that others need not wait

ROWS = 5
_WORDS = SPOKEN | {"COMPLETE": "from scratch"}


def print_inherited(console: Console, study: Study, rows: int | None = None) -> None:
    """Print the best inherited trials, and how far such values can be trusted; nothing where no
    trial inherits."""
    from nas.analysis.inheritance import agreement_text

    trials = study.frame()
    found = trials[trials["state"] == INHERITED]
    if found.empty:
        return
    measure = study.record.measure
    title = plain(f"Inherited, of {study.name}: no results from scratch")
    title.stylize("bold")
    table = Table(title=title, title_justify="left")
    for header in ("trial", "inherits from", study.record.accuracy, "epochs", "params", "MACs"):
        table.add_column(header, justify="right")
    best = found.sort_values([measure.metric, "macs"], ascending=[measure.minimizes, True])
    for row in best.head(rows or ROWS).to_dict("records"):
        table.add_row(
            str(row["number"]),
            str(row["inherits"]),
            measure.shown(row[measure.metric]),
            str(row["epochs"]),
            count(row["params"]),
            count(row["macs"]),
        )
    console.print(table)
    console.print(agreement_text(trials), markup=False, highlight=False)


def print_tree(console: Console, study: Study, number: int) -> None:
    """Print the trials that a trial descends from, it, and those that descend from it.

    Raises:
        StorageError: the study has no such trial.
    """
    from nas.analysis.inheritance import Lineage

    measure = study.record.measure
    frame = study.frame()[["number", "inherits", "state", "epochs", "macs", measure.metric]]
    known = frame.astype(object).where(frame.notna(), None)
    trials = {int(row["number"]): row for row in known.to_dict("records")}
    if number not in trials:
        raise StorageError(f"study {study.name!r} has no trial {number}")
    lineage = Lineage.of(frame)
    above, below = lineage.ancestors(number), lineage.descendants(number)
    first = above[0] if above else number

    def label(one: int) -> Text:
        return Text(_said(trials[one], measure), style="bold" if one == number else "")

    root = Tree(label(first))
    nodes = {first: root}
    for one in (*above, number, *below):
        if one not in nodes:
            nodes[one] = nodes[lineage.parent[one]].add(label(one))
    # of a line that does not fit, a terminal shows the rest below; Rich would show nothing of it
    unbound = console.options.update(max_width=sys.maxsize)
    console.width = max(console.width, console.measure(root, options=unbound).maximum)
    console.print(root)


def _said(row: Mapping[Hashable, Any], measure: Measure) -> str:
    value = row[measure.metric]
    shown = "–" if value is None else measure.shown(value).strip()
    state = _WORDS.get(row["state"], row["state"])
    costs = "" if row["macs"] is None else f", {count(row['macs'])} MACs"
    return (
        f"trial {row['number']}  {shown} in {plural(row['epochs'] or 0, 'epoch')}, {state}{costs}"
    )
