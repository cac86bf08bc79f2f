"""How far each study of a database is: counts alone, so that it can be asked every second."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pandas as pd
from sqlalchemy import text

from nas.errors import DamagedError, StorageError
from nas.study import states
from nas.study.damage import read_time
from nas.study.database import engines
from nas.study.database.clock import DatabaseClock
from nas.study.database.upgrade import has_studies
from nas.study.record import listed

COUNTS = (*states.COUNTS, "epochs", "attempts", "ended", "evaluations", "latencies")
TIME = "datetime64[us]"
COUNTED = (*COUNTS, "working")

_PROGRESS = f"""
WITH t AS ({states.TRIALS_BY_STATE}), a AS (
    SELECT study_id, COUNT(*) AS attempts, COUNT(ended) AS ended,
           SUM(CASE WHEN state = 'running' AND lease > :now THEN 1 ELSE 0 END) AS working,
           MAX(COALESCE(ended, started)) AS last_active
    FROM nas_attempts GROUP BY study_id
), e AS (SELECT study_id, COUNT(*) AS epochs FROM nas_epochs GROUP BY study_id),
   v AS (SELECT study_id, COUNT(*) AS evaluations FROM nas_evaluations GROUP BY study_id),
   l AS (SELECT study_id, COUNT(*) AS latencies FROM nas_latencies GROUP BY study_id)
SELECT n.*, s.study_name AS study, t.trials, t.complete, t.inherited, t.pruned,
       t.failed, t.running, t.waiting, e.epochs, a.attempts, a.ended, v.evaluations,
       l.latencies, a.working, a.last_active
FROM nas_studies AS n
JOIN studies AS s ON s.study_id = n.study_id
LEFT JOIN t ON t.study_id = n.study_id
LEFT JOIN a ON a.study_id = n.study_id
LEFT JOIN e ON e.study_id = n.study_id
LEFT JOIN v ON v.study_id = n.study_id
LEFT JOIN l ON l.study_id = n.study_id
ORDER BY n.created, s.study_name
"""


class Progress:
    """Reads how far the studies at ``url`` are, over one engine of its own.

    Raises:
        StorageError: the database cannot be read, or has no studies of nas in it.
    """

    def __init__(self, url: str, now: Callable[[], datetime] | None = None) -> None:
        self.url = url
        self.engine = engines.engine_for(url, read_only=True)
        self._now = now or DatabaseClock(self.engine)
        with engines.translate_errors(url):
            if not has_studies(self.engine, url):
                raise StorageError(f"{engines.shown(url)} has no studies of nas in it")

    def read(self) -> pd.DataFrame:
        """One row per study, the oldest first.

        Columns: study_id, study, created (UTC), state, planned (trials asked for), ``COUNTS``,
        working (attempts whose driver lives) and last_active (UTC). ``state`` is finished where as
        many trials ended as were asked for, running where a driver works on one, interrupted where
        neither is so, and damaged where the study cannot be read: ``problem`` says why.

        Raises:
            StorageError: the database cannot be read.
        """
        with engines.translate_errors(self.url), self.engine.connect() as connection:
            rows = connection.execute(text(_PROGRESS), {"now": self._now()}).fetchall()
        about = [listed(row) for row in rows]
        found = pd.DataFrame(
            {
                "study_id": [row.study_id for row in rows],
                "study": pd.Series([str(row.study) for row in rows], dtype="str"),
                "created": pd.Series([one.created for one in about], dtype=TIME),
                "planned": [one.planned or 0 for one in about],
                **{name: [getattr(row, name) or 0 for row in rows] for name in COUNTED},
                "last_active": pd.Series([_time(row.last_active) for row in rows], dtype=TIME),
                "problem": pd.Series([one.problem for one in about], dtype="string"),
            }
        ).astype(dict.fromkeys(("study_id", "planned", *COUNTED), "int64"))
        ended = found[list(states.ENDED)].sum(axis=1)
        state = pd.Series("interrupted", index=found.index, dtype="str")
        state[found["working"] > 0] = "running"
        state[ended >= found["planned"]] = "finished"
        state[found["problem"].notna()] = "damaged"
        found.insert(3, "state", state)
        return found

    def of(self, name: str) -> pd.Series:
        """The row of one study.

        Raises:
            StorageError: the database cannot be read, or does not have the study any more.
        """
        rows = self.read()
        rows = rows[rows["study"] == name]
        if rows.empty:
            raise StorageError(f"study {name!r} is not in the database any more")
        return rows.iloc[0]


def _time(stored: object) -> datetime | None:
    """None also for what is no time: the study's own pages say so."""
    try:
        return None if stored is None else read_time(stored, "the end of an attempt")
    except DamagedError:
        return None


def stamp(row: pd.Series) -> tuple[int, ...]:
    """What changes whenever the results of a study do: its id and counts, from ``Progress``."""
    return tuple(int(row[name]) for name in ("study_id", *COUNTS))
