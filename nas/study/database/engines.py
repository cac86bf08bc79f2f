"""One SQLAlchemy URL: checked before anything is made, then opened.

SQLite for one machine, PostgreSQL for several. Whatever is wrong with a URL is a ``StorageError``
that says what to write instead, and leaves no file behind.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from sqlite3 import Connection as SQLiteConnection
from sqlite3 import Error as SQLiteError
from typing import Any

from filelock import FileLock, Timeout
from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError

from nas.errors import DamagedError, StorageError
from nas.study.database import sqlite_file
from nas.study.database.filesystem import network_filesystem
from nas.study.database.outages import UnavailableError, handle_outages
from nas.study.database.sqlite_file import BUSY_SECONDS
from nas.study.shell import install_command

POSTGRESQL = "postgresql+psycopg://user:password@host/database"
ACCEPTED = f"accepted: sqlite:///file.db, {POSTGRESQL}"
_POSTGRES = {
    # a pooler may give the next transaction to a server on which nothing is prepared
    "prepare_threshold": None,
    # a host that vanished is noticed within seconds: libpq's own limits are hours
    "connect_timeout": 3,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # ms
}
_LOCK_KEY = 0x6E61735F  # "nas_", our PostgreSQL advisory lock
_LOCK = text("""
WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', :patience, true))
SELECT pg_advisory_xact_lock(:key) FROM patience
""")


def parse_url(url: str) -> URL:
    """The URL of a kind of database that can hold studies, with its driver.

    Raises:
        StorageError: no URL, another scheme, or a missing driver.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise StorageError(
            f"storage {_shown(url)!r} is no database URL; for a file write sqlite:///{_shown(url)}"
        ) from None
    if parsed.drivername == "postgres":
        raise StorageError("storage: write postgresql+psycopg:// instead of postgres://")
    backend, _, driver = parsed.drivername.partition("+")
    if backend == "postgresql" and driver in ("", "psycopg"):
        if find_spec("psycopg") is None:
            raise StorageError(
                f"storage: PostgreSQL needs its driver; run: {install_command('postgres')}"
            )
        return parsed.set(drivername="postgresql+psycopg")
    if backend == "sqlite" and not driver:
        return parsed
    raise StorageError(f"storage: unknown scheme {parsed.drivername!r}; {ACCEPTED}")


def check_url(url: str, *, read_only: bool = False) -> URL:
    """The parsed URL of a database that can be used.

    Raises:
        StorageError: as ``parse_url``; for SQLite, also a folder or permission that is missing, a
            network file system, a file that is no database. Nothing has been created.
    """
    parsed = parse_url(url)
    if sqlite_path(parsed):
        _check_sqlite(parsed, read_only=read_only)
    return parsed


def engine_for(url: str, *, read_only: bool = False) -> Engine:
    """An engine with pooled connections that are tested before use.

    Raises:
        StorageError: as ``check_url``; with ``read_only``, also a SQLite file that is not there.
    """
    parsed = check_url(url, read_only=read_only)
    if not parsed.drivername.startswith("sqlite"):
        engine = create_engine(parsed, **engine_options(parsed))
        if read_only:
            engine = engine.execution_options(postgresql_readonly=True)
        return engine
    if read_only:
        # how a file can be read may change while it is: each connection asks anew
        path = Path(str(parsed.database))
        return create_engine(
            parsed, creator=lambda: sqlite_file.connect_read_only(path), poolclass=NullPool
        )
    engine = create_engine(parsed, **engine_options(parsed))
    configure_writer(engine)
    return engine


def engine_options(url: URL) -> dict[str, Any]:
    """How connections are made and kept; what the URL itself says goes before it."""
    if url.drivername.startswith("sqlite"):
        return {"connect_args": {"timeout": BUSY_SECONDS}}
    limits = {name: value for name, value in _POSTGRES.items() if name not in url.query}
    return {"pool_pre_ping": True, "connect_args": limits}


def configure_writer(engine: Engine) -> None:
    """Outages raise ``UnavailableError``; SQLite serves several processes."""
    handle_outages(engine)
    if engine.dialect.name != "sqlite":
        return

    def on_connect(connection: SQLiteConnection, _: object) -> None:
        connection.isolation_level = None  # SQLAlchemy begins transactions, below
        with closing(connection.cursor()) as cursor:
            cursor.execute("PRAGMA journal_mode=WAL")  # readers never block a writer
            cursor.execute("PRAGMA foreign_keys=ON")

    def on_begin(connection: Connection) -> None:
        # a transaction that reads first and writes later would fail, not wait, if another wrote
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)


@contextmanager
def locked(engine: Engine, seconds: float = BUSY_SECONDS) -> Iterator[None]:
    """One process at a time, over all processes and machines that use this database.

    Raises:
        UnavailableError: another process kept the lock for ``seconds``.
    """
    if engine.dialect.name == "sqlite":
        lock = FileLock(f"{engine.url.database}.lock", timeout=seconds)
        try:
            lock.acquire()
        except Timeout:
            raise UnavailableError(f"another process keeps {lock.lock_file} locked") from None
        except OSError as error:
            raise StorageError(f"cannot lock {lock.lock_file} ({error.strerror})") from None
        try:
            yield
        finally:
            lock.release()
        return
    with engine.connect() as connection:
        # of the transaction, not of the session: a pooler may give the next one to another server
        connection.execute(_LOCK, {"key": _LOCK_KEY, "patience": f"{seconds * 1000:.0f}ms"})
        try:
            yield
        finally:
            try:
                connection.commit()
            except (DBAPIError, UnavailableError):
                connection.invalidate()  # the lock ends with its connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection of a writer for queries, each of which sees what is there by then."""
    with engine.connect() as connection:
        if engine.dialect.name != "sqlite":  # a transaction would take two more messages
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        yield connection


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A connection of a read-only engine, all of whose queries see one state of the database."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")
        else:
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


@contextmanager
def translate_errors(url: str) -> Iterator[None]:
    """A database that refuses the connection becomes one line without the password."""
    try:
        yield
    except DBAPIError as error:
        reason = str(error.orig).strip().splitlines()[0]
        kind = DamagedError if _is_damage(error.orig) else StorageError
        raise kind(f"storage {shown(url)}: {reason}") from None


def _is_damage(error: BaseException | None) -> bool:
    """Whether it says that the content is wrong: no such table or column, or JSON that is none."""
    if isinstance(error, SQLiteError):
        return str(error).startswith(("no such table", "no such column", "malformed JSON"))
    state = getattr(error, "sqlstate", None)
    return state in ("42P01", "42703", "22P02")  # undefined table, column; invalid text


def sqlite_path(url: URL) -> Path | None:
    """The file of a SQLite database; None for another kind of database."""
    return Path(str(url.database)) if url.drivername == "sqlite" else None


def shown(url: str) -> str:
    """The URL as it may be printed: without its password."""
    parsed = make_url(url)
    secret = {name: "hidden" for name in parsed.query if "password" in name}  # libpq takes it there
    return parsed.update_query_dict(secret).render_as_string(hide_password=True)


def _shown(text_: str) -> str:
    """What was given in place of a URL, short, and nothing of it that may be a password."""
    return "…" if "@" in text_ else text_[:80]


def _check_sqlite(url: URL, *, read_only: bool) -> None:
    name = url.database
    if not name or name == ":memory:" or "mode=memory" in str(url):
        raise StorageError(
            "storage: a study must outlive its process, so not :memory:; write sqlite:///file.db"
        )
    if url.query:
        raise StorageError(
            f"storage: sqlite:///{name} has options behind a ?; accepted: sqlite:///file.db, where "
            "%3F is a ? of the file's name"
        )
    path = Path(name)
    if read_only:
        sqlite_file.check_readable(path)
        return
    kind = network_filesystem(path)
    if kind:
        raise StorageError(
            f"storage: {path} is on a network file system ({kind}), where SQLite loses data; use a "
            f"local disk, or PostgreSQL: {POSTGRESQL}"
        )
    sqlite_file.check_writable(path)
