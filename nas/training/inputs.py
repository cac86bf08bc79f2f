"""Images in the forms that people have them, as pixels of 0 to 255 for a network to look at.

What cannot be told for certain is refused by name: which axis is which, and what white is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from numbers import Real
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from nas.data.dataset import Shape, spelled
from nas.data.pixels import decode, is_image, refuse_channels, size_mismatch
from nas.errors import DataError, ShapeError

BATCH = 500  # images that a network gets at a time
BRIGHT = 128  # as real numbers, only of what has a pixel so bright it is certain that white is 255
ACCEPTED = "files, PIL images, NumPy arrays or tensors, one or many"


def batches(
    images: Any, shape: Shape, *, resize: bool = False, scale: float | None = None
) -> Iterator[Tensor]:
    """The images as (n, C, H, W) float32 pixels of 0 to 255, in order; checked before the first.

    Args:
        images: a file's path, an image of PIL, an array or a tensor; or many, as a list of these or
            as one array. Axes may be H,W; C,H,W; H,W,C; N,H,W; N,C,H,W or N,H,W,C.
        shape: (C, H, W) that the network takes.
        resize: whether images of another size are resized to it, smoothed where they are larger.
        scale: the value that is white. Of uint8 that is 255 whatever is said of others, of real
            numbers 1 or 255, whichever their range tells.

    Raises:
        DataError: something is no image, or what white is cannot be told.
        ShapeError: an image has another size or other channels.
    """
    found = [_array(one, name, shape, resize=resize) for name, one in _named(images)]
    arrays = [one for one in found if len(one)]
    if not arrays:
        raise DataError(f"images: there is none; accepted: {ACCEPTED}")
    if scale is not None and not (isinstance(scale, Real) and 0 < scale < math.inf):
        raise DataError(f"scale is {scale!r}; accepted: the value that is white, such as 1 or 255")
    # of bytes white is 255, whatever the others are
    others = [one for one in arrays if one.dtype != np.uint8]
    if not others and scale not in (None, 255):
        raise DataError(
            f"scale is {scale:g}, but of bytes, as of files and uint8, 255 is white; accepted: no "
            "scale, or an array of real numbers"
        )
    white = _white(others, scale) if others else 255.0
    return _batches(arrays, shape, white)


def _batches(arrays: Sequence[NDArray[Any]], shape: Shape, white: float) -> Iterator[Tensor]:
    pending: list[Tensor] = []
    for array in arrays:
        for start in range(0, len(array), BATCH):
            part = array[start : start + BATCH]
            pixels = torch.from_numpy(part.astype(np.float32))  # (n, C, h, w)
            if part.dtype != np.uint8:
                pixels *= 255 / white
            if pixels.shape[2:] != shape[1:]:
                pixels = F.interpolate(pixels, shape[1:], mode="bilinear", antialias=True)
            pending.append(pixels)
            if sum(map(len, pending)) >= BATCH:
                yield torch.cat(pending)
                pending = []
    if pending:
        yield torch.cat(pending)


def _named(images: Any) -> Iterator[tuple[str, Any]]:
    """Each image, or array of images, and what errors call it."""
    if is_image(images) or isinstance(images, np.ndarray | Tensor):
        yield "images", images
    elif isinstance(images, Iterable) and not isinstance(images, bytes):
        yield from ((f"images[{number}]", one) for number, one in enumerate(images))
    else:
        raise DataError(f"images is a {type(images).__name__}; accepted: {ACCEPTED}")


def _array(given: Any, name: str, shape: Shape, *, resize: bool) -> NDArray[Any]:
    """(n, C, h, w), as it is; of a file or an image of PIL uint8."""
    if is_image(given):
        return decode(given, shape, resize=resize, name=name)[None]
    if isinstance(given, Tensor):
        try:
            given = given.detach().cpu()
            given = (given.float() if given.is_floating_point() else given).numpy()
        except (RuntimeError, TypeError, NotImplementedError):
            raise DataError(f"{name} is a tensor without numbers; accepted: {ACCEPTED}") from None
    if not isinstance(given, np.ndarray):
        raise DataError(f"{name} is a {type(given).__name__}; accepted: {ACCEPTED}")
    if given.dtype.kind not in "uif":
        raise DataError(
            f"{name} is of type {given.dtype}; accepted: uint8 of 0 to 255, or real numbers of "
            "0 to 1"
        )
    found = _ordered(given, name, shape)
    if found.shape[1:] != shape and not resize:
        raise ShapeError(size_mismatch(name, (shape[0], *found.shape[2:]), shape))
    if 0 in found.shape[2:]:
        raise ShapeError(f"{name} has shape {given.shape}: no pixel")
    return found


def _ordered(array: NDArray[Any], name: str, shape: Shape) -> NDArray[Any]:
    """The array with its axes as (N, C, H, W), where only one order of them can be meant."""
    channels = shape[0]
    ways: list[NDArray[Any]] = []
    if array.ndim == 2:
        ways = [array[None, None]]
    elif array.ndim == 3:
        ways = [array[None], array.transpose(2, 0, 1)[None]]
        # else it is, or may be, one image with its channels
        if array.shape[0] not in (1, 3) and array.shape[2] not in (1, 3, 4):
            ways.append(array[:, None])
    elif array.ndim == 4:
        ways = [array, array.transpose(0, 3, 1, 2)]
    fitting = [way for way in ways if way.shape[1] == channels]
    if not fitting and not (array.ndim == 3 and array.shape[0] == 3):  # three grey ones, or one?
        for own in (1, 3):
            if own != channels and any(way.shape[1] == own for way in ways):
                refuse_channels(name, own, channels)
    if len(fitting) > 1:
        fitting = [way for way in fitting if way.shape[1:] == shape]
    if len(fitting) == 1:
        return fitting[0]
    height, width = shape[1:]
    one = " or (H, W)" if channels == 1 else f" or ({channels}, H, W)"
    raise ShapeError(
        f"{name} has shape ({', '.join(map(str, array.shape))}), which can be no images of "
        f"{spelled(shape)} for certain; accepted: (N, {channels}, {height}, {width}){one}"
    )


def _white(arrays: Sequence[NDArray[Any]], scale: float | None) -> float:
    """The value that stands for white in arrays that are not of bytes.

    Raises:
        DataError: their range does not tell.
    """
    # NumPy's, which keep what is no number
    low = float(np.min([one.min() for one in arrays]))
    high = float(np.max([one.max() for one in arrays]))
    said = f"images: their values are {low:.4g} to {high:.4g}"
    if not (low >= 0 and np.isfinite(high)):  # also of one that is no number
        raise DataError(
            f"{said}; accepted: pixels of 0 to 1 or of 0 to 255 that are not normalised, as the "
            "network does that itself"
        )
    if scale is not None:
        if high > scale:
            raise DataError(f"{said}, above scale, which is {scale:g} and stands for white")
        return float(scale)
    if high > 255:
        raise DataError(f"{said}; accepted: 0 to 1, 0 to 255, or scale, the value that is white")
    if high >= BRIGHT:
        if any(0 < float(one.max()) <= 1 for one in arrays):
            raise DataError(
                f"{said}, and those of some images 0 to 1 alone: whether 1 or 255 is white cannot "
                "be told; give all of them alike, or say scale=255"
            )
        return 255.0
    binary = all(bool(np.isin(one, (0, 1)).all()) for one in arrays)
    # of a photograph as real numbers of 0 to 1, resized, 1.1 may be the largest; of one with 4 bits
    # a pixel it is 15 or 16
    if high > 1 or (binary and high):
        least = 1 if high < 2 else math.ceil(high)
        raise DataError(
            f"{said}{', no other ones' * binary}: whether {least} or 255 is white cannot be told; "
            f"say scale={least} or scale=255"
        )
    return 1.0
