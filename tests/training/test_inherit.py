"""A training that begins with what another one has come to, whose network its own contains."""

from dataclasses import replace

import pytest
import torch
from trainings import OTHER, QUICK, TINY, numbers, run

from nas.data import open_dataset
from nas.errors import CheckpointError
from nas.training import Training

STAGE = replace(TINY.stages[0], width=16, groups=4, depth=2)
LARGE = replace(TINY, stages=(STAGE,))


@pytest.fixture
def parent(train, tmp_path):
    """Where a training of three epochs left its checkpoint."""
    training = train()
    run(training)
    training.save(tmp_path / "parent.pt")
    return training, tmp_path / "parent.pt"


def test_it_begins_with_the_same_function_statistics_and_momentum(parent, train, train_data):
    before, path = parent
    child = train(QUICK.replace(epochs=2, peak_lr=0.1), LARGE)
    child.inherit(path)
    assert child.epochs_done == 0
    assert child.architecture == LARGE
    images = torch.randn(8, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    for name in ("learner", "model"):
        old, new = getattr(before, name), getattr(child, name)
        for mode in (True, False):
            old.train(mode)
            new.train(mode)
            torch.testing.assert_close(new(images), old(images), atol=1e-5, rtol=1e-5)
    old = before.optimizer.state[before.learner.stem.conv.weight]["momentum_buffer"]
    new = child.optimizer.state[child.learner.stem.conv.weight]["momentum_buffer"]
    assert torch.equal(old, new[: len(old)])


def test_it_is_the_same_to_the_bit_each_time_and_when_resumed(parent, train, tmp_path):
    _, path = parent
    config = QUICK.replace(epochs=2)
    once, twice, resumed = (train(config, LARGE) for _ in range(3))
    for training in (once, twice):
        training.inherit(path)
    first = numbers(once.epoch())
    once.save(tmp_path / "child.pt")
    rest = numbers(once.epoch())
    assert [first, rest] == run(twice)
    resumed.load(tmp_path / "child.pt")
    assert run(resumed) == [rest]
    assert first["val_loss"] < numbers(train(config, LARGE).epoch())["val_loss"]


def test_a_network_that_it_does_not_contain_another_recipe_and_other_images_are_refused(
    parent, train
):
    _, path = parent
    with pytest.raises(CheckpointError, match="nothing is inherited: the network cannot grow"):
        train(QUICK, OTHER).inherit(path)
    with pytest.raises(CheckpointError, match=r"trained with momentum 0\.9, not 0\.8"):
        train(QUICK.replace(momentum=0.8), LARGE).inherit(path)
    digits = Training(LARGE, QUICK.replace(validation=None), open_dataset("digits"), "cpu")
    with pytest.raises(CheckpointError, match="the checkpoint"):
        digits.inherit(path)
