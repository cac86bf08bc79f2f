"""Fashion-MNIST (Xiao et al. 2017, arXiv:1708.07747): its four arrays, checked by content.

They come from a given folder, the cache, this system, torchvision or Debian: the first that has
them is verified and kept in the user's cache as .npy arrays. A folder may hold each array as our
own .npy, or as the published idx file, gzipped or not; the SHA-256 below is that of the pixels or
labels alone, so a recompressed copy is as good as the first.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from nas.data.cache import cache_root
from nas.data.dataset import Dataset, LabelledImages
from nas.data.download import by_torchvision, run
from nas.data.idx import find_idx, read_idx
from nas.data.registry import Request
from nas.errors import DataError

SYSTEM_FOLDER = Path("/usr/share/datasets/fashion-mnist")  # of Debian's dataset-fashion-mnist

log = logging.getLogger(__name__)

Arrays = dict[str, NDArray[np.uint8]]

CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip

# of the 60,000 training images, pixels scaled to 0 … 1
MEAN, STD = 0.2860, 0.3530


@dataclass(frozen=True)
class Part:
    """One of the four arrays: its names as a file, its shape, the SHA-256 of its bytes."""

    npy: str
    idx: str
    shape: tuple[int, ...]
    sha256: str


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


def load(request: Request) -> Dataset:
    """The 60,000 images for training and validation, and the 10,000 for the test, as fetched.

    They are mapped from .npy files: processes that load the same folder share its memory. The
    contents are not verified again: ``fetch`` has done so.
    """
    folder = fetch(request.path)
    train_images, train_labels, test_images, test_labels = (_mapped(folder, one) for one in PARTS)
    return Dataset(
        name=request.full_name,
        title=request.title,
        input_shape=(1, 28, 28),
        classes=CLASSES,
        fingerprint=fingerprint(),
        mean=(MEAN,),
        std=(STD,),
        train=LabelledImages(train_images[:, None], train_labels),
        test=LabelledImages(test_images[:, None], test_labels),
        validation_fraction=request.row.validation_fraction,
        mirrored=request.row.mirrored,
    )


def cache_folder() -> Path:
    """Where the arrays are kept: in ``NAS_CACHE`` if it is set, else in the user's cache."""
    return cache_root() / "fashion-mnist"


def fetch(data_dir: Path | str | None = None) -> Path:
    """A folder with the four verified .npy arrays, in the published order.

    Args:
        data_dir: the folder to take them from; without it ``NAS_DATA`` is. A folder that is given
            is used or refused, never passed over.

    Raises:
        DataError: the given folder is incomplete or corrupt (the message names the file), or no
            source has the data (the message says what each answered and what can be done).
    """
    given = data_dir or os.environ.get("NAS_DATA")
    cache = cache_folder()
    arrays: Arrays | None = None
    if given:
        folder = Path(given).expanduser().absolute()
        if is_complete(folder):
            return folder
        arrays = read(folder)  # of the same contents as the cache: verified
    if is_complete(cache):
        return cache
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / "lock"):  # others wait for the one that fetches
            if not is_complete(cache):
                partial = cache / "partial"
                shutil.rmtree(partial, ignore_errors=True)  # of one that was killed
                partial.mkdir()
                try:
                    _store(arrays or _find(cache, partial), partial, cache)
                finally:
                    shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise DataError(
            f"the cache {cache} cannot be written ({error}); set NAS_CACHE to a folder that can"
        ) from None
    return cache


def _find(cache: Path, partial: Path) -> Arrays:
    """The arrays from the first source that has them, whole and verified."""
    sources: dict[str, Callable[[], Arrays]] = {
        "cache": lambda: read(cache),  # files that the user has copied there
        "system": lambda: read(SYSTEM_FOLDER),
        "torchvision": lambda: _download_by_torchvision(partial / "torchvision"),
        "apt-get": lambda: _download_by_apt(partial / "debian"),
    }
    answers = []
    for name, source in sources.items():
        try:
            return source()
        except DataError as error:
            answers.append(f"{name}: {error}")
    raise DataError(
        "Fashion-MNIST is nowhere to be had. Do one of these: give a folder that has it (--data "
        "DIR, or NAS_DATA); install the Debian package dataset-fashion-mnist; connect to the "
        "network, so that torchvision can download it; copy its four files *-ubyte.gz into "
        f"{cache}. Tried: {'; '.join(answers)}"
    )


def _download_by_torchvision(folder: Path) -> Arrays:
    log.info("downloading Fashion-MNIST with torchvision (30 MB)")
    by_torchvision("FashionMNIST", folder)
    return read(folder)


def _download_by_apt(folder: Path) -> Arrays:
    """Debian's package, unpacked without being installed; needs no root and no package lists."""
    apt = shutil.which("apt-get")
    if apt is None:
        raise DataError("there is no apt-get here")
    log.info("downloading Fashion-MNIST with apt-get (30 MB)")
    lists = folder / "lists"
    (lists / "partial").mkdir(parents=True)
    (folder / "archives" / "partial").mkdir(parents=True)
    options = {
        "Dir::State::Lists": lists,
        "Dir::Cache": folder,
        "APT::Sandbox::User": "root",  # else root's apt acts as _apt, who may not enter the cache
        "Acquire::Retries": 0,
        "Acquire::http::Timeout": 5,
        "Acquire::https::Timeout": 5,
    }
    command = [apt, "-qq", *(f"-o{name}={value}" for name, value in options.items())]
    run(*command, "update")
    run(*command, "download", "dataset-fashion-mnist", cwd=folder)
    for package in folder.glob("*.deb"):
        run("dpkg-deb", "--extract", str(package), str(folder))
    return read(folder / SYSTEM_FOLDER.relative_to("/"))


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
    path = find_idx([folder, folder / "FashionMNIST" / "raw"], part.idx)
    if path is not None:
        return _verified(path, read_idx(path, len(part.shape), part.shape), part)
    if (folder / part.npy).exists():
        return _verified(folder / part.npy, _mapped(folder, part), part)
    raise DataError(f"{folder} has no {part.idx}.gz (nor, unpacked, {part.idx}, nor {part.npy})")


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


def _store(arrays: Arrays, partial: Path, cache: Path) -> None:
    """Write each array beside its place, then move it there: a file in place is a whole one."""
    for name, array in arrays.items():
        with (partial / name).open("wb") as file:
            np.save(file, array)
            file.flush()
            os.fsync(file.fileno())
        (partial / name).replace(cache / name)
