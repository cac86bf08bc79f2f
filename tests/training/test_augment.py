import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare, ks_2samp

from nas.training.augment import augment, erase, shift_and_flip
from nas.training.config import TrainingConfig


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def images(train_data):
    return torch.tensor(train_data.train.images[:256])  # (256, 1, 28, 28)


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


def test_shift_and_flip_is_each_images_own_move_in_the_order_of_its_draws():
    """Against loops over pixels; the draws are rows, columns, then the coins."""
    batch = noise((6, 2, 5, 4), 3)
    moved = shift_and_flip(batch, 2, True, generator(7))
    draws = generator(7)
    down = torch.randint(5, (6, 1), generator=draws)
    across = torch.randint(5, (6, 1), generator=draws)
    mirrored = torch.rand(6, 1, generator=draws) < 0.5
    assert 0 < mirrored.sum() < 6
    for n, c, y, x in np.ndindex(6, 2, 5, 4):
        from_y = y + int(down[n]) - 2
        from_x = (3 - x if mirrored[n] else x) + int(across[n]) - 2
        inside = 0 <= from_y < 5 and 0 <= from_x < 4
        assert moved[n, c, y, x] == (batch[n, c, from_y, from_x] if inside else 0)


def test_shifts_of_each_direction_and_coins_are_fair_and_independent():
    batch = torch.zeros(9000, 1, 3, 4, dtype=torch.uint8)
    batch[:, :, 1, 1] = 1
    moved = shift_and_flip(batch, 1, True, generator())
    places = moved.sum((0, 1)).tolist()
    # columns 0 to 2 as it is, 1 to 3 mirrored: 1, 2, 2, 1 of 6, in each of 3 rows
    for row in places:
        for count, share in zip(row, (1 / 18, 2 / 18, 2 / 18, 1 / 18), strict=True):
            assert count == pytest.approx(9000 * share, abs=4 * (9000 * share) ** 0.5)


def rectangles(count=20_000, probability=1.0):
    """Of erased zeros: each image's first and last row and column, and its noise."""
    black = torch.zeros(count, 1, 28, 28, dtype=torch.uint8)
    white = torch.full_like(black, 255)
    # one of both differs wherever noise was put
    erased = (erase(black, probability, generator()) != 0) | (
        erase(white, probability, generator()) != 255
    )
    noise_there = erase(black, probability, generator())[erased]
    rows, columns = erased.any(3)[:, 0], erased.any(2)[:, 0]
    assert torch.equal(erased[:, 0], rows[:, :, None] & columns[:, None, :])  # rectangles
    return rows, columns, noise_there


def test_erased_rectangles_have_the_areas_and_shapes_of_the_paper():
    rows, columns, _ = rectangles()
    heights, widths = rows.sum(1).double(), columns.sum(1).double()
    # independent draws of the same: area 2 % to 40 %, height : width 0.3 to 1/0.3, cut to 28
    draws = np.random.default_rng(0)
    area = draws.uniform(0.02, 0.4, 20_000) * 784
    ratio = draws.uniform(0.3, 1 / 0.3, 20_000)
    for found, expected in ((heights, (area * ratio) ** 0.5), (widths, (area / ratio) ** 0.5)):
        whole = np.clip(np.round(expected), 1, 28)
        assert ks_2samp(found.numpy(), whole).pvalue > 1e-4
        assert (found.min(), found.max()) == (whole.min(), whole.max())


def test_erased_rectangles_lie_anywhere_that_they_fit():
    for inside in rectangles()[:2]:
        size = inside.sum(1)
        start = inside.int().argmax(1)
        for extent in (8, 14, 20):
            places = torch.bincount(start[size == extent], minlength=1)
            assert len(places) == 28 - extent + 1
            assert chisquare(places.numpy()).pvalue > 1e-4


def test_erased_pixels_are_noise_of_every_brightness_and_of_their_own():
    noise_there = rectangles(2000)[2]
    counts = torch.bincount(noise_there.long(), minlength=256)
    assert len(counts) == 256
    assert chisquare(counts.numpy()).pvalue > 1e-4


def test_erasing_is_the_same_in_every_version_of_this_package():
    """A seed stands for its numbers: the order of the draws is part of a study."""
    batch = noise((4, 2, 9, 12), 3)
    erased = erase(batch, 0.6, generator(5))
    draws = generator(5)

    def uniform(low, high):
        return low + (high - low) * torch.rand(4, 1, generator=draws)

    area, aspect, coin = uniform(0.02, 0.4) * 9 * 12, uniform(0.3, 1 / 0.3), uniform(0, 1)
    height, width = (area * aspect).sqrt().round(), (area / aspect).sqrt().round()
    height, width = height.clamp(1, 9), width.clamp(1, 12)
    top = (uniform(0, 1) * (10 - height)).floor()
    left = (uniform(0, 1) * (13 - width)).floor()
    pixels = torch.randint(256, batch.shape, generator=draws, dtype=torch.uint8)
    assert 0 < (coin < 0.6).sum() < 4
    for n, c, y, x in np.ndindex(4, 2, 9, 12):
        inside = top[n] <= y < top[n] + height[n] and left[n] <= x < left[n] + width[n]
        expected = pixels if inside and coin[n] < 0.6 else batch
        assert erased[n, c, y, x] == expected[n, c, y, x]


@pytest.mark.parametrize(
    ("config", "same_as"),
    [
        ({"flip": True}, lambda x, g: shift_and_flip(x, 0, True, g)),
        ({"flip": False, "crop_padding": 3}, lambda x, g: shift_and_flip(x, 3, False, g)),
        ({"flip": False, "erasing": 0.5}, lambda x, g: erase(x, 0.5, g)),
        (
            {"flip": True, "crop_padding": 1, "erasing": 0.9},
            lambda x, g: erase(shift_and_flip(x, 1, True, g), 0.9, g),
        ),
    ],
)
def test_each_setting_is_applied_and_only_it(config, same_as):
    batch = noise((16, 1, 8, 8), 1)
    augmented = augment(batch, TrainingConfig(**config), generator(2))
    assert torch.equal(augmented, same_as(batch, generator(2)))


def test_images_stay_on_their_device():
    """Nothing crosses to another, where each batch would wait for it."""
    batch = torch.zeros(4, 1, 8, 8, dtype=torch.uint8, device="meta")
    assert shift_and_flip(batch, 2, True, generator()).device.type == "meta"
    assert erase(batch, 0.5, generator()).device.type == "meta"
