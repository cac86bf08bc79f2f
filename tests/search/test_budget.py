"""Budgets that are measured: on the worker, in the study, and in what a search makes of them."""

import json
from pathlib import Path

import pytest
import torch
from optuna.trial import TrialState

from nas.architecture import Architecture, Stage, Stem
from nas.objectives.contract import TrialConfig
from nas.search.budget import ABOVE, MEASURED, Budget
from nas.search.machine import Machine
from nas.search.resolving import resolve
from nas.search.trial import Worker
from nas.study.check import violations
from nas.study.provenance import processor
from nas.study.reader import open_study
from nas.training import TrainingConfig

NET = Architecture(Stem(4, stride=4), (Stage("basic", 1, 4, stride=2),))
WHERE = {
    "device": f"cpu {processor()}".strip(), "torch": torch.__version__, "batch": 2, "threads": 1,
    "precision": "float32", "memory_of": "a training step of 50 images",
}  # fmt: skip
BOTH = Budget(latency=True, memory=True, batch=2)


def job(budget, **changes):
    config = TrainingConfig(epochs=3, batch_size=50)
    given = {"architecture": NET.to_dict(), "training": config.to_dict(), "checkpoint": None}
    about = {"folder": str(Path.cwd()), "input_shape": [1, 28, 28], "num_classes": 10, "trial": 0}
    data = {"dataset": "fashion_mnist", "data": None, "resize": False, "fingerprint": None}
    data |= {"folders": {}, "runs": "/runs"}
    machine = {"device": "auto", "cpus": 1, "gpus": 0, "objective": "synthetic"}
    machine |= {"pace": None}
    return {**given, **about, **data, **machine, "budget": budget.to_dict(), **changes}


def worker(budget, **changes):
    made = Worker.__new__(Worker)
    made.setup(job(budget, **changes))
    return made


def test_what_was_measured_stands_in_every_epoch_of_an_attempt_and_of_the_next(tmp_path):
    one = worker(BOTH)
    results = [one.step() for _ in range(2)]
    one.save_checkpoint(str(tmp_path))
    results.append(worker(BOTH, checkpoint=str(tmp_path)).step())  # measured again, it would differ
    assert [result["epoch"] for result in results] == [1, 2, 3]
    [latency] = {result["metrics"]["latency"] for result in results}
    [spread] = {result["metrics"]["latency_spread"] for result in results}
    [memory] = {result["metrics"]["memory"] for result in results}
    assert 0 < latency < 10 and 0 <= spread < 10
    assert 100_000 < memory < 10_000_000
    assert all(json.loads(result["measured_on"]) == WHERE for result in results)


def test_nothing_is_measured_where_nothing_asks_for_it():
    result = worker(Budget()).step()
    assert not set(MEASURED) & set(result.get("metrics", {}))
    assert "measured_on" not in result


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        (Budget(latency=True, max_latency=1e-6), " s is above max-latency 1 us"),
        (Budget(memory=True, max_memory=99_999), " kB is above max-memory 100 kB"),
    ],
)
def test_a_network_above_a_budget_is_not_trained(budget, said):
    one = worker(budget)
    result = one.step()
    assert one._running is None
    assert result["over_budget"] is True
    assert ABOVE in result["failure"]
    assert said.split(" ", 2)[2] in result["failure"]


def test_a_network_within_its_budget_is(tmp_path):
    assert worker(Budget(latency=True, max_latency=10.0)).step()["epoch"] == 1


def over_budget(job):
    return {"failure": f"latency 3 ms{ABOVE}latency 2 ms", "over_budget": True, "execution": "x"}


def test_trials_above_the_budget_fail_by_themselves_and_do_not_end_the_search(search):
    one = search(trials=6, max_consecutive_failures=2, max_latency="2ms", sampler="random")
    for _ in range(4):
        assert one.searcher.report(one.searcher.next_job(), over_budget(None)) is False
        assert one.searcher.hopeless is None
    trials = one.store.trials()
    assert {trial.state for trial in trials} == {TrialState.FAIL}
    assert {trial.user_attrs["cause"] for trial in trials} == {"trial"}
    assert {trial.user_attrs["reason"] for trial in trials} == {
        "latency 3 ms is above max-latency 2 ms"
    }
    for _ in range(2):  # and what fails otherwise still does
        one.searcher.fail(one.searcher.next_job(), "loss is not finite", retry=False)
    assert "2 trials in a row failed" in one.searcher.hopeless


def test_the_study_has_what_was_measured_and_where(search, tmp_path):
    one = search(trials=1, epochs=2, max_latency="10s", scheduler="none")
    measured = Budget(latency=True).measure(NET, TrialConfig(epochs=2))
    job = one.searcher.next_job()
    objective = one.objective(job)
    for _ in range(2):
        metrics = {"metrics": dict(measured.metrics), "measured_on": json.dumps(measured.where)}
        one.searcher.report(job, objective.epoch() | metrics)
    study = open_study(f"sqlite:///{tmp_path}/nas.db", "resnext")
    assert study.frame()["latency"].item() == measured.metrics["latency"]
    assert one.store.trials()[0].user_attrs["measured_on"] == dict(measured.where)
    assert violations(study) == []


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        (Budget(), ""),
        (Budget(max_latency=0.002), "max-latency 2 ms"),
        (
            Budget(max_latency=0.002, max_memory=64_000_000, batch=256),
            "max-latency 2 ms for 256 images at a time, max-memory 64 MB",
        ),
    ],
)
def test_a_budget_is_said_in_its_units(budget, said):
    assert str(budget) == said


@pytest.mark.parametrize(
    ("asked", "budget"),
    [
        ({}, Budget()),
        ({"minimize": ["latency"]}, Budget(latency=True)),
        ({"minimize": ["memory", "macs"]}, Budget(memory=True)),
        (
            {"max_latency": "2ms", "latency_batch": 8},
            Budget(latency=True, max_latency=0.002, batch=8),
        ),
        ({"max_memory": "64MB"}, Budget(memory=True, max_memory=64_000_000)),
    ],
)
def test_a_search_measures_what_it_bounds_or_minimizes(asked, budget):
    config = resolve({"scheduler": "none", **asked}, None, Machine(cpus=2, gpus=0))
    assert Budget.of(config) == budget
