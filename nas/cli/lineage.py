"""What trials inherit, on a terminal: a table of a study's, and the tree around one of them."""

from __future__ import annotations

from collections import defaultdict
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
    from nas.analysis.inheritance import agreement

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
    both = agreement(trials)
    said = f"{plural(both.networks, 'inherited network')} of {len(found)} trained from scratch, too"
    if both.networks:
        said += f": inherited values are {100 * both.gain:+.2f} points beside those"
    if both.kendall == both.kendall:
        said += f", and rank the networks as these do with Kendall's τ {both.kendall:.2f}"
    console.print(f"{said}.", markup=False, highlight=False)


def print_tree(console: Console, study: Study, number: int) -> None:
    """Print the trials that a trial descends from, it, and those that descend from it.

    Raises:
        StorageError: the study has no such trial.
    """
    measure = study.record.measure
    frame = study.frame()[["number", "inherits", "state", "epochs", "macs", measure.metric]]
    frame = frame.astype(object).where(frame.notna(), None)
    trials = {int(row["number"]): row for row in frame.to_dict("records")}
    if number not in trials:
        raise StorageError(f"study {study.name!r} has no trial {number}")
    children = defaultdict(list)
    for child, row in trials.items():
        if row["inherits"] is not None:
            children[int(row["inherits"])].append(child)
    line = [number]
    while (parent := trials[line[0]]["inherits"]) in trials and parent not in line:
        line.insert(0, int(parent))

    def label(one: int) -> Text:
        return Text(_said(trials[one], measure), style="bold" if one == number else "")

    root = node = Tree(label(line[0]))
    for one in line[1:]:
        node = node.add(label(one))
    waiting, seen = [(number, node)], set(line)
    while waiting:  # no recursion: a line may be as long as a study
        one, node = waiting.pop()
        for child in children[one]:
            if child not in seen:
                seen.add(child)
                waiting.append((child, node.add(label(child))))
    console.print(root)


def _said(row: Mapping[Hashable, Any], measure: Measure) -> str:
    value = row[measure.metric]
    shown = "–" if value is None else measure.shown(value).strip()
    state = _WORDS.get(row["state"], row["state"])
    costs = "" if row["macs"] is None else f", {count(row['macs'])} MACs"
    return (
        f"trial {row['number']}  {shown} in {plural(row['epochs'] or 0, 'epoch')}, {state}{costs}"
    )
