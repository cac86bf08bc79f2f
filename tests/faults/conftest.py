"""The server that drivers are forked from."""

from multiprocessing import forkserver
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def fork_server():
    """Started here, as it finds ``faults`` by PYTHONPATH only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
        patch.setenv("OMP_NUM_THREADS", "1")
        forkserver.ensure_running()
