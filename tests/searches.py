"""A search without Ray: the synthetic objective, a real database, a clock that the test turns."""

from typing import Any

import pytest

from nas.metrics import ACCURACY
from nas.objectives.contract import TrialConfig
from nas.objectives.synthetic import Synthetic
from nas.search.config import SearchConfig
from nas.search.job import Watcher
from nas.search.machine import Machine
from nas.search.resolving import resolve
from nas.search.searcher import Searcher
from nas.space import SearchSpace
from nas.study.record import StudyRecord
from nas.study.store import StudyStore

SPACE = {
    "name": "tiny",
    "stem": {"kernel": 3, "stride": 1, "width": 8},
    "each_stage": {"block": "bottleneck", "depth": {"int": [1, 3]}, "group_width": 4},
    "stages": [
        {"width": {"choice": [8, 16, 32]}, "stride": 2},
        {"width": {"choice": [16, 32, 64]}, "stride": 2},
    ],
    "order": {"width": "nondecreasing"},
}


class Record(Watcher):
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []

    def started(self, job):
        self.events.append(("started", job.number, job.attempt))

    def measured(self, job, result):
        self.events.append(("measured", job.number, result["epoch"]))

    def ended(self, job, state, reason):
        self.events.append((state, job.number, reason))

    def refused(self, number, reason):
        self.events.append(("refused", number, reason))

    def reused(self, number, source):
        self.events.append(("reused", number, source.number))


class Search:
    """One driver of a study in ``url``; ``run`` does what Ray's driver does, one after another."""

    def __init__(
        self, url, clock, space=SPACE, owner="a", measure=ACCURACY, proposed=None, **options
    ):
        self.config: SearchConfig = resolve(
            {"trials": 12, "epochs": 4, "storage": url, "objective": "synthetic", **options},
            None,
            Machine(cpus=2, gpus=0),
        )
        self.space = SearchSpace.from_dict(space)
        self.watcher = Record()
        about = (self.space.to_dict(), self.space.hash, self.config.to_dict(), "synthetic", {})
        record = StudyRecord(*about, measure=measure)
        self.store = StudyStore(url, self.config.study, record, owner=owner, clock=clock)
        self.searcher = Searcher(self.store, self.space, self.config, self.watcher, proposed)

    def objective(self, job) -> Synthetic:
        return Synthetic(job.architecture, TrialConfig.of(job.training))

    def train(self, job, epochs=10**6) -> bool:
        """Report up to ``epochs`` epochs; whether the attempt would go on."""
        objective = self.objective(job)
        return all(self.searcher.report(job, objective.epoch()) for _ in range(epochs))

    def run(self) -> None:
        while (job := self.searcher.next_job()) is not None:
            self.train(job)

    def trials(self) -> list[tuple[Any, ...]]:
        """What must be the same in an equal study."""
        return [
            (t.number, t.state.name, t.value, t.params, dict(t.intermediate_values))
            for t in self.store.trials()
        ]


@pytest.fixture
def search(tmp_path, clock):
    """``search(study=…, sampler=…)``: a driver of that study in one SQLite file."""
    searches = []

    def open_(**options) -> Search:
        searches.append(Search(f"sqlite:///{tmp_path}/nas.db", clock, **options))
        return searches[-1]

    yield open_
    for one in searches:
        one.store.close()


@pytest.fixture
def stored(search, tmp_path, monkeypatch):
    """Options that carry on a study of three trials in full."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.delenv("NAS_STORAGE", raising=False)
    one = search(trials=3, scheduler="none", sampler="random")
    one.run()
    one.store.close()
    return {"storage": one.config.storage, "study": "resnext", "trials": 3, "runs": "runs"}
