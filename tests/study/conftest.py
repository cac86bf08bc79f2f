"""A study to write to, with a clock that the test turns."""

from datetime import datetime, timedelta

import pytest
from optuna.distributions import IntDistribution

from nas.architecture import Architecture, Stage, Stem
from nas.cost import cost
from nas.study.record import StudyRecord
from nas.study.store import StudyStore

RECORD = StudyRecord(
    space={"name": "s", "input_shape": [1, 28, 28], "classes": 10},
    space_hash="0" * 64,
    config={"epochs": 3, "seed": 0, "trials": 9},
    dataset="d" * 64,
    provenance={"python": "3.11"},
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

    def open_(owner="a", name="s", record=RECORD) -> StudyStore:
        stores.append(StudyStore(database_url, name, record, owner=owner, clock=clock))
        return stores[-1]

    yield open_
    for store in stores:
        store.close()


@pytest.fixture
def store(open_store) -> StudyStore:
    return open_store()


@pytest.fixture
def helpers():
    """``add(store)`` a trial; the ``result`` of an epoch; the ``record`` of the study."""

    class Helpers:
        pass

    helpers = Helpers()
    helpers.add, helpers.result, helpers.record, helpers.network = add, result, RECORD, network
    return helpers
