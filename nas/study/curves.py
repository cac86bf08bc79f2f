"""The learning curves of a study in memory, for decisions that take those of all trials.

A trial that is over has no new epochs, so only what is under way, and what is new, is read again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import text

from nas.study.attempts import Attempts

# of an unfinished trial, the next look reads the epochs again
_LOOK = """
SELECT number, CASE WHEN state IN ('RUNNING', 'WAITING') THEN 1 ELSE 0 END AS is_open
FROM trials
WHERE study_id = :study AND (number >= :first OR state IN ('RUNNING', 'WAITING'))
"""


class Curves:
    """What the trials that were trained reported, as of the last ``refresh``.

    Of a trial with several attempts, each epoch is that of the latest one which reached it.
    """

    def __init__(self, attempts: Attempts) -> None:
        self._attempts = attempts
        self._first = 0  # the trials from here on have not been looked at
        self._open: set[int] = set()  # those before it that were not over
        self._by_trial: dict[int, dict[int, float]] = {}
        self._by_epoch: dict[int, dict[int, float]] = {}

    @property
    def costs(self) -> Mapping[int, Sequence[float]]:
        """By trial, what it is judged by besides its curve: nothing, with one objective."""
        return {}

    def at(self, epoch: int) -> Mapping[int, float]:
        """By trial, what the study is judged by at ``epoch``, of all that reached it."""
        return self._by_epoch.get(epoch, {})

    def of(self, trial: int) -> Mapping[int, float]:
        """By epoch, what the study is judged by, of one trial."""
        return self._by_trial.get(trial, {})

    def refresh(self) -> None:
        """Read what is new.

        Raises:
            UnavailableError: the database is away.
        """
        with self._attempts.engine.connect() as connection:
            # first, so that of a trial that is over by then all epochs are there
            look = {"study": self._attempts.study_id, "first": self._first}
            seen = connection.execute(text(_LOOK), look).all()
        for trial, epoch, value in self._attempts.measured(self._first, self._open):
            self._by_trial.setdefault(trial, {})[epoch] = value
            self._by_epoch.setdefault(epoch, {})[trial] = value
        self._open = {row.number for row in seen if row.is_open}
        self._first = max((self._first, *(row.number + 1 for row in seen)))
