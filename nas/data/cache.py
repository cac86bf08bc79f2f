"""Data sets decoded once: uint8 arrays on disk, which every process of a machine maps.

An entry is a folder, named after what it was decoded from and to. It is written beside its place
and moved there: one that is in place is whole. Images go from their source to the disk in small
batches, so that a large data set needs no memory of its size.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from platformdirs import user_cache_path

from nas.data.dataset import Dataset, LabelledImages, Shape, spelled, statistics, value_counts
from nas.data.registry import Request
from nas.errors import DataError
from nas.quantity import plural

log = logging.getLogger(__name__)

FORMAT = 1  # of an entry: part of its name, so that another version leaves it alone
BATCH = 256  # images
PARTS = ("train", "validation", "test")
CHANNELS = (1, 3)


@dataclass(frozen=True)
class Part:
    """Images that are not decoded yet, and their labels."""

    labels: NDArray[Any]
    """(N,), whole numbers from 0 on."""
    batches: Callable[[], Iterator[NDArray[np.uint8]]]
    """All images in order, as arrays (n, C, H, W)."""

    @classmethod
    def of(cls, images: NDArray[Any], labels: NDArray[Any]) -> Part:
        """Images that are an array (N, C, H, W) already."""

        def batches() -> Iterator[NDArray[np.uint8]]:
            for start in range(0, len(images), BATCH):
                yield np.ascontiguousarray(images[start : start + BATCH])

        return cls(labels, batches)


@dataclass(frozen=True)
class Undecoded:
    """What a module of a data set hands over; ``parts`` has train, maybe validation and test."""

    input_shape: Shape
    classes: tuple[str, ...]
    parts: Mapping[str, Part]
    where: str
    """The folder or file that errors begin with."""


def cache_root() -> Path:
    """``NAS_CACHE`` if it is set, else the user's cache of this system."""
    root = os.environ.get("NAS_CACHE")
    return (Path(root).expanduser() if root else user_cache_path("nas")).absolute()


def told_folders() -> dict[str, str]:
    """NAS_DATA and NAS_CACHE, where they are set: absolute, for a process on another machine."""
    said = {name: os.environ.get(name) for name in ("NAS_DATA", "NAS_CACHE")}
    return {name: str(Path(at).expanduser().absolute()) for name, at in said.items() if at}


def decoded(request: Request, key: str, read: Callable[[], Undecoded]) -> Dataset:
    """The data set in the cache, decoded by ``read`` where it is not there yet.

    Args:
        key: of the contents: equal keys stand for equal files.

    Raises:
        DataError: as ``read`` does; or what it read is no data set, or cannot be written.
    """
    shape = request.input_shape
    digest = hashlib.sha256(json.dumps([FORMAT, request.name, shape, key]).encode()).hexdigest()
    entry = cache_root() / "datasets" / digest[:32]
    dataset = _open(entry, request)
    if dataset is not None:
        return dataset
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{entry}.lock"):  # others wait for the one that decodes
            dataset = _open(entry, request)
            if dataset is None:
                partial = entry.with_suffix(".partial")
                for left in (partial, entry):  # of one that was killed; damaged
                    shutil.rmtree(left, ignore_errors=True)
                partial.mkdir()
                try:
                    log.info("decoding %s into %s", request.full_name, entry)
                    _write(read(), partial)
                    partial.replace(entry)
                finally:
                    shutil.rmtree(partial, ignore_errors=True)
                dataset = _open(entry, request)
    except OSError as error:
        raise DataError(
            f"the cache {entry.parent} cannot be written ({error}); set NAS_CACHE to a folder that "
            "can"
        ) from None
    assert dataset is not None, "an entry that was just written can be read"
    return dataset


def resized(dataset: Dataset, input_shape: Shape) -> Dataset:
    """The data set with its images resized, channels as they are."""
    from nas.data.pixels import resize

    def part(images: LabelledImages) -> Part:
        def batches() -> Iterator[NDArray[np.uint8]]:
            for start in range(0, len(images.labels), BATCH):
                yield resize(images.images[start : start + BATCH], input_shape[1:])

        return Part(images.labels, batches)

    def read() -> Undecoded:
        found = {name: getattr(dataset, name) for name in PARTS}
        parts = {name: part(images) for name, images in found.items() if images is not None}
        return Undecoded(input_shape, dataset.classes, parts, dataset.name)

    key, _, path = dataset.name.partition(":")
    request = Request(key, Path(path) if path else None, input_shape)
    return decoded(request, f"resized {dataset.fingerprint}", read)


def check_labels(where: str, part: str, labels: NDArray[Any], classes: int) -> None:
    """Refuse labels that are not (N,) whole numbers below ``classes``."""
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise DataError(
            f"{where}: the labels of {part} are {labels.dtype} {labels.shape}; accepted: whole "
            "numbers (N,)"
        )
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        low, high = int(labels.min()), int(labels.max())
        raise DataError(
            f"{where}: the labels of {part} go from {low} to {high}; accepted: 0 to {classes - 1}"
        )


def _check(found: Undecoded) -> None:
    """Refuse classes that cannot be told apart or have too few images."""
    where, classes = found.where, found.classes
    if len(classes) < 2:
        raise DataError(f"{where}: has {plural(len(classes), 'class')}; accepted: 2 or more")
    for name, part in found.parts.items():
        check_labels(where, name, part.labels, len(classes))
    own_validation = "validation" in found.parts
    for name, least in (("train", 1 if own_validation else 2), ("validation", 1)):
        if name not in found.parts:
            continue
        per_class = np.bincount(found.parts[name].labels, minlength=len(classes)).tolist()
        few = [label for label, count in enumerate(per_class) if count < least]
        if few:
            more = f" (and {plural(len(few) - 1, 'more class')})" if len(few) > 1 else ""
            raise DataError(
                f"{where}: class {classes[few[0]]!r} has {plural(per_class[few[0]], 'image')} in "
                f"{name}{more}; accepted: at least {least}, so that one trains and one validates"
            )


def _write(found: Undecoded, folder: Path) -> None:
    """Decode all of it into ``folder``, and describe it in meta.json."""
    _check(found)
    about = [list(found.input_shape), list(found.classes)]
    digest = hashlib.sha256(json.dumps(about).encode())
    counts = np.zeros((found.input_shape[0], 256), np.int64)
    for name in PARTS:
        if name not in found.parts:
            continue
        part = found.parts[name]
        labels = np.ascontiguousarray(part.labels, "<i8")
        digest.update(f"{name} {len(labels)}".encode())
        digest.update(labels.data)
        with (folder / f"{name}_labels.npy").open("wb") as file:
            np.save(file, labels)
            _sync(file)
        shape = (len(labels), *found.input_shape)
        with (folder / f"{name}_images.npy").open("wb") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            written = 0
            # not into a mapped file: a disk that is full would end the process
            for images in part.batches():
                if images.dtype != np.uint8 or images.shape[1:] != found.input_shape:
                    raise DataError(
                        f"{found.where}: images of {name} are {images.dtype} "
                        f"{spelled(images.shape[1:])}; accepted: uint8 {spelled(found.input_shape)}"
                    )
                pixels = np.ascontiguousarray(images)
                digest.update(pixels.data)
                file.write(pixels.data)
                written += len(images)
                if name == "train":
                    counts += value_counts(pixels)
            _sync(file)
        if written != len(labels):
            raise DataError(
                f"{found.where}: {name} has {plural(written, 'image')} and "
                f"{plural(len(labels), 'label')}; accepted: as many of both"
            )
    mean, std = statistics(counts)
    meta = {
        "input_shape": found.input_shape,
        "classes": found.classes,
        "fingerprint": digest.hexdigest(),
        "mean": mean,
        "std": std,
        "counts": {name: len(part.labels) for name, part in found.parts.items()},
    }
    with (folder / "meta.json").open("w") as text:
        json.dump(meta, text)
        _sync(text)


def _sync(file: IO[Any]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _open(entry: Path, request: Request) -> Dataset | None:
    """What the entry holds; None where it is not there or damaged."""
    try:
        meta = json.loads((entry / "meta.json").read_text())
        shape: Shape = tuple(meta["input_shape"])
        parts = {name: _mapped(entry, name, n, shape) for name, n in meta["counts"].items()}
        return Dataset(
            name=request.full_name,
            title=request.title,
            input_shape=shape,
            classes=tuple(meta["classes"]),
            fingerprint=meta["fingerprint"],
            mean=tuple(meta["mean"]),
            std=tuple(meta["std"]),
            train=parts["train"],
            validation=parts.get("validation"),
            test=parts.get("test"),
            validation_fraction=request.row.validation_fraction,
            mirrored=request.row.mirrored,
        )
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None


def _mapped(entry: Path, name: str, count: int, shape: Shape) -> LabelledImages:
    images = np.load(entry / f"{name}_images.npy", mmap_mode="r", allow_pickle=False)
    labels = np.load(entry / f"{name}_labels.npy", mmap_mode="r", allow_pickle=False)
    if images.shape != (count, *shape) or labels.shape != (count,) or images.dtype != np.uint8:
        raise ValueError(f"{entry} is damaged")
    return LabelledImages(images, labels)
