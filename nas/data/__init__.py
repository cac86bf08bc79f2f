"""Data sets: by name, checked by content, decoded once. Without torch."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from nas.data.cache import resized
from nas.data.dataset import Dataset, LabelledImages, Shape, spelled
from nas.data.registry import DATASETS, Request, parse
from nas.errors import ShapeError
from nas.quantity import plural

__all__ = ["DATASETS", "Dataset", "LabelledImages", "open_dataset"]


def open_dataset(
    name: str,
    *,
    folder: Path | str | None = None,
    input_shape: Shape | None = None,
    resize: bool = False,
) -> Dataset:
    """The data set called ``name``: a key of ``DATASETS``, ``folder:PATH`` or ``npz:PATH``.

    It is fetched if it is not here, checked, and decoded once into the cache (in ``NAS_CACHE``, or
    the user's own), from which all processes map it.

    Args:
        folder: where its files are; without it ``NAS_DATA`` says so for a published data set. Of a
            ``folder:`` or ``npz:`` it goes before the path in the name: that may have moved.
        input_shape: (channels, height, width) that the images must have.
        resize: whether images of another size are resized to it. Those of a folder always are,
            and are converted to its number of channels.

    Raises:
        DataError: there is no such data set, it cannot be had, or is not what it claims to be.
        ShapeError: its images have another shape, and are not to be resized, or cannot be.

    >>> digits = open_dataset("digits")
    >>> digits.input_shape, len(digits.classes), digits.train.images.dtype
    ((1, 8, 8), 10, dtype('uint8'))
    """
    key, path = parse(name)
    given = Path(folder).expanduser().absolute() if folder is not None else path
    request = Request(key, given, input_shape)
    load = import_module(f"nas.data.{request.row.module}").load
    dataset: Dataset = load(request)
    if input_shape is None or dataset.input_shape == tuple(input_shape):
        return dataset
    said = f"{dataset.title} has images of {spelled(dataset.input_shape)}"
    if dataset.input_shape[0] != input_shape[0]:
        channels = plural(dataset.input_shape[0], "channel")
        raise ShapeError(f"{said}, not of {spelled(input_shape)}; accepted: {channels}")
    if not resize:
        raise ShapeError(
            f"{said}, not of {spelled(input_shape)}; accepted: that size, or another one with "
            "resize"
        )
    return resized(dataset, input_shape)
