"""A database that is away or full for a while: one exception says so, within seconds.

The engine of a writer translates whatever SQLAlchemy and the driver raise then, so that nobody
else has to know the many ways in which a connection ends.
"""

from __future__ import annotations

import math
import sqlite3
import time
from functools import partial
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import Dialect, ExceptionContext
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry

from nas.errors import StorageError

AWAY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL)  # kinds of error
PAUSE = 0.5  # seconds at least between two tries to connect
PATIENCE = 5  # and at least this many times what the failed try took
IDLE = 1.0  # seconds after which a connection may have been closed by those between


class UnavailableError(StorageError):
    """The study database cannot be reached or written for now; asking again later may help."""


def handle_outages(engine: Engine) -> None:
    """Make ``engine`` raise ``UnavailableError`` whenever its database is away.

    After a try to connect has failed, further ones fail at once for a while: a host that does not
    answer must not hold up a driver that has trials to look after.
    """
    event.listen(engine, "handle_error", _translated, retval=True)
    if engine.dialect.name != "sqlite":
        event.listen(engine, "do_connect", _Connector().connect)
        event.listen(engine, "checkin", _note_use)
        event.listen(engine, "checkout", partial(_test_idle, engine.dialect))


class _Connector:
    def __init__(self) -> None:
        self._not_before = 0.0
        self._reason = ""

    def connect(self, dialect: Dialect, _: Any, args: Any, options: Any) -> Any:
        begun = time.monotonic()
        if begun < self._not_before:
            raise UnavailableError(self._reason)
        try:
            return dialect.connect(*args, **options)
        except dialect.loaded_dbapi.OperationalError as error:
            now = time.monotonic()
            self._not_before = now + max(PAUSE, PATIENCE * (now - begun))
            self._reason = _one_line(error)
            raise UnavailableError(self._reason) from None


def _note_use(_: Any, record: ConnectionPoolEntry) -> None:
    record.info["used"] = time.monotonic()


def _test_idle(dialect: Dialect, connection: Any, record: ConnectionPoolEntry, _: Any) -> None:
    """A connection that lay idle is asked for an answer first, and replaced if there is none."""
    if time.monotonic() < record.info.get("used", math.inf) + IDLE:
        return
    try:
        dialect.do_ping(connection)
    except dialect.loaded_dbapi.Error as error:
        raise InvalidatePoolError(str(error)) from None


def _translated(context: ExceptionContext) -> BaseException | None:
    """What is raised in place of a database error; None leaves it as it is."""
    error = context.original_exception
    if context.dialect.name == "sqlite":
        away = getattr(error, "sqlite_errorcode", 0) & 0xFF in AWAY
    else:
        driver = context.dialect.loaded_dbapi
        away = context.is_disconnect or isinstance(
            error, driver.OperationalError | driver.InterfaceError
        )
    return UnavailableError(_one_line(error)) if away else None


def _one_line(error: BaseException) -> str:
    full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    what = "written" if full else "reached"
    return f"the study database cannot be {what}: {str(error).strip().splitlines()[0]}"
