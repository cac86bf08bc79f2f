"""Images in folders named after their classes, with or without train/, val/ and test/ above them.

The images are taken in the order of their file names, whatever their class, so that files that are
numbered stand in the order of their numbers; classes are in the order of their names.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas.data.cache import BATCH, Part, Undecoded, decoded
from nas.data.dataset import Dataset, Shape, spelled
from nas.data.pixels import MODES, read_image, shape_of
from nas.data.registry import Request
from nas.errors import DataError

PLACES = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
LARGEST = 512  # pixels a side of images whose size nobody has asked for
Class = str


class File(NamedTuple):
    """An image file, in the order in which they are taken."""

    name: str  # below the folder of its class
    label: Class
    path: Path
    version: tuple[int, int, int]  # size, and when contents and inode were changed


def load(request: Request) -> Dataset:
    """The images of ``request.path`` in the shape that is asked for, or that of the first one."""
    root = request.path
    assert root is not None, "the name of a folder of images has its path"
    try:
        parts = {part: sorted(_files(folder)) for part, folder in _places(root).items()}
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror})") from None
    classes = tuple(_classes(parts, root))
    shape = request.input_shape or _own_shape(parts["train"], root)
    if shape[0] not in MODES:
        raise DataError(
            f"{root}: {shape[0]} channels are asked for; accepted: 1 (grey), 3 (colour)"
        )
    listing = hashlib.sha256()
    for part, files in parts.items():
        for file in files:
            line = f"{part}\0{file.label}\0{file.name}\0{file.version}\n"
            listing.update(line.encode(errors="surrogateescape"))

    def read() -> Undecoded:
        return Undecoded(
            shape,
            classes,
            {part: _part(files, classes, shape) for part, files in parts.items()},
            str(root),
        )

    return decoded(Request(request.name, root, shape), listing.hexdigest(), read)


def _places(root: Path) -> dict[str, Path]:
    """The folders with the classes of each part: those of train alone where there is no train/."""
    if not root.is_dir():
        raise DataError(f"{root}: no such folder")
    found: dict[str, Path] = {}
    for part, names in PLACES.items():
        there = [root / name for name in names if (root / name).is_dir()]
        if len(there) > 1:
            raise DataError(f"{root} has {there[0].name}/ and {there[1].name}/; accepted: one")
        if there:
            found[part] = there[0]
    # one without folders in it may be a class of trains
    return found if "train" in found and _entries(found["train"]) else {"train": root}


def _files(folder: Path) -> Iterator[File]:
    """Every image below the folders of the classes; other files and hidden ones are none."""
    endings = _endings()
    for label in sorted(_entries(folder)):
        above = folder / label
        for place, folders, names in os.walk(above):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for path in (Path(place, name) for name in names if not name.startswith(".")):
                if path.suffix.lower() in endings:
                    status = path.stat()
                    version = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
                    yield File(str(path.relative_to(above)), label, path, version)


def _entries(folder: Path) -> list[Class]:
    with os.scandir(folder) as entries:
        return [one.name for one in entries if one.is_dir() and not one.name.startswith(".")]


def _endings() -> set[str]:
    from PIL import Image

    return {ending for ending, kind in Image.registered_extensions().items() if kind in Image.OPEN}


def _classes(parts: dict[str, list[File]], root: Path) -> list[Class]:
    """Of the training images, in the order of their names; the other parts have no others."""
    classes = sorted({file.label for file in parts["train"]})
    if not classes:
        raise DataError(
            f"{root} has no images in folders; accepted: a folder for each class, with images that "
            "PIL reads, or such folders in train/ (and val/, test/)"
        )
    for part, files in parts.items():
        others = sorted({file.label for file in files} - set(classes))
        if others:
            raise DataError(f"{root}: {part} has class {others[0]!r}, which train has not")
    return classes


def _own_shape(files: list[File], root: Path) -> Shape:
    shape = shape_of(files[0].path)
    if max(shape) > LARGEST:
        raise DataError(
            f"{root}: the first image is {spelled(shape)}, and no other size was asked for; "
            "accepted: an input_shape in the space file, such as [3, 64, 64]"
        )
    return shape


def _part(files: list[File], classes: tuple[str, ...], shape: Shape) -> Part:
    labels = {name: number for number, name in enumerate(classes)}

    def batches() -> Iterator[NDArray[np.uint8]]:
        with ThreadPoolExecutor() as pool:  # PIL decodes outside of Python's lock
            for start in range(0, len(files), BATCH):
                paths = [file.path for file in files[start : start + BATCH]]
                yield np.stack(list(pool.map(lambda path: read_image(path, shape), paths)))

    return Part(np.array([labels[file.label] for file in files], np.int64), batches)
