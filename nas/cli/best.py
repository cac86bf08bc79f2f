"""A study on a terminal: its best trials, and the winner stage by stage."""

from rich.console import Console

from nas.cli.console import Table, plain
from nas.quantity import count
from nas.study.reader import Study
from nas.summary import summary


def print_best(console: Console, study: Study, rows: int = 5) -> bool:
    """Print the best trials and the winner; False where no trial was trained in full."""
    best, measure = study.best(rows), study.record.measure
    console.print()
    untrained = study.record.untrained
    if untrained:
        console.print(untrained, style="yellow", markup=False)
    if best.empty:
        console.print(f"No trial of {study.name!r} was trained in full yet.", markup=False)
        return False
    title = plain(f"The best of {study.name}")
    title.stylize("bold")
    table = Table(title=title, title_justify="left")
    table.add_column("trial", justify="right")
    for header in (study.record.accuracy, "epochs", "params", "MACs", "seconds"):
        table.add_column(header, justify="right")
    for trial in best.to_dict("records"):
        table.add_row(
            str(trial["number"]),
            measure.shown(trial[measure.metric]),
            str(trial["epochs"]),
            count(trial["params"]),
            count(trial["macs"]),
            f"{trial['seconds']:.1f}",
        )
    console.print(table)
    winner = int(best["number"].iloc[0])
    shape, classes = study.space.input_shape, study.space.num_classes
    console.print(f"\nThe winner, trial {winner}:", style="bold")
    console.print(
        str(summary(study.architecture(winner), shape, classes)), markup=False, soft_wrap=True
    )
    console.print()
    return True
