"""Where Fashion-MNIST comes from: a given folder, the cache, this system, torchvision, Debian.

The first that has it is verified and kept in the user's cache as .npy arrays. No step imports
torch into this process: torchvision's download runs in a process of its own.
"""

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from platformdirs import user_cache_path

from nas.errors import DataError
from nas.training.fashion_mnist import is_complete, read

SYSTEM_FOLDER = Path("/usr/share/datasets/fashion-mnist")  # of Debian's dataset-fashion-mnist

log = logging.getLogger(__name__)

Arrays = dict[str, NDArray[np.uint8]]

# Given up when the mirror has sent nothing in 8 s; a download that goes on may take its time.
TORCHVISION = """
import os, socket, sys, threading
from pathlib import Path
from torchvision.datasets import FashionMNIST

def give_up_unless_begun():
    if not any(Path(sys.argv[1]).rglob("*.gz")):
        print("the mirror does not answer", file=sys.stderr, flush=True)
        os._exit(1)

socket.setdefaulttimeout(8)
watch = threading.Timer(8, give_up_unless_begun)
watch.daemon = True
watch.start()
FashionMNIST(sys.argv[1], download=True)
"""


def cache_folder() -> Path:
    """Where the arrays are kept: in ``NAS_CACHE`` if it is set, else in the user's cache."""
    root = os.environ.get("NAS_CACHE")
    return (
        Path(root).expanduser() if root else user_cache_path("nas")
    ).absolute() / "fashion-mnist"


def fetch(data_dir: Path | str | None = None) -> Path:
    """A folder with the four verified .npy arrays, for ``load_train`` and ``load_test``.

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
    _run(sys.executable, "-c", TORCHVISION, str(folder))
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
    _run(*command, "update")
    _run(*command, "download", "dataset-fashion-mnist", cwd=folder)
    for package in folder.glob("*.deb"):
        _run("dpkg-deb", "--extract", str(package), str(folder))
    return read(folder / SYSTEM_FOLDER.relative_to("/"))


def _run(*command: str, cwd: Path | None = None) -> None:
    """Run ``command`` in silence; its last words are the error's."""
    try:
        subprocess.run(
            command,
            cwd=cwd,
            env={**os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=600,
        )
    except OSError as error:
        raise DataError(f"{command[0]} cannot be run ({error})") from None
    except subprocess.TimeoutExpired:
        raise DataError("gave up after 10 minutes") from None
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or [f"exit code {error.returncode}"]
        raise DataError(lines[-1]) from None


def _store(arrays: Arrays, partial: Path, cache: Path) -> None:
    """Write each array beside its place, then move it there: a file in place is a whole one."""
    for name, array in arrays.items():
        with (partial / name).open("wb") as file:
            np.save(file, array)
            file.flush()
            os.fsync(file.fileno())
        (partial / name).replace(cache / name)
