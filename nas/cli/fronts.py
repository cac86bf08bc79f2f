"""A Pareto front on a terminal: while it grows, and as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console

from nas.cli.console import Table, plain
from nas.metrics import COST_WORDS, COSTS, Measure, shown_cost
from nas.quantity import count
from nas.search.job import Job

if TYPE_CHECKING:
    from nas.study.reader import Study  # pandas: half a second that a search need not wait

ROWS = 20  # of the table


class Front:
    """The front of the trials that this search trained in full, for its live view."""

    def __init__(self, measure: Measure, minimize: Sequence[str]) -> None:
        self._measure = measure
        self._minimize = minimize
        self._measured: dict[int, Mapping[str, float]] = {}  # by trial, in its first epoch
        self._front = np.empty((0, 1 + len(minimize)))  # losses
        self._most = np.zeros(len(minimize))  # of each cost
        self.text = ""
        """Its size and hypervolume, for one line on the search."""

    def first_epoch(self, job: Job, result: Mapping[str, Any]) -> None:
        """Take note of what is measured of a trial."""
        self._measured[job.number] = result.get("metrics") or {}

    def add(self, job: Job, value: float) -> None:
        """A trial was trained in full."""
        known = {**self._measured.pop(job.number, {}), **{n: getattr(job.cost, n) for n in COSTS}}
        if not known.keys() >= set(self._minimize):  # its first epoch was another search's
            return
        from nas.study.front import dominated, unbeaten  # pandas, as above

        costs = np.array([known[name] for name in self._minimize], dtype=float)
        loss = value if self._measure.minimizes else -value
        losses = np.vstack([self._front, [loss, *costs]])
        self._front = losses[unbeaten(losses)]
        self._most = np.maximum(self._most, costs)
        self.text = f"front of {len(self._front)}"
        if self._measure.is_fraction:
            shares = np.column_stack([1 + self._front[:, 0], self._front[:, 1:] / self._most])
            self.text += f" (hypervolume {dominated(shares):.4f})"


def print_front(console: Console, study: Study, rows: int = ROWS) -> None:
    """Print the front of a study that minimizes costs, the cheapest network first."""
    from nas.study.front import front_words, thinned

    trials, front, measure = study.frame(), study.front(), study.record.measure
    costs = [*study.record.minimize]
    costs += [name for name in ("params", "macs") if name not in costs]
    title = plain(f"The front of {study.name}, from the cheapest to the {measure.superlative}")
    title.stylize("bold")
    table = Table(title=title, title_justify="left")
    for header in ("trial", *(COST_WORDS[name] for name in costs), study.record.accuracy, "epochs"):
        table.add_column(header, justify="right")
    shown = thinned(front, rows)
    for trial in shown.to_dict("records"):
        table.add_row(
            str(trial["number"]),
            *(shown_cost(name, trial[name]) for name in costs),
            measure.shown(trial[measure.metric]),
            str(trial["epochs"]),
        )
    console.print(table)
    if len(shown) < len(front):
        console.print(f"{len(shown)} of {count(len(front))}, evenly; study.front() has all.")
    console.print(front_words(trials, study.record), markup=False, highlight=False)
