"""Images in the forms that people have them, as uint8 of one shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from nas.errors import DataError
from nas.text import one_line

MODES = {1: "L", 3: "RGB"}  # by number of channels
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
        raise DataError(f"{path}: cannot be read as an image ({one_line(error)[:200]})") from None
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
            grey = file.mode in ("1", "L", "LA", "La", *WIDE)
    except Exception as error:
        raise DataError(f"{path}: cannot be read as an image ({one_line(error)[:200]})") from None
    return (1 if grey else 3), height, width


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
