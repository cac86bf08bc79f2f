"""How far each study of a database is: counts alone, so that it can be asked every second."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime

import pandas as pd
from sqlalchemy import text

from nas.errors import StorageError
from nas.study import database
from nas.study.store import utc_now
from nas.study.upgrade import has_studies

COUNTS = (
    "trials", "complete", "pruned", "failed", "running", "waiting",
    "epochs", "attempts", "ended", "evaluations", "latencies",
)  # fmt: skip

_PROGRESS = """
WITH t AS (
    SELECT study_id, COUNT(*) AS trials,
           SUM(CASE WHEN state = 'COMPLETE' THEN 1 ELSE 0 END) AS complete,
           SUM(CASE WHEN state = 'PRUNED' THEN 1 ELSE 0 END) AS pruned,
           SUM(CASE WHEN state = 'FAIL' THEN 1 ELSE 0 END) AS failed,
           SUM(CASE WHEN state = 'RUNNING' THEN 1 ELSE 0 END) AS running,
           SUM(CASE WHEN state = 'WAITING' THEN 1 ELSE 0 END) AS waiting
    FROM trials GROUP BY study_id
), a AS (
    SELECT study_id, COUNT(*) AS attempts, COUNT(ended) AS ended,
           SUM(CASE WHEN state = 'running' AND lease > :now THEN 1 ELSE 0 END) AS working,
           MAX(COALESCE(ended, started)) AS last_active
    FROM nas_attempts GROUP BY study_id
), e AS (SELECT study_id, COUNT(*) AS epochs FROM nas_epochs GROUP BY study_id),
   v AS (SELECT study_id, COUNT(*) AS evaluations FROM nas_evaluations GROUP BY study_id),
   l AS (SELECT study_id, COUNT(*) AS latencies FROM nas_latencies GROUP BY study_id)
SELECT n.study_id, s.study_name AS study, n.created, n.config, t.trials, t.complete, t.pruned,
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

    def __init__(self, url: str, now: Callable[[], datetime] = utc_now) -> None:
        self.url = url
        self._now = now
        self._engine = database.engine_for(url, read_only=True)
        with database.explained(url):
            if not has_studies(self._engine, url):
                raise StorageError(f"{database.shown(url)} has no studies of nas in it")

    def read(self) -> pd.DataFrame:
        """One row per study, the oldest first.

        Columns: study_id, study, created (UTC), state, planned (trials asked for), ``COUNTS``,
        working (attempts whose driver lives) and last_active (UTC). ``state`` is finished where as
        many trials ended as were asked for, running where a driver works on one, and interrupted
        where neither is so.

        Raises:
            StorageError: the database cannot be read.
        """
        with database.explained(self.url), self._engine.connect() as connection:
            found = pd.read_sql(
                text(_PROGRESS),
                connection,
                params={"now": self._now()},
                parse_dates=["created", "last_active"],
            )
        found = found.fillna(dict.fromkeys((*COUNTS, "working"), 0))
        found = found.astype(dict.fromkeys((*COUNTS, "working"), "int64"))
        configs = [json.loads(config) for config in found.pop("config")]
        found.insert(3, "planned", [int(config.get("trials", 0)) for config in configs])
        ended = found["complete"] + found["pruned"] + found["failed"]
        state = pd.Series("interrupted", index=found.index, dtype="str")
        state[found["working"] > 0] = "running"
        state[ended >= found["planned"]] = "finished"
        found.insert(3, "state", state)
        return found


def stamp(row: pd.Series) -> tuple[int, ...]:
    """What changes whenever the results of a study do: its id and counts, from ``Progress``."""
    return tuple(int(row[name]) for name in ("study_id", *COUNTS))
