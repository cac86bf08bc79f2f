"""Small data sets in the formats in which the large ones are published, and what is in them."""

import gzip
import pickle
import string
from pathlib import Path

import numpy as np
from scipy.io import savemat

from nas.data.idx import idx_header


def pixels(count, channels=1, side=28, seed=0):
    """(count, channels, side, side) uint8 of noise."""
    return np.random.default_rng(seed).integers(
        0, 256, (count, channels, side, side), dtype=np.uint8
    )


def labels(count, classes=10):
    """0, 1, … again and again."""
    return np.arange(count) % classes


def write_idx(path, array):
    content = idx_header(array.shape) + array.astype(np.uint8).tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_mnist(root, name="MNIST"):
    raw = Path(root) / name / "raw"
    for part, prefix, count in (("train", "train", 40), ("test", "t10k", 20)):
        write_idx(raw / f"{prefix}-images-idx3-ubyte", pixels(count, seed=len(part))[:, 0])
        write_idx(raw / f"{prefix}-labels-idx1-ubyte.gz", labels(count))


def write_emnist(root):
    raw = Path(root) / "EMNIST" / "raw"
    for part, count in (("train", 94), ("test", 47)):
        images = pixels(count, seed=len(part))[:, 0].transpose(0, 2, 1)  # on their sides
        write_idx(raw / f"emnist-balanced-{part}-images-idx3-ubyte", images)
        write_idx(raw / f"emnist-balanced-{part}-labels-idx1-ubyte", labels(count, 47))


def _dump(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol=2))


def write_cifar10(root):
    below = Path(root) / "cifar-10-batches-py"
    train = pixels(50, 3, 32, seed=5)
    for n in range(5):
        batch = train[10 * n : 10 * n + 10].reshape(10, 3072)
        _dump(below / f"data_batch_{n + 1}", {"data": batch, "labels": labels(10).tolist()})
    test = pixels(20, 3, 32, seed=4).reshape(20, 3072)
    _dump(below / "test_batch", {"data": test, "labels": labels(20).tolist()})
    _dump(below / "batches.meta", {"label_names": list(string.ascii_lowercase[:10])})


def write_cifar100(root):
    below = Path(root) / "cifar-100-python"
    for part, count in (("train", 200), ("test", 100)):
        data = pixels(count, 3, 32, seed=len(part)).reshape(count, 3072)
        fine = labels(count, 100).tolist()
        _dump(below / part, {"data": data, "fine_labels": fine, "coarse_labels": [0] * count})
    _dump(below / "meta", {"fine_label_names": [f"class {n}" for n in range(100)]})


def write_svhn(root):
    Path(root).mkdir(parents=True, exist_ok=True)
    for part, count in (("train", 40), ("test", 20)):
        images = pixels(count, 3, 32, seed=len(part)).transpose(2, 3, 1, 0)
        digits = labels(count)
        digits[digits == 0] = 10
        savemat(Path(root) / f"{part}_32x32.mat", {"X": images, "y": digits[:, None]})


WRITERS = {
    "mnist": write_mnist,
    "kmnist": lambda root: write_mnist(root, "KMNIST"),
    "emnist": write_emnist,
    "cifar10": write_cifar10,
    "cifar100": write_cifar100,
    "svhn": write_svhn,
}
