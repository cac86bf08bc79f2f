"""The revision of our tables: made at this version's, carried over from an older one, or refused.

Revisions are numbered, so that a database tells without Alembic whether it is older or newer than
this code. Each one is stored with the version of nas that brought it.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from sqlalchemy import Connection, Engine, inspect, select, text

from nas.errors import StorageError
from nas.study.damage import refuse_views
from nas.study.database import engines
from nas.study.database.tables import READABLE, REVISION, attempts, releases
from nas.study.shell import nas_command

if TYPE_CHECKING:
    from alembic.config import Config

SCRIPTS = Path(__file__).parent / "migrations"


@dataclass(frozen=True)
class Upgrade:
    """What became of a database: the revisions before and after, and the copy made first."""

    before: str
    after: str
    backup: Path | None  # of a SQLite database that was changed


def revision(connection: Connection) -> str | None:
    """Which of our migrations the database has behind it; None where it has no tables of ours."""
    refuse_views(connection)
    if not inspect(connection).has_table("nas_version"):
        return None
    found = connection.scalar(text("SELECT version_num FROM nas_version"))
    return None if found is None else str(found)


def has_studies(engine: Engine, url: str, *, oldest: str = READABLE) -> bool:
    """Whether our tables exist in the database at ``url``, which ``engine`` is connected to.

    Raises:
        StorageError: they are those of a nas before the revision ``oldest``, or of a newer one; the
            message says what to do.
    """
    with engine.connect() as connection:
        found = revision(connection)
        if found is not None:
            _refuse_another(connection, found, url, oldest)
        return found is not None


def create_tables(engine: Engine, url: str) -> None:
    """Make our tables in a database that has none; the caller holds ``locked``.

    Raises:
        StorageError: it has those of an older or a newer nas, and none was changed.
    """
    if has_studies(engine, url, oldest=REVISION):
        return
    with engine.begin() as connection:
        _migrate(connection)


def upgrade(url: str) -> Upgrade:
    """Bring our tables to the last revision, all of it or nothing.

    A SQLite database is copied beside itself first. Optuna's own tables are left to Optuna.

    Raises:
        StorageError: the database cannot be used, has no tables of ours, is of a newer nas, or a
            search is running on it.
    """
    engines.engine_for(url, read_only=True).dispose()  # a database that is not there
    engine = engines.engine_for(url)
    try:
        with engines.translate_errors(url), engines.locked(engine):
            with engine.connect() as connection:
                before = revision(connection)
                if before is None:
                    raise StorageError(f"{engines.shown(url)} has no studies of nas in it")
                after = _last()
                if before == after:
                    return Upgrade(before, after, None)
                if before > after:
                    raise _newer(connection, before, after)
                _refuse_running(connection)
            path = engines.sqlite_path(engine.url)
            backup = _back_up(path, before) if path else None
            with engine.begin() as connection:
                _migrate(connection)
            return Upgrade(before, after, backup)
    finally:
        engine.dispose()


def _refuse_another(connection: Connection, found: str, url: str, oldest: str) -> None:
    if found < oldest:
        raise StorageError(
            f"the study database has revision {found} of an older nas, this one writes {REVISION}; "
            f"run: {nas_command('db upgrade', storage=url)}"
        )
    if found > REVISION:
        raise _newer(connection, found, REVISION)


def _newer(connection: Connection, found: str, known: str) -> StorageError:
    """Says which version of nas the database needs, as far as it says so itself."""
    needed = None
    if inspect(connection).has_table(releases.name):
        needed = connection.scalar(select(releases.c.nas).where(releases.c.revision == found))
    return StorageError(
        f"the study database has revision {found} and needs nas {needed or 'in a newer version'}; "
        f"this is {version('nas')}, which knows revisions up to {known}"
    )


def _refuse_running(connection: Connection) -> None:
    """An older nas that still writes would not know the new tables."""
    now = datetime.now(UTC).replace(tzinfo=None)
    running = select(attempts.c.owner).where(attempts.c.state == "running", attempts.c.lease > now)
    owner = connection.scalar(running.limit(1))
    if owner is not None:
        raise StorageError(f"a search is running on the study database ({owner}); stop it first")


def _back_up(path: Path, before: str) -> Path:
    """A whole copy of a SQLite database, its write-ahead log included; never over another one."""
    now = datetime.now(UTC)
    backup = path.with_name(f"{path.name}.{before}-{now:%Y%m%dT%H%M%S.%fZ}.backup")
    with (
        closing(sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(backup)) as target,
    ):
        source.backup(target)
    return backup


def _migrate(connection: Connection) -> None:
    from alembic import command  # a third of a second that no other command needs

    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _last() -> str:
    from alembic.script import ScriptDirectory

    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    return config
