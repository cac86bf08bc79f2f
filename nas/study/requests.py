"""What the drivers of a study are asked for while they run, by rows of the study.

Asked to stop: a user attribute of Optuna's study, with a word that no other request has. Asked for
more trials: the number in the study's config. A driver remembers both as they were when it began,
so a request is for those that ran then, and not for a later search.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, select, text, update

from nas.errors import DamagedError
from nas.study.attempts import Attempts
from nas.study.damage import read_mapping
from nas.study.database import engines
from nas.study.database.clock import DatabaseClock
from nas.study.database.outages import UnavailableError
from nas.study.database.tables import attempts, studies

if TYPE_CHECKING:
    from nas.study.reader import Study  # pandas: half a second that a search need not wait

STOP = "nas:stop"
LOOK_SECONDS = 3.0  # between a driver's looks

_LOOK = text("""
SELECT n.config, a.value_json AS stop FROM nas_studies AS n
LEFT JOIN study_user_attributes AS a ON a.study_id = n.study_id AND a.key = :key
WHERE n.study_id = :study
""")
_ASK = text("""
INSERT INTO study_user_attributes (study_id, key, value_json) VALUES (:study, :key, :value)
ON CONFLICT (study_id, key) DO UPDATE SET value_json = excluded.value_json
""")
_COUNT = text("SELECT COUNT(*) FROM trials WHERE study_id = :study")


@dataclass
class Requests:
    """What one driver is asked for."""

    stopped: bool = field(default=False, init=False)
    """Whether it is asked to stop."""
    trials: int = field(default=0, init=False)
    """How many the study is to have, where it was asked for more since; else 0."""
    _at_first: tuple[str | None, int] | None = field(default=None, init=False)
    _looked: float = field(default=0.0, init=False)

    def look(self, attempts: Attempts) -> None:
        """Read them from the study of ``attempts``, at most every ``LOOK_SECONDS``.

        What the first look finds was asked of others. While the database is away, nothing is new.
        """
        now = time.monotonic()
        if self._at_first is not None and now < self._looked + LOOK_SECONDS:
            return
        self._looked = now
        asked = {"study": attempts.study_id, "key": STOP}
        with suppress(UnavailableError, DamagedError):
            with engines.reading(attempts.engine) as connection:
                row = connection.execute(_LOOK, asked).one()
            found = row.stop, int(read_mapping(row.config, "its config")["trials"])
            stop, trials = self._at_first = self._at_first or found
            self.stopped = found[0] not in (None, stop)
            self.trials = found[1] if found[1] > trials else 0


def ask_to_stop(study: Study, now: Callable[[], datetime] | None = None) -> Sequence[str]:
    """Let the drivers of ``study`` stop; the names of those that work on it now.

    ``now`` is the database's clock, UTC.

    Raises:
        StorageError: the database cannot be written.
    """
    engine = engines.engine_for(study.url)
    now = now or DatabaseClock(engine)
    owners = select(attempts.c.owner).where(
        attempts.c.study_id == study.id, attempts.c.state == "running", attempts.c.lease >= now()
    )
    row = {"study": study.id, "key": STOP, "value": json.dumps(uuid.uuid4().hex)}
    try:
        with engines.translate_errors(study.url), engine.begin() as connection:
            connection.execute(_ASK, row)
            return sorted(set(connection.scalars(owners)))
    finally:
        engine.dispose()


def asked_for(url: str, study: str) -> int:
    """The trials that a study is to have: those that it was asked for, or that it has.

    Raises:
        StorageError: the database cannot be read.
    """
    engine = engines.engine_for(url, read_only=True)
    try:
        with engines.translate_errors(url), engine.connect() as connection:
            name = text("SELECT study_id FROM studies WHERE study_name = :name")
            return _asked_for(connection, connection.execute(name, {"name": study}).scalar_one())
    finally:
        engine.dispose()


def extend(engine: Engine, study_id: int, more: int) -> int:
    """Let the study have so many more trials than it was asked for; how many that are."""
    with engine.begin() as connection:
        query = select(studies.c.config).where(studies.c.study_id == study_id).with_for_update()
        config = dict(read_mapping(connection.scalar(query), "its config"))
        trials = _asked_for(connection, study_id) + more
        changed = json.dumps({**config, "trials": trials})
        here = update(studies).where(studies.c.study_id == study_id)
        connection.execute(here.values(config=changed))
    return trials


def _asked_for(connection: Connection, study_id: int) -> int:
    stored = connection.scalar(select(studies.c.config).where(studies.c.study_id == study_id))
    count = connection.execute(_COUNT, {"study": study_id}).scalar_one()
    return max(int(read_mapping(stored, "its config")["trials"]), int(count))
