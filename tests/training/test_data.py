import hashlib
import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nas.errors import ConfigError
from nas.training import LabelledImages, TrainingConfig, data
from nas.training.data import DeviceData, normalise, on_device, split


@pytest.fixture(scope="module")
def labels(train_data):
    return np.asarray(train_data.labels)


def test_a_split_parts_all_images_into_50000_and_10000(labels):
    train, validation = split(labels, 0)
    assert (len(train), len(validation)) == (50_000, 10_000)
    assert np.array_equal(np.sort(np.concatenate([train, validation])), np.arange(60_000))


def test_validation_has_exactly_1000_images_of_each_class(labels):
    _, validation = split(labels, 3)
    assert np.bincount(labels[validation]).tolist() == [1000] * 10


@given(st.integers(10, 50_000), st.integers(0, 3))
def test_every_subset_of_the_training_images_is_stratified(labels, count, seed):
    train, _ = split(labels, seed)
    classes = np.bincount(labels[train[:count]], minlength=10)
    assert classes.max() - classes.min() <= 1


def test_another_seed_is_another_split(labels):
    _, first = split(labels, 0)
    _, second = split(labels, 1)
    assert 1000 < len(np.intersect1d(first, second)) < 2500  # 10,000/6 by chance


def test_the_split_of_seed_0_is_this_one_everywhere(labels):
    train, validation = split(labels, 0)
    indices = np.concatenate([train, validation]).astype("<i8").tobytes()
    assert hashlib.sha256(indices).hexdigest() == SPLIT_0


SPLIT_0 = "55f8d267a27c6f6b2e91cf8fca8b968ea02cca9d82d1202e1f3ada0184cda215"


def test_a_split_by_hand(monkeypatch):
    """Images in the order of their draws; of each class the first to validation, then in turns."""
    monkeypatch.setattr(data, "VALIDATION_IMAGES", 4)
    labels = np.array([5, 2, 2, 5, 2, 5, 5, 2, 2, 2], np.uint8)
    draw = random.Random(9)
    draws = [draw.random() for _ in labels]
    twos = sorted((n for n in range(10) if labels[n] == 2), key=lambda n: draws[n])
    fives = sorted((n for n in range(10) if labels[n] == 5), key=lambda n: draws[n])
    train, validation = split(labels, 9)
    assert validation.tolist() == [*twos[:2], *fives[:2]]
    assert train.tolist() == [twos[2], fives[2], twos[3], fives[3], twos[4], twos[5]]


def test_all_training_images_are_placed_where_no_number_is_asked_for(monkeypatch):
    monkeypatch.setattr(data, "VALIDATION_IMAGES", 20)
    labels = np.arange(60, dtype=np.uint8) % 10
    images = np.arange(60, dtype=np.uint8)[:, None, None] + np.zeros((1, 28, 28), np.uint8)
    placed = DeviceData.place(LabelledImages(images, labels), TrainingConfig(), torch.device("cpu"))
    train, validation = split(labels, 0)
    assert placed.train_images[:, 0, 0, 0].tolist() == train.tolist()
    assert placed.validation_images[:, 0, 5, 7].tolist() == validation.tolist()
    assert placed.train_labels.tolist() == labels[train].tolist()
    whole = TrainingConfig(train_images=40)  # exactly as many as there are
    few = DeviceData.place(LabelledImages(images, labels), whole, torch.device("cpu"))
    assert torch.equal(few.train_images, placed.train_images)


def test_images_go_where_they_are_asked_for():
    images, labels = np.zeros((3, 28, 28), np.uint8), np.array([7, 255, 0], np.uint8)
    placed, classes = on_device(LabelledImages(images, labels), torch.device("cpu"))
    assert (placed.shape, placed.dtype) == ((3, 1, 28, 28), torch.uint8)
    assert (classes.tolist(), classes.dtype) == ([7, 255, 0], torch.int64)
    away, there = on_device(LabelledImages(images, labels), torch.device("meta"))
    assert (away.device.type, there.device.type) == ("meta", "meta")


def test_a_pixel_is_normalised_by_hand():
    pixels = normalise(torch.tensor([0, 255, 51], dtype=torch.uint8))
    assert pixels.dtype == torch.float32
    assert pixels.tolist() == pytest.approx(
        [-0.2860 / 0.3530, (1 - 0.2860) / 0.3530, (0.2 - 0.2860) / 0.3530], rel=1e-5
    )


def test_images_reach_the_device_with_their_own_labels(train_data):
    config = TrainingConfig(train_images=100, split_seed=5)
    data = DeviceData.place(train_data, config, torch.device("cpu"))
    train, validation = split(train_data.labels, 5)
    assert data.train_images.shape == (100, 1, 28, 28)
    assert data.validation_images.shape == (10_000, 1, 28, 28)
    assert data.train_images.dtype == torch.uint8
    assert np.array_equal(data.train_images[:, 0], train_data.images[train[:100]])
    assert np.array_equal(data.train_labels, train_data.labels[train[:100]])
    assert np.array_equal(data.validation_images[:, 0], train_data.images[validation])
    assert np.array_equal(data.validation_labels, train_data.labels[validation])


def test_normalised_pixels_have_mean_0_and_deviation_1(train_data):
    pixels = normalise(torch.tensor(train_data.images))
    assert pixels.mean().item() == pytest.approx(0, abs=1e-3)
    assert pixels.std().item() == pytest.approx(1, abs=1e-3)


def test_more_training_images_than_there_are_are_refused(train_data):
    with pytest.raises(ConfigError, match="train_images is 50001; there are 50000"):
        DeviceData.place(train_data, TrainingConfig(train_images=50_001), torch.device("cpu"))
