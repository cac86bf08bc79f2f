import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nas.training.augment import augment, erase, shift_and_flip
from nas.training.config import TrainingConfig


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def images(train_data):
    return torch.tensor(train_data.images[:256]).unsqueeze(1)  # (256, 1, 28, 28)


sizes = st.tuples(st.integers(1, 8), st.integers(1, 3), st.integers(1, 9), st.integers(1, 9))


def noise(size, seed):
    return torch.randint(256, size, generator=generator(seed), dtype=torch.uint8)


@given(
    sizes, st.integers(0, 4), st.booleans(), st.sampled_from([0.0, 0.5, 1.0]), st.integers(0, 99)
)
def test_augmentation_keeps_shape_and_type_and_follows_its_seed(size, padding, flip, p, seed):
    batch = noise(size, seed)
    before = batch.clone()
    config = TrainingConfig(flip=flip, crop_padding=padding, erasing=p)
    once = augment(batch, config, generator(seed))
    assert (once.shape, once.dtype) == (batch.shape, torch.uint8)
    assert torch.equal(once, augment(batch, config, generator(seed)))
    assert torch.equal(batch, before)


def test_without_any_augmentation_the_images_are_untouched(images):
    config = TrainingConfig(flip=False, crop_padding=0, erasing=0.0)
    assert torch.equal(augment(images, config, generator()), images)


@given(sizes, st.integers(0, 99))
def test_a_flip_mirrors_an_image_or_leaves_it(size, seed):
    batch = noise(size, seed)
    for image, flipped in zip(batch, shift_and_flip(batch, 0, True, generator(seed)), strict=True):
        assert torch.equal(flipped, image) or torch.equal(flipped, image.flip(-1))


def test_about_half_of_the_images_are_mirrored(images):
    flipped = shift_and_flip(images, 0, True, generator())
    mirrored = (flipped == images.flip(-1)).flatten(1).all(1).sum()
    assert 96 <= mirrored <= 160  # 4 deviations of 256 tosses


@given(sizes, st.integers(1, 4), st.integers(0, 99))
def test_a_shift_is_a_crop_of_the_image_padded_with_black(size, padding, seed):
    batch = noise(size, seed)
    _, _, height, width = size
    padded = torch.nn.functional.pad(batch, (padding,) * 4)
    crops = [
        padded[:, :, y : y + height, x : x + width]
        for y in range(2 * padding + 1)
        for x in range(2 * padding + 1)
    ]
    shifted = shift_and_flip(batch, padding, False, generator(seed))
    for number, image in enumerate(shifted):
        assert any(torch.equal(image, crop[number]) for crop in crops)


def test_every_shift_within_the_padding_happens():
    batch = torch.zeros(512, 1, 5, 5, dtype=torch.uint8)
    batch[:, :, 2, 2] = 1
    shifted = shift_and_flip(batch, 2, False, generator())
    assert (shifted.sum(0) > 0).all()  # the pixel has been at each of the 25 places
    assert (shifted.sum((1, 2, 3)) == 1).all()


def test_erasing_changes_one_rectangle_of_2_to_40_percent(images):
    erased = erase(images, 1.0, generator())
    for before, after in zip(images, erased, strict=True):
        _, rows, columns = (before != after).nonzero(as_tuple=True)
        area = (rows.max() - rows.min() + 1) * (columns.max() - columns.min() + 1)
        assert 0.01 <= area / 784 <= 0.45  # whole pixels
        outside = torch.ones(28, 28, dtype=torch.bool)
        outside[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = False
        assert torch.equal(before[0][outside], after[0][outside])


def test_erasing_happens_as_often_as_its_probability(images):
    assert torch.equal(erase(images, 0.0, generator()), images)
    changed = (erase(images, 0.25, generator()) != images).flatten(1).any(1).sum()
    assert 36 <= changed <= 92  # 4 deviations of 256 draws
