"""Trainings whose network grows on the way."""

import json
from copy import deepcopy

import pytest
import torch
from trainings import QUICK, TINY, numbers, run

import nas
from nas.architecture import Architecture, Stage, Stem
from nas.errors import CheckpointError, ConfigError
from nas.nested.growth import Embedding
from nas.search.config import SearchConfig
from nas.training import TrainingConfig, fit
from nas.training.export import export

LARGER = Architecture(Stem(8, stride=2), (Stage("bottleneck", 3, 12, 2, 2, bottleneck=1.0),))
LARGEST = Architecture(Stem(12, 7, stride=2), LARGER.stages)
STEPS = [{"epoch": 2, "architecture": LARGER.to_dict()}, {"epoch": 3, "architecture": LARGEST}]
GROWING = QUICK.replace(growth=STEPS)


def test_what_was_learnt_goes_on_in_the_larger_network(train):
    training = train(GROWING)
    training.epoch()
    before = deepcopy((training.learner, training.model))
    momenta = {n: training.optimizer.state[p] for n, p in training.learner.named_parameters()}
    training._grow(LARGER, "growth 2")
    assert training.architecture == LARGER
    images = torch.randn(8, 1, 28, 28)
    for small, large in zip(before, (training.learner, training.model), strict=True):
        for mode in (True, False):
            torch.testing.assert_close(
                large.train(mode)(images), small.train(mode)(images), rtol=0, atol=1e-5
            )
    embedding = Embedding(training.learner, before[0])
    found = {n: torch.full_like(p, torch.nan) for n, p in before[0].named_parameters()}
    sums = {
        name: training.optimizer.state[p]["momentum_buffer"]
        for name, p in training.learner.named_parameters()
    }
    for placement in embedding._placements:
        if getattr(placement, "source", "") in found:
            placement.read(sums, found)
    assert all(torch.equal(found[n], momenta[n]["momentum_buffer"]) for n in found)


def test_until_it_grows_a_training_is_as_without(train):
    growing, plain = run(train(GROWING)), run(train(QUICK))
    assert growing[0] == plain[0]
    assert growing[1] != plain[1]


@pytest.mark.parametrize(
    "changes", [{}, {"channels_last": "on", "momentum": 0.0, "nesterov": False}]
)
@pytest.mark.parametrize("epochs", [1, 2])
def test_a_training_resumed_around_its_growth_gives_the_same_numbers(
    train, changes, epochs, tmp_path
):
    config = GROWING.replace(**changes)
    whole = train(config)
    numbers_of_all = run(whole)
    assert whole.architecture == LARGEST
    interrupted = train(config)
    begun = [numbers(interrupted.epoch()) for _ in range(epochs)]
    interrupted.save(tmp_path / "checkpoint.pt")
    resumed = train(config)
    resumed.load(tmp_path / "checkpoint.pt")
    assert begun + run(resumed) == numbers_of_all


def test_a_training_goes_back_to_a_checkpoint_from_before_its_growth(train, tmp_path):
    training = train(GROWING)
    first = numbers(training.epoch())
    training.save(tmp_path / "checkpoint.pt")
    rest = run(training)
    training.load(tmp_path / "checkpoint.pt")
    assert training.architecture == TINY and [first, *run(training)] == [first, *rest]


def test_a_checkpoint_of_another_beginning_or_growth_is_refused(train, tmp_path):
    train(GROWING).save(tmp_path / "checkpoint.pt")
    with pytest.raises(CheckpointError, match="growth"):
        train(QUICK).load(tmp_path / "checkpoint.pt")
    with pytest.raises(CheckpointError, match="another architecture"):
        train(GROWING, LARGER).load(tmp_path / "checkpoint.pt")


def test_what_has_grown_is_fitted_exported_and_loaded(train, train_data, tmp_path):
    results = list(fit(TINY, train_data, GROWING, "cpu", tmp_path / "checkpoint.pt"))
    assert [result.epoch for result in results] == [1, 2, 3]
    training = train(GROWING)
    training.load(tmp_path / "checkpoint.pt")
    export(training, tmp_path / "grown.pt")
    assert nas.load(tmp_path / "grown.pt").architecture == LARGEST


# --- as a config says it ---


def test_a_growth_comes_back_from_json():
    config = TrainingConfig.from_dict(json.loads(json.dumps(GROWING.to_dict())))
    assert config == GROWING and hash(config) == hash(GROWING)
    assert [step.architecture for step in config.growth] == [LARGER, LARGEST]
    assert QUICK.replace(growth=[]) == QUICK
    assert GROWING.differences(GROWING.to_dict()) == []
    assert QUICK.differences({k: v for k, v in QUICK.to_dict().items() if k != "growth"}) == []


@pytest.mark.parametrize(
    ("growth", "message"),
    [
        (7, "growth is 7; it must be a list of mappings with epoch, architecture"),
        ({"epoch": 2}, "growth is {'epoch': 2}; it must be a list"),
        ([7], "growth.0 is 7; it must be a mapping with epoch, architecture"),
        ([{"epoch": 2}], "growth.0 is {'epoch': 2}; it must be a mapping"),
        ([{"epoch": 1, "architecture": TINY}], "growth.0.epoch is 1; it must be a whole number"),
        ([{"epoch": 2, "architecture": {}}], "growth.0.architecture: "),
        ([{"epoch": 4, "architecture": TINY}], "growth begins in epoch 4; accepted: up to epochs,"),
        ([STEPS[0], STEPS[0]], "growth epochs 2 and 2 do not rise"),
        ([{"epoch": 2, "architecture": LARGEST}, {"epoch": 3, "architecture": LARGER}],
         "growth.1.architecture does not contain the one before it: stem.width: 8, below"),
    ],
)  # fmt: skip
def test_a_growth_that_cannot_be_is_refused_in_one_line(growth, message):
    with pytest.raises(ConfigError) as refusal:
        QUICK.replace(growth=growth)
    assert str(refusal.value).startswith(f"training: {message}") and "\n" not in str(refusal.value)


def test_a_network_that_cannot_grow_so_is_refused_before_it_is_trained(train):
    with pytest.raises(ConfigError, match=r"growth\.0\.architecture does not contain the one"):
        train(GROWING, LARGEST)


def test_a_search_of_many_networks_takes_no_growth():
    with pytest.raises(ConfigError, match="growth leads one network to another"):
        SearchConfig(study="one", trials=1, epochs=3, grace=1, training={"growth": STEPS})
