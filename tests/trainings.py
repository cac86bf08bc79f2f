"""Trainings small enough that a test runs several: networks, a config, and how to compare them."""

import pytest
import torch

from nas.architecture import Architecture, Stage, Stem
from nas.training import TrainingConfig

TINY = Architecture(Stem(8, stride=2), (Stage("bottleneck", 1, 8, stride=2, groups=2),))
OTHER = Architecture(Stem(8, stride=2), (Stage("basic", 2, 8, stride=2),))
VALIDATION_IMAGES = 300  # of 60,000: validation takes most of the time of a training on few images
QUICK = TrainingConfig(
    epochs=3, train_images=200, validation=VALIDATION_IMAGES / 60_000, batch_size=64, peak_lr=0.2,
    precision="float32", channels_last="off",
)  # fmt: skip
TIMES = {"seconds", "images_per_second"}


def numbers(result):
    """What of a result is the same on every run."""
    return {name: value for name, value in result.to_dict().items() if name not in TIMES}


def run(training):
    return [numbers(training.epoch()) for _ in range(training.config.epochs - training.epochs_done)]


@pytest.fixture(autouse=True)
def one_thread():
    """Networks as small as these are slower on several."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
