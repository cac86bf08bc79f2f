"""Equal configs give equal numbers, also when a training is interrupted and goes on."""

import json
import subprocess
import sys

import pytest
import torch
from trainings import OTHER, QUICK, TIMES, TINY, numbers, run

from nas.errors import CheckpointError
from nas.training import fit

ALL = QUICK.replace(crop_padding=2, erasing=0.5, precision="bfloat16", channels_last="on")


@pytest.mark.parametrize("config", [QUICK, ALL])
def test_equal_configs_give_equal_numbers_whatever_the_process_did_before(train, config):
    first = run(train(config))
    torch.manual_seed(12345)
    run(train(config.replace(seed=1), OTHER))
    assert run(train(config)) == first


def test_another_seed_gives_other_numbers(train):
    assert run(train(QUICK.replace(seed=1))) != run(train(QUICK))


@pytest.mark.parametrize("config", [QUICK, ALL])
@pytest.mark.parametrize("epochs", [0, 1, 2])
def test_a_resumed_training_gives_the_numbers_of_an_uninterrupted_one(
    train, config, epochs, tmp_path
):
    interrupted = train(config)
    begun = [numbers(interrupted.epoch()) for _ in range(epochs)]
    interrupted.save(tmp_path / "checkpoint.pt")
    resumed = train(config)
    resumed.load(tmp_path / "checkpoint.pt")
    assert begun + run(resumed) == run(train(config))


def test_a_training_resumed_in_another_process_gives_the_same_numbers(train, data_folder, tmp_path):
    training = train(ALL)
    begun = numbers(training.epoch())
    training.save(tmp_path / "checkpoint.pt")
    program = f"""
import json, torch
from pathlib import Path
from nas.architecture import Architecture
from nas.data import open_dataset
from nas.training import Training, TrainingConfig
torch.set_num_threads({torch.get_num_threads()})
training = Training(
    Architecture.from_dict({TINY.to_dict()}),
    TrainingConfig.from_dict({ALL.to_dict()}),
    open_dataset("fashion_mnist", folder=Path({str(data_folder)!r})),
    "cpu",
)
training.load({str(tmp_path / "checkpoint.pt")!r})
print(json.dumps([training.epoch().to_dict() for _ in range(2)]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True
    )
    resumed = [
        {name: value for name, value in result.items() if name not in TIMES}
        for result in json.loads(done.stdout)
    ]
    assert [begun, *resumed] == run(train(ALL))


def test_numerics_are_settled_once_and_resumed_with_the_checkpoint(train, tmp_path):
    config = QUICK.replace(precision="auto", channels_last="auto")
    training = train(config)
    first = training.epoch()
    assert {first.precision, first.channels_last} & {"auto"} == set()
    assert training.config == config.replace(
        flip=True, precision=first.precision, channels_last=first.channels_last
    )
    # a checkpoint's numerics hold even where timing might now choose others
    for precision in ("float32", "bfloat16"):
        explicit = train(config.replace(precision=precision, channels_last="on"))
        explicit.save(tmp_path / precision)
        resumed = train(config)
        resumed.load(tmp_path / precision)
        result = resumed.epoch()
        assert (result.precision, result.channels_last) == (precision, "on")


@pytest.mark.parametrize(
    ("config", "architecture", "message"),
    [
        (QUICK.replace(peak_lr=0.01), TINY, "peak_lr 0.2, not 0.01"),
        (QUICK.replace(precision="bfloat16"), TINY, "precision 'float32', not 'bfloat16'"),
        (QUICK, OTHER, "another architecture"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(
    train, config, architecture, message, tmp_path
):
    train(QUICK).save(tmp_path / "checkpoint.pt")
    with pytest.raises(CheckpointError, match=message):
        train(config, architecture).load(tmp_path / "checkpoint.pt")


def test_fit_goes_on_from_its_checkpoint(train, train_data, tmp_path):
    path = tmp_path / "run" / "checkpoint.pt"
    first = next(fit(TINY, train_data, QUICK, "cpu", path))
    rest = list(fit(TINY, train_data, QUICK, "cpu", path))
    assert [numbers(result) for result in [first, *rest]] == run(train())
    assert list(fit(TINY, train_data, QUICK, "cpu", path)) == []
    assert [file.name for file in path.parent.iterdir()] == ["checkpoint.pt"]


def test_the_callers_random_numbers_go_on_undisturbed(train):
    torch.manual_seed(12345)  # not where another training would have left them
    before = torch.get_rng_state()
    train(QUICK.replace(precision="auto", channels_last="auto")).epoch()
    assert torch.equal(torch.get_rng_state(), before)
