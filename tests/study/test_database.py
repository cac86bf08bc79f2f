"""A URL that cannot be used is refused in one line, and leaves nothing behind."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from threading import Thread

import optuna
import pytest
from sqlalchemy import URL, NullPool, insert, make_url, text
from sqlalchemy.exc import IntegrityError, OperationalError

from nas.errors import DamagedError, StorageError
from nas.metrics import METRICS
from nas.study.database import engines
from nas.study.database.engines import (
    check_url,
    engine_for,
    engine_options,
    locked,
    parse_url,
    shown,
    snapshot,
    sqlite_path,
    translate_errors,
)
from nas.study.database.outages import UnavailableError
from nas.study.database.sqlite_file import check_readable, check_writable, connect_read_only
from nas.study.database.storage import open_storage
from nas.study.database.tables import epochs


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("results.db", "for a file write sqlite:///results.db"),
        ("", "no database URL"),
        ("mongodb://host/db", "unknown scheme 'mongodb'; accepted: sqlite:///"),
        ("mysql+pymysql://host/db", "unknown scheme"),
        ("postgres://host/db", "write postgresql+psycopg:// instead of postgres://"),
        ("postgresql+psycopg2://host/db", "unknown scheme"),
        ("sqlite://", "must outlive its process"),
        ("sqlite:///:memory:", "must outlive its process"),
        ("sqlite:///file:x?mode=memory&uri=true", "must outlive its process"),
        ("sqlite:///nas.db?mode=ro", "sqlite:///nas.db has options behind a ?"),
        ("sqlite+aiosqlite:///x.db", "unknown scheme 'sqlite+aiosqlite'"),
        ("me:canary@host/db", "storage '…' is no database URL"),
        (f"{'x' * 81}", f"storage '{'x' * 80}' is no"),
        ("sqlite:///missing/folder/nas.db", "there is no folder missing/folder"),
        ("sqlite:////proc/nas.db", "cannot write in folder /proc"),
        ("sqlite:///.", "is a folder"),
    ],
)
def test_a_wrong_url_says_what_to_write(url, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StorageError) as refused:
        check_url(url)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not any(tmp_path.iterdir())


def test_a_file_that_is_no_database_stays_as_it_is(tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("dear diary, " * 100)
    with pytest.raises(StorageError, match="is no SQLite database"):
        check_url(f"sqlite:///{file}")
    assert file.read_text() == "dear diary, " * 100


def test_a_missing_driver_names_the_line_that_installs_it(monkeypatch):
    monkeypatch.setattr("nas.study.database.engines.find_spec", lambda name: None)
    with pytest.raises(StorageError, match=r"pip install 'nas\[postgres\]'"):
        check_url("postgresql+psycopg://host/db")


@pytest.mark.parametrize("secret", ["me:hunter2@host/db", "me@host/db?password=hunter2"])
def test_a_password_is_never_shown(secret):
    printed = shown(f"postgresql+psycopg://{secret}")
    assert "hunter2" not in printed
    assert printed.startswith("postgresql+psycopg://me")


def test_what_is_no_password_is_shown():
    url = "postgresql+psycopg://host/db?sslpassword=hunter2&sslmode=require"
    assert make_url(shown(url)).query == {"sslpassword": "hidden", "sslmode": "require"}


def test_a_reader_does_not_create_the_file(tmp_path):
    with pytest.raises(StorageError, match="there is no study database"):
        engine_for(f"sqlite:///{tmp_path}/nas.db", read_only=True)
    assert not any(tmp_path.iterdir())


@pytest.fixture
def table(database_url):
    """The URL of a database with a table t of whole numbers, and an engine that writes to it."""
    engine = engine_for(database_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (x INTEGER)"))
    yield database_url, engine
    engine.dispose()


def test_a_reader_cannot_write(table):
    engine = engine_for(table[0], read_only=True)
    with engine.connect() as connection, pytest.raises(Exception, match=r"readonly|read-only"):
        connection.exec_driver_sql("INSERT INTO t VALUES (1)")
    engine.dispose()


def test_a_snapshot_does_not_see_what_is_written_meanwhile(table):
    url, writer = table
    reader = engine_for(url, read_only=True)
    count = text("SELECT COUNT(*) FROM t")
    with snapshot(reader) as connection:
        assert connection.scalar(count) == 0
        with writer.begin() as other:
            other.execute(text("INSERT INTO t VALUES (1)"))
        assert connection.scalar(count) == 0
    with snapshot(reader) as connection:
        assert connection.scalar(count) == 1
    reader.dispose()


def test_a_second_process_waits_for_the_lock_as_long_as_it_says_and_no_longer(table):
    url, engine = table
    other = open_storage(url).engine
    with locked(engine), pytest.raises(UnavailableError, match="lock"), locked(other, 0.05):
        pytest.fail("two at a time")
    with pytest.raises(KeyError), locked(engine):
        raise KeyError
    with locked(other, 0.05):
        pass
    other.dispose()


def test_a_driver_waits_5_seconds_for_its_turn_and_an_opening_60(open_store, monkeypatch):
    waited = []

    class Lock(engines.FileLock):
        def acquire(self, *args, **options):
            waited.append(self.timeout)
            return super().acquire(*args, **options)

    monkeypatch.setattr(engines, "FileLock", Lock)
    store = open_store()
    if store.engine.dialect.name == "sqlite":
        assert set(waited) == {60}
        with store.claiming():
            pass
        assert waited[-1] == 5 and waited.count(5) == 1


# --- how a writer's connections are configured, on a real file ---


@pytest.fixture
def file(tmp_path):
    return tmp_path / "nas.db"


@pytest.mark.parametrize("times", [1, 2])
def test_a_row_that_refers_to_nothing_is_refused_on_every_connection(store, helpers, times):
    orphan = {name: helpers.result(1)[name] for name in METRICS}
    for _ in range(times):
        store.engine.dispose()  # the next connection is a new one
    with pytest.raises(IntegrityError), store.engine.begin() as connection:
        connection.execute(insert(epochs).values(study_id=1, trial=5, attempt=1, epoch=1, **orphan))


def test_a_transaction_that_has_only_read_keeps_other_writers_out(file):
    engine = engine_for(f"sqlite:///{file}")
    with closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as other:
        other.execute("CREATE TABLE t (x)")
        with engine.begin() as connection:
            connection.execute(text("SELECT * FROM t")).fetchall()
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
        other.execute("BEGIN IMMEDIATE")
    engine.dispose()


def test_readers_never_block_a_writer(file):
    engine = engine_for(f"sqlite:///{file}")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (x)"))
    with closing(sqlite3.connect(file)) as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    engine.dispose()


@pytest.mark.parametrize("read_only", [False, True])
def test_a_connection_waits_a_minute_for_another_writer(file, read_only):
    sqlite3.connect(file).close()
    engine = engine_for(f"sqlite:///{file}", read_only=read_only)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one() == 60_000
    engine.dispose()


@pytest.mark.parametrize("name", ["a b%20?#.db", "{0}{x}.db", "é'\".db"])
def test_a_file_of_any_name_is_opened_by_writers_readers_and_optuna(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    for url in (_url(Path("folder") / name), _url(tmp_path / "folder" / name)):
        storage = open_storage(url)
        storage.create_new_study([optuna.study.StudyDirection.MAXIMIZE])
        storage.engine.dispose()
        reader = engine_for(url, read_only=True)
        with reader.connect() as connection:
            assert connection.exec_driver_sql("SELECT COUNT(*) FROM studies").scalar_one() >= 1
        reader.dispose()
    left = {path.name for path in tmp_path.rglob("*")} - {f"{name}.lock", f"{name}-shm"}
    assert left - {f"{name}-wal"} == {"folder", name}


def _url(path):
    return URL.create("sqlite", database=str(path)).render_as_string()


def test_an_empty_file_may_become_a_database(file):
    file.touch()
    assert check_url(f"sqlite:///{file}").database == str(file)
    assert file.read_bytes() == b""


# --- URLs of servers ---


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg"])
def test_a_server_is_reached_by_psycopg(scheme):
    assert parse_url(f"{scheme}://host/db").drivername == "postgresql+psycopg"


def test_a_host_that_vanished_is_noticed_within_seconds_unless_the_url_says_otherwise():
    limits = {
        "prepare_threshold": None,
        "connect_timeout": 3,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
    }
    url = parse_url("postgresql://host/db")
    assert engine_options(url) == {"pool_pre_ping": True, "connect_args": limits}
    del limits["keepalives_idle"]
    url = parse_url("postgresql://host/db?keepalives_idle=60&sslmode=require")
    assert engine_options(url)["connect_args"] == limits


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OperationalError("SELECT", {}, Exception(" no route\nto host")), "no route"),
        (IntegrityError("SELECT", {}, Exception("twice")), "twice"),
    ],
)
def test_what_a_database_complains_of_is_one_line_without_the_password(error, said):
    url = "postgresql+psycopg://me:canary@host/db"
    with pytest.raises(StorageError) as refused, translate_errors(url):
        raise error
    assert str(refused.value) == f"storage postgresql+psycopg://me:***@host/db: {said}"


def test_a_url_without_a_password_is_shown_as_it_is():
    assert shown("sqlite:///a b.db") == "sqlite:///a b.db"


# --- word by word ---

ACCEPTED = "accepted: sqlite:///file.db, postgresql+psycopg://user:password@host/database"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("a.db", "storage 'a.db' is no database URL; for a file write sqlite:///a.db"),
        ("http://me@host:x/", "storage '…' is no database URL; for a file write sqlite:///…"),
        ("postgres://host/db", "storage: write postgresql+psycopg:// instead of postgres://"),
        ("mysql://host/db", f"storage: unknown scheme 'mysql'; {ACCEPTED}"),
        ("postgresql+asyncpg://h/d", f"storage: unknown scheme 'postgresql+asyncpg'; {ACCEPTED}"),
        ("sqlite+pysqlite:///a.db", f"storage: unknown scheme 'sqlite+pysqlite'; {ACCEPTED}"),
        (
            "sqlite:///:memory:",
            "storage: a study must outlive its process, so not :memory:; write sqlite:///file.db",
        ),
        ("sqlite:///no/a.db", "storage: there is no folder no; make it first"),
        ("sqlite:///.", "storage: . is a folder; name a file in it, sqlite:///./nas.db"),
    ],
)
def test_each_refusal_of_a_url_says_what_to_write(url, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StorageError) as refused:
        check_url(url)
    assert str(refused.value) == said


def test_a_url_that_can_be_used_comes_back_parsed(tmp_path):
    assert check_url(f"sqlite:///{tmp_path}/a.db").database == f"{tmp_path}/a.db"
    assert parse_url("sqlite:///a.db").drivername == "sqlite"
    assert sqlite_path(parse_url("sqlite:///a.db")) == Path("a.db")
    assert sqlite_path(parse_url("postgresql://host/db")) is None
    assert engine_options(parse_url("sqlite:///a.db")) == {"connect_args": {"timeout": 60}}


def test_a_reader_of_a_server_says_that_it_only_reads():
    url = "postgresql+psycopg://host/db"
    reader, writer = engine_for(url, read_only=True), engine_for(url)
    assert reader.get_execution_options() == {"postgresql_readonly": True}
    assert writer.get_execution_options() == {}
    assert reader.url == writer.url == make_url(url)


def test_nothing_is_prepared_on_a_server_that_a_pooler_may_exchange(postgres_database):
    engine = engine_for(postgres_database)
    with engine.connect() as connection:
        for number in range(10):
            connection.execute(text("SELECT CAST(:number AS INTEGER)"), {"number": number})
        assert connection.scalar(text("SELECT COUNT(*) FROM pg_prepared_statements")) == 0
    engine.dispose()


def test_every_version_of_nas_takes_the_same_lock_of_a_server():
    assert int.from_bytes(b"nas_", "big") == engines._LOCK_KEY


class RefusedError(Exception):
    """As a server's driver says it."""

    def __init__(self, sqlstate):
        super().__init__("so it is")
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        *((RefusedError(state), DamagedError) for state in ("42P01", "42703", "22P02")),
        (RefusedError("08006"), StorageError),
        (RefusedError(None), StorageError),
        (Exception("so it is"), StorageError),
        (sqlite3.OperationalError("no such table: t"), DamagedError),
        (sqlite3.OperationalError("no such column: c"), DamagedError),
        (sqlite3.OperationalError("malformed JSON"), DamagedError),
        (sqlite3.OperationalError("there is no such table"), StorageError),
        (sqlite3.OperationalError("disk I/O error"), StorageError),
    ],
)
def test_what_is_missing_in_a_database_is_damage_and_the_rest_is_not(error, kind):
    with pytest.raises(StorageError) as refused, translate_errors("sqlite:///a.db"):
        raise OperationalError("SELECT", {}, error)
    assert type(refused.value) is kind
    assert str(refused.value) == f"storage sqlite:///a.db: {error}"


def test_a_lock_that_another_one_keeps_is_named(file):
    engine, other = (engine_for(f"sqlite:///{file}") for _ in range(2))
    said = f"another process keeps {file}.lock locked"
    with locked(engine), pytest.raises(UnavailableError) as refused, locked(other, 0.01):
        pass
    assert str(refused.value) == said
    Path(f"{file}.lock").unlink(missing_ok=True)
    Path(f"{file}.lock").mkdir()
    with pytest.raises(StorageError) as refused, locked(engine):
        pass
    assert str(refused.value) == f"cannot lock {file}.lock (Is a directory)"
    assert not isinstance(refused.value, UnavailableError)
    engine.dispose()
    other.dispose()


def test_a_password_in_a_query_is_hidden_by_its_name_alone():
    url = shown("postgresql+psycopg://me:x@host/db?password=y&sslpassword=z&user=u")
    assert make_url(url).query == {"password": "hidden", "sslpassword": "hidden", "user": "u"}
    assert url.startswith("postgresql+psycopg://me:***@host/db?")


# --- a connection that only reads ---


def test_a_readers_connection_is_any_threads_and_shows_bytes_that_are_no_text(file):
    with closing(sqlite3.connect(file)) as made:
        made.execute("CREATE TABLE t (x)")
        made.execute("INSERT INTO t VALUES (CAST(x'61ff62' AS TEXT))")
        made.commit()
    found = []
    with closing(connect_read_only(file)) as connection:
        assert connection.execute("PRAGMA query_only").fetchone() == (1,)
        read = Thread(target=lambda: found.extend(connection.execute("SELECT x FROM t")))
        read.start()
        read.join()
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute("INSERT INTO t VALUES (1)")
    assert found == [("a\\xffb",)]


@pytest.mark.parametrize("ending", ["-wal", "-journal"])
def test_an_empty_leftover_is_none(ending, file):
    with closing(sqlite3.connect(file)) as made:
        made.execute("CREATE TABLE t (x)")
    file.with_name(f"nas.db{ending}").touch()
    with closing(connect_read_only(file)) as connection:
        assert connection.execute("SELECT COUNT(*) FROM t").fetchone() == (0,)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none.db", "there is no study database {}"),
        ("folder", "{} is a folder; name a file in it, sqlite:///{}/nas.db"),
        ("pipe", "{} is no file"),
        ("notes.txt", "{} is no SQLite database"),
        ("notes.txt/a.db", "there is no study database {}"),
        ("a\0b", "cannot read {} (embedded null byte)"),
        ("x" * 300, "cannot read {} (File name too long)"),
    ],
)
def test_each_file_that_is_no_database_is_refused_as_what_it_is(name, said, tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "notes.txt").write_text("dear diary, " * 100)
    path = tmp_path / name
    with pytest.raises(StorageError) as refused:
        check_readable(path)
    assert str(refused.value) == "storage: " + said.format(path, path)


def test_a_folder_that_is_a_file_or_missing_takes_no_database(tmp_path):
    (tmp_path / "notes.txt").write_text("dear diary")
    for folder in ("no", "notes.txt"):
        with pytest.raises(StorageError) as refused:
            check_writable(tmp_path / folder / "a.db")
        assert (
            str(refused.value) == f"storage: there is no folder {tmp_path}/{folder}; make it first"
        )
    check_writable(tmp_path / "a.db")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


# --- Optuna's storage ---


def test_optunas_storage_has_connections_like_ours(file):
    storage = open_storage(f"sqlite:///{file}")
    with storage.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one() == 60_000
    storage.engine.dispose()


def test_each_connection_of_a_reader_asks_anew_how_the_file_can_be_read(file):
    sqlite3.connect(file).close()
    reader, writer = (engine_for(f"sqlite:///{file}", read_only=only) for only in (True, False))
    assert isinstance(reader.pool, NullPool) and not isinstance(writer.pool, NullPool)
    with reader.connect() as one, reader.connect() as other:
        assert one.connection.dbapi_connection is not other.connection.dbapi_connection
    reader.dispose()
    writer.dispose()
