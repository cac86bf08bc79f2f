"""A study moved between databases, SQLite or PostgreSQL, without loss.

All rows of the study go along, Optuna's and ours, and keep their trial numbers; only the ids by
which tables refer to each other are new. What is copied is one state of the source, and it arrives
whole or not at all.
"""

import os
import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Connection, MetaData, Select, Table, insert, select, text

from nas.errors import DamagedError, StorageError
from nas.quantity import plural
from nas.study.check import violations
from nas.study.database import engines, tables
from nas.study.database.storage import open_storage
from nas.study.database.upgrade import create_tables
from nas.study.exchange.publish import anonymise
from nas.study.managing import checked_name
from nas.study.reader import Study, open_study, studies
from nas.study.shell import nas_command
from nas.study.storage_url import file_url


def export_study(url: str, name: str, file: Path, *, publish: bool = False) -> int:
    """Write the study into a SQLite file of its own; returns the number of its trials.

    With ``publish``, names of hosts, paths and tracebacks stay behind.

    Raises:
        StorageError: there is no such study, trials of it are running, or the file exists or cannot
            be written. Nothing is left behind.
    """
    if file.exists():
        raise StorageError(f"{file} exists already; name another file, or remove it first")
    if not file.parent.is_dir():
        raise StorageError(f"there is no folder {file.parent}; make it first")
    study = open_study(url, name)
    # on a local disk, whatever the file is on; then in one step
    with TemporaryDirectory() as folder, _closing(study):
        whole = Path(folder) / "study.sqlite"
        number = _copy_study(study, file_url(whole), name)
        with closing(sqlite3.connect(whole)) as connection:
            # one file again, which a reader without write permission can open too
            connection.execute("PRAGMA journal_mode=DELETE")
            if publish:
                anonymise(connection)
        _place(whole, file)
    return number


def import_study(file: Path, url: str, name: str | None = None) -> tuple[str, int]:
    """Take the study of an exported file into a database, as ``name`` where that is given.

    Returns its name there and the number of its trials.

    Raises:
        StorageError: the file holds no or several studies, or one that nas check finds fault with,
            trials of it are running, or the database has a study of that name. The database is as
            it was.
    """
    if not file.is_file():
        raise StorageError(f"there is no file {file}")
    source = file_url(file)
    found = list(studies(source)["study"])
    if len(found) != 1:
        example = (
            nas_command("export-study", found[0], "out.sqlite", storage=source) if found else ""
        )
        raise StorageError(
            f"{file} holds {len(found)} studies, not one"
            + (f"; write the one to be moved into a file of its own: {example}" if example else "")
        )
    study = open_study(source, found[0])
    with _closing(study):
        name = checked_name(study.name if name is None else name)
        with engines.snapshot(study.engine) as connection:
            _refuse_running(connection, study)
        _refuse_violations(study, file)
        return name, _copy_study(study, url, name)


def _copy_study(study: Study, url: str, name: str) -> int:
    with engines.translate_errors(study.url), engines.snapshot(study.engine) as source:
        _refuse_running(source, study)
        with engines.translate_errors(url):
            storage = open_storage(url)
            engine = storage.engine
            try:
                with engines.locked(engine):
                    create_tables(engine, url)
                    with engine.begin() as target:
                        _refuse_other_optuna(source, target)
                        _refuse_known(target, name, url)
                        study_id, trials = _copy_optuna(source, target, study.id, name)
                        _copy_ours(source, target, study.id, study_id)
            finally:
                engine.dispose()
    return trials


def _copy_optuna(
    source: Connection, target: Connection, study_id: int, name: str
) -> tuple[int, int]:
    """All rows of the study in Optuna's tables; the new study id, and how many trials."""
    theirs, ours = _optuna_tables(source), _optuna_tables(target)
    new_ids: dict[str, dict[int, int]] = {"study_id": {}, "trial_id": {}}
    for copy in ours.sorted_tables:
        if not {"study_id", "trial_id"} & set(copy.columns.keys()):
            continue  # versions
        table = theirs.tables.get(copy.name)
        if table is None or set(table.columns.keys()) != set(copy.columns.keys()):
            raise DamagedError(f"the table {copy.name} has other columns there than here")
        (key,) = copy.primary_key.columns.keys()
        rows = _rows(source, _of_study(theirs, table, key, study_id))
        if not rows:
            continue
        old_ids = [row.pop(key) for row in rows]
        for row in rows:
            row |= {name: new_ids[name][row[name]] for name in row.keys() & new_ids.keys()}
            if copy.name == "studies":
                row["study_name"] = name
        if key in new_ids:
            inserted = insert(copy).returning(copy.c[key], sort_by_parameter_order=True)
            new_ids[key] = dict(zip(old_ids, target.scalars(inserted, rows), strict=True))
        else:
            target.execute(insert(copy), rows)
    return new_ids["study_id"][study_id], len(new_ids["trial_id"])


def _copy_ours(source: Connection, target: Connection, old: int, new: int) -> None:
    for table in tables.ours(source):
        if "study_id" not in table.columns:
            continue  # versions
        rows = _rows(source, select(table).where(table.c.study_id == old))
        copies = [{**row, "study_id": new} for row in rows]
        if copies:
            target.execute(insert(table), copies)


def _optuna_tables(connection: Connection) -> MetaData:
    """Optuna's tables as they are: an attribute that a later Optuna adds goes along."""
    found = MetaData()
    found.reflect(connection, only=lambda name, _: not name.startswith("nas_"))
    return found


def _rows(source: Connection, query: Select[Any]) -> list[dict[str, Any]]:
    try:
        return [dict(row._mapping) for row in source.execute(query)]
    except (ValueError, TypeError, LookupError) as error:  # of another type than the column's
        raise DamagedError(f"there is a value that cannot be copied: {error}") from None


def _of_study(theirs: MetaData, table: Table, key: str, study_id: int) -> Select[Any]:
    """The rows of a study, in the order in which they were made."""
    rows = select(table).order_by(table.c[key])
    if "study_id" in table.columns:
        return rows.where(table.c.study_id == study_id)
    trials = theirs.tables["trials"]
    of_study = select(trials.c.trial_id).where(trials.c.study_id == study_id)
    return rows.where(table.c.trial_id.in_(of_study))


def _refuse_running(source: Connection, study: Study) -> None:
    query = "SELECT COUNT(*) FROM trials WHERE study_id = :id AND state = 'RUNNING'"
    running = source.scalar(text(query), {"id": study.id})
    if running:
        raise StorageError(
            f"study {study.name!r} has {plural(running, 'running trial')}; stop its search first "
            "(Ctrl-C). Where it died, carry it on for a moment: that frees what it left behind"
        )


def _refuse_violations(study: Study, file: Path) -> None:
    found = violations(study)
    if found:
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        raise StorageError(
            f"{file} is not taken: its study {study.name!r} is not what nas has written "
            f"({found[0]}{more}); nas check says all of it"
        )


def _refuse_other_optuna(source: Connection, target: Connection) -> None:
    query = text("SELECT version_num FROM alembic_version")
    theirs, ours = source.scalar(query), target.scalar(query)
    if theirs != ours:
        raise StorageError(
            f"Optuna's tables have revision {theirs} there and {ours} here; bring both to one, "
            "with: optuna storage upgrade"
        )


def _refuse_known(target: Connection, name: str, url: str) -> None:
    query = text("SELECT COUNT(*) FROM studies WHERE study_name = :name")
    if target.scalar(query, {"name": name}):
        raise StorageError(
            f"there is a study {name!r} in {engines.shown(url)} already; choose another --name"
        )


def _place(whole: Path, file: Path) -> None:
    """``whole`` as ``file``, which is never to be seen half-written."""
    partial = file.with_name(f".{uuid.uuid4().hex}.partial")
    try:
        shutil.copyfile(whole, partial)
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.rename(file)
    except OSError as error:
        raise StorageError(f"cannot write {file} ({error.strerror})") from None
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _closing(study: Study) -> Iterator[None]:
    try:
        yield
    finally:
        study.engine.dispose()
