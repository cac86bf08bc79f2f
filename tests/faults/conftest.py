"""The server that drivers are forked from, and a database server that can be stopped."""

from multiprocessing import forkserver
from pathlib import Path

import pytest
from conftest import postgres_server
from faults.servers import Server


@pytest.fixture(scope="session", autouse=True)
def fork_server():
    """Started here, as it finds ``faults`` by PYTHONPATH only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
        patch.setenv("OMP_NUM_THREADS", "1")
        forkserver.ensure_running()


@pytest.fixture(scope="session")
def own_postgres():
    """Not the one that other tests use, as it is stopped."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def server(own_postgres):
    server = Server(own_postgres)
    yield server
    server.start()
    server.close()
