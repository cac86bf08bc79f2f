"""Images on the device: which, how, and that large ones stay in their file."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from trainings import QUICK, TINY, run

from nas.data import LabelledImages
from nas.data.split import split
from nas.errors import ConfigError
from nas.training import Training, TrainingConfig, device
from nas.training.device import DeviceData, MappedImages, normalise, placed

CPU = torch.device("cpu")
SIXTH = 1 / 6


@pytest.fixture
def sixty(train_data):
    """60 images of 10 classes, each of which says its number; a third validates."""
    labels = np.arange(60, dtype=np.uint8) % 10
    images = np.arange(60, dtype=np.uint8)[:, None, None, None] + np.zeros((1, 28, 28), np.uint8)
    return replace(train_data, train=LabelledImages(images, labels), validation_fraction=1 / 3)


def test_all_training_images_are_placed_where_no_number_is_asked_for(sixty):
    labels = sixty.train.labels
    placed = DeviceData.place(sixty, TrainingConfig(), CPU)
    train, validation = split(labels, 0, 1 / 3)
    assert placed.train_images[:, 0, 0, 0].tolist() == train.tolist()
    assert placed.validation_images[:, 0, 5, 7].tolist() == validation.tolist()
    assert placed.train_labels.tolist() == labels[train].tolist()
    whole = TrainingConfig(train_images=40)  # exactly as many as there are
    few = DeviceData.place(sixty, whole, CPU)
    assert torch.equal(few.train_images, placed.train_images)


def test_a_config_may_say_how_many_images_validate(sixty):
    placed = DeviceData.place(sixty, TrainingConfig(validation=0.5), CPU)
    assert (len(placed.train_labels), len(placed.validation_labels)) == (30, 30)


def test_validation_images_of_its_own_validate_and_all_others_train(sixty):
    own = LabelledImages(sixty.train.images[:20] + np.uint8(100), sixty.train.labels[:20])
    placed = DeviceData.place(replace(sixty, validation=own), TrainingConfig(), CPU)
    assert placed.validation_images[:, 0, 0, 0].tolist() == list(range(100, 120))
    assert placed.validation_labels.tolist() == own.labels.tolist()
    assert sorted(placed.train_images[:, 0, 0, 0].tolist()) == list(range(60))


def test_images_go_where_they_are_asked_for():
    images, labels = np.zeros((3, 1, 28, 28), np.uint8), np.array([7, 255, 0], np.uint8)
    there, classes = placed(LabelledImages(images, labels), np.arange(3), CPU)
    assert (there.shape, there.dtype) == ((3, 1, 28, 28), torch.uint8)
    assert (classes.tolist(), classes.dtype) == ([7, 255, 0], torch.int64)
    away = placed(LabelledImages(images, labels), np.arange(3), torch.device("meta"))
    assert [one.device.type for one in away] == ["meta", "meta"]


def test_a_pixel_is_normalised_by_hand():
    pixels = normalise(torch.tensor([0, 255, 51], dtype=torch.uint8), (0.2860,), (0.3530,))
    assert pixels.dtype == torch.float32
    assert pixels.tolist() == pytest.approx(
        [-0.2860 / 0.3530, (1 - 0.2860) / 0.3530, (0.2 - 0.2860) / 0.3530], rel=1e-5
    )


def test_each_channel_is_normalised_by_its_own_mean_and_deviation():
    images = torch.tensor([0, 255], dtype=torch.uint8).view(1, 2, 1, 1)
    pixels = normalise(images, (0.5, 0.25), (0.5, 0.125))
    assert (pixels.dtype, pixels.shape) == (torch.float32, (1, 2, 1, 1))
    assert pixels.flatten().tolist() == pytest.approx([-1, 6])


def test_images_reach_the_device_with_their_own_labels(train_data):
    images, labels = train_data.train
    config = TrainingConfig(train_images=100, split_seed=5)
    data = DeviceData.place(train_data, config, CPU)
    train, validation = split(labels, 5, SIXTH)
    assert data.train_images.shape == (100, 1, 28, 28)
    assert data.validation_images.shape == (10_000, 1, 28, 28)
    assert data.train_images.dtype == torch.uint8
    assert np.array_equal(data.train_images, images[train[:100]])
    assert np.array_equal(data.train_labels, labels[train[:100]])
    assert np.array_equal(data.validation_images, images[validation])
    assert np.array_equal(data.validation_labels, labels[validation])


def test_normalised_pixels_have_mean_0_and_deviation_1(train_data):
    pixels = normalise(torch.tensor(train_data.train.images), train_data.mean, train_data.std)
    assert pixels.mean().item() == pytest.approx(0, abs=1e-3)
    assert pixels.std().item() == pytest.approx(1, abs=1e-3)


def test_more_training_images_than_there_are_are_refused(train_data):
    with pytest.raises(ConfigError, match="train_images is 50001; there are 50000"):
        DeviceData.place(train_data, TrainingConfig(train_images=50_001), CPU)


def test_large_images_stay_in_their_file_and_train_to_the_same_numbers(train_data, monkeypatch):
    whole = run(Training(TINY, QUICK, train_data, "cpu"))
    monkeypatch.setattr(device, "LARGE", 100_000)
    training = Training(TINY, QUICK, train_data, "cpu")
    assert isinstance(training.data.train_images, MappedImages)
    assert len(training.data.train_images) == 200
    assert run(training) == whole
