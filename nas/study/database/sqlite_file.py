"""A SQLite file, which may be one that can only be read; whatever is wrong is said as it is.

A database in WAL mode needs two files beside it, and one that was left half-written needs a repair.
Where neither can be made, because its folder or its disk can only be read, a file at rest is read
as immutable, and one with a leftover is read from a copy.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import tempfile
from pathlib import Path
from urllib.parse import quote

from nas.errors import StorageError

LEFTOVERS = ("-wal", "-journal")  # what a writer that died leaves beside the file
BUSY_SECONDS = 60  # how long one connection waits for another one


def check_readable(path: Path) -> None:
    """Refuse what cannot be read as a SQLite database; an empty file can.

    Raises:
        StorageError: no such file, not a file, no permission, or no database.
    """
    found = _stat(path)
    if found is None:
        raise StorageError(f"storage: there is no study database {path}")
    if stat.S_ISDIR(found.st_mode):
        raise StorageError(
            f"storage: {path} is a folder; name a file in it, sqlite:///{path}/nas.db"
        )
    if not stat.S_ISREG(found.st_mode):
        raise StorageError(f"storage: {path} is no file")
    # not by opening it: that would let go of the locks that this process has on it (POSIX)
    if not _may(path, os.R_OK):
        raise StorageError(f"storage: cannot read {path} (Permission denied)")
    try:
        connect_read_only(path).close()
    except sqlite3.Error as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
            raise StorageError(f"storage: {path} is no SQLite database") from None
        raise StorageError(f"storage: {path} cannot be read ({error})") from None


def check_writable(path: Path) -> None:
    """Refuse a database that cannot be written, or made.

    Raises:
        StorageError: as ``check_readable``, but for a file that is not there; no folder, or no
            permission to write in it. Nothing has been created.
    """
    if _stat(path) is not None:
        check_readable(path)
    folder = _stat(path.parent)
    if folder is None or not stat.S_ISDIR(folder.st_mode):
        raise StorageError(f"storage: there is no folder {path.parent}; make it first")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise StorageError(
            f"storage: cannot write in folder {path.parent} ({error.strerror})"
        ) from None
    if path.exists() and not _may(path, os.W_OK):
        raise StorageError(f"storage: cannot write {path} (Permission denied)")


def connect_read_only(path: Path) -> sqlite3.Connection:
    """A connection that writes nothing, not even beside the file where that cannot be done.

    Raises:
        StorageError: what a dead writer left beside the file cannot be read.
        sqlite3.Error: the file cannot be read as a database.
    """
    url = f"file:{quote(os.fsencode(path.absolute()))}?mode=ro"
    try:
        return _opened(url)
    except sqlite3.OperationalError as error:
        # the first eight bits are the kind of error
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            raise
    beside = [path.with_name(path.name + ending) for ending in LEFTOVERS]
    left = [file for file in beside if (found := _stat(file)) and found.st_size]
    return _copied([path, *left]) if left else _opened(f"{url}&immutable=1")


def _copied(files: list[Path]) -> sqlite3.Connection:
    """Of copies that are gone as soon as they are open."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            copies = [shutil.copyfile(file, Path(folder, file.name)) for file in files]
        except OSError as error:
            raise StorageError(
                f"storage: cannot copy {error.filename}, which has to be repaired to be read "
                f"({error.strerror})"
            ) from None
        return _opened(f"file:{quote(os.fsencode(copies[0]))}?mode=rw")


def _opened(url: str) -> sqlite3.Connection:
    connection = sqlite3.connect(url, uri=True, timeout=BUSY_SECONDS, check_same_thread=False)
    try:
        connection.execute("PRAGMA query_only=ON")
        connection.execute("SELECT name FROM sqlite_master LIMIT 1").fetchone()
    except BaseException:
        connection.close()
        raise
    connection.text_factory = _text
    return connection


def _text(stored: bytes) -> str:
    return stored.decode("utf-8", "backslashreplace")  # one bad text must not hide the others


def _stat(path: Path) -> os.stat_result | None:
    """None where there is nothing of this name."""
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:  # a name that is too long, or has a null in it
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise StorageError(f"storage: cannot read {path} ({reason})") from None


def _may(path: Path, mode: int) -> bool:
    """Whether this process's effective user may."""
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)
