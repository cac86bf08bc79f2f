"""Real clusters on one machine, each with a folder of its own."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from nas.search.machine import Address

RAY = [sys.executable, "-m", "ray.scripts.scripts"]
# An objective that says which node it is on, and lasts for as long as the nodes are moved about.
# A file named after a node fills the disk of that one.
SLOW = """
import errno, json, os, time
from pathlib import Path

import ray

FOLDER = Path(__file__).parent


class Slow:
    def __init__(self, architecture, config):
        self.done = 0

    def epoch(self):
        node = ray.get_runtime_context().get_node_id()
        if (FOLDER / "full" / node).exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        (FOLDER / "seen" / node).touch()
        time.sleep(0.4)
        self.done += 1
        return {"val_accuracy": 0.5 + self.done / 100}

    def save(self, path):
        path.write_text(json.dumps(self.done))

    def load(self, path):
        self.done = json.loads(path.read_text())
"""


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


def wait_for(condition: Callable[[], object], seconds: float = 120) -> None:
    """Until that is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.1)
