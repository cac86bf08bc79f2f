"""How many trials studies have in each state: counted by the database, which has them all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, text

STATES = {
    "complete": "COMPLETE", "pruned": "PRUNED", "failed": "FAIL", "running": "RUNNING",
    "waiting": "WAITING",
}  # fmt: skip
"""Optuna's states, by the words that people read, in the order in which they are told."""
COUNTS = ("trials", *STATES)
"""Columns of ``TRIALS_BY_STATE`` besides study_id."""
TRIALS_BY_STATE = (
    "SELECT study_id, COUNT(*) AS trials, "
    + ", ".join(
        f"SUM(CASE WHEN state = '{state}' THEN 1 ELSE 0 END) AS {word}"
        for word, state in STATES.items()
    )
    + " FROM trials GROUP BY study_id"
)
"""A row for each study that has a trial."""


def trials_by_state(connection: Connection, study_id: int) -> dict[str, int]:
    """The counts of one study, by the words of ``STATES``; of those states that trials have."""
    query = text(f"SELECT * FROM ({TRIALS_BY_STATE}) AS t WHERE study_id = :study")
    row = connection.execute(query, {"study": study_id}).first()
    return {} if row is None else {word: n for word in STATES if (n := int(getattr(row, word)))}


def told(counts: Mapping[Any, Any], none: str) -> str:
    """As people read them: 3 complete, 1 failed; ``none`` where there are none.

    >>> told({"complete": 3, "failed": 1}, "no trial yet")
    '3 complete, 1 failed'
    """
    return ", ".join(f"{counts[word]} {word}" for word in STATES if counts.get(word)) or none
