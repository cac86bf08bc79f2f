"""The learning curves of a study in memory, for decisions that take those of all trials.

A trial that is over has no new epochs, so only what is under way, and what is new, is read again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import text

from nas.study.attempts import Attempts
from nas.study.damage import read_metrics
from nas.study.database import engines

# of an unfinished trial, the next look reads the epochs again
_LOOK = """
SELECT number, CASE WHEN state IN ('RUNNING', 'WAITING') THEN 1 ELSE 0 END AS is_open
FROM trials
WHERE study_id = :study AND (number >= :first OR state IN ('RUNNING', 'WAITING'))
"""


_COSTS = """
SELECT t.number, n.* FROM trials AS t
JOIN trial_user_attributes AS a ON a.trial_id = t.trial_id AND a.key = 'key'
JOIN nas_architectures AS n
  ON n.study_id = t.study_id AND a.value_json = '"' || n.key || '"'
WHERE t.study_id = :study AND t.number >= :first
"""
_FIRST_EPOCHS = """
SELECT trial AS number, metrics FROM nas_epochs
WHERE study_id = :study AND trial >= :first AND epoch = 1 ORDER BY attempt
"""


class Curves:
    """What the trials that were trained reported, as of the last ``refresh``, and those of their
    costs that the study minimizes.

    Of a trial with several attempts, each epoch is that of the latest one which reached it.
    """

    def __init__(self, attempts: Attempts, minimize: Sequence[str] = ()) -> None:
        self._attempts = attempts
        self._minimize = minimize
        self._costs: dict[int, Sequence[float]] = {}
        self._first = 0  # the trials from here on have not been looked at
        self._open: set[int] = set()  # those before it that were not over
        self._by_trial: dict[int, dict[int, float]] = {}
        self._by_epoch: dict[int, dict[int, float]] = {}

    @property
    def costs(self) -> Mapping[int, Sequence[float]]:
        """By trial, what it is judged by besides its curve; empty with one objective."""
        return self._costs

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
        with engines.reading(self._attempts.engine) as connection:
            # first, so that of a trial that is over by then all epochs are there
            look = {"study": self._attempts.study_id, "first": self._first}
            seen = connection.execute(text(_LOOK), look).all()
        for trial, epoch, value in self._attempts.measured(self._first, self._open):
            self._by_trial.setdefault(trial, {})[epoch] = value
            self._by_epoch.setdefault(epoch, {})[trial] = value
        new = self._by_trial.keys() - self._costs.keys() if self._minimize else ()
        if new:
            self._read_costs(new)
        self._open = {row.number for row in seen if row.is_open}
        self._first = max((self._first, *(row.number + 1 for row in seen)))

    def _read_costs(self, trials: Collection[int]) -> None:
        """Of trials whose first epoch is there: the costs of their networks, and measured ones."""
        since = {"study": self._attempts.study_id, "first": min(trials)}
        with engines.reading(self._attempts.engine) as connection:
            networks = {row.number: row._mapping for row in connection.execute(text(_COSTS), since)}
            stored = connection.execute(text(_FIRST_EPOCHS), since).all()
        measured = {row.number: row.metrics for row in stored}
        for number in trials:
            known = {**read_metrics(measured.get(number)), **networks[number]}
            self._costs[number] = [float(known[name]) for name in self._minimize]
