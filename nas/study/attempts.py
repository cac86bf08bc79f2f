"""Attempts and their learning curves: the part of a study that Optuna has no place for.

Every change of an attempt asks that it is still running and still its owner's, in one statement:
a driver that was taken for dead can no longer write to what another one carries on.

A write is a transaction of its own, or part of the one ``within`` which it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    Select,
    Table,
    bindparam,
    func,
    insert,
    literal,
    select,
    tuple_,
    update,
)

from nas.errors import StorageError
from nas.metrics import ACCURACY, METRICS, Measure, to_json
from nas.study.damage import read_metrics
from nas.study.database import engines
from nas.study.database.tables import attempts, epochs, insert_new

LEASE = timedelta(seconds=30)
_RESULT = ("epoch", *METRICS)
_WHERE = ("host", "device", "numerics")
WHOLE = ("complete", "inherited")  # states of attempts that came to the end of their training
MEASURED = (*_RESULT, "metrics", *_WHERE)  # what is kept of an epoch's result


def _is_this(table: Table, *more: str) -> Iterator[ColumnElement[bool]]:
    """Rows of the attempt, and with ``more`` columns, that a statement's parameters name."""
    for name in ("study_id", "trial", "attempt", *more):
        yield table.c[name] == bindparam(f"this_{name}")


# In the course of each trial. To build a statement takes SQLAlchemy longer than to execute it.
_INSERT = insert(attempts)
_CHANGE = update(attempts).where(
    *_is_this(attempts, "owner"), attempts.c.state.in_(bindparam("states", expanding=True))
)
_CURVE = select(epochs.c.epoch, epochs.c.val_accuracy, epochs.c.metrics).where(*_is_this(epochs))
_BEGUN = (
    select(attempts.c.trial)
    .where(attempts.c.study_id == bindparam("study_id"), attempts.c.trial >= bindparam("first"))
    .distinct()
)
_REACHED = select(func.max(epochs.c.attempt)).where(
    *(epochs.c[name] == bindparam(name) for name in ("study_id", "trial", "epoch"))
)


@cache
def _insert_epoch(dialect: str) -> Any:
    return insert_new(epochs, dialect).returning(epochs.c.epoch)


class LostAttemptError(StorageError):
    """The attempt was ended by another driver, after its lease had expired."""


@dataclass(frozen=True)
class Attempts:
    """The attempts of one study, as ``owner`` sees and writes them."""

    engine: Engine
    study_id: int
    owner: str
    clock: Callable[[], datetime]  # UTC
    measure: Measure = ACCURACY  # what the study is judged by
    alive: bool = True  # False for what a dead owner left in its outbox: that renews no lease
    # trials with an attempt, as this driver has seen: they will always have one
    seen: set[int] = field(default_factory=set, compare=False)

    def start(
        self,
        trial: int,
        within: Connection | None = None,
        remark: str | None = None,
        *,
        first: bool = False,
    ) -> int:
        """A new attempt, leased to the owner, from the last checkpoint; they count from 1.

        A ``remark`` on how it begins is its reason, until it ends with one. The ``first`` one of a
        trial is known to be that.
        """
        now = self.clock()
        with self._transaction(within) as connection:
            last = None if first else connection.execute(self._last(trial)).first()
            attempt = last.attempt + 1 if last else 1
            row = {
                "study_id": self.study_id,
                "trial": trial,
                "attempt": attempt,
                "owner": self.owner,
                "lease": now + LEASE,
                "checkpoint": last.checkpoint if last else None,
                "state": "running",
                "reason": remark,
                "started": now,
            }
            connection.execute(_INSERT, row)
        return attempt

    def record_epoch(
        self,
        trial: int,
        attempt: int,
        result: Mapping[str, Any],
        within: Connection | None = None,
    ) -> bool:
        """Write one epoch's result, and where it was measured; False where the epoch is there.

        The first one of an attempt that went on from a checkpoint takes over the epochs before it,
        so that each attempt holds one whole curve.

        Raises:
            LostAttemptError: the attempt is no longer the owner's.
        """
        measured = {name: result[name] for name in _RESULT if name in result}
        measured["metrics"] = to_json(result.get("metrics"))
        where = {name: result[name] for name in _WHERE if name in result}
        with self._transaction(within) as connection:
            if self.alive:
                where["lease"] = self.clock() + LEASE
            try:
                self._change(connection, trial, attempt, **where)
            except LostAttemptError:
                if self._has_epoch(connection, trial, attempt, result["epoch"]):
                    return False
                raise
            if result["epoch"] > 1:
                self._take_over_epochs(connection, trial, attempt, before=result["epoch"])
            row = {"study_id": self.study_id, "trial": trial, "attempt": attempt, **measured}
            return connection.scalar(_insert_epoch(connection.dialect.name), row) is not None

    def record_checkpoint(self, trial: int, attempt: int, path: str) -> None:
        """Note where the attempt can be carried on from.

        Raises:
            LostAttemptError: the attempt is no longer the owner's.
        """
        with self.engine.begin() as connection:
            self._change(connection, trial, attempt, checkpoint=path)

    def record_weights(self, connection: Connection, trial: int, attempt: int, path: str) -> None:
        """Note the checkpoint of the last epoch of an attempt that came to its end.

        Raises:
            LostAttemptError: the attempt was not the owner's.
        """
        self._change(connection, trial, attempt, WHOLE, checkpoint=path)

    def end(
        self,
        trial: int,
        attempt: int,
        state: str,
        reason: str | None,
        within: Connection | None = None,
    ) -> bool:
        """The attempt came to an end; False where the owner has said so before.

        Raises:
            LostAttemptError: the attempt is no longer the owner's.
        """
        with self._transaction(within) as connection:
            told = {"reason": reason} if reason else {}
            try:
                self._change(connection, trial, attempt, state=state, ended=self.clock(), **told)
            except LostAttemptError:
                if self._has_ended(connection, trial, attempt, state):
                    return False
                raise
        return True

    def expire(
        self,
        trial: int,
        attempt: int,
        state: str,
        reason: str | None,
        within: Connection | None = None,
    ) -> bool:
        """End an attempt whose lease has run out; False if it was renewed or ended meanwhile."""
        with self._transaction(within) as connection:
            changed = connection.execute(
                update(attempts)
                .where(
                    *self._rows_of(attempts, trial),
                    attempts.c.attempt == attempt,
                    attempts.c.state == "running",
                    attempts.c.lease < self.clock(),
                )
                .values(state=state, reason=reason, ended=self.clock())
            )
        return changed.rowcount == 1

    def renew_leases(self, live: Collection[tuple[int, int]]) -> None:
        """Tell the other drivers that the owner still runs these, given as (trial, attempt).

        One that expired unnoticed is the owner's again. The owner's others are left to expire:
        their beginning was written, but the answer got lost.
        """
        with self.engine.begin() as connection:
            connection.execute(
                update(attempts)
                .where(
                    attempts.c.study_id == self.study_id,
                    attempts.c.owner == self.owner,
                    attempts.c.state == "running",
                    tuple_(attempts.c.trial, attempts.c.attempt).in_(list(live)),
                )
                .values(lease=self.clock() + LEASE)
            )

    def last(self, trial: int) -> Row[Any] | None:
        """The row of the trial's latest attempt."""
        with engines.reading(self.engine) as connection:
            return connection.execute(self._last(trial)).first()

    def latest(self, trials: Collection[int]) -> dict[int, Row[Any]]:
        """By trial, the row of its latest attempt; of those that have one."""
        query = select(attempts).where(
            attempts.c.study_id == self.study_id, attempts.c.trial.in_(list(trials))
        )
        with engines.reading(self.engine) as connection:
            found = connection.execute(query.order_by(attempts.c.trial, attempts.c.attempt))
            return {row.trial: row for row in found}

    def deaths(self, trial: int) -> int:
        """How many processes of the trial died."""
        query = select(func.count()).where(
            *self._rows_of(attempts, trial), attempts.c.state == "died"
        )
        with engines.reading(self.engine) as connection:
            return int(connection.scalar(query) or 0)

    def begun(self, trials: Collection[int]) -> set[int]:
        """Those of ``trials`` that have an attempt."""
        unknown = set(trials) - self.seen
        if not unknown:
            return set(trials)
        since = {"study_id": self.study_id, "first": min(unknown)}
        with engines.reading(self.engine) as connection:
            found = set(connection.scalars(_BEGUN, since))
        return set(trials) & (self.seen | found)

    def curve(self, trial: int, attempt: int, within: Connection | None = None) -> dict[int, float]:
        """What the study is judged by, by epoch of one attempt."""
        this = self._this(trial, attempt)
        with self._reading(within) as connection:
            return {row.epoch: self._value(row) for row in connection.execute(_CURVE, this)}

    def first_metrics(
        self, trial: int, attempt: int, within: Connection | None = None
    ) -> Mapping[str, float]:
        """The metrics without a column of their own that the first epoch of an attempt has."""
        query = select(epochs.c.metrics).where(
            *self._rows_of(epochs, trial), epochs.c.attempt == attempt, epochs.c.epoch == 1
        )
        with self._reading(within) as connection:
            return read_metrics(connection.scalar(query))

    def measured(self, first: int, also: Collection[int]) -> list[tuple[int, int, float]]:
        """(trial, epoch, what the study is judged by) of the trials from ``first`` on and those of
        ``also``; of two attempts, the earlier one comes first."""
        columns = (epochs.c.trial, epochs.c.epoch, epochs.c.val_accuracy, epochs.c.metrics)
        found: list[tuple[int, int, float]] = []
        with engines.reading(self.engine) as connection:
            # one after the other: joined by OR, SQLite would read the whole study
            for of_these in (epochs.c.trial.in_(also), epochs.c.trial >= first):
                query = (
                    select(*columns)
                    .where(epochs.c.study_id == self.study_id, of_these)
                    .order_by(epochs.c.attempt)
                )
                rows = connection.execute(query)
                found += [(row.trial, row.epoch, self._value(row)) for row in rows]
        return found

    @contextmanager
    def _transaction(self, within: Connection | None) -> Iterator[Connection]:
        if within is not None:
            yield within
            return
        with self.engine.begin() as connection:
            yield connection

    @contextmanager
    def _reading(self, within: Connection | None) -> Iterator[Connection]:
        if within is not None:
            yield within
            return
        with engines.reading(self.engine) as connection:
            yield connection

    def _value(self, row: Any) -> float:
        if self.measure.metric in METRICS:
            return float(row.val_accuracy)
        return self.measure.of({"metrics": read_metrics(row.metrics)})

    def _change(
        self,
        connection: Connection,
        trial: int,
        attempt: int,
        states: Collection[str] = ("running",),
        **values: Any,
    ) -> None:
        this = {**self._this(trial, attempt), "this_owner": self.owner, "states": list(states)}
        changed = connection.execute(_CHANGE, {**this, "owner": self.owner, **values})
        if changed.rowcount != 1:
            raise LostAttemptError(f"attempt {attempt} of trial {trial} is another driver's now")
        self.seen.add(trial)

    def _has_ended(self, connection: Connection, trial: int, attempt: int, state: str) -> bool:
        found = connection.scalar(
            select(attempts.c.state).where(
                *self._rows_of(attempts, trial),
                attempts.c.attempt == attempt,
                attempts.c.owner == self.owner,
            )
        )
        return found == state

    def _has_epoch(self, connection: Connection, trial: int, attempt: int, epoch: int) -> bool:
        found = connection.scalar(
            select(epochs.c.epoch).where(
                *self._rows_of(epochs, trial), epochs.c.attempt == attempt, epochs.c.epoch == epoch
            )
        )
        return found is not None

    def _take_over_epochs(
        self, connection: Connection, trial: int, attempt: int, *, before: int
    ) -> None:
        """Copy epochs 1 to ``before`` - 1 of the latest attempt that has them, once."""
        of_before = {"study_id": self.study_id, "trial": trial, "epoch": before - 1}
        source = connection.scalar(_REACHED, of_before)
        if source is None or source == attempt:
            return
        columns = [literal(attempt) if c.name == "attempt" else c for c in epochs.columns]
        earlier = select(*columns).where(
            *self._rows_of(epochs, trial), epochs.c.attempt == source, epochs.c.epoch < before
        )
        connection.execute(insert(epochs).from_select([c.name for c in epochs.columns], earlier))

    def _last(self, trial: int) -> Select[Any]:
        return (
            select(attempts)
            .where(*self._rows_of(attempts, trial))
            .order_by(attempts.c.attempt.desc())
            .limit(1)
        )

    def _this(self, trial: int, attempt: int) -> dict[str, int]:
        """The parameters of a statement on one attempt."""
        return {"this_study_id": self.study_id, "this_trial": trial, "this_attempt": attempt}

    def _rows_of(self, table: Table, trial: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        return table.c.study_id == self.study_id, table.c.trial == trial
