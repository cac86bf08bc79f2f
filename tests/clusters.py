"""Real clusters on one machine, each with a folder of its own."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from nas.search.machine import Address

RAY = [sys.executable, "-m", "ray.scripts.scripts"]


@contextmanager
def folder_of_ray() -> Iterator[Path]:
    """A folder that Ray can keep its sockets in; what was started there ends with it."""
    folder = Path(tempfile.mkdtemp(prefix="nas", dir="/tmp"))
    try:
        yield folder
    finally:
        for process in started_in(folder):
            process.kill()
        shutil.rmtree(folder, ignore_errors=True)


def started_in(folder: Path) -> list[psutil.Process]:
    """The processes of the Ray whose sessions are in ``folder``."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if process.pid != os.getpid() and any(str(folder) in word for word in words):
            found.append(process)
    return found


def start_head(folder: Path, *options: str, **environment: str) -> Address:
    """Where the head node of a real cluster is, whose sessions are in ``folder``."""
    head = ["start", "--head", "--port=0", "--num-cpus=1"]
    head += options or ["--include-dashboard=false"]
    subprocess.run(
        [*RAY, *head, f"--temp-dir={folder}/ray"],
        env={**os.environ, "RAY_TMPDIR": str(folder), **environment},
        check=True,
        capture_output=True,
        timeout=120,
    )
    return Address((folder / "ray" / "ray_current_cluster").read_text().strip())
