"""Whether a network that grows on the way ends where one that was large from the start does.

    python benchmarks/growth.py run
    python benchmarks/growth.py run --dataset fashion_mnist --images 5000 --epochs 8
    python benchmarks/growth.py write

Three targets, and for each a smaller network that it contains: half as deep, half as wide, both.
Four arms with the same recipe and seeds: the target for all epochs; the small network for half of
them, then the target (as many images); the target for fewer epochs, so that it costs as many MACs
as growing does; and the small network for all epochs.

``run`` trains each arm with each seed and appends a line of JSON per training to ``--output``; what
is there is not trained again, so that it can be stopped at any time. ``write`` makes the tables of
docs/nested.md of it, and their figure: means over the seeds, and the paired differences to growing
with intervals of 95 % (Student's t).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import product
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from scipy import stats
from torch import set_num_threads

from nas import Architecture, Stage, Stem, TrainingConfig, cost, fit
from nas.data import open_dataset

WIDE = (16, 32, 64)
SCRATCH, GROWN, EQUAL_MACS, SMALL = ARMS = (
    "from scratch",
    "grown",
    "from scratch, MACs of grown",
    "small",
)
KEYS = ("dataset", "images", "whole", "target", "arm", "seed")


def network(depth: int, share: float) -> Architecture:
    """Three stages of basic blocks, all residual, with a stride each."""
    stages = [Stage("basic", depth, int(width * share), 2) for width in WIDE]
    return Architecture(Stem(16), tuple(stages))


TARGETS = {
    "deeper": (network(2, 1), network(4, 1)),
    "wider": (network(3, 0.5), network(3, 1)),
    "deeper and wider": (network(2, 0.5), network(4, 1)),
}


def training(
    dataset: str, images: int | None, whole: int, target: str, arm: str, seed: int
) -> dict[str, Any]:
    """One training: validation accuracies and MACs spent, as a share of those of the target for
    all epochs, after each epoch."""
    about = dict(zip(KEYS, (dataset, images, whole, target, arm, seed), strict=True))
    data = open_dataset(dataset)
    recipe = TrainingConfig(
        epochs=whole, train_images=images, precision="float32", channels_last="off",
        seed=seed, split_seed=seed,
    )  # fmt: skip
    small, large = TARGETS[target]
    macs = [cost(one, data.input_shape, len(data.classes)).macs / 1e6 for one in (small, large)]
    full, half = whole * macs[1], whole // 2
    grown = [macs[0]] * half + [macs[1]] * (whole - half)
    fewer = max(1, round(sum(grown) / macs[1]))
    growth = [{"epoch": half + 1, "architecture": large}]
    begin, config, each = {
        SCRATCH: (large, recipe, [macs[1]] * whole),
        GROWN: (small, recipe.replace(growth=growth), grown),
        EQUAL_MACS: (large, recipe.replace(epochs=fewer), [macs[1]] * fewer),
        SMALL: (small, recipe, [macs[0]] * whole),
    }[arm]
    accuracies = [round(one.val_accuracy, 6) for one in fit(begin, data, config, "cpu")]
    spent = [round(sum(each[: epoch + 1]) / full, 6) for epoch in range(len(each))]
    return about | {"epochs": config.epochs, "spent": spent, "accuracy": accuracies}


def run(arguments: argparse.Namespace) -> None:
    """Train what is not there yet, seed by seed."""
    about = {"dataset": arguments.dataset, "images": arguments.images, "whole": arguments.epochs}
    known = {tuple(row[key] for key in KEYS) for row in rows(arguments.output)}
    todo = [
        about | {"target": target, "arm": arm, "seed": seed}
        for seed, target, arm in product(range(arguments.seeds), TARGETS, ARMS)
    ]
    todo = [row for row in todo if tuple(row[key] for key in KEYS) not in known]
    end = time.monotonic() + 60 * arguments.minutes
    # a network as small as these is quicker in one thread
    pool = ProcessPoolExecutor(arguments.processes, initializer=set_num_threads, initargs=(1,))
    with pool, arguments.output.open("a") as file:
        futures = [pool.submit(training, **row) for row in todo]
        for future in as_completed(futures):
            if not future.cancelled():
                file.write(json.dumps(future.result()) + "\n")
                file.flush()
            if time.monotonic() > end:
                pool.shutdown(wait=False, cancel_futures=True)
    if any(future.cancelled() for future in futures):
        print("not all yet: the same command goes on")


def rows(path: Path) -> list[dict[str, Any]]:
    """The trainings in a file of ``run``."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def write(arguments: argparse.Namespace) -> None:
    """The tables as Markdown on standard output, and the figure beside the results."""
    found = rows(arguments.output)
    settings = list(dict.fromkeys((r["dataset"], r["images"], r["whole"]) for r in found))
    groups = {one: [r for r in found if (r["dataset"], r["images"], r["whole"]) == one]
              for one in settings}  # fmt: skip
    for (dataset, images, epochs), of in groups.items():
        used = f"{images:,} images of {dataset}" if images else f"all images of {dataset}"
        print(f"\n{used}, {epochs} epochs\n")
        print("\n".join(table(of)))
    draw(groups, arguments.output.parent / "images" / "growth.png")


def table(found: list[dict[str, Any]]) -> Iterator[str]:
    """A row for each target and arm."""
    yield "| target | arm | seeds | epochs | MACs spent | accuracy | grown minus this, points |"
    yield "|---|---|---|---|---|---|---|"
    for target in TARGETS:
        arms = {
            arm: {r["seed"]: r for r in found if (r["target"], r["arm"]) == (target, arm)}
            for arm in ARMS
        }
        for arm, of in arms.items():
            if not of:
                continue
            last = {seed: row["accuracy"][-1] for seed, row in of.items()}
            pairs = [arms[GROWN][s]["accuracy"][-1] - last[s] for s in last if s in arms[GROWN]]
            one = next(iter(of.values()))
            cells = (
                target, arm, len(of), one["epochs"], f"{100 * one['spent'][-1]:.0f} %",
                f"{100 * fmean(last.values()):.2f} %", "" if arm == GROWN else interval(pairs),
            )  # fmt: skip
            yield f"| {' | '.join(map(str, cells))} |"


def interval(values: list[float]) -> str:
    """Mean and half of its interval, in points."""
    if len(values) < 2:
        return "–"
    half = stats.t.ppf(0.975, len(values) - 1) * stdev(values) / len(values) ** 0.5
    return f"{100 * fmean(values):+.2f} ± {100 * half:.2f}"


def draw(groups: dict[tuple[Any, ...], list[dict[str, Any]]], path: Path) -> None:
    """Mean accuracy after each epoch against the MACs spent: a row for each setting, a panel for
    each target."""
    import matplotlib.pyplot as plt
    import seaborn as sns

    sns.set_theme(style="whitegrid", context="paper")
    size = (3.6 * len(TARGETS), 2.9 * len(groups))
    figure, panels = plt.subplots(len(groups), len(TARGETS), figsize=size, squeeze=False)
    colours = dict(zip(ARMS, sns.color_palette("colorblind", len(ARMS)), strict=True))
    for (setting, found), line in zip(groups.items(), panels, strict=True):
        for target, axis in zip(TARGETS, line, strict=True):
            for arm in ARMS:
                of = [r for r in found if (r["target"], r["arm"]) == (target, arm)]
                if not of:
                    continue
                means = [
                    100 * fmean(each) for each in zip(*(r["accuracy"] for r in of), strict=True)
                ]
                spent = [100 * share for share in of[0]["spent"]]
                axis.plot(spent, means, "o-", ms=3, label=arm, color=colours[arm])
            last = [100 * r["accuracy"][-1] for r in found if r["target"] == target]
            axis.set(title=f"{target}, {setting[0]}", xlabel="MACs spent, % of from scratch")
            if last:  # the first epochs say little: what the arms come to is to be seen
                axis.set_ylim(2 * min(last) - max(last) - 4, 100)
        line[0].set_ylabel("validation accuracy, %")
    panels[0][-1].legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    figure.savefig(path, dpi=150)


def main() -> None:
    """``run`` or ``write``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("run")
    one.add_argument("--dataset", default="digits")
    one.add_argument("--images", type=int, help="training images that are used; default: all")
    one.add_argument("--epochs", type=int, default=16)
    one.add_argument("--seeds", type=int, default=5)
    one.add_argument("--processes", type=int, default=2)
    one.add_argument("--minutes", type=float, default=float("inf"), help="stop after so many")
    one.set_defaults(command=run)
    two = commands.add_parser("write")
    two.set_defaults(command=write)
    for command in (one, two):
        command.add_argument("--output", type=Path, default=Path("docs/growth.jsonl"))
    arguments = parser.parse_args()
    arguments.command(arguments)


if __name__ == "__main__":
    main()
