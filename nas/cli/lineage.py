"""What trials inherit, on a terminal: a table of a study's, and the tree around one of them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from nas.cli.console import Table, plain
from nas.errors import StorageError
from nas.metrics import Measure
from nas.quantity import count, plural
from nas.study.states import INHERITED, WORDS

if TYPE_CHECKING:
    import pandas as pd

    from nas.study.reader import Study  # pandas: half a second that others need not wait

ROWS = 5
_WORDS = {state: word for word, state in WORDS.items()} | {"COMPLETE": "from scratch"}


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
    trials = study.frame().set_index("number")
    if number not in trials.index:
        raise StorageError(f"study {study.name!r} has no trial {number}")
    parent = trials["inherits"].dropna().astype(int).to_dict()
    children = defaultdict(list)
    for child, of in parent.items():
        children[of].append(child)
    line = [number]
    while (of := parent.get(line[0])) is not None and of not in line and of in trials.index:
        line.insert(0, of)
    measure = study.record.measure
    root = node = Tree(_label(trials, line[0], number, measure))
    for one in line[1:]:
        node = node.add(_label(trials, one, number, measure))
    waiting, seen = [(number, node)], set(line)
    while waiting:  # no recursion: a line may be as long as a study
        one, node = waiting.pop()
        for child in children[one]:
            if child not in seen:
                seen.add(child)
                waiting.append((child, node.add(_label(trials, child, number, measure))))
    console.print(root)


def _label(trials: pd.DataFrame, number: int, asked: int, measure: Measure) -> Text:
    row = trials.loc[number].dropna()
    value = measure.shown(row[measure.metric]).strip() if measure.metric in row else "–"
    epochs = plural(int(row.get("epochs", 0)), "epoch")
    state = _WORDS.get(row["state"], row["state"])
    costs = f", {count(int(row['macs']))} MACs" if "macs" in row else ""
    said = f"trial {number}  {value} in {epochs}, {state}{costs}"
    return Text(said, style="bold" if number == asked else "")
