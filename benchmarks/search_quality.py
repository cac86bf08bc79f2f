"""How many training images a search needs, by sampler, scheduler, budget and number of workers.

    python benchmarks/search_quality.py run studies/resnext_bench.sqlite --seeds 0:20
    python benchmarks/search_quality.py write

``run`` replays the table in virtual time through the searcher, the database and the schedulers that
users run, one study for each combination and seed, and appends a line of JSON per study to
``--output``; what is there is not run again. ``write`` makes the summary and the figures of
docs/search-quality.md of it.

The regret of a search is what the true value (mean over the table's seeds after the last epoch) of
its best network, as the study says it, is below that of the best network of the space within the
budget. A search without a finished trial has that of a network drawn at random.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import nas
from nas.study.table import Table, table_of

SAMPLERS = ("random", "largest", "tpe", "evolution", "local", "model")
SCHEDULERS = ("none", "asha", "hyperband", "pasha", "curves")
CAPS = (0.2, 0.5, 1.0)  # shares of the MACs of the largest network
TRIALS = 100


class Trace(nas.Watcher):
    """The best network of a search after each image that it trained on."""

    def __init__(self, table: Table, images: int) -> None:
        self._table = table
        self._images = images  # of an epoch
        self._best = -np.inf
        self._last: dict[int, float] = {}
        self.images = 0
        self.points: list[tuple[int, float]] = []  # images, true value of the best network

    def measured(self, job: Any, result: Any) -> None:
        self.images += self._images
        self._last[job.number] = result["val_accuracy"]

    def ended(self, job: Any, state: str, reason: str | None) -> None:
        value = self._last.get(job.number, -np.inf)
        if state == "complete" and value > self._best:
            self._best = value
            self.points.append((self.images, self._table.value(job.architecture.key)))


def search(
    file: str, sampler: str, scheduler: str, cap: float, workers: int, seed: int
) -> dict[str, Any]:
    """One study, and what it found when."""
    table = table_of(f"table:{file}")
    assert table is not None
    costs = values_within(table, 1.0)
    most = int(cap * max(macs for macs, _ in costs))
    reachable = [value for macs, value in costs if macs <= most]
    trace = Trace(table, table.recipe["train_images"])
    begun = time.process_time()
    with tempfile.TemporaryDirectory(
        dir=Path("/dev/shm") if Path("/dev/shm").is_dir() else None
    ) as at:
        nas.run_search(
            objective=f"table:{file}",
            sampler=sampler,
            scheduler=scheduler,
            trials=TRIALS,
            concurrency=workers,
            seed=seed,
            max_macs=most,
            storage=f"sqlite:///{at}/nas.db",
            runs=f"{at}/runs",
            watcher=trace,
        )
    best = max(reachable)
    return {
        "sampler": sampler,
        "scheduler": scheduler,
        "cap": cap,
        "workers": workers,
        "seed": seed,
        "start": best - float(np.mean(reachable)),
        "points": [(images, best - value) for images, value in trace.points],
        "images": trace.images,
        "full": table.recipe["train_images"] * table.epochs,
        "seconds": time.process_time() - begun,
    }


def values_within(table: Table, _: float) -> list[tuple[int, float]]:
    """MACs and true value of each network."""
    settings = table.space.distinct_settings(4096)
    assert settings is not None
    networks = [table.space.architecture(setting) for setting in settings]
    return [(table.space.cost(one).macs, table.value(one.key)) for one in networks]


def regret(row: dict[str, Any], images: np.ndarray) -> np.ndarray:
    """The regret of a search after so many images."""
    at = [0, *(image for image, _ in row["points"])]
    values = [row["start"], *(value for _, value in row["points"])]
    return np.array(values)[np.searchsorted(at, images, side="right") - 1]


def wanted(arguments: argparse.Namespace) -> Iterator[tuple[Any, ...]]:
    """The combinations that are not in the output yet, seed by seed."""
    first, _, end = arguments.seeds.partition(":")
    seeds = range(int(first), int(end))
    there = {tuple(row[k] for k in KEYS) for row in rows(arguments.output)}
    for seed, workers, cap, sampler, scheduler in product(
        seeds, arguments.workers, arguments.caps, arguments.samplers, arguments.schedulers
    ):
        if (sampler, scheduler, cap, workers, seed) not in there:
            yield sampler, scheduler, cap, workers, seed


KEYS = ("sampler", "scheduler", "cap", "workers", "seed")


def rows(path: Path) -> list[dict[str, Any]]:
    """The studies in a file of ``run``."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def run(arguments: argparse.Namespace) -> None:
    """Run what is not there yet."""
    todo = list(wanted(arguments))
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(arguments.processes) as pool, arguments.output.open("a") as file:
        futures = [pool.submit(search, arguments.table, *one) for one in todo]
        for done, future in enumerate(futures, start=1):
            file.write(json.dumps(future.result()) + "\n")
            file.flush()
            print(f"\r{done} of {len(todo)}", end="", flush=True)
    print()


def main() -> None:
    """``run`` or ``write``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("run")
    one.add_argument("table")
    one.add_argument("--seeds", default="0:20")
    one.add_argument("--samplers", nargs="+", default=SAMPLERS)
    one.add_argument("--schedulers", nargs="+", default=SCHEDULERS)
    one.add_argument("--caps", nargs="+", type=float, default=CAPS)
    one.add_argument("--workers", nargs="+", type=int, default=(2, 16))
    one.add_argument("--processes", type=int, default=2)
    one.set_defaults(command=run)
    for command in (one,):
        command.add_argument("--output", type=Path, default=Path("docs/search-quality.jsonl"))
    arguments = parser.parse_args()
    arguments.command(arguments)


if __name__ == "__main__":
    main()
