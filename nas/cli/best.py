"""A study on a terminal: its best trials or its front, and the winner stage by stage."""

import pandas as pd
from rich.console import Console

from nas.cli.console import Table, plain
from nas.cli.fronts import ROWS as OF_FRONT
from nas.cli.fronts import print_front
from nas.cli.networks import print_summary
from nas.quantity import count, format_duration
from nas.study.reader import Study
from nas.summary import summary

ROWS = 5


def print_best(console: Console, study: Study, rows: int | None = None) -> bool:
    """Print the best trials, or the front, and the winner; False where no trial was trained in
    full. ``rows`` are those of the table."""
    best = study.best(rows or ROWS)
    console.print()
    untrained = study.record.untrained
    if untrained:
        console.print(untrained, style="yellow", markup=False)
    if best.empty:
        console.print(f"No trial of {study.name!r} was trained in full yet.", markup=False)
        return False
    who = "winner"
    if doubt := study.doubt:
        who = "best of them"
    if study.record.minimize:
        who = f"{study.record.measure.superlative} one"
        print_front(console, study, rows or OF_FRONT)
    else:
        _print_table(console, study, best)
    winner = int(best["number"].iloc[0])
    shape, classes = study.space.input_shape, study.space.num_classes
    if doubt:
        console.print(f"\n{doubt}", style="yellow", markup=False)
    console.print(f"\nThe {who}, trial {winner}:", style="bold")
    print_summary(console, summary(study.architecture(winner), shape, classes))
    console.print()
    return True


def _print_table(console: Console, study: Study, best: pd.DataFrame) -> None:
    measure = study.record.measure
    title = plain(f"The best of {study.name}")
    title.stylize("bold")
    table = Table(title=title, title_justify="left")
    table.add_column("trial", justify="right")
    for header in (study.record.accuracy, "epochs", "params", "MACs", "time"):
        table.add_column(header, justify="right")
    for trial in best.to_dict("records"):
        table.add_row(
            str(trial["number"]),
            measure.shown(trial[measure.metric]),
            str(trial["epochs"]),
            count(trial["params"]),
            count(trial["macs"]),
            format_duration(trial["seconds"]),
        )
    console.print(table)
