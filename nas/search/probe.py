"""What a machine says of itself when it is asked whether a search can run there.

The functions travel to the nodes of a cluster as they are, and use nothing of nas that is not
looked up there: a node may have another one, or none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

COMPARED = ("python", "ray", "nas", "torch")


@dataclass(frozen=True)
class Report:
    """What a node said, and when it was asked and had answered: ``time.time()`` of the driver."""

    host: str
    said: Mapping[str, Any]
    asked: float
    answered: float
    problem: str = ""
    """Why there is no answer."""
    silent: bool = False
    """Whether it did not answer in time, rather than badly."""

    @property
    def seconds_off(self) -> float:
        """By how much at least its clock is before ours, or, if negative, behind."""
        clock = float(self.said["clock"])
        return min(0.0, clock - self.asked) + max(0.0, clock - self.answered)


def look(question: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values of this machine, gathered without loading torch or ray.

    Args:
        question: ``marker``: a file that was just written where checkpoints will be, and its
            ``text``; ``dataset`` and ``data`` as ``nas.data.open_dataset`` takes them, no dataset
            for none; ``folders``: environment variables that say where data is; ``seconds`` that
            bringing it may take.
    """
    import os
    import shutil
    import socket
    import tempfile
    import time

    clock = time.time()
    os.environ.update(question.get("folders", {}))
    memory = "/dev/shm"
    return {
        "host": socket.gethostname(),
        "clock": clock,
        **software(),
        "ray": version_of("ray"),
        "gpus": gpus(),
        "runs": shared(question["marker"], question["text"]),
        "data": data(question.get("dataset"), question.get("data"), question["seconds"]),
        "disk": shutil.disk_usage(tempfile.gettempdir()).free,
        memory: free_of(memory),
    }


def software() -> dict[str, str]:
    """What trains here, by name: what makes a difference to a result."""
    import platform

    return {
        "python": platform.python_version(),
        **{name: version_of(name) for name in ("nas", "torch")},
    }


def version_of(name: str) -> str:
    """Of an installed package; that of nas with a digest of its source, which may be a checkout."""
    import hashlib
    from importlib.metadata import PackageNotFoundError, version
    from importlib.util import find_spec
    from pathlib import Path

    try:
        found = version(name)
    except PackageNotFoundError:
        found = "none"
    if name != "nas":
        return found
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        return found
    package, digest = Path(spec.origin).parent, hashlib.sha256()
    for file in sorted(package.rglob("*.py")):
        digest.update(f"{file.relative_to(package)}\n".encode() + file.read_bytes())
    return f"{found} ({digest.hexdigest()[:8]})"


def gpus() -> list[str]:
    """The names of the NVIDIA GPUs."""
    import subprocess

    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        listing = subprocess.run(query, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in listing.stdout.splitlines() if line.strip()]


def shared(marker: str, text: str) -> str:
    """What is wrong with the folder of ``marker``; nothing where both machines see the same."""
    import tempfile
    import time
    from pathlib import Path

    if "://" in marker:
        return in_bucket(marker, text)
    file = Path(marker)
    for wait in (0.0, 0.5, 1.0):  # a network file system may show a new file a little later
        time.sleep(wait)
        try:
            if file.read_text() == text:
                break
        except OSError:
            continue
    else:
        return f"{file.parent} there is not the folder of this name here"
    try:
        with tempfile.TemporaryFile(dir=file.parent):
            return ""
    except OSError as error:
        return f"{file.parent} cannot be written there ({error.strerror})"


def in_bucket(marker: str, text: str) -> str:
    """As ``shared``, of a URL."""
    from pyarrow.fs import FileSystem

    try:
        files, path = FileSystem.from_uri(marker)
        with files.open_input_stream(path) as stream:
            found = stream.read().decode()
        with files.open_output_stream(f"{path}-{text}") as stream:
            stream.write(b"nas")
        files.delete_file(f"{path}-{text}")
    except Exception as error:  # pyarrow has some of its own
        said = " ".join(str(error).split())[:200]
        return f"its object storage cannot be read and written there ({said})"
    return "" if found == text else "its object storage is another one there"


def data(dataset: str | None, folder: str | None, seconds: float) -> str:
    """What is wrong with the data set; nothing where it is there now."""
    from threading import Thread

    if dataset is None:
        return ""
    problem = [f"not there within {seconds:g} s"]

    def bring() -> None:
        try:
            from nas.data import open_dataset

            open_dataset(dataset, folder=folder)
            problem[0] = ""
        except Exception as error:
            problem[0] = " ".join(f"{error}".split()) or type(error).__name__

    thread = Thread(target=bring, daemon=True)
    thread.start()
    thread.join(seconds)
    return problem[0]


def free_of(folder: str) -> int | None:
    """Free bytes of a file system; None where there is no such folder."""
    import shutil

    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None
