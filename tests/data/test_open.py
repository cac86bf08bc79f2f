"""Data sets by name: shapes, sizes, statistics, and the cache that all processes share."""

import hashlib
import json
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest
from data.sets import labels, pixels

import nas.data
from nas.data import DATASETS, cache, open_dataset
from nas.data.cache import BATCH
from nas.data.dataset import statistics, value_counts
from nas.data.pixels import resize
from nas.data.registry import Row, full_name, parse, title_of
from nas.errors import DataError, ShapeError
from nas.search.config import SearchConfig


@pytest.fixture
def entries(cache):
    """``entries()``: what an empty cache has come to hold."""
    return lambda: sorted(path for path in (cache / "datasets").glob("*") if path.is_dir())


@pytest.fixture
def digits(cache):
    return open_dataset("digits")


def test_the_digits_are_scikit_learns(digits):
    from sklearn.datasets import load_digits

    known = load_digits()
    assert digits.input_shape == (1, 8, 8)
    assert digits.classes == tuple("0123456789")
    assert (len(digits.train.labels), len(digits.test.labels)) == (1438, 359)
    assert np.bincount(digits.test.labels).tolist() == [36, 36, 35, 37, 36, 36, 36, 36, 35, 36]
    shown = sorted(image.tobytes() for image in np.rint(known.images * 255 / 16).astype(np.uint8))
    both = np.concatenate([digits.train.images, digits.test.images])
    assert sorted(image.tobytes() for image in both) == shown
    assert digits.train.images.max() == 255
    assert not digits.mirrored


def test_the_digits_are_these_everywhere(digits):
    assert digits.fingerprint.startswith(DIGITS)


DIGITS = "0d68a8685e46"


def test_fashion_mnist_is_what_it_was(train_data):
    assert (train_data.mean, train_data.std) == ((0.2860,), (0.3530,))
    assert train_data.counts() == (50_000, 10_000)
    assert train_data.mirrored
    assert statistics(value_counts(train_data.train.images)) == (train_data.mean, train_data.std)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("fashon_mnist", "did you mean fashion_mnist? accepted: fashion_mnist, digits"),
        ("", "accepted: fashion_mnist"),
        ("folder", "accepted: folder:PATH"),
        ("npz:", "accepted: npz:PATH"),
        ("digits:/here", "accepted: digits"),
        ("folder:a\0b", "which no path can be"),
    ],
)
def test_a_name_that_is_none_is_refused_with_those_that_are(name, said):
    with pytest.raises(DataError) as refusal:
        open_dataset(name)
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_path_in_a_name_is_the_same_from_every_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert parse("folder:birds") == ("folder", tmp_path / "birds")
    assert full_name("npz:a.npz") == f"npz:{tmp_path}/a.npz"
    assert full_name("digits") == "digits"
    assert [title_of(name) for name in ("digits", "folder:/data/birds", "gone")] == [
        "Digits", "birds", "gone",
    ]  # fmt: skip


def test_every_row_of_the_registry_has_a_module_that_reads_it():
    from importlib import import_module

    for row in DATASETS.values():
        assert callable(import_module(f"nas.data.{row.module}").load)


def test_images_of_another_size_are_refused_unless_they_are_to_be_resized(digits):
    with pytest.raises(ShapeError) as refusal:
        open_dataset("digits", input_shape=(1, 16, 12))
    assert str(refusal.value) == (
        "Digits has images of 1×8×8, not of 1×16×12; accepted: that size, or another one with "
        "resize"
    )
    larger = open_dataset("digits", input_shape=(1, 16, 12), resize=True)
    assert larger.train.images.shape == (1438, 1, 16, 12)
    assert larger.test.images.shape == (359, 1, 16, 12)
    assert larger.train.labels.tolist() == digits.train.labels.tolist()
    assert larger.classes == digits.classes
    assert not larger.mirrored
    assert larger.fingerprint != digits.fingerprint
    same = open_dataset("digits", input_shape=(1, 8, 8), resize=True)
    assert same.fingerprint == digits.fingerprint


@pytest.mark.parametrize("resize", [False, True])
def test_images_of_other_channels_are_refused(digits, resize):
    with pytest.raises(ShapeError, match="1×8×8, not of 3×8×8; accepted: 1 channel"):
        open_dataset("digits", input_shape=(3, 8, 8), resize=resize)


def test_fashion_mnist_can_be_resized(train_data, data_folder, cache):
    data = open_dataset("fashion_mnist", folder=data_folder, input_shape=(1, 4, 4), resize=True)
    assert data.train.images.shape == (60_000, 1, 4, 4)
    assert data.counts() == (50_000, 10_000)
    assert data.title == "Fashion-MNIST"


def test_images_of_a_file_are_resized_one_by_one_and_keep_their_file_and_labels(tmp_path, cache):
    images, several = pixels(2 * BATCH + 10, 3, 6), labels(2 * BATCH + 10, 3)
    for seed in (0, 1):
        test = pixels(30, 3, 6, seed=2)
        arrays = {"test_images": test, "test_labels": labels(30, 3)}
        np.savez(tmp_path / "a.npz", images=images + seed, labels=several, **arrays)
        name = f"npz:{tmp_path}/a.npz"
        small = open_dataset(name, input_shape=(3, 4, 3), resize=True)
        assert (small.name, small.title, small.classes) == (name, "a.npz", ("0", "1", "2"))
        expected = np.concatenate([resize(one[None], (4, 3)) for one in images + seed])
        assert np.array_equal(small.train.images, expected)
        assert small.train.labels.tolist() == several.tolist()
        assert np.array_equal(small.test.images, resize(test, (4, 3)))
        assert small.validation is None
    # of a file that is somewhere else than its name says
    (tmp_path / "a.npz").rename(tmp_path / "b.npz")
    moved = open_dataset(name, folder=tmp_path / "b.npz", input_shape=(3, 4, 3), resize=True)
    assert moved.name == f"npz:{tmp_path}/b.npz"
    assert moved.fingerprint == small.fingerprint


# --- statistics ---


def test_mean_and_deviation_are_of_each_channel_to_four_decimals(tmp_path, cache):
    images = pixels(40, 3, 7)
    images[:, 1] //= 2
    np.savez(tmp_path / "a.npz", images=images, labels=labels(40))
    data = open_dataset(f"npz:{tmp_path}/a.npz")
    scaled = images.transpose(1, 0, 2, 3).reshape(3, -1) / 255
    assert data.mean == tuple(scaled.mean(1).round(4))
    assert data.std == tuple(scaled.std(1).round(4))


def test_a_channel_of_one_value_is_divided_by_nothing(tmp_path, cache):
    np.savez(tmp_path / "a.npz", images=np.full((20, 3, 3), 255, np.uint8), labels=labels(20))
    data = open_dataset(f"npz:{tmp_path}/a.npz")
    assert (data.mean, data.std) == ((1.0,), (1.0,))


def test_uneven_classes_are_told_and_even_ones_are_not(tmp_path, cache, train_data, digits):
    assert train_data.imbalance() is None
    assert digits.imbalance() is None
    some = np.array([0] * 30 + [1] * 20 + [2] * 25)
    np.savez(tmp_path / "a.npz", images=pixels(75, side=3), labels=some)
    assert open_dataset(f"npz:{tmp_path}/a.npz").imbalance() == (
        "the classes are uneven: 30 images of '0', 20 of '1'; val_balanced_accuracy counts every "
        "class alike"
    )
    none = replace(digits, classes=(*digits.classes, "ten"))  # a class without a training image
    assert none.imbalance().endswith(", 0 of 'ten'; val_balanced_accuracy counts every class alike")


def test_as_many_images_train_and_validate_as_are_placed(tmp_path, cache):
    np.savez(tmp_path / "a.npz", images=pixels(7, side=3), labels=[0, 0, 1, 1, 1, 1, 1])
    data = open_dataset(f"npz:{tmp_path}/a.npz")
    assert data.counts() == (5, 2)
    assert data.counts(0.9) == (2, 5)


# --- the cache ---


def test_a_data_set_is_decoded_once_and_mapped(cache, entries, monkeypatch):
    first = open_dataset("digits")
    [entry] = entries()
    assert isinstance(first.train.images, np.memmap)
    assert {path.name for path in entry.iterdir()} == {
        "meta.json", "train_images.npy", "train_labels.npy", "test_images.npy", "test_labels.npy",
    }  # fmt: skip
    monkeypatch.setattr("nas.data.digits._read", None)
    assert open_dataset("digits").fingerprint == first.fingerprint


def test_the_fingerprint_is_a_digest_of_shape_classes_labels_and_pixels(digits):
    about = json.dumps([[1, 8, 8], list("0123456789")]).encode()
    content = b"".join(
        f"{name} {len(part.labels)}".encode()
        + part.labels.astype("<i8").tobytes()
        + part.images.tobytes()
        for name, part in (("train", digits.train), ("test", digits.test))
    )
    assert hashlib.sha256(about + content).hexdigest() == digits.fingerprint


@pytest.mark.parametrize("file", ["meta.json", "train_images.npy", "test_labels.npy"])
@pytest.mark.parametrize("damage", ["cut", "removed"])
def test_a_damaged_entry_is_made_anew(digits, entries, file, damage):
    [entry] = entries()
    whole = (entry / file).read_bytes()
    if damage == "cut":
        (entry / file).write_bytes(whole[: len(whole) // 2])
    else:
        (entry / file).unlink()
    assert open_dataset("digits").fingerprint == digits.fingerprint
    assert (entry / file).read_bytes() == whole


def test_what_was_killed_while_it_decoded_is_cleared_away(cache, entries):
    open_dataset("digits")
    [entry] = entries()
    entry.rename(entry.with_suffix(".partial"))
    open_dataset("digits")
    assert entries() == [entry]


def test_several_at_once_decode_once(cache, entries, monkeypatch):
    from nas.data import digits

    calls, real = [], digits._read
    monkeypatch.setattr(digits, "_read", lambda: calls.append(1) or real())
    threads = [threading.Thread(target=open_dataset, args=["digits"]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls == [1]
    assert len(entries()) == 1


def test_a_cache_that_cannot_be_written_says_what_to_set(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"cannot be written .*; set NAS_CACHE to a folder"):
        open_dataset("digits")


def test_a_disk_that_is_full_leaves_nothing_behind(cache, entries, monkeypatch):
    def full(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nas.data.cache._sync", full)
    with pytest.raises(DataError, match="No space left on device"):
        open_dataset("digits")
    assert entries() == []


def test_another_process_maps_the_same_arrays(digits):
    program = "from nas.data import open_dataset; print(open_dataset('digits').fingerprint)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == digits.fingerprint


def test_the_root_of_the_cache_is_the_environments_or_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("NAS_CACHE", str(tmp_path))
    assert cache.cache_root() == tmp_path


# --- another data set ---

MODULE = """
import numpy as np

from nas.data.cache import Part, Undecoded, decoded


def load(request):
    return decoded(request, "version 1", _read)


def _read():
    images = np.arange(8, dtype=np.uint8)[:, None, None, None] + np.zeros((1, 2, 2), np.uint8)
    parts = {"train": Part.of(images, np.arange(8) % 2)}
    return Undecoded((1, 2, 2), ("even", "odd"), parts, "parity")
"""


def test_a_data_set_is_added_by_a_module_and_a_row(tmp_path, cache, monkeypatch):
    (tmp_path / "parity.py").write_text(MODULE)
    monkeypatch.setattr("nas.data.__path__", [*nas.data.__path__, str(tmp_path)])
    monkeypatch.setitem(DATASETS, "parity", Row("Parity", "parity", mirrored=True))
    data = open_dataset("parity")
    assert (data.title, data.classes, data.counts()) == ("Parity", ("even", "odd"), (6, 2))
    assert "parity" in SearchConfig(trials=1, epochs=1, dataset="parity").dataset
    larger = open_dataset("parity", input_shape=(1, 4, 4), resize=True)
    assert larger.train.images[3].tolist() == [[[3] * 4] * 4]
