"""Whether a search that inherits weights needs fewer images to find as good a network.

    python benchmarks/inheriting.py run studies/resnext_bench.sqlite --seeds 0:3
    python benchmarks/inheriting.py write studies/resnext_bench.sqlite

The table has every network of its space from scratch, so that the true value of each is known: the
mean over its seeds after the last epoch. Searches from scratch are replayed from it; those that
inherit train, with the table's recipe, and end with networks that are trained from scratch.

``run`` appends a line of JSON per search to ``--output``: images, and the true value of its best
network from scratch, as the study says it, after each; what is there is not run again. ``write``
makes the table of docs/nested.md of it. The *goal* is the mean of random search after ``GOAL``
trials in full.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import nas
from nas.search.inheriting import PROVEN
from nas.study.table import Table, read_table

GOAL = 60  # trainings of random search
LESS = 5  # so many times fewer images each of the others has
# Searches that inherit: sampler and epochs of a trial that inherits
INHERITING = (("growing", 2),)
SCRATCH = (("random", GOAL), ("model", GOAL // LESS), ("random", GOAL // LESS))  # trials
KEYS = ("sampler", "inherit_epochs", "trials", "seed")


class Trace(nas.Watcher):
    """The best network of a search from scratch, and the best one that inherited, by images."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._last: dict[int, float] = {}
        self.images = 0
        self.states: dict[str, int] = {}
        # how a trial ended, images so far, its value as observed and true
        self.ends: list[tuple[str, int, float, float]] = []

    def measured(self, job: Any, result: Any) -> None:
        self.images += self._table.recipe["train_images"]
        self._last[job.number] = result["val_accuracy"]

    def ended(self, job: Any, state: str, reason: str | None) -> None:
        self.states[state] = self.states.get(state, 0) + 1
        if state in ("complete", "inherited"):
            true = self._table.value(job.architecture.key)
            self.ends.append((state, self.images, self._last[job.number], true))


def search(file: Path, sampler: str, inherit_epochs: int, trials: int, seed: int) -> dict[str, Any]:
    """One search: from scratch, out of the table, where ``inherit_epochs`` is 0."""
    table = read_table(file)
    trace, begun = Trace(table), time.perf_counter()
    options: dict[str, Any] = {"objective": f"table:{file}", "scheduler": "none"}
    if inherit_epochs:
        told = {name: value for name, value in table.recipe.items() if value is not None}
        options = {**told, "inherit": True, "inherit_epochs": inherit_epochs}
        options["space"] = table.space.name
    with tempfile.TemporaryDirectory() as at:
        nas.run_search(
            sampler=sampler, trials=trials, time_budget="none", concurrency=2, seed=seed,
            watcher=trace,
            storage=f"sqlite:///{at}/nas.db", runs=f"{at}/runs", **options,
        )  # fmt: skip
    about = dict(zip(KEYS, (sampler, inherit_epochs, trials, seed), strict=True))
    ended = {"images": trace.images, "states": trace.states, "ends": trace.ends}
    return {**about, **ended, "seconds": round(time.perf_counter() - begun, 1)}


def trials_within(images: int, full: int, epochs: int, inherit_epochs: int) -> int:
    """Trials of a search that inherits which together see so many images, if the first two, as two
    run at a time, and the last ones are the only ones from scratch."""
    scratch = 2 + PROVEN
    return scratch + int((images - scratch * full) / (full / epochs * inherit_epochs))


def wanted(table: Table, seeds: range) -> Iterator[tuple[str, int, int, int]]:
    """Every search."""
    full = table.recipe["train_images"] * table.epochs
    for seed in seeds:
        for sampler, trials in SCRATCH:
            yield sampler, 0, trials, seed
        for sampler, epochs in INHERITING:
            trials = trials_within(GOAL * full // LESS, full, table.epochs, epochs)
            yield sampler, epochs, trials, seed


def run(arguments: argparse.Namespace) -> None:
    """Run what is not there yet."""
    first, _, end = arguments.seeds.partition(":")
    there = {tuple(row[key] for key in KEYS) for row in rows(arguments.output)}
    todo = [
        one
        for one in wanted(read_table(arguments.table), range(int(first), int(end)))
        if one not in there
    ]
    for done, one in enumerate(todo, start=1):
        found = search(arguments.table, *one)
        with arguments.output.open("a") as file:
            file.write(json.dumps(found) + "\n")
        print(f"{done} of {len(todo)}: {one}, {found['images']:,} images", flush=True)


def rows(path: Path) -> list[dict[str, Any]]:
    """The searches in a file of ``run``."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def winner(row: Mapping[str, Any]) -> float:
    """The true value of the best network from scratch, as the study says it."""
    scratch = [(seen, true) for state, _, seen, true in row["ends"] if state == "complete"]
    return max(scratch)[1]


def reached(row: Mapping[str, Any], goal: float) -> int | None:
    """Images until the true value of the best network from scratch is the goal."""
    best = -1.0, -1.0
    for state, images, seen, true in row["ends"]:
        if state == "complete" and (seen, true) > best:
            best = seen, true
            if true >= goal:
                return int(images)
    return None


def write(arguments: argparse.Namespace) -> None:
    """The table as Markdown on standard output."""
    table = read_table(arguments.table)
    full = table.recipe["train_images"] * table.epochs
    found = rows(arguments.output)
    ways = sorted({tuple(row[key] for key in KEYS[:-1]) for row in found}, key=str)
    groups = {way: [r for r in found if tuple(r[k] for k in KEYS[:-1]) == way] for way in ways}
    goal = fmean(winner(row) for row in groups["random", 0, GOAL])
    best = max(table.value(key) for key in table.curves)
    print(f"Goal: {goal:.2%}; the best network of the space has {best:.2%}.\n")
    head = ("sampler", "epochs of a trial that inherits", "trials", "that inherited", "seeds")
    head = (*head, "images, in trainings", "winner", "seeds at the goal", "images to the goal")
    print(f"| {' | '.join(head)} |\n{'|---' * len(head)}|")
    for (sampler, epochs, trials), of in groups.items():
        values = [winner(row) for row in of]
        needed = [at for row in of if (at := reached(row, goal)) is not None]
        inherited = fmean(row["states"].get("inherited", 0) for row in of)
        spread = f" ± {100 * stdev(values) / len(values) ** 0.5:.2f}" if len(values) > 1 else ""
        cells = [sampler, epochs or "–", trials, f"{inherited:.0f}", len(of)]
        cells += [f"{fmean(row['images'] for row in of) / full:.1f}"]
        cells += [f"{100 * fmean(values):.2f}{spread} %", f"{len(needed)} of {len(of)}"]
        cells += [f"{fmean(needed) / full:.1f}" if needed else "–"]
        print(f"| {' | '.join(map(str, cells))} |")


def main() -> None:
    """Run or write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("what", choices=("run", "write"))
    parser.add_argument("table", type=Path)
    parser.add_argument("--seeds", default="0:3", metavar="FIRST:END")
    parser.add_argument("--output", type=Path, default=Path("docs/inheriting.jsonl"))
    arguments = parser.parse_args()
    {"run": run, "write": write}[arguments.what](arguments)


if __name__ == "__main__":
    main()
