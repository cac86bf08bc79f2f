"""Arrays in an .npz file: images, labels, and maybe test_images, test_labels and classes.

Images are (N, H, W), (N, H, W, C) or (N, C, H, W) with 1 or 3 channels, uint8 or real numbers
of 0 to 1 or 0 to 255; labels whole numbers from 0 on; classes their names.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.data.cache import CHANNELS, Part, Undecoded, check_labels, decoded
from nas.data.dataset import Dataset, spelled
from nas.data.registry import Request
from nas.errors import DataError
from nas.text import one_line

ARRAYS = ("images", "labels", "test_images", "test_labels", "classes")
LAYOUTS = "(N, H, W), (N, H, W, C) or (N, C, H, W), with 1 or 3 channels"


def load(request: Request) -> Dataset:
    """The arrays of the file ``request.path``, in their own shape."""
    path = request.path
    assert path is not None, "the name of an .npz file has its path"
    try:
        with path.open("rb") as file:
            key = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    own = Request(request.name, path, None)
    return decoded(own, key, lambda: _read(path))


def _read(path: Path) -> Undecoded:
    arrays = _arrays(path)
    for name in ("images", "labels"):
        if name not in arrays:
            found = ", ".join(sorted(arrays)) or "nothing"
            raise DataError(f"{path} has no array {name}; it has {found}")
    if ("test_images" in arrays) != ("test_labels" in arrays):
        raise DataError(f"{path} has one of test_images and test_labels; accepted: both or none")
    images, scale = _pixels(path, "images", arrays["images"], None)
    labels = arrays["labels"]
    classes = _classes(path, arrays, labels)
    check_labels(str(path), "train", labels, len(classes))
    parts = {"train": Part.of(images, labels)}
    if "test_images" in arrays:
        tests, _ = _pixels(path, "test_images", arrays["test_images"], scale)
        parts["test"] = Part.of(tests, arrays["test_labels"])
    channels, height, width = images.shape[1:]
    return Undecoded((channels, height, width), classes, parts, str(path))


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        found = np.load(path, allow_pickle=False)
        if not isinstance(found, np.lib.npyio.NpzFile):
            raise DataError(f"{path} is no .npz file; accepted: what numpy.savez writes")
        with found as file:
            return {name: file[name] for name in ARRAYS if name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, KeyError) as error:
        raise DataError(f"{path}: cannot be read as .npz ({one_line(error)[:200]})") from None


def _pixels(
    path: Path, name: str, array: NDArray[Any], scale: float | None
) -> tuple[NDArray[np.uint8], float]:
    """(N, C, H, W) uint8, and what one unit of the array is in it; ``scale`` is that of others."""
    given = array.shape
    if array.ndim == 3:
        array = array[:, None]
    elif array.ndim == 4 and given[3] in CHANNELS:
        array = array.transpose(0, 3, 1, 2)
    if array.ndim != 4 or array.shape[1] not in CHANNELS or 0 in given:
        raise DataError(f"{path}: {name} has shape {spelled(given)}; accepted: {LAYOUTS}")
    if array.dtype == np.uint8:
        return array, scale or 1.0
    if array.dtype.kind != "f":
        raise DataError(
            f"{path}: {name} is {array.dtype}; accepted: uint8, or real numbers of 0 to 1 or 0 to "
            "255"
        )
    low, high = float(array.min()), float(array.max())
    if not 0 <= low <= high <= 255:  # nor where one of them is no number
        raise DataError(
            f"{path}: {name} goes from {low:g} to {high:g}; accepted: 0 to 1, or 0 to 255"
        )
    scale = scale or (255.0 if high <= 1 else 1.0)
    if high * scale > 255:
        raise DataError(f"{path}: {name} goes to {high:g}, images only to 1; accepted: one scale")
    return np.rint(array * scale).astype(np.uint8), scale


def _classes(path: Path, arrays: dict[str, NDArray[Any]], labels: NDArray[Any]) -> tuple[str, ...]:
    names = arrays.get("classes")
    if names is None:
        whole = labels.dtype.kind in "iu" and labels.size
        # more are refused by their number of images
        count = min(int(labels.max()), len(labels)) + 1 if whole else 1
        return tuple(str(number) for number in range(count))
    if names.ndim != 1 or names.dtype.kind != "U" or len(set(names.tolist())) != len(names):
        raise DataError(
            f"{path}: classes is {names.dtype} {names.shape}; accepted: different texts"
        )
    return tuple(str(name) for name in names)
