"""A study renamed or deleted: whole, in one transaction, while no driver works on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Connection, Engine, MetaData, Table, delete, select, text

from nas.errors import StorageError, choose
from nas.quantity import plural
from nas.study.damage import refuse_views
from nas.study.database import engines, tables
from nas.study.database.clock import DatabaseClock
from nas.study.reader import studies
from nas.study.retrained import follow_name

MAX_NAME = 200  # characters
Now = Callable[[], datetime]


def checked_name(name: str) -> str:
    """``name``, if a study can be called so.

    Raises:
        StorageError: it cannot.
    """
    if not name or name != name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise StorageError(
            f"name is {name[:80]!r}; accepted: 1 to {MAX_NAME} printable characters, no space at "
            "either end"
        )
    return name


def rename_study(url: str, name: str, new: str, now: Now | None = None) -> None:
    """Call the study ``name`` ``new``; everything in it stays as it is, and what was trained anew
    of its networks belongs to it as before.

    ``now`` is the database's clock, UTC.

    Raises:
        StorageError: there is no such study, another one has the new name or it is no name, a
            driver works on the study, or the database cannot be written. Nothing was changed.
    """
    checked_name(new)
    with _changing(url, name, now) as (connection, study_id):
        if connection.scalar(_ID, {"name": new}) is not None:
            raise StorageError(f"there is a study {new!r} in {engines.shown(url)} already")
        query = text("UPDATE studies SET study_name = :new WHERE study_id = :id")
        connection.execute(query, {"new": new, "id": study_id})
        follow_name(connection, name, new)


def trials_of(url: str, name: str) -> int:
    """How many trials a study has; it may be damaged.

    Raises:
        StorageError: there is no such study, or the database cannot be read.
    """
    found = studies(url).set_index("study")
    if name not in found.index:
        known = list(found.index)
        raise StorageError(
            f"there is no study {name!r} in {engines.shown(url)}; "
            + (choose(name, known) if known else "it has none")
        )
    return int(found["trials"].loc[name])


def delete_study(url: str, name: str, now: Now | None = None) -> None:
    """Delete a study with all that belongs to it, in Optuna's tables and ours.

    A damaged one can be deleted, too.

    Raises:
        StorageError: there is no such study, a driver works on it, or the database cannot be
            written. Nothing was deleted.
    """
    with _changing(url, name, now) as (connection, study_id):
        theirs = MetaData()
        theirs.reflect(connection, only=lambda table, _: not table.startswith("nas_"))
        for table in (*reversed(tables.metadata.sorted_tables), *reversed(theirs.sorted_tables)):
            _delete_rows(connection, table, theirs.tables["trials"], study_id)


_ID = text("SELECT study_id FROM studies WHERE study_name = :name")


def _delete_rows(connection: Connection, table: Table, trials: Table, study_id: int) -> None:
    """Those of a study, where a table has any."""
    if "study_id" in table.columns:
        connection.execute(delete(table).where(table.c.study_id == study_id))
    elif "trial_id" in table.columns:
        of_study = select(trials.c.trial_id).where(trials.c.study_id == study_id)
        connection.execute(delete(table).where(table.c.trial_id.in_(of_study)))


@contextmanager
def _changing(url: str, name: str, now: Now | None) -> Iterator[tuple[Connection, int]]:
    """A transaction, and the id of a study that no driver works on."""
    trials_of(url, name)  # refuses a database without the study
    engine = engines.engine_for(url)
    try:
        with engines.translate_errors(url), engines.locked(engine), engine.begin() as connection:
            refuse_views(connection)
            yield connection, _alone(connection, engine, name, now)
    finally:
        engine.dispose()


def _alone(connection: Connection, engine: Engine, name: str, now: Now | None) -> int:
    """The id of the study, which nobody can begin a trial of until the transaction ends."""
    query = "SELECT study_id FROM studies WHERE study_name = :name"
    if engine.dialect.name != "sqlite":  # there, a transaction has the database to itself
        query += " FOR UPDATE"
    study_id = connection.scalar(text(query), {"name": name})
    if study_id is None:
        raise StorageError(f"study {name!r} is not in the database any more")
    table = tables.attempts
    query_ = select(table.c.owner).where(
        table.c.study_id == study_id,
        table.c.state == "running",
        table.c.lease >= (now or DatabaseClock(engine))(),
    )
    owners = sorted(set(connection.scalars(query_)))
    if owners:
        raise StorageError(
            f"study {name!r} is being searched by {plural(len(owners), 'driver')} "
            f"({', '.join(owners)}); end that first: nas stop. What died is free after 30 seconds"
        )
    return int(study_id)
