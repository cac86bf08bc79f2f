"""How many training images a search needs, by sampler, scheduler, budget and number of workers.

    python benchmarks/search_quality.py run studies/resnext_bench.sqlite --seeds 0:20
    python benchmarks/search_quality.py run studies/resnext_bench.sqlite --seeds 0:20 --fronts
    python benchmarks/search_quality.py write

``run`` replays the table in virtual time through the searcher, the database and the schedulers that
users run, one study for each combination and seed, and appends a line of JSON per study to
``--output``; what is there is not run again. ``write`` makes the summary and the figures of
docs/search-quality.md of it.

The regret of a search is what the true value (mean over the table's seeds after the last epoch) of
its best network, as the study says it, is below that of the best network of the space within the
budget. A search without a finished trial has that of a network drawn at random.

With ``--fronts``, searches minimize MACs beside the accuracy. Their rows have ``"front": true`` and
points of a hypervolume: that of the true values of the networks on the front, as the study says it,
against log MACs, from the worst accuracy of the space at its most MACs to the best at its least. It
is a share of what the front of the whole space has, so that 1 is all there is.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import nas
from nas.study.front import dominated, unbeaten
from nas.study.table import Table, read_table

SAMPLERS = ("random", "largest", "tpe", "evolution", "local", "model")
SCHEDULERS = ("none", "asha", "asha:2", "hyperband", "pasha", "curves", "curves:2")
OF_FRONTS = ("random", "largest", "nsga2", "tpe", "evolution", "model")  # samplers
CAPS = (0.2, 0.5, 1.0)  # shares of the MACs of the largest network
TRIALS = 100


class Trace(nas.Watcher):
    """The best network of a search after each image that it trained on."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._best = -np.inf
        self._last: dict[int, float] = {}
        self.images = 0
        self.seconds = 0.0  # of workers, together
        # images, seconds, true value of the best network
        self.points: list[tuple[int, float, float]] = []

    def measured(self, job: Any, result: Any) -> None:
        self.images += self._table.recipe["train_images"]
        self.seconds += self._table.seconds(job.architecture.key)
        self._last[job.number] = result["val_accuracy"]

    def ended(self, job: Any, state: str, reason: str | None) -> None:
        if state == "complete":
            self.finished(job, self._last[job.number], self._table.value(job.architecture.key))

    def finished(self, job: Any, observed: float, true: float) -> None:
        """A network was trained in full."""
        if observed > self._best:
            self._best = observed
            self.points.append((self.images, round(self.seconds, 2), true))


class FrontTrace(Trace):
    """The hypervolume of the front of a search after each image that it trained on."""

    def __init__(self, table: Table, box: Box) -> None:
        super().__init__(table)
        self._box = box
        self._found: list[tuple[float, float, float]] = []  # MACs, observed, true

    def finished(self, job: Any, observed: float, true: float) -> None:
        self._found.append((job.cost.macs, observed, true))
        macs, seen, values = np.array(self._found).T
        front = unbeaten(np.column_stack([macs, -seen]))
        share = round(self._box.share(macs[front], values[front]), 6)
        if not self.points or share != self.points[-1][-1]:
            self.points.append((self.images, round(self.seconds, 2), share))


@dataclass(frozen=True)
class Box:
    """Where fronts are compared: true values against log MACs, of all networks of a space."""

    macs: np.ndarray
    values: np.ndarray

    def share(self, macs: np.ndarray, values: np.ndarray) -> float:
        """The hypervolume of such networks, as a share of that of all networks."""
        return self._volume(macs, values) / self._volume(self.macs, self.values)

    def _volume(self, macs: np.ndarray, values: np.ndarray) -> float:
        least, most, worst, best = *ends(np.log(self.macs)), *ends(self.values)
        costs = (np.log(macs) - least) / (most - least)
        return dominated(np.column_stack([costs, (best - values) / (best - worst)]))


def ends(values: np.ndarray) -> tuple[float, float]:
    """The least and the most."""
    return float(values.min()), float(values.max())


def search(
    file: str, sampler: str, scheduler: str, cap: float, workers: int, seed: int
) -> dict[str, Any]:
    """One study for the best network within ``cap``, and what it found when."""
    table, costs = table_and_costs(file)
    most = int(cap * max(macs for macs, _ in costs))
    reachable = [value for macs, value in costs if macs <= most]
    best = max(reachable)
    trace = Trace(table)
    found = replayed(file, trace, sampler, scheduler, workers, seed, max_macs=most)
    return {
        "sampler": sampler,
        "scheduler": scheduler,
        "cap": cap,
        "workers": workers,
        "seed": seed,
        "start": best - float(np.mean(reachable)),
        "points": [(*at, best - value) for *at, value in trace.points],
        **found,
    }


def search_front(
    file: str, sampler: str, scheduler: str, cap: None, workers: int, seed: int
) -> dict[str, Any]:
    """One study for the front of accuracy and MACs, and what it found when."""
    table, costs = table_and_costs(file)
    macs, values = np.array(costs).T
    trace = FrontTrace(table, Box(macs, values))
    found = replayed(file, trace, sampler, scheduler, workers, seed, minimize=["macs"])
    return {
        "front": True,
        "sampler": sampler,
        "scheduler": scheduler,
        "cap": cap,
        "workers": workers,
        "seed": seed,
        "points": trace.points,
        **found,
    }


def replayed(
    file: str, trace: Trace, sampler: str, scheduler: str, workers: int, seed: int, **options: Any
) -> dict[str, Any]:
    """Run one study; the images that it trained on, those of a whole training, and seconds."""
    table, _ = table_and_costs(file)
    rule, _, grace = scheduler.partition(":")  # asha:2 is asha with a grace of two epochs
    begun = time.process_time()
    with tempfile.TemporaryDirectory(
        dir=Path("/dev/shm") if Path("/dev/shm").is_dir() else None
    ) as at:
        nas.run_search(
            objective=f"table:{file}",
            sampler=sampler,
            scheduler=rule,
            grace=int(grace or 1),
            trials=TRIALS,
            concurrency=workers,
            seed=seed,
            storage=f"sqlite:///{at}/nas.db",
            runs=f"{at}/runs",
            watcher=trace,
            **options,
        )
    return {
        "images": trace.images,
        "trained": trace.seconds,
        "full": table.recipe["train_images"] * table.epochs,
        "seconds": time.process_time() - begun,
    }


@lru_cache(maxsize=1)
def table_and_costs(file: str) -> tuple[Table, list[tuple[int, float]]]:
    """The table; MACs and true value of each network, once for all studies of a process."""
    table = read_table(Path(file))
    settings = table.space.distinct_settings(4096)
    assert settings is not None
    networks = [table.space.architecture(setting) for setting in settings]
    return table, [(table.space.cost(one).macs, table.value(one.key)) for one in networks]


def regret(row: dict[str, Any], spent: np.ndarray, seconds: bool = False) -> np.ndarray:
    """The regret of a search after so many images, or seconds of training."""
    at = [0, *(point[1 if seconds else 0] for point in row["points"])]
    values = [row["start"], *(point[-1] for point in row["points"])]
    return np.array(values)[np.searchsorted(at, spent, side="right") - 1]


def wanted(arguments: argparse.Namespace) -> Iterator[tuple[Any, ...]]:
    """The combinations that are not in the output yet, seed by seed."""
    first, _, end = arguments.seeds.partition(":")
    seeds = range(int(first), int(end))
    caps = (None,) if arguments.fronts else arguments.caps
    samplers = arguments.samplers or (OF_FRONTS if arguments.fronts else SAMPLERS)
    known = split(rows(arguments.output))[arguments.fronts]
    there = {tuple(row[k] for k in KEYS) for row in known}
    for seed, workers, cap, sampler, scheduler in product(
        seeds, arguments.workers, caps, samplers, arguments.schedulers
    ):
        if (sampler, scheduler, cap, workers, seed) not in there:
            yield sampler, scheduler, cap, workers, seed


KEYS = ("sampler", "scheduler", "cap", "workers", "seed")


def rows(path: Path) -> list[dict[str, Any]]:
    """The studies in a file of ``run``."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def split(found: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The studies of one objective, and those of fronts."""
    fronts = [row for row in found if row.get("front")]
    return [row for row in found if not row.get("front")], fronts


def run(arguments: argparse.Namespace) -> None:
    """Run what is not there yet."""
    todo = list(wanted(arguments))
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(arguments.processes) as pool, arguments.output.open("a") as file:
        one_study = search_front if arguments.fronts else search
        futures = [pool.submit(one_study, arguments.table, *one) for one in todo]
        for done, future in enumerate(futures, start=1):
            file.write(json.dumps(future.result()) + "\n")
            file.flush()
            print(f"\r{done} of {len(todo)}", end="", flush=True)
    print()


def write(arguments: argparse.Namespace) -> None:
    """The summary as Markdown on standard output, and the figures beside the results."""
    first, _, end = arguments.seeds.partition(":")
    chosen = [r for r in rows(arguments.output) if int(first) <= r["seed"] < int(end)]
    found, fronts = split(chosen)
    for workers in sorted({row["workers"] for row in found}):
        print("\n".join(summary([r for r in found if r["workers"] == workers], workers)))
    for workers in sorted({row["workers"] for row in fronts}):
        print("\n".join(of_fronts([r for r in fronts if r["workers"] == workers], workers)))
    if not found:
        return
    folder = arguments.output.parent / "images"
    few = [row for row in found if row["workers"] == min(r["workers"] for r in found)]
    panels(few, "sampler", "scheduler", arguments.scheduler, folder / "search-quality-samplers.png")
    panels(few, "scheduler", "sampler", arguments.sampler, folder / "search-quality-schedulers.png")


def summary(found: list[dict[str, Any]], workers: int) -> Iterator[str]:
    """A table for each cap: regrets, and the images that are needed."""
    for cap in sorted({row["cap"] for row in found}):
        here = [row for row in found if row["cap"] == cap]
        full = here[0]["full"]
        grid = np.arange(full // 6, 100 * full + 1, full // 6)
        curves = {
            way: {row["seed"]: regret(row, grid) for row in of} for way, of in grouped(here).items()
        }
        goal = np.mean(list(curves["random", "none"].values()), axis=0)[-1]
        yield f"\n{workers} workers, networks of at most {cap:.0%} of the MACs\n"
        head = ["sampler", "scheduler", "seeds", "5", "10", "25", "50", "100"]
        yield f"| {' | '.join([*head, 'images to the goal', 'worse than'])} |"
        yield "|---" * (len(head) + 2) + "|"
        for (sampler, scheduler), of in sorted(curves.items()):
            curve = np.array(list(of.values()))
            cells = [told(curve[:, 6 * many - 1]) for many in (5, 10, 25, 50, 100)]
            there = np.flatnonzero(curve.mean(axis=0) <= goal)
            needed = f"{grid[there[0]] / full:.1f}" if len(there) else "–"
            worse = []
            for name in ("random", "largest"):
                other = curves[name, "none"]
                seeds = sorted(of.keys() & other.keys())
                pairs = np.array([(of[seed], other[seed]) for seed in seeds])
                if significantly_worse(pairs[:, 0], pairs[:, 1]):
                    worse.append(name)
            row = [sampler, scheduler, str(len(of)), *cells, needed, " and ".join(worse) or "none"]
            yield f"| {' | '.join(row)} |"


def of_fronts(found: list[dict[str, Any]], workers: int) -> Iterator[str]:
    """A table of hypervolumes, and the images until that of random search at its end."""
    full = found[0]["full"]
    grid = np.arange(full // 6, 100 * full + 1, full // 6)
    curves = {
        way: np.array([volume(r, grid) for r in sorted(of, key=lambda r: r["seed"])])
        for way, of in grouped(found).items()
    }
    random = curves.get(("random", "none"))
    yield f"\n{workers} workers, fronts of accuracy and MACs, hypervolume in % of what there is\n"
    head = ["sampler", "scheduler", "seeds", "5", "10", "25", "50", "100", "images to the goal"]
    yield f"| {' | '.join([*head, 'worse than'])} |"
    yield "|---" * (len(head) + 1) + "|"
    for (sampler, scheduler), curve in sorted(curves.items()):
        cells = [told(curve[:, 6 * many - 1]) for many in (5, 10, 25, 50, 100)]
        needed = words = "–"
        if random is not None:
            there = np.flatnonzero(curve.mean(axis=0) >= random.mean(axis=0)[-1])
            needed = f"{grid[there[0]] / full:.1f}" if len(there) else "–"
            paired = 1 < len(curve) == len(random)
            words = "random" if paired and significantly_worse(-curve, -random) else "none"
        row = [sampler, scheduler, str(len(curve)), *cells, needed, words]
        yield f"| {' | '.join(row)} |"


def volume(row: dict[str, Any], images: np.ndarray) -> np.ndarray:
    """The hypervolume of the front of a search after so many images."""
    at = [point[0] for point in row["points"]]
    values = [0.0, *(point[-1] for point in row["points"])]
    return np.array(values)[np.searchsorted(at, images, side="right")]


def grouped(found: list[dict[str, Any]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Studies by sampler and scheduler."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in found:
        groups.setdefault((row["sampler"], row["scheduler"]), []).append(row)
    return groups


def told(regrets: np.ndarray) -> str:
    """Mean and standard error, in hundredths."""
    error = regrets.std(ddof=1) / np.sqrt(len(regrets)) if len(regrets) > 1 else np.nan
    return f"{100 * regrets.mean():.2f} ± {100 * error:.2f}"


def significantly_worse(curve: np.ndarray, other: np.ndarray) -> bool:
    """Whether, after any number of images, the mean regret is above the other's, by pairs of seeds.

    The largest t statistic of all numbers of images is compared with those of 2,000 random signs of
    the pairs: one test for the whole curve, at 5 %. Westfall & Young 1993.
    """
    differences = curve - other
    rng = np.random.default_rng(0)
    signs = rng.choice([-1.0, 1.0], (2000, len(differences)))
    signs[0] = 1
    squares = (differences**2).mean(axis=0)  # whatever the signs
    means = signs @ differences / len(differences)
    errors = np.sqrt(np.maximum(squares - means**2, 0) / (len(differences) - 1))
    largest = (means / (errors + 1e-5)).max(axis=1)
    return bool((largest >= largest[0]).mean() < 0.05)


def panels(found: list[dict[str, Any]], hue: str, fixed: str, value: str, path: Path) -> None:
    """Mean regret against images, a panel for each cap."""
    import matplotlib.pyplot as plt
    import seaborn as sns

    sns.set_theme(style="whitegrid", context="paper")
    caps = sorted({row["cap"] for row in found})
    figure, axes = plt.subplots(1, len(caps), figsize=(3.6 * len(caps), 3.2), sharey=True)
    names = sorted({row[hue] for row in found})
    colors = dict(zip(names, sns.color_palette("colorblind", len(names)), strict=True))
    for cap, axis in zip(caps, np.atleast_1d(axes), strict=True):
        for name in names:
            of = [r for r in found if (r["cap"], r[hue], r[fixed]) == (cap, name, value)]
            if not of:
                continue
            full = of[0]["full"]
            grid = np.geomspace(full, 100 * full, 200)
            curves = 100 * np.array([regret(row, grid) for row in of])
            mean, error = curves.mean(axis=0), curves.std(axis=0, ddof=1) / np.sqrt(len(of))
            axis.plot(grid / 1e6, mean, label=name, color=colors[name])
            axis.fill_between(grid / 1e6, mean - error, mean + error, color=colors[name], alpha=0.2)
        axis.set(
            xscale="log", xlabel="training images (millions)", title=f"at most {cap:.0%} of MACs"
        )
    np.atleast_1d(axes)[0].set_ylabel("regret (points of accuracy)")
    np.atleast_1d(axes)[-1].legend(title=hue)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    figure.savefig(path, dpi=150)


def main() -> None:
    """``run`` or ``write``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("run")
    one.add_argument("table")
    one.add_argument("--seeds", default="0:20")
    one.add_argument("--fronts", action="store_true", help="minimize MACs beside the accuracy")
    one.add_argument("--samplers", nargs="+", help=f"default: {', '.join(SAMPLERS)}")
    one.add_argument("--schedulers", nargs="+", default=SCHEDULERS)
    one.add_argument("--caps", nargs="+", type=float, default=CAPS)
    one.add_argument("--workers", nargs="+", type=int, default=(2, 16))
    one.add_argument("--processes", type=int, default=2)
    one.set_defaults(command=run)
    two = commands.add_parser("write")
    two.add_argument("--seeds", default="0:20", help="those that are summed up")
    two.add_argument("--sampler", default="model", help="whose schedulers are drawn")
    two.add_argument("--scheduler", default="none", help="whose samplers are drawn")
    two.set_defaults(command=write)
    for command in (one, two):
        command.add_argument("--output", type=Path, default=Path("docs/search-quality.jsonl"))
    arguments = parser.parse_args()
    arguments.command(arguments)


if __name__ == "__main__":
    main()
