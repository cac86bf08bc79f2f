"""What happened in a study since the last look, for whoever follows a search from another machine.

A look reads the trials that are new or had not ended, and what belongs to them: its cost does not
grow with the study.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select, text

from nas.architecture import Architecture
from nas.cost import Cost
from nas.metrics import COSTS, METRICS
from nas.study.damage import read_json, read_metrics
from nas.study.database import engines
from nas.study.database.clock import DatabaseClock
from nas.study.database.tables import architectures, attempts, epochs
from nas.study.networks import stored_architecture
from nas.study.reader import Study

_TRIALS = text("""
SELECT number, trial_id, CAST(state AS VARCHAR(16)) AS state FROM trials
WHERE study_id = :study
  AND (number >= :first OR state IN ('RUNNING', 'WAITING') OR number IN :open)
""").bindparams(bindparam("open", expanding=True))
_ATTRIBUTES = text("""
SELECT trial_id, key, value_json FROM trial_user_attributes
WHERE trial_id IN :ids AND key IN ('key', 'reason', 'source')
""").bindparams(bindparam("ids", expanding=True))
_VALUE = text("""
SELECT v.value FROM trial_values AS v JOIN trials AS t ON t.trial_id = v.trial_id
WHERE t.study_id = :study AND t.number = :number AND v.objective = 0
""")
_OPEN = ("RUNNING", "WAITING")
_MANY = 500  # trials whose rows are read at once


@dataclass(frozen=True)
class Attempt:
    """One attempt, as far as it has come."""

    number: int
    attempt: int
    state: str  # running, or a key of ``nas.study.endings.ENDED``
    reason: str | None
    architecture: Architecture
    cost: Cost
    result: Mapping[str, Any]  # of its last epoch; empty before the first one
    seconds: float  # since it began, or until it ended


@dataclass(frozen=True)
class Untrained:
    """A trial that ended without an attempt."""

    number: int
    reason: str | None  # why none could be begun
    source: int | None = None  # the trial of the same network, whose result it was told
    value: float | None = None  # that result


@dataclass(frozen=True)
class Look:
    """What one look found."""

    running: tuple[Attempt, ...]
    """Those whose driver lives."""
    ended: tuple[Attempt | Untrained, ...]
    """Since the look before, by trial; the first look finds none."""


@dataclass
class Following:
    """Follows ``study``, which may be searched at the same time.

    Raises:
        StorageError: the database cannot be read.
        DamagedError: it holds what nas cannot have written.
    """

    study: Study
    now: Callable[[], datetime] | None = None  # UTC, of the database
    _first: int = field(default=0, init=False)  # the trials from here on are new
    _open: set[int] = field(default_factory=set, init=False)  # those before it that had not ended
    _told: set[tuple[int, int]] = field(default_factory=set, init=False)  # ended, of open trials
    _begun: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.now = self.now or DatabaseClock(self.study.engine)

    def look(self) -> Look:
        """What is new."""
        with (
            engines.translate_errors(self.study.url),
            engines.snapshot(self.study.engine) as connection,
        ):
            if not self._begun:
                self._first = self.study.trials
            about = {"study": self.study.id, "first": self._first, "open": list(self._open)}
            trials = {row.number: row for row in connection.execute(_TRIALS, about)}
            found: list[Attempt | Untrained] = []
            numbers = sorted(trials)
            for at in range(0, len(numbers), _MANY):
                found += self._of(connection, {n: trials[n] for n in numbers[at : at + _MANY]})
        running = tuple(a for a in found if isinstance(a, Attempt) and a.state == "running")
        new = [one for one in found if self._is_new(one)]
        self._told.update((one.number, one.attempt) for one in new if isinstance(one, Attempt))
        ended = tuple(new) if self._begun else ()
        self._begun = True
        self._open = {number for number, row in trials.items() if row.state in _OPEN}
        self._told = {(number, attempt) for number, attempt in self._told if number in self._open}
        self._first = max((self._first, *(number + 1 for number in trials)))
        return Look(running, ended)

    def _is_new(self, one: Attempt | Untrained) -> bool:
        if isinstance(one, Untrained):
            return True
        return one.state != "running" and (one.number, one.attempt) not in self._told

    def _of(self, connection: Connection, trials: Mapping[int, Any]) -> list[Attempt | Untrained]:
        """All attempts of some trials, and those of them that ended without one."""
        known: dict[int, dict[str, Any]] = {row.trial_id: {} for row in trials.values()}
        for row in connection.execute(_ATTRIBUTES, {"ids": list(known)}):
            known[row.trial_id][row.key] = read_json(row.value_json, f"{row.key} of a trial")
        attributes = {number: known[row.trial_id] for number, row in trials.items()}
        query = select(attempts).where(
            attempts.c.study_id == self.study.id, attempts.c.trial.in_(list(trials))
        )
        rows = connection.execute(query.order_by(attempts.c.trial, attempts.c.attempt)).all()
        results = self._results(connection, {row.trial for row in rows})
        keys = {str(attributes[row.trial].get("key")) for row in rows}
        networks = self._networks(connection, keys)
        assert self.now is not None
        now = self.now()
        found: list[Attempt | Untrained] = []
        for row in rows:
            network = networks.get(str(attributes[row.trial].get("key")))
            if network is not None and (row.state != "running" or row.lease >= now):
                result = results.get((row.trial, row.attempt), {})
                seconds = max(0.0, ((row.ended or now) - row.started).total_seconds())
                about = (row.trial, row.attempt, row.state, row.reason)
                found.append(Attempt(*about, *network, result, seconds))
        begun = {row.trial for row in rows}
        for number, row in trials.items():
            if row.state not in _OPEN and number not in begun:
                found.append(self._untrained(connection, number, attributes[number]))
        return sorted(found, key=lambda one: one.number)

    def _results(
        self, connection: Connection, trials: Collection[int]
    ) -> dict[tuple[int, int], Mapping[str, Any]]:
        """By trial and attempt, the last epoch."""
        query = select(epochs).where(
            epochs.c.study_id == self.study.id, epochs.c.trial.in_(list(trials))
        )
        found: dict[tuple[int, int], Mapping[str, Any]] = {}
        for row in connection.execute(query.order_by(epochs.c.epoch)):
            measured = {name: getattr(row, name) for name in METRICS}
            further = {"metrics": read_metrics(row.metrics)}
            found[row.trial, row.attempt] = {"epoch": row.epoch, **measured, **further}
        return found

    def _networks(
        self, connection: Connection, keys: Collection[str]
    ) -> dict[str, tuple[Architecture, Cost]]:
        query = select(architectures).where(
            architectures.c.study_id == self.study.id, architectures.c.key.in_(list(keys))
        )
        return {
            row.key: (
                stored_architecture(row.description),
                Cost(**{name: getattr(row, name) for name in COSTS}),
            )
            for row in connection.execute(query)
        }

    def _untrained(
        self, connection: Connection, number: int, attributes: Mapping[str, Any]
    ) -> Untrained:
        source = attributes.get("source")
        if not isinstance(source, int):
            reason = attributes.get("reason")
            return Untrained(number, None if reason is None else str(reason))
        asked = {"study": self.study.id, "number": source}
        return Untrained(number, None, source, connection.scalar(_VALUE, asked))
