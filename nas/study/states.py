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
INHERITS = "inherits"  # user attribute of a trial that began with the weights of another one
INHERITED = "INHERITED"  # in frames, the state of one that came to its end: Optuna's is PRUNED
WORDS = {"complete": "COMPLETE", "inherited": INHERITED, **STATES}
"""States as frames have them, in the order in which they are told."""
SPOKEN = {state: word for word, state in WORDS.items()}
"""The other way round."""
ENDED = ("complete", "inherited", "pruned", "failed")
COUNTS = ("trials", *WORDS)
"""Columns of ``TRIALS_BY_STATE`` besides study_id."""
_IS = {
    **{word: f"t.state = '{state}'" for word, state in STATES.items()},
    "pruned": "t.state = 'PRUNED' AND a.key IS NULL",
    "inherited": "t.state = 'PRUNED' AND a.key IS NOT NULL",
}
TRIALS_BY_STATE = (
    "SELECT t.study_id, COUNT(*) AS trials, "
    + ", ".join(f"SUM(CASE WHEN {_IS[word]} THEN 1 ELSE 0 END) AS {word}" for word in WORDS)
    + " FROM trials AS t LEFT JOIN trial_user_attributes AS a "
    f"ON a.trial_id = t.trial_id AND a.key = '{INHERITS}' GROUP BY t.study_id"
)
"""A row for each study that has a trial."""


def trials_by_state(connection: Connection, study_id: int) -> dict[str, int]:
    """The counts of one study, by the words of ``WORDS``; of those states that trials have."""
    query = text(f"SELECT * FROM ({TRIALS_BY_STATE}) AS t WHERE study_id = :study")
    row = connection.execute(query, {"study": study_id}).first()
    return {} if row is None else {word: n for word in WORDS if (n := int(getattr(row, word)))}


def told(counts: Mapping[Any, Any], none: str) -> str:
    """As people read them: 3 complete, 1 failed; ``none`` where there are none.

    >>> told({"complete": 3, "failed": 1}, "no trial yet")
    '3 complete, 1 failed'
    """
    return ", ".join(f"{counts[word]} {word}" for word in WORDS if counts.get(word)) or none
