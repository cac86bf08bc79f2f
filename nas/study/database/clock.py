"""The time of the machine that the database runs on, for leases that several machines compare.

Drivers on different machines may disagree on the time by more than a lease lasts. Each asks the
database how far its own clock is off, now and then, and corrects that.
"""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, text

from nas.study.database.outages import UnavailableError

ASKED_EVERY = 60.0  # seconds


def utc_now() -> datetime:
    """The time of this machine, as the database keeps it."""
    return datetime.now(UTC).replace(tzinfo=None)


class DatabaseClock:
    """``clock()``: the time of the database's machine, in UTC.

    While the database is away, what was known last of the difference holds. A SQLite file is on
    this machine, so its time is this machine's.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._ahead = timedelta(0)  # so much is the database before us
        self._asked: float | None = None

    def __call__(self) -> datetime:
        """The time now."""
        if self._engine.dialect.name != "sqlite" and self._is_due():
            with suppress(UnavailableError):
                self._ask()
        return utc_now() + self._ahead

    def _is_due(self) -> bool:
        return self._asked is None or time.monotonic() > self._asked + ASKED_EVERY

    def _ask(self) -> None:
        self._asked = time.monotonic()
        with self._engine.connect() as connection:
            before = utc_now()
            there = connection.scalar(text("SELECT clock_timestamp() AT TIME ZONE 'UTC'"))
            assert there is not None
            self._ahead = there - (before + (utc_now() - before) / 2)
