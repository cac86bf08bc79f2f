import hashlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nas.errors import ConfigError
from nas.training import TrainingConfig
from nas.training.data import DeviceData, normalise, split


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
