"""Which part of a GPU a trial gets: arithmetic, and searches on logical GPUs."""

import pytest
import ray
import torch

from nas.cost import Cost, cost
from nas.errors import ConfigError
from nas.search.machine import Machine, Node
from nas.search.placement import CONTEXT, LEAST, MARGIN, PARTS, Card, Shares, step_memory
from nas.search.plan import prepare
from nas.search.run import run_search
from nas.space import SearchSpace
from nas.training.config import TrainingConfig
from nas.training.memory import training_memory

SMALL = Cost(params=10_000, macs=0, activations=10_000)
HUNGRY = """
import torch

def train(architecture, config, report):
    if config.trial == 0 and config.gpus < 1:
        raise torch.OutOfMemoryError("CUDA out of memory.\\nTried to allocate 2 GiB")
    if config.trial == 1:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3 GiB")
    report({"val_accuracy": config.gpus / 2})
"""


@pytest.mark.parametrize("name", ["resnext", "resnet", "anynetx_a_28"])
def test_the_memory_in_closed_form_is_near_the_tensors_that_are_counted(name):
    space, config = SearchSpace.load(name), TrainingConfig(epochs=1, batch_size=8)
    for seed in range(3):
        network = space.sample(seed)
        counted = training_memory(network, config, torch.device("cpu"))
        assert 0.7 < step_memory(cost(network), 8) / counted < 1.6


def test_a_share_is_what_the_network_needs_of_the_smallest_card():
    needed = step_memory(SMALL, 64)
    large = Card("large", 10**12, needed)
    shares = Shares.measured([large, Card("small", 8 * 10**9, 2 * needed)], SMALL, 64)
    assert (shares.memory, shares.correction) == (8 * 10**9, 2.0)
    assert shares.of(0, SMALL, 64) == 4 / PARTS  # the context, and next to nothing
    wide = Cost(params=0, macs=0, activations=1_000_000)
    exact = (2 * MARGIN * step_memory(wide, 64) + CONTEXT) / 8e9
    assert exact <= shares.of(1, wide, 64) < exact + LEAST
    assert shares.of(2, Cost(10**9, 0, 10**9), 64) == 1.0
    assert Shares.measured([large], SMALL, 64).of(0, SMALL, 64) == LEAST


def test_a_trial_without_enough_memory_gets_twice_as_much_up_to_a_whole_gpu():
    shares = Shares(0.3)
    assert shares.of(7, SMALL, 64) == 0.3
    assert [shares.grow(7, share) for share in (0.3, 0.6, 1.0)] == [0.6, 1.0, None]
    assert shares.of(7, SMALL, 64) == 1.0
    assert shares.of(8, SMALL, 64) == 0.3
    assert Shares(0.0).grow(1, 0.0) is None
    assert Shares(2.0).grow(1, 2.0) is None


def test_only_nodes_with_gpus_have_room_for_what_auto_places(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {"objective": "synthetic", "gpus_per_trial": "auto", "storage": "sqlite:///nas.db"}
    mixed = Machine.of([Node(64, 0), Node(8, 1)], "two").slots(1, LEAST)
    assert mixed == 8
    config = prepare(given, Machine(cpus=8, gpus=1)).config
    assert (config.gpus_per_trial, config.least_gpus, config.concurrency) == ("auto", LEAST, 8)
    with pytest.raises(ConfigError, match=r"is auto, but this machine \(8 CPUs, 0 GPUs\) has no G"):
        prepare(given, Machine(cpus=8, gpus=0))
    (tmp_path / "hungry.py").write_text(HUNGRY)
    with pytest.raises(ConfigError, match="auto, but what an objective of your own takes is not"):
        prepare({**given, "objective": "hungry:train"}, Machine(cpus=8, gpus=1))


@pytest.fixture(scope="module")
def logical_gpu():
    ray.init(num_cpus=2, num_gpus=1, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.mark.slow
def test_out_of_memory_is_tried_again_with_more_and_then_a_failure(
    logical_gpu, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hungry.py").write_text(HUNGRY)
    study = run_search(
        "resnext",
        objective="hungry:train",
        storage="sqlite:///nas.db",
        trials=3,
        epochs=1,
        gpus_per_trial=0.25,
    )
    assert list(study.frame()["state"]) == ["COMPLETE", "FAIL", "COMPLETE"]
    accuracy = list(study.frame()["val_accuracy"])
    assert (accuracy[0], accuracy[2]) == (0.5, 0.125)
    attempts = study.attempts().set_index(["number", "attempt"])
    assert list(attempts.loc[0]["state"]) == ["interrupted", "interrupted", "complete"]
    assert attempts.loc[0, 1]["reason"] == (
        "it ran out of memory with 0.25 of a GPU, and gets 0.5: CUDA out of memory. Tried to "
        "allocate 2 GiB"
    )
    assert list(attempts.loc[1]["state"]) == ["interrupted", "interrupted", "failed"]
    assert attempts.loc[1, 3]["reason"] == "CUDA out of memory. Tried to allocate 3 GiB"


@pytest.mark.slow
def test_auto_tries_the_gpus_and_places_every_trial(logical_gpu, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = run_search(
        "resnext",
        objective="synthetic",
        storage="sqlite:///nas.db",
        trials=3,
        epochs=1,
        gpus_per_trial="auto",
    )
    assert list(study.frame()["state"]) == ["COMPLETE"] * 3
    log = next((tmp_path / "nas-runs").glob("*/search.log")).read_text()
    assert "GPUs: cpu" in log and "of what is predicted" in log
