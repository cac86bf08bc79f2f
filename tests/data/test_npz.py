"""Arrays in an .npz file: each layout and scale, and what is refused."""

import os

import numpy as np
import pytest
from data.sets import labels, pixels

from nas.data import open_dataset
from nas.errors import DataError

GREY, COLOUR = pixels(20, side=5), pixels(20, 3, 6)


@pytest.fixture(autouse=True)
def empty_cache(cache):
    """Nothing of this test stays in the user's cache."""


@pytest.fixture
def opened(tmp_path):
    """``opened(**arrays)``: the data set in a file of them."""

    def write(**arrays):
        np.savez(tmp_path / "mine.npz", **{"labels": labels(20, 4), **arrays})
        return open_dataset(f"npz:{tmp_path}/mine.npz")

    return write


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (GREY[:, 0], GREY),
        (GREY, GREY),
        (GREY.transpose(0, 2, 3, 1), GREY),
        (COLOUR, COLOUR),
        (COLOUR.transpose(0, 2, 3, 1), COLOUR),
        (COLOUR / 255, COLOUR),
        ((COLOUR / 255).astype(np.float32), COLOUR),
        (COLOUR.astype(np.float64), COLOUR),
        (COLOUR.astype(np.float16), COLOUR),
        (np.asfortranarray(GREY[:, 0]), GREY),
    ],
    ids=lambda value: f"{value.dtype} {value.shape}",
)
def test_images_of_any_layout_and_scale_are_read(opened, images, expected):
    data = opened(images=images)
    assert np.array_equal(data.train.images, expected)
    assert data.input_shape == expected.shape[1:]
    assert data.train.labels.tolist() == labels(20, 4).tolist()
    assert data.classes == ("0", "1", "2", "3")
    assert (data.title, data.test, data.mirrored) == ("mine.npz", None, True)


def test_test_images_and_names_of_classes_are_read(opened):
    names = np.array(["ant", "bee", "cat", "dog"])
    data = opened(images=GREY, test_images=GREY[:3], test_labels=[2, 1, 0], classes=names)
    assert data.classes == ("ant", "bee", "cat", "dog")
    assert data.test.labels.tolist() == [2, 1, 0]
    assert np.array_equal(data.test.images, GREY[:3])


def test_the_scale_of_test_images_is_that_of_the_others(opened):
    dark = np.full((3, 5, 5), 1.0)  # of 255
    data = opened(images=GREY[:, 0].astype(float), test_images=dark, test_labels=[0, 1, 2])
    assert (data.test.images == 1).all()


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({}, "has no array images; it has labels"),
        ({"images": GREY[0, 0]}, "images has shape 5×5; accepted: (N, H, W), (N, H, W, C)"),
        ({"images": pixels(20, 2, 5)}, "images has shape 20×2×5×5"),
        ({"images": np.zeros((0, 5, 5), np.uint8)}, "images has shape 0×5×5"),
        ({"images": GREY.astype(np.int16)}, "images is int16; accepted: uint8, or real numbers"),
        ({"images": GREY - 1.0}, "images goes from -1 to 254; accepted: 0 to 1"),
        ({"images": GREY * 2.0}, "to 510; accepted: 0 to 1, or 0 to 255"),
        ({"images": np.full((20, 5, 5), np.nan)}, "images goes from nan to nan"),
        ({"images": GREY, "labels": labels(19, 4)}, "train has 20 images and 19 labels"),
        ({"images": GREY, "labels": labels(20) / 2}, "the labels of train are float64 (20,)"),
        ({"images": GREY, "labels": labels(20)[:, None]}, "the labels of train are int64 (20, 1)"),
        ({"images": GREY, "labels": labels(20, 4) - 1}, "labels of train go from -1 to 2"),
        ({"images": GREY, "labels": labels(20, 4) + 1}, "class '0' has 0 images in train"),
        ({"images": GREY, "labels": np.arange(20)}, "class '0' has 1 image in train (and 19 more"),
        ({"images": GREY, "labels": labels(20, 1)}, "has 1 class; accepted: 2 or more"),
        ({"images": GREY, "labels": labels(20, 4) * 10**12}, "labels of train go from 0 to"),
        ({"images": GREY, "test_images": GREY}, "has one of test_images and test_labels"),
        (
            {"images": GREY, "test_images": COLOUR, "test_labels": labels(20, 4)},
            "images of test are uint8 3×6×6; accepted: uint8 1×5×5",
        ),
        (
            {"images": GREY, "test_images": GREY, "test_labels": labels(20, 5)},
            "the labels of test go from 0 to 4; accepted: 0 to 3",
        ),
        (
            {"images": GREY / 255, "test_images": GREY * 1.0, "test_labels": labels(20, 4)},
            "test_images goes to 255, images only to 1",
        ),
        ({"images": GREY, "classes": np.array(["a", "a", "b", "c"])}, "accepted: different texts"),
        ({"images": GREY, "classes": np.array(["a", "b"])}, "labels of train go from 0 to 3"),
        ({"images": np.array([None] * 20)}, "cannot be read as .npz"),
    ],
)
def test_what_is_no_data_set_is_refused_in_one_line(opened, arrays, said, tmp_path):
    with pytest.raises(DataError) as refusal:
        opened(**arrays)
    message = str(refusal.value)
    assert said in message
    assert message.startswith(f"{tmp_path}/mine.npz")
    assert "\n" not in message


@pytest.mark.parametrize("content", [b"", b"dear diary", b"PK\x03\x04 and so on"])
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    (tmp_path / "mine.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"mine\.npz"):
        open_dataset(f"npz:{tmp_path}/mine.npz")


def test_a_file_of_one_array_is_no_npz(tmp_path):
    np.save(tmp_path / "a.npy", GREY)
    with pytest.raises(DataError, match=r"is no \.npz file"):
        open_dataset(f"npz:{tmp_path}/a.npy")


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"nothing\.npz: no such file"):
        open_dataset(f"npz:{tmp_path}/nothing.npz")


class Code:
    """What pickle would run."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_pickle_in_it_is_not_run(opened, tmp_path):
    with pytest.raises(DataError, match=r"cannot be read as \.npz"):
        opened(images=GREY, labels=np.array([Code(str(tmp_path / "made"))] * 20))
    assert not (tmp_path / "made").exists()
