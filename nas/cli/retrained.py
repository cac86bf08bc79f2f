"""Networks that were trained anew, on a terminal: what they are worth, beside what they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from nas.cli.console import Table, plain
from nas.quantity import percent

if TYPE_CHECKING:
    from nas.study.reader import Study  # pandas: half a second that others need not wait


def print_retrained(console: Console, study: Study) -> None:
    """Print a row per network that was trained anew; nothing where none was."""
    from nas.analysis.retraining import estimates

    found = estimates(study.retrained())
    if found.empty:
        return
    # the first row of a number: a damaged database may have several
    frame = study.frame()
    scratch = frame[frame["inherits"].isna()].drop_duplicates("number")
    searched = scratch.set_index("number")["val_accuracy"]
    title = plain(f"Trained anew, of {study.name}")
    title.stylize("bold")
    table = Table(title=title, title_justify="left")
    for header in ("trial", "searched", "recipe", "epochs", "trainings", "validation", "test"):
        table.add_column(header, justify="left" if header == "recipe" else "right")
    for row in found.to_dict("records"):
        number = row["number"]
        table.add_row(
            str(number),
            percent(searched[number]) if number in searched.index else "–",
            plain(row["recipe"] if isinstance(row["recipe"], str) else "–"),
            str(row["epochs"]),
            str(row["trainings"]),
            _mean(row["val_accuracy"], row["val_half"]),
            _mean(row["test_accuracy"], row["test_half"]),
        )
    console.print(table)
    if (found["trainings"] > 1).any():
        console.print(
            "± is half of a 95 % interval of the mean over seeds, which had no part in the choice "
            "by the search.",
            markup=False,
        )


def _mean(value: float, half: float) -> str:
    if value != value:  # none
        return "–"
    return percent(value) if half != half else f"{percent(value)} ± {100 * half:.2f}"
