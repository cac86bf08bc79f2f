"""Fashion-MNIST (Xiao et al. 2017, arXiv:1708.07747): its four arrays, checked by content.

A folder may hold each array as our own .npy, or as the published idx file, gzipped or not; the
SHA-256 below is that of the pixels or labels alone, so a recompressed copy is as good as the
first. Nothing here imports torch.
"""

import gzip
import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas.errors import DataError

CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip

# of the 60,000 training images, pixels scaled to 0 … 1
MEAN, STD = 0.2860, 0.3530


class LabelledImages(NamedTuple):
    """``images`` (N, 28, 28) uint8 and their ``labels`` (N,) uint8, in the published order."""

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]


@dataclass(frozen=True)
class Part:
    """One of the four arrays: its names as a file, its shape, the SHA-256 of its bytes."""

    npy: str
    idx: str
    shape: tuple[int, ...]
    sha256: str

    @property
    def idx_header(self) -> bytes:
        """Two zeros, 8 for unsigned bytes, the number of dimensions, then each, big-endian."""
        sizes = b"".join(size.to_bytes(4, "big") for size in self.shape)
        return bytes([0, 0, 8, len(self.shape)]) + sizes


PARTS = (
    Part(
        "train_images.npy",
        "train-images-idx3-ubyte",
        (60_000, 28, 28),
        "2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012",
    ),
    Part(
        "train_labels.npy",
        "train-labels-idx1-ubyte",
        (60_000,),
        "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7",
    ),
    Part(
        "test_images.npy",
        "t10k-images-idx3-ubyte",
        (10_000, 28, 28),
        "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a",
    ),
    Part(
        "test_labels.npy",
        "t10k-labels-idx1-ubyte",
        (10_000,),
        "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9",
    ),
)


def fingerprint() -> str:
    """What a study records of its data: SHA-256 over the parts' own, 64 hex digits."""
    return hashlib.sha256("".join(part.sha256 for part in PARTS).encode()).hexdigest()


def load_train(folder: Path) -> LabelledImages:
    """The 60,000 images for training and validation, mapped from the .npy files of ``folder``.

    Processes that load the same folder share its memory. The contents are not verified again:
    ``fetch`` has done so.

    Raises:
        DataError: a file is missing or of another shape; the message names it.
    """
    return LabelledImages(_mapped(folder, PARTS[0]), _mapped(folder, PARTS[1]))


def load_test(folder: Path) -> LabelledImages:
    """The 10,000 test images, as ``load_train``. For the final evaluation alone."""
    return LabelledImages(_mapped(folder, PARTS[2]), _mapped(folder, PARTS[3]))


def read(folder: Path) -> dict[str, NDArray[np.uint8]]:
    """All four arrays of ``folder`` in whichever form it has them, verified, by .npy name.

    The files may also lie in FashionMNIST/raw, where torchvision puts them.

    Raises:
        DataError: a file is missing, cut short or of other contents; the message names it.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    return {part.npy: _read_part(folder, part) for part in PARTS}


def is_complete(folder: Path) -> bool:
    """Whether ``folder`` holds the four .npy arrays with the right contents (55 MB are hashed)."""
    try:
        for part in PARTS:
            _verified(folder / part.npy, _mapped(folder, part), part)
    except DataError:
        return False
    return True


def _read_part(folder: Path, part: Part) -> NDArray[np.uint8]:
    for place in (folder, folder / "FashionMNIST" / "raw"):
        for name in (f"{part.idx}.gz", part.idx):
            if (place / name).exists():
                return _verified(place / name, _read_idx(place / name, part), part)
    if (folder / part.npy).exists():
        return _verified(folder / part.npy, _mapped(folder, part), part)
    raise DataError(f"{folder} has no {part.idx}.gz (nor, unpacked, {part.idx}, nor {part.npy})")


def _read_idx(path: Path, part: Part) -> NDArray[np.uint8]:
    header = part.idx_header
    size = len(header) + int(np.prod(part.shape))
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error})") from None
    if not content.startswith(header):
        raise DataError(f"{path}: does not begin as an idx file of {part.shape} bytes")
    if len(content) != size:
        found = len(content) if len(content) < size else "more"
        raise DataError(f"{path}: {size} bytes were expected, it has {found}")
    return np.frombuffer(content, np.uint8, offset=len(header)).reshape(part.shape)


def _mapped(folder: Path, part: Part) -> NDArray[np.uint8]:
    path = folder / part.npy
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise DataError(f"{path} is missing; fetch the data first") from None
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from None
    if array.dtype != np.uint8 or array.shape != part.shape or not array.flags.c_contiguous:
        raise DataError(
            f"{path}: holds {array.dtype} {array.shape}; uint8 {part.shape} was expected"
        )
    mapped: NDArray[np.uint8] = array
    return mapped


def _verified(path: Path, array: NDArray[np.uint8], part: Part) -> NDArray[np.uint8]:
    found = hashlib.sha256(array.data).hexdigest()
    if found != part.sha256:
        raise DataError(
            f"{path}: not the contents of Fashion-MNIST (SHA-256 {found[:12]}… where "
            f"{part.sha256[:12]}… was expected)"
        )
    return array
