import hashlib

import numpy as np
import pytest

from nas.data import open_dataset
from nas.data.fashion_mnist import CLASSES, MEAN, PARTS, STD, fingerprint, is_complete, read
from nas.data.idx import idx_header
from nas.errors import DataError

FINGERPRINT = "bc3b3a15d36c"


def test_the_arrays_have_their_published_shapes(data_folder):
    data = open_dataset("fashion_mnist", folder=data_folder)
    train, test = data.train, data.test
    assert train.images.shape == (60_000, 1, 28, 28)
    assert test.images.shape == (10_000, 1, 28, 28)
    assert np.bincount(train.labels).tolist() == [6000] * 10
    assert np.bincount(test.labels).tolist() == [1000] * 10


def test_loaded_images_are_mapped_and_cannot_be_changed(data_folder):
    images, labels = open_dataset("fashion_mnist", folder=data_folder).train
    assert isinstance(images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        labels[0] = 3


def test_the_fingerprint_is_that_of_these_contents():
    assert fingerprint().startswith(FINGERPRINT)


def test_published_files_are_read_whether_gzipped_or_not(published, data_folder):
    arrays = read(published)
    assert not is_complete(published)
    for part in PARTS:
        assert np.array_equal(arrays[part.npy], np.load(data_folder / part.npy))


def test_torchvisions_layout_is_read(published, tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    (root / "FashionMNIST").mkdir()
    published.rename(root / "FashionMNIST" / "raw")
    assert set(read(root)) == {part.npy for part in PARTS}


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match="nowhere: no such folder"):
        read(tmp_path / "nowhere")


def test_a_missing_file_is_named(published):
    (published / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match=r"has no t10k-labels-idx1-ubyte\.gz"):
        read(published)


def cut(content):
    return content[:-1]


def lengthened(content):
    return content + b"\0"


def changed(content):
    return content[:-1] + bytes([content[-1] ^ 1])


def of_other_shape(content):
    return content[:7] + b"\x11" + content[8:]


@pytest.mark.parametrize(
    ("corrupt", "message"),
    [
        (cut, "60008 bytes were expected, it has 60007"),
        (lengthened, "60008 bytes were expected, it has more"),
        (changed, "not the contents of Fashion-MNIST"),
        (of_other_shape, r"does not begin as an idx file of \(60000,\) bytes"),
        (lambda content: b"", "does not begin as an idx file"),
    ],
)
def test_a_corrupt_file_is_named_with_what_is_wrong(published, corrupt, message):
    path = published / "train-labels-idx1-ubyte"
    path.write_bytes(corrupt(path.read_bytes()))
    with pytest.raises(DataError, match=message) as refusal:
        read(published)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "corrupt", [cut, changed, lambda content: content[: len(content) // 2], lambda _: b"no gzip"]
)
def test_a_corrupt_gzip_file_is_named(published, corrupt):
    path = published / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(corrupt(path.read_bytes()))
    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte\.gz: cannot be read"):
        read(published)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(10_000, np.uint8), "not the contents"),
        (np.zeros(9_999, np.uint8), r"holds uint8 \(9999,\)"),
        (np.zeros(10_000, np.int64), r"holds int64 \(10000,\)"),
        (np.array([None] * 10_000), "cannot be read"),
    ],
)
def test_a_wrong_npy_file_is_named(published, array, message):
    (published / "t10k-labels-idx1-ubyte").unlink()
    np.save(published / "test_labels.npy", array)
    with pytest.raises(DataError, match=f"test_labels.npy: {message}"):
        read(published)


def test_loading_from_a_folder_without_the_arrays_says_so(tmp_path):
    with pytest.raises(DataError, match=r"has no train-images-idx3-ubyte\.gz"):
        open_dataset("fashion_mnist", folder=tmp_path)


def test_an_idx_header_by_hand():
    assert idx_header((60_000, 28, 28)) == bytes.fromhex("00000803 0000ea60 0000001c 0000001c")
    assert idx_header((10_000,)) == bytes.fromhex("00000801 00002710")


def test_the_fingerprint_is_a_digest_of_the_parts_digests():
    digests = "".join(part.sha256 for part in PARTS)
    assert fingerprint() == hashlib.sha256(digests.encode()).hexdigest()


def test_each_array_is_loaded_under_its_own_name(data_folder):
    data = open_dataset("fashion_mnist", folder=data_folder)
    train, test = data.train, data.test
    for array, part in zip((*train, *test), PARTS, strict=True):
        assert hashlib.sha256(array.tobytes()).hexdigest() == part.sha256


def test_the_mean_and_deviation_are_those_of_the_training_images(data_folder):
    pixels = open_dataset("fashion_mnist", folder=data_folder).train.images
    counts = np.bincount(pixels.reshape(-1), minlength=256)
    values = np.arange(256) / 255
    mean = (counts * values).sum() / counts.sum()
    deviation = ((counts * (values - mean) ** 2).sum() / counts.sum()) ** 0.5
    assert (pytest.approx(mean, abs=5e-5), pytest.approx(deviation, abs=5e-5)) == (MEAN, STD)


def test_the_classes_are_in_the_order_of_their_labels():
    # https://github.com/zalandoresearch/fashion-mnist#labels
    assert CLASSES == (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
        "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    )  # fmt: skip


def test_an_array_in_another_order_of_memory_is_refused(data_folder, tmp_path):
    images = np.load(data_folder / "test_images.npy")
    for part in PARTS:
        (tmp_path / part.npy).symlink_to(data_folder / part.npy)
    (tmp_path / "test_images.npy").unlink()
    np.save(tmp_path / "test_images.npy", np.asfortranarray(images))
    with pytest.raises(DataError, match=r"holds uint8 \(10000, 28, 28\)"):
        open_dataset("fashion_mnist", folder=tmp_path)


def test_a_gzipped_file_is_preferred_to_an_unpacked_one_and_both_to_an_array(published):
    (published / "t10k-labels-idx1-ubyte.gz").write_bytes(b"no gzip")
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte\.gz: cannot be read"):
        read(published)


@pytest.mark.parametrize("name", ["test_labels.npy", "train_images.npy"])
def test_a_folder_of_arrays_is_complete_only_with_their_contents(data_folder, tmp_path, name):
    for part in PARTS:
        (tmp_path / part.npy).symlink_to(data_folder / part.npy)
    assert is_complete(tmp_path)
    array = np.load(data_folder / name).copy()
    array.reshape(-1)[-1] ^= 1
    (tmp_path / name).unlink()
    np.save(tmp_path / name, array)
    assert not is_complete(tmp_path)
