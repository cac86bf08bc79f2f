import hashlib
import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.data.split import split, split_counts

SIXTH = 1 / 6  # of Fashion-MNIST


@pytest.fixture(scope="module")
def labels(train_data):
    return np.asarray(train_data.train.labels)


def test_a_split_parts_all_images_into_50000_and_10000(labels):
    train, validation = split(labels, 0, SIXTH)
    assert (len(train), len(validation)) == (50_000, 10_000)
    assert np.array_equal(np.sort(np.concatenate([train, validation])), np.arange(60_000))


def test_validation_has_exactly_1000_images_of_each_class(labels):
    _, validation = split(labels, 3, SIXTH)
    assert np.bincount(labels[validation]).tolist() == [1000] * 10


@given(st.integers(10, 50_000), st.integers(0, 3))
def test_every_subset_of_the_training_images_is_stratified(labels, count, seed):
    train, _ = split(labels, seed, SIXTH)
    classes = np.bincount(labels[train[:count]], minlength=10)
    assert classes.max() - classes.min() <= 1


def test_another_seed_is_another_split(labels):
    _, first = split(labels, 0, SIXTH)
    _, second = split(labels, 1, SIXTH)
    assert 1000 < len(np.intersect1d(first, second)) < 2500  # 10,000/6 by chance


def test_the_split_of_seed_0_is_this_one_everywhere(labels):
    train, validation = split(labels, 0, SIXTH)
    indices = np.concatenate([train, validation]).astype("<i8").tobytes()
    assert hashlib.sha256(indices).hexdigest() == SPLIT_0


SPLIT_0 = "55f8d267a27c6f6b2e91cf8fca8b968ea02cca9d82d1202e1f3ada0184cda215"


def test_a_split_by_hand():
    """Images in the order of their draws; of each class the first to validation, then in turns."""
    labels = np.array([5, 2, 2, 5, 2, 5, 5, 2, 2, 2], np.uint8)
    draw = random.Random(9)
    draws = [draw.random() for _ in labels]
    twos = sorted((n for n in range(10) if labels[n] == 2), key=lambda n: draws[n])
    fives = sorted((n for n in range(10) if labels[n] == 5), key=lambda n: draws[n])
    train, validation = split(labels, 9, 0.4)
    assert validation.tolist() == [*twos[:2], *fives[:2]]
    assert train.tolist() == [twos[2], fives[2], twos[3], fives[3], twos[4], twos[5]]


@given(
    st.lists(st.integers(2, 200), min_size=1, max_size=8),
    st.floats(1e-6, 1 - 1e-6),
    st.integers(0, 5),
)
def test_each_class_has_its_fraction_and_at_least_one_image_on_each_side(sizes, fraction, seed):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    train, validation = split(labels, seed, fraction)
    assert sorted([*train, *validation]) == list(range(len(labels)))
    trained = np.bincount(labels[train], minlength=len(sizes))
    validated = np.bincount(labels[validation], minlength=len(sizes)).tolist()
    assert min(trained) >= 1 and min(validated) >= 1
    assert validated == split_counts(sizes, fraction)
    for size, count in zip(sizes, validated, strict=True):
        exact = size * Fraction(fraction)
        assert abs(count - exact) <= Fraction(1, 2) + Fraction(1, 10**9) or count in (1, size - 1)


def test_with_a_fraction_of_0_all_images_train():
    train, validation = split(np.array([1, 0, 0, 1]), 0, 0)
    assert sorted(train.tolist()) == [0, 1, 2, 3]
    assert validation.tolist() == []
