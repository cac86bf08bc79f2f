"""What the driver of a search costs by itself, beside Optuna's storage and beside Ray Tune.

    python benchmarks/driver.py store [--storage postgresql+psycopg://…]
    python benchmarks/driver.py scale --sampler random
    python benchmarks/driver.py draw docs/scale.jsonl docs/images/scale.png
    python benchmarks/driver.py ray

``store``: ask, one epoch and tell of random networks of the space ``resnext``, each durable before
the next, without training and without Ray. Ours (network, costs, attempt and epoch beside Optuna's
rows, claimed under the lock) and Optuna's ``RDBStorage`` (its rows alone, ``RandomSampler``) take
turns in one process, 25 trials at a time, from trial 500 on; the ratio is that of their medians.
Then ours goes on to 10,000 trials: rate and memory there against 1,000.

``scale``: 64 attempts under way at any time, of three epochs, stopped early by ``asha``, to 10,000
trials; every 500 trials a line: CPU milliseconds of this process for each trial and for each ask,
its memory, and the size of the database.

``ray``: trials without work through Ray with two slots: ours, Tune with OptunaSearch and reused
actors, and the same as it comes (a new actor for each trial). The time to start Ray is left out.

All print JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import optuna

import nas
from nas.search.job import Job, Watcher
from nas.search.machine import Machine
from nas.search.mirror import distribution
from nas.search.resolving import resolve
from nas.search.searcher import Searcher
from nas.study.provenance import provenance
from nas.study.record import StudyRecord
from nas.study.store import StudyStore

BEFORE, BLOCK, BLOCKS = 500, 25, 8
LATE = (1_000, 10_000)  # trials at which ours is measured against itself
LATE_BLOCK = 200
WORKERS, STEP = 64, 500  # of ``scale``
SLOTS, REPEATS = 2, 3  # of ``ray``
RESULT = {
    "epoch": 1,
    "train_loss": 1.0,
    "val_loss": 1.0,
    "val_accuracy": 0.5,
    "learning_rate": 0.1,
    "seconds": 1.0,
    "images_per_second": 1.0,
    "host": "h/1",
    "device": "cpu",
    "numerics": "float32",
}


def searcher_of(url: str, trials: int, **options: Any) -> Searcher:
    """A driver without Ray."""
    space = nas.SearchSpace.load("resnext")
    given = {"trials": trials, "sampler": "random", "storage": url, "study": "ours", **options}
    config = resolve({**given, "objective": "synthetic"}, None, Machine(cpus=2, gpus=0))
    record = StudyRecord(space.to_dict(), space.hash, config.to_dict(), "synthetic", provenance())
    return Searcher(StudyStore(url, "ours", record, owner="a"), space, config, Watcher())


def ours(url: str, trials: int) -> Callable[[], None]:
    """A study of ours; what is returned asks and tells one trial."""
    searcher = searcher_of(url, trials, epochs=1)

    def one() -> None:
        job = searcher.next_job()
        assert job is not None
        assert not searcher.report(job, RESULT)

    return one


def optunas(url: str) -> Callable[[], None]:
    """The same of Optuna's storage alone."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=optuna.storages.RDBStorage(url),
        study_name="optunas",
        direction="maximize",
        sampler=optuna.samplers.RandomSampler(seed=0),
    )
    space = nas.SearchSpace.load("resnext")
    knobs = {path: distribution(domain) for path, domain in space.parameters.items()}

    def one() -> None:
        trial = study.ask(knobs)
        trial.report(0.5, 1)
        study.tell(trial, 0.5)

    return one


def timed(work: Callable[[], None], times: int) -> float:
    """Seconds for each of so many times."""
    begun = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - begun) / times


def memory() -> float:
    """Of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def store(arguments: argparse.Namespace) -> dict[str, Any]:
    """The rates of both arms, and ours as it grows."""
    with tempfile.TemporaryDirectory() as folder:
        ours_at = arguments.storage or f"sqlite:///{folder}/ours.db"
        theirs_at = arguments.storage or f"sqlite:///{folder}/optunas.db"
        arms = {"ours": ours(ours_at, arguments.trials + LATE_BLOCK), "optuna": optunas(theirs_at)}
        for arm in arms.values():
            timed(arm, BEFORE)
        seconds: dict[str, list[float]] = {name: [] for name in arms}
        for _ in range(BLOCKS):
            for name, arm in arms.items():
                seconds[name].append(timed(arm, BLOCK))
        found: dict[str, Any] = {"database": ours_at.partition(":")[0]}
        for name, times in seconds.items():
            found[f"{name}_ms"] = round(1000 * statistics.median(times), 2)
        found["ratio"] = round(found["optuna_ms"] / found["ours_ms"], 2)
        done, rates = BEFORE + BLOCK * BLOCKS, {}
        for trials in (LATE[0], arguments.trials):
            timed(arms["ours"], trials - done)
            rates[trials] = 1 / timed(arms["ours"], LATE_BLOCK)
            done = trials + LATE_BLOCK
            found[f"rate_{trials}"] = round(rates[trials], 1)
            found[f"megabytes_{trials}"] = round(memory(), 1)
        found["late_ratio"] = round(rates[arguments.trials] / rates[LATE[0]], 2)
    return found


def scale(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """A study as it grows, with many attempts under way."""
    with tempfile.TemporaryDirectory() as folder:
        options = {"sampler": arguments.sampler, "scheduler": "asha", "epochs": 3}
        searcher = searcher_of(f"sqlite:///{folder}/ours.db", arguments.trials, **options)
        under_way: deque[tuple[Job, int]] = deque()
        random, ended = Random(0), 0
        begun, asking, asks = time.process_time(), 0.0, 0
        while ended < arguments.trials:
            while len(under_way) < WORKERS:
                before = time.process_time()
                job = searcher.next_job()
                asking += time.process_time() - before
                asks += 1
                if job is None:
                    break
                under_way.append((job, 1))
            job, epoch = under_way.popleft()
            accuracy = 0.9 - 0.3 / job.cost.params**0.1 + random.gauss(0, 0.01)
            if searcher.report(job, {**RESULT, "epoch": epoch, "val_accuracy": accuracy}):
                under_way.append((job, epoch + 1))
                continue
            ended += 1
            if ended % STEP == 0:
                spent = time.process_time() - begun
                size = sum(file.stat().st_size for file in Path(folder).iterdir())
                yield {
                    "sampler": arguments.sampler,
                    "trials": ended,
                    "ms_per_trial": round(1000 * spent / STEP, 1),
                    "ms_per_ask": round(1000 * asking / asks, 1),
                    "megabytes": round(memory(), 1),
                    "database_megabytes": round(size / 1e6, 1),
                }
                begun, asking, asks = time.process_time(), 0.0, 0


def draw(arguments: argparse.Namespace) -> dict[str, Any]:
    """The lines of ``scale`` as a figure."""
    import matplotlib.pyplot as plt
    import pandas as pd
    import seaborn as sns

    lines = [json.loads(line) for line in arguments.lines.read_text().splitlines()]
    found = pd.DataFrame(lines)
    sns.set_theme(style="whitegrid", context="paper", palette="colorblind")
    wanted = {
        "ms_per_ask": "processor time of an ask (ms)",
        "ms_per_trial": "processor time of a trial (ms)",
        "megabytes": "memory of the driver (MB)",
    }
    figure, axes = plt.subplots(1, len(wanted), figsize=(3.6 * len(wanted), 3.0))
    for axis, (column, label) in zip(axes, wanted.items(), strict=True):
        sns.lineplot(found, x="trials", y=column, hue="sampler", ax=axis, legend=axis is axes[0])
        axis.set(ylabel=label, xlabel="trials of the study", ylim=(0, None))
    figure.tight_layout()
    figure.savefig(arguments.figure, dpi=150)
    return {"figure": str(arguments.figure), "lines": len(lines)}


def nothing(architecture: Any, config: Any, report: Callable[..., bool]) -> None:
    """An objective without work."""
    report({"val_accuracy": 0.5})


def through_ours(trials: int, folder: str) -> float:
    """Seconds for each trial of a search of ours."""
    seconds: list[float] = []

    class Started(nas.Watcher):
        def started(self, job: Any) -> None:
            seconds.append(time.perf_counter())

    nas.run_search(
        "resnext",
        objective=nothing,
        sampler="random",
        scheduler="none",
        epochs=1,
        trials=trials,
        concurrency=SLOTS,
        storage=f"sqlite:///{folder}/nas.db",
        runs=f"{folder}/runs",
        watcher=Started(),
    )
    return between(seconds)


def of_resnext(trial: optuna.Trial) -> dict[str, Any]:
    """The knobs of ``resnext``, for OptunaSearch; a function that Tune can pickle."""
    knobs = nas.SearchSpace.load("resnext").parameters
    return {path: trial._suggest(path, distribution(knob)) for path, knob in knobs.items()}


def through_tune(trials: int, folder: str, reuse: bool) -> float:
    """The same of Tune with OptunaSearch."""
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    class Nothing(tune.Trainable):
        def setup(self, config: dict[str, Any]) -> None:
            """Nothing to set up."""

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            return True

        def step(self) -> dict[str, Any]:
            return {"val_accuracy": 0.5, "done": True}

    class Started(tune.Callback):
        def __init__(self) -> None:
            self.seconds: list[float] = []

        def on_trial_start(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
            self.seconds.append(time.perf_counter())

    search = OptunaSearch(
        space=of_resnext,
        metric="val_accuracy",
        mode="max",
        sampler=optuna.samplers.RandomSampler(seed=0),
    )
    watch = Started()
    tune.Tuner(
        tune.with_resources(Nothing, {"cpu": 1}),
        tune_config=tune.TuneConfig(
            search_alg=search,
            num_samples=trials,
            max_concurrent_trials=SLOTS,
            reuse_actors=reuse,
        ),
        run_config=tune.RunConfig(
            name=f"reuse-{reuse}",
            storage_path=folder,
            callbacks=[watch],
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),  # as in ours
            verbose=0,
        ),
    ).fit()
    return between(watch.seconds)


def between(seconds: list[float]) -> float:
    """Of the starts of trials: the mean time between them, without those of the first slots."""
    later = seconds[2 * SLOTS :]
    return (later[-1] - later[0]) / (len(later) - 1)


def through_ray(arguments: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds for each trial without work, by arm; the arms take turns."""
    arms: dict[str, Callable[[str], float]] = {
        "ours": lambda folder: through_ours(arguments.trials, folder),
        "tune_reuse": lambda folder: through_tune(arguments.trials, folder, reuse=True),
        "tune": lambda folder: through_tune(max(20, arguments.trials // 10), folder, reuse=False),
    }
    seconds: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(REPEATS):
        for name, arm in arms.items():
            with tempfile.TemporaryDirectory() as folder:
                seconds[name].append(arm(folder))
    found = {name: round(1000 * statistics.median(times), 1) for name, times in seconds.items()}
    ratios = {f"ours_to_{name}": round(found["ours"] / found[name], 3) for name in found}
    return {"milliseconds": found, **ratios}


def main() -> None:
    """``store`` or ``ray``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("store")
    one.add_argument("--storage", help="of an empty PostgreSQL database; default: SQLite files")
    one.add_argument("--trials", type=int, default=LATE[1], help="how far ours goes on")
    one.set_defaults(command=store)
    grows = commands.add_parser("scale")
    grows.add_argument("--sampler", default="random")
    grows.add_argument("--trials", type=int, default=LATE[1])
    grows.set_defaults(command=scale)
    drawn = commands.add_parser("draw")
    drawn.add_argument("lines", type=Path)
    drawn.add_argument("figure", type=Path)
    drawn.set_defaults(command=draw)
    two = commands.add_parser("ray")
    two.add_argument("--trials", type=int, default=200)
    two.set_defaults(command=through_ray)
    arguments = parser.parse_args()
    found = arguments.command(arguments)
    for line in found if isinstance(found, Iterator) else [found]:
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
