"""Images in the forms that people have them, as uint8 of one shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from nas.data.dataset import Shape, spelled
from nas.errors import DataError, ShapeError
from nas.text import one_line, visible

MODES = {1: "L", 3: "RGB"}  # by number of channels
WORDS = {1: "grey", 3: "colour"}
WIDE = ("I", "I;16", "I;16B", "I;16L", "I;16N")  # 16 bits a pixel, which PIL would cut at 255


def resize(images: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """(N, C, H, W) to (N, C, *size), each channel by itself: bilinear, smoothed where smaller."""
    count, channels = images.shape[:2]
    made = np.empty((count, channels, *size), np.uint8)
    for n in range(count):
        for c in range(channels):
            channel = Image.fromarray(np.ascontiguousarray(images[n, c]))
            made[n, c] = np.asarray(channel.resize(size[::-1], Image.Resampling.BILINEAR))
    return made


def read_image(path: Path, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """The image in a file as (C, H, W), converted and resized to ``shape``.

    It is turned as its camera says; what is transparent is black.

    Raises:
        DataError: it cannot be read as an image; the message names the file.
    """
    channels, *size = shape
    try:
        with Image.open(path) as file:
            image = _plain(ImageOps.exif_transpose(file), MODES[channels])
        if image.size != (size[1], size[0]):
            image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    except Exception as error:  # PIL raises what its formats' readers come upon
        raise DataError(_unreadable(path, error)) from None
    pixels = np.asarray(image)
    return pixels[None] if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def shape_of(path: Path) -> tuple[int, int, int]:
    """(channels, height, width) of the image in a file: 1 channel if it is grey, else 3.

    Raises:
        DataError: it cannot be read as an image; the message names the file.
    """
    try:
        with Image.open(path) as file:
            width, height = ImageOps.exif_transpose(file).size
            return _channels(file), height, width
    except Exception as error:
        raise DataError(_unreadable(path, error)) from None


def is_image(given: object) -> bool:
    """Whether it is the path of a file or an image of PIL: what ``decode`` takes."""
    return isinstance(given, str | Path | Image.Image)


def decode(
    given: str | Path | Image.Image, shape: Shape, *, resize: bool, name: str
) -> NDArray[np.uint8]:
    """An image of PIL, or that in a file, as (C, H, W) of exactly ``shape``.

    It is turned and smoothed as ``read_image`` does, but what is grey is not made colour, nor the
    other way round, and other sizes are resized only if that is asked for. ``name`` is what errors
    call an image of PIL; a file has its own.

    Raises:
        DataError: the file cannot be read as an image.
        ShapeError: the image has other channels or another size.
    """
    if not isinstance(given, Image.Image):
        name = visible(given)
        own = shape_of(Path(given))
    else:
        own = (_channels(given), given.height, given.width)
    refuse_channels(name, own[0], shape[0])
    if own != shape and not resize:
        raise ShapeError(size_mismatch(name, own, shape))
    if not isinstance(given, Image.Image):
        return read_image(Path(given), shape)
    if given.mode in WIDE and 0 < (most := int(np.asarray(given).max())) <= 255:
        raise DataError(
            f"{name} has more than 8 bits a pixel, of which the largest is {most}: whether 255 or "
            "65535 is white cannot be told; accepted: numpy.asarray of it, with scale"
        )
    try:
        image = _plain(given, MODES[shape[0]])
    except Exception as error:
        raise DataError(_unreadable(name, error)) from None
    if image.size != (shape[2], shape[1]):
        image = image.resize((shape[2], shape[1]), Image.Resampling.BILINEAR)
    return np.asarray(image).reshape(*shape[1:], shape[0]).transpose(2, 0, 1)


def refuse_channels(name: str, own: int, wanted: int) -> None:
    """Do nothing if an image has as many channels as a network takes.

    Raises:
        ShapeError: it is of another number of them.
    """
    if own == wanted:
        return
    said, accepted = (WORDS.get(n, f"of {n} channels") for n in (own, wanted))
    how = f", as of PIL's image.convert({MODES[wanted]!r})" if wanted in MODES else ""
    raise ShapeError(
        f"{name} is {said}, the network was trained on images that are {accepted}; accepted: "
        f"{accepted} ones{how}"
    )


def size_mismatch(name: str, own: Shape, wanted: Shape) -> str:
    """What is said of an image of another size, where it is not to be resized."""
    return (
        f"{name} has {spelled(own[1:])} pixels, the network was trained on {spelled(wanted[1:])}; "
        "accepted: that size, or another one with resize"
    )


def _unreadable(name: str | Path, error: Exception) -> str:
    return f"{visible(name)}: cannot be read as an image ({one_line(error)[:200]})"


def _channels(image: Image.Image) -> int:
    """1 if it is grey, else 3."""
    return 1 if image.mode in ("1", "L", "LA", "La", "F", *WIDE) else 3


def _plain(image: Image.Image, mode: str) -> Image.Image:
    if image.mode in WIDE:
        image = Image.fromarray((np.asarray(image).clip(0, 65535) // 257).astype(np.uint8))
    elif image.mode == "F":
        raise ValueError("its pixels are real numbers; accepted: 8 or 16 bits")
    if image.mode in ("LA", "La", "PA", "RGBa", "RGBA") or "transparency" in image.info:
        image = image.convert("RGBA")
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, image).convert("RGB")
    return image.convert(mode)
