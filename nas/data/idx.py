"""The idx format, in which MNIST and the sets that follow it are published."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nas.errors import DataError


def idx_header(shape: tuple[int, ...]) -> bytes:
    """Two zeros, 8 for unsigned bytes, the number of dimensions, then each, big-endian."""
    return bytes([0, 0, 8, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape)


def find_idx(places: list[Path], name: str) -> Path | None:
    """The file ``name``, gzipped or not, in the first of the folders that has it."""
    for place in places:
        for path in (place / f"{name}.gz", place / name):
            if path.exists():
                return path
    return None


def read_idx(
    path: Path, dimensions: int, shape: tuple[int, ...] | None = None
) -> NDArray[np.uint8]:
    """The array of unsigned bytes in an idx file, gzipped where its name ends in .gz.

    Raises:
        DataError: it is cut short, too long, or no such array (of ``shape``, where that is given);
            the message names the file.
    """
    length = 4 + 4 * dimensions  # of the header
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            header = file.read(length)
            if shape is None:
                shape = _shape(header, dimensions)
            if shape is None or header != idx_header(shape):
                of = f"{shape} bytes" if shape else f"{dimensions} dimensions"
                raise DataError(f"{path}: does not begin as an idx file of {of}")
            size = int(np.prod(shape))
            content = file.read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error})") from None
    if len(content) != size:
        found = length + len(content) if len(content) < size else "more"
        raise DataError(f"{path}: {length + size} bytes were expected, it has {found}")
    return np.frombuffer(content, np.uint8).reshape(shape)


def _shape(header: bytes, dimensions: int) -> tuple[int, ...] | None:
    """The sizes in the header; None where it is none of so many dimensions."""
    if len(header) != 4 + 4 * dimensions or header[:4] != bytes([0, 0, 8, dimensions]):
        return None
    sizes = np.frombuffer(header[4:], ">u4")
    return tuple(int(size) for size in sizes)
