"""A study to write to, with a clock that the test turns."""

import os
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import optuna
import pytest
from optuna.distributions import IntDistribution

from nas.architecture import Architecture, Stage, Stem
from nas.cost import cost
from nas.objectives.contract import TrialConfig
from nas.objectives.synthetic import Synthetic
from nas.search.job import Watcher
from nas.search.machine import Machine
from nas.search.resolving import resolve
from nas.search.searcher import Searcher
from nas.space import SearchSpace
from nas.study.provenance import provenance
from nas.study.record import StudyRecord
from nas.study.store import StudyStore

RECORD = StudyRecord(
    space={
        "name": "s",
        "input_shape": [1, 28, 28],
        "classes": 10,
        "stem": {"width": 8},
        "stages": [{"block": "basic", "depth": {"int": [1, 8]}, "width": 8}],
    },
    space_hash="0" * 64,
    config={"epochs": 3, "seed": 0, "trials": 9},
    dataset="d" * 64,
    provenance={"python": "3.11"},
    fixed=("epochs", "seed"),
)


class Clock:
    """Time that passes only when it is told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1)

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def network(depth: int = 1) -> Architecture:
    return Architecture(Stem(8), (Stage("basic", depth, 8),))


def add(store: StudyStore, depth: int = 1, **options) -> int:
    architecture = network(depth)
    return store.add_trial(
        {"stages.0.depth": depth},
        {"stages.0.depth": IntDistribution(1, 8)},
        architecture,
        cost(architecture),
        **{"policy": "random", **options},
    )


def result(epoch: int, accuracy: float = 0.5) -> dict[str, object]:
    return {
        "epoch": epoch,
        "train_loss": 1.0,
        "val_loss": 1.5,
        "val_accuracy": accuracy,
        "learning_rate": 0.1,
        "seconds": 2.0,
        "images_per_second": 100.0,
        "host": "h/1",
        "device": "cpu",
        "numerics": "float32",
    }


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_store(database_url, clock):
    """Drivers of one study: each call is another one, with its own connections."""
    stores = []

    def open_(owner="a", name="s", record=RECORD, **options) -> StudyStore:
        stores.append(StudyStore(database_url, name, record, owner=owner, clock=clock, **options))
        return stores[-1]

    yield open_
    for store in stores:
        store.close()


@pytest.fixture
def store(open_store) -> StudyStore:
    return open_store()


@pytest.fixture
def disk(monkeypatch):
    """What is forced onto the disk and what is renamed, in order, while both really happen.

    ("sync", name, content), with None as the content of a folder; ("rename", from, to).
    """
    calls = []
    fsync, replace, rename = os.fsync, os.replace, os.rename

    def synced(descriptor):
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        calls.append(("sync", path.name, None if path.is_dir() else path.read_bytes()))
        fsync(descriptor)

    def renamed(real):
        def call(source, target, **options):
            calls.append(("rename", Path(source).name, Path(target).name))
            real(source, target, **options)

        return call

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed(replace))
    monkeypatch.setattr(os, "rename", renamed(rename))
    return calls


@pytest.fixture(scope="session")
def helpers():
    """``add(store)`` a trial; the ``result`` of an epoch; the ``record`` of the study."""

    class Helpers:
        pass

    helpers = Helpers()
    helpers.add, helpers.result, helpers.record, helpers.network = add, result, RECORD, network
    helpers.measured = measured
    return helpers


def measured(trial: int, attempt: int, epoch: int) -> dict[str, object]:
    """The result of an epoch of ``by_hand``: another value for each, in each column."""
    unit = 100 * trial + 10 * attempt + epoch
    return {
        "epoch": epoch,
        "train_loss": unit / 500,
        "val_loss": unit / 400,
        "val_accuracy": unit / 1000,
        "learning_rate": unit / 3000,
        "seconds": float(unit),
        "images_per_second": 10.0 * unit,
        "host": f"h{trial}/{attempt}",
        "device": f"device {trial}",
        "numerics": f"numerics {attempt}",
    }


@pytest.fixture(scope="session")
def by_hand(tmp_path_factory) -> Path:
    """The file of a study "hand" on SQLite, at rest, with a trial of every kind; to be copied.

    0 and 1 were trained in full, 1 at its second attempt and as the network of 0; 2 was stopped
    after an epoch, 3 failed, 4 was told what 1 had, 5 waits after an interruption, 6 runs, a second
    for each write after midnight.
    """
    file = tmp_path_factory.mktemp("hand") / "nas.db"
    clock = Clock()
    config = {"epochs": 2, "seed": 0, "trials": 9, "objective": "fashion_mnist"}
    record = replace(RECORD, config=config)
    store = StudyStore(f"sqlite:///{file}", "hand", record, owner="me/1/x", clock=clock)

    def run(trial: int, attempt: int, epochs: int, state: str, reason: str | None = None) -> None:
        clock.pass_(1)
        again = attempt > 1
        assert (store.resume_trial(trial) if again else store.attempts.start(trial)) == attempt
        for epoch in range(1, epochs + 1):
            store.record_epoch(trial, attempt, measured(trial, attempt, epoch))
        if state != "running":
            clock.pass_(1)
            store.end_attempt(trial, attempt, state, reason)

    for trial, depth in enumerate((2, 2, 3, 4)):
        assert add(store, depth, policy="guided" if trial == 2 else "random") == trial
    run(0, 1, 2, "complete")
    run(1, 1, 1, "died", "its process died")
    run(1, 2, 2, "complete")
    run(2, 1, 1, "pruned", "stopped at rung 1")
    run(3, 1, 0, "failed", "loss is not finite\n  a traceback")
    assert add(store, 2, policy="reused", source=store.trials()[1]) == 4
    assert add(store, 1) == 5
    run(5, 1, 1, "interrupted", "stopped")
    assert add(store, 5) == 6
    run(6, 1, 1, "running")
    store.close()
    return file


def optuna_study(store: StudyStore) -> optuna.Study:
    """The study of a store as Optuna opens it."""
    url = store.engine.url.render_as_string(hide_password=False)
    return optuna.load_study(study_name=store.name, storage=url)


SPACE = {
    "name": "few",
    "stem": {"width": 8},
    "stages": [
        {"block": "basic", "depth": {"int": [1, 3]}, "width": {"choice": [8, 16]}},
        {"block": "basic", "depth": {"int": [1, 2]}, "width": 16, "stride": 2},
    ],
}


@pytest.fixture(scope="session")
def searched():
    """``searched(url)``: a study of 10 trials there, in each state and of each policy.

    Trial 0 has two attempts, trial 1 failed, trial 8 was told what trial 0 had, and the last one
    was interrupted; with ``end``, it is not, and there are 12 trials.
    """

    def search(url, name="s", end=False) -> str:
        space = SearchSpace.from_dict(SPACE)
        given = {"trials": 12, "epochs": 4, "sampler": "tpe", "grace": 1, "reduction": 2}
        given |= {"study": name, "storage": url, "objective": "synthetic"}
        config = resolve(given, None, Machine(cpus=2, gpus=0))
        record = StudyRecord(
            space.to_dict(), space.hash, config.to_dict(), "synthetic", provenance()
        )
        store = StudyStore(url, name, record, owner="a")
        searcher = Searcher(store, space, config, Watcher())
        while (job := searcher.next_job()) is not None:
            objective = Synthetic(job.architecture, TrialConfig.of(job.training))
            if job.number == 1:
                searcher.report(job, {"failure": "loss is not finite"})
                continue
            if (job.number, job.attempt) == (0, 1):
                searcher.report(job, objective.epoch())
                searcher.checkpoint(job, "there")
                searcher.fail(job, "its process died", retry=True)
                continue
            if job.number > 8 and not end:
                searcher.interrupt()
                break
            while searcher.report(job, objective.epoch()):
                pass
            if job.number == 7:
                theirs = optuna_study(store)
                theirs.enqueue_trial(store.trials()[0].params)
                theirs._storage._backend.engine.dispose()
        store.close()
        return url

    return search
