"""The sets that torchvision downloads, read in the formats in which they are published.

mnist, kmnist and emnist are idx files, cifar10 and cifar100 pickles of arrays, svhn MATLAB files. A
folder that is given may hold the files themselves or be a ``root`` of torchvision's; without one
they are looked for in the cache, and else downloaded there. torchvision checks what it downloads.
"""

from __future__ import annotations

import json
import logging
import os
import pickle
import shutil
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from nas.data.cache import Part, Undecoded, cache_root, decoded
from nas.data.dataset import Dataset
from nas.data.download import by_torchvision
from nas.data.idx import find_idx, read_idx
from nas.data.registry import Request
from nas.errors import DataError
from nas.text import one_line

log = logging.getLogger(__name__)

Arrays = tuple[NDArray[np.uint8], NDArray[Any]]  # images (N, C, H, W), labels (N,)


@dataclass(frozen=True)
class Published:
    """How one set is published."""

    torchvision: str
    """Its class there."""
    below: tuple[str, ...]
    """Folders below torchvision's root with its files."""
    files: Mapping[str, tuple[str, ...]]
    """By part."""
    read: Callable[[list[Path]], Arrays]
    """The images and labels of one part, from its files."""
    classes: tuple[str, ...]
    label_names: tuple[str, str] | None = None
    """A file with the names of the classes, and their key in it."""
    options: tuple[dict[str, Any], ...] = field(default=({},))
    """What torchvision needs to be told, once for each part it downloads alone."""


def load(request: Request) -> Dataset:
    """The set, from the folder that is given, the cache, or torchvision's download."""
    published = SETS[request.name]
    given = request.path or os.environ.get("NAS_DATA")
    if given:
        folder = Path(given).expanduser().absolute()
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder")
    else:
        folder = _downloaded(request, published)
    files = {part: _files(folder, published, part) for part in published.files}
    about = _label_names_file(folder, published)
    listed = [about] * (about is not None) + [path for paths in files.values() for path in paths]
    key = json.dumps([_version(path) for path in listed if path is not None])

    def read() -> Undecoded:
        classes = _label_names(about, published) if about else published.classes
        parts = {}
        for part, paths in files.items():
            images, labels = published.read(paths)
            parts[part] = Part.of(images, labels)
            channels, height, width = images.shape[1:]
        return Undecoded((channels, height, width), classes, parts, str(folder))

    return decoded(Request(request.name, None, None), key, read)


def _version(path: Path) -> tuple[str, int, int, int]:
    status = path.stat()
    return path.name, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _places(folder: Path, published: Published) -> list[Path]:
    return [folder, *(folder / below for below in published.below)]


def _files(folder: Path, published: Published, part: str) -> list[Path]:
    """The files of a part.

    Raises:
        DataError: one is not there; the message names it.
    """
    found = []
    for name in published.files[part]:
        path = find_idx(_places(folder, published), name)
        if path is None:
            places = " or ".join(f"{below}/" for below in published.below)
            raise DataError(f"{folder} has no {name}{f' (nor in {places})' if places else ''}")
        found.append(path)
    return found


def _downloaded(request: Request, published: Published) -> Path:
    """The folder of the cache in which torchvision keeps the set; brings it if it is not here."""
    folder = cache_root() / "torchvision" / request.name
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not folder.is_dir():
                partial_folder = folder.with_suffix(".partial")
                shutil.rmtree(partial_folder, ignore_errors=True)  # of one that was killed
                log.info("downloading %s with torchvision", request.row.title)
                try:
                    by_torchvision(
                        published.torchvision, partial_folder, json.dumps(published.options)
                    )
                    partial_folder.replace(folder)
                except DataError as error:
                    raise DataError(
                        f"{request.row.title} cannot be downloaded ({error}); give a folder that "
                        f"has it (--data DIR, or NAS_DATA): "
                        f"{', '.join(name for names in published.files.values() for name in names)}"
                    ) from None
                finally:
                    shutil.rmtree(partial_folder, ignore_errors=True)
    except OSError as error:
        raise DataError(
            f"the cache {folder.parent} cannot be written ({error}); set NAS_CACHE to a folder "
            "that can"
        ) from None
    return folder


def _read_idx_pair(paths: list[Path], transposed: bool = False) -> Arrays:
    images, labels = read_idx(paths[0], 3), read_idx(paths[1], 1)
    if transposed:
        images = images.transpose(0, 2, 1)
    return images[:, None], labels


_OF_ARRAYS = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.numeric", "_frombuffer"),
    ("numpy.core.numeric", "_frombuffer"),
    ("_codecs", "encode"),
}


class _Arrays(pickle.Unpickler):
    """Reads plain types and arrays; a pickle that names anything else is refused."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _OF_ARRAYS:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is no array")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def _unpickled(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            found = _Arrays(file, encoding="latin1").load()
    except Exception as error:  # bytes that are no pickle raise anything
        raise DataError(f"{path}: cannot be read ({one_line(error)[:200]})") from None
    if not isinstance(found, dict):
        raise DataError(f"{path}: holds no batch of images")
    return found


def _read_batches(paths: list[Path], labels: str) -> Arrays:
    """CIFAR's batches: data (n, 3072), the red, green and blue planes one after another."""
    images, classes = [], []
    for path in paths:
        batch = _unpickled(path)
        data = batch.get("data")
        if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[1:] != (3072,):
            raise DataError(f"{path}: data is no uint8 array (n, 3072)")
        own = np.array(batch.get(labels, []))
        if own.shape != (len(data),):
            raise DataError(f"{path}: {len(data)} images have {own.size} {labels}")
        images.append(data.reshape(-1, 3, 32, 32))
        classes.append(own)
    return np.concatenate(images), np.concatenate(classes)


def _read_matlab(paths: list[Path]) -> Arrays:
    """SVHN's files: X (32, 32, 3, n), y (n, 1), in which the digit 0 is 10."""
    from scipy.io import loadmat

    path = paths[0]
    try:
        with path.open("rb") as file:
            found = loadmat(file, variable_names=["X", "y"])
        images, labels = np.asarray(found["X"]), np.asarray(found["y"])
    except Exception as error:  # bytes that are no such file raise anything
        raise DataError(f"{path}: cannot be read ({one_line(error)[:200]})") from None
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[2] != 3:
        raise DataError(f"{path}: X is {images.dtype} {images.shape}, not uint8 (32, 32, 3, n)")
    digits = labels.reshape(-1).astype(np.int64)
    return images.transpose(3, 2, 0, 1), np.where(digits == 10, 0, digits)


def _label_names_file(folder: Path, published: Published) -> Path | None:
    if published.label_names is None:
        return None
    name = published.label_names[0]
    found = [place / name for place in _places(folder, published) if (place / name).exists()]
    if not found:
        raise DataError(f"{folder} has no {name}")
    return found[0]


def _label_names(path: Path, published: Published) -> tuple[str, ...]:
    assert published.label_names is not None
    key = published.label_names[1]
    names = _unpickled(path).get(key)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError(f"{path}: {key} are no list of names")
    return tuple(names)


_IDX = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
_EMNIST = {
    part: tuple(
        f"emnist-balanced-{part}-{kind}" for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
    )
    for part in ("train", "test")
}
SETS = {
    # LeCun et al. 1998
    "mnist": Published("MNIST", ("MNIST/raw",), _IDX, _read_idx_pair, tuple(string.digits)),
    # Clanuwat et al. 2018, arXiv:1812.01718
    "kmnist": Published(
        "KMNIST",
        ("KMNIST/raw",),
        _IDX,
        _read_idx_pair,
        ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    ),
    # Cohen et al. 2017, arXiv:1702.05373; its images lie on their sides
    "emnist": Published(
        "EMNIST",
        ("EMNIST/raw", "EMNIST/raw/gzip", "gzip"),
        _EMNIST,
        partial(_read_idx_pair, transposed=True),
        # letters whose two cases look alike are one class
        (*string.digits, *string.ascii_uppercase, *"abdefghnqrt"),
        options=({"split": "balanced"},),
    ),
    # Krizhevsky 2009
    "cifar10": Published(
        "CIFAR10",
        ("cifar-10-batches-py",),
        {"train": tuple(f"data_batch_{n}" for n in range(1, 6)), "test": ("test_batch",)},
        partial(_read_batches, labels="labels"),
        (),
        ("batches.meta", "label_names"),
    ),
    "cifar100": Published(
        "CIFAR100",
        ("cifar-100-python",),
        {"train": ("train",), "test": ("test",)},
        partial(_read_batches, labels="fine_labels"),
        (),
        ("meta", "fine_label_names"),
    ),
    # Netzer et al. 2011
    "svhn": Published(
        "SVHN",
        (),
        {"train": ("train_32x32.mat",), "test": ("test_32x32.mat",)},
        _read_matlab,
        tuple(string.digits),
        options=({"split": "train"}, {"split": "test"}),
    ),
}
