"""Optuna's rows of one study's trials: read once into memory, written within our transactions.

The rows are those that Optuna's own storage writes (schema of Optuna 5, whose version that storage
checks when the study is opened), so all of Optuna's tools read them. Its storage commits each
parameter and attribute by itself; here a trial is written whole, together with our own rows.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection, Engine, delete, select, text

from nas.metrics import COST_WORDS
from nas.study.database import engines
from nas.study.frozen import frozen_trials
from nas.study.record import StudyRecord
from nas.study.statements import LOCK_STUDY, OPEN, Statements

_METRIC_NAMES = "study:metric_names"  # system attribute: as Optuna's Study.set_metric_names


def describe(connection: Connection, study_id: int, record: StudyRecord) -> None:
    """Tell Optuna's tools what the values of a new study are, and of what it is."""
    config = record.config
    about = {"space": record.space.get("name"), "epochs": config.get("epochs")}
    if record.images is not None:
        about["images"] = record.images.title
    names = [record.accuracy, *(COST_WORDS[cost] for cost in record.minimize)]
    for kind, attributes in (("system", {_METRIC_NAMES: names}), ("user", about)):
        statement = text(
            f"INSERT INTO study_{kind}_attributes (study_id, key, value_json) "
            "VALUES (:study, :key, :value) ON CONFLICT (study_id, key) DO NOTHING"
        )
        rows = [
            {"study": study_id, "key": key, "value": json.dumps(value)}
            for key, value in attributes.items()
            if value is not None
        ]
        connection.execute(statement, rows)


@dataclass
class Trials:
    """The trials of one study, as of the last ``read``."""

    engine: Engine
    study_id: int

    def __post_init__(self) -> None:
        self._statements = Statements(self.engine)
        self.tables = self._statements.tables
        self._trials: list[FrozenTrial] = []
        self._open: dict[int, int] = {}  # id of a trial that has not ended -> its number
        self._last = -1  # the highest id that was read
        self._new: dict[int, int] = {}  # number -> id of trials that are not read yet
        self._json: dict[int, tuple[BaseDistribution, str]] = {}  # by identity

    def read(self) -> Sequence[FrozenTrial]:
        """All trials by number, not to be changed; what is new or has not ended is read again."""
        # with an id that no trial has: for an empty list, PostgreSQL would read the whole study
        since = {"study": self.study_id, "after": self._last, "open": [-1, *self._open]}
        with engines.reading(self.engine) as connection:
            # the states first: of a trial that has ended by then, everything is there
            rows = connection.execute(self._statements.news, since).all()
            news = frozen_trials(connection, [row for row in rows if self._is_news(row)])
        self._new.clear()
        for row in rows:
            if (trial := news.get(row.trial_id)) is not None:
                if row.number < len(self._trials):
                    self._trials[row.number] = trial
                else:
                    self._trials.append(trial)
            self._last = max(self._last, row.trial_id)
            if row.state in OPEN:
                self._open[row.trial_id] = row.number
            else:
                self._open.pop(row.trial_id, None)
        return self._trials

    @property
    def known(self) -> Sequence[FrozenTrial]:
        """What the last ``read`` gave."""
        return self._trials

    def unfinished(self) -> list[FrozenTrial]:
        """Those that had not ended at the last ``read``, by number."""
        return [self._trials[number] for number in sorted(self._open.values())]

    def identifier(self, connection: Connection, number: int) -> int:
        """Optuna's id of a trial."""
        if number < len(self._trials):
            return self._trials[number]._trial_id
        if number not in self._new:
            trials = self.tables["trials"]
            query = select(trials.c.trial_id)
            query = query.where(trials.c.study_id == self.study_id, trials.c.number == number)
            self._new[number] = int(connection.scalars(query).one())
        return self._new[number]

    def attribute(self, connection: Connection, number: int, name: str) -> Any:
        """A user attribute of a trial that has it."""
        table = self.tables["trial_user_attributes"]
        query = select(table.c.value_json).where(
            table.c.trial_id == self.identifier(connection, number), table.c.key == name
        )
        return json.loads(connection.scalars(query).one())

    def attributes(
        self, connection: Connection, numbers: Collection[int], name: str
    ) -> dict[int, Any]:
        """By number, a user attribute of those trials that have it, as the database has it now."""
        trials, table = self.tables["trials"], self.tables["trial_user_attributes"]
        query = (
            select(trials.c.number, table.c.value_json)
            .join_from(trials, table, trials.c.trial_id == table.c.trial_id)
            .where(
                trials.c.study_id == self.study_id,
                trials.c.number.in_(list(numbers)),
                table.c.key == name,
            )
        )
        return {number: json.loads(stored) for number, stored in connection.execute(query)}

    # -- writes, within a transaction of the caller's -----------------------------------------

    def add(
        self,
        connection: Connection,
        state: TrialState,
        *,
        params: Mapping[str, Any] | None = None,
        distributions: Mapping[str, BaseDistribution] | None = None,
        user_attrs: Mapping[str, Any] | None = None,
        system_attrs: Mapping[str, Any] | None = None,
        values: Sequence[float] | None = None,
        curve: Mapping[int, float] | None = None,
    ) -> tuple[int, int]:
        """Write a whole trial; its number, and Optuna's id."""
        if self.engine.dialect.name != "sqlite":  # there, a transaction has the database to itself
            connection.execute(LOCK_STUDY, {"study": self.study_id})
        now = _now()
        row = {
            "study": self.study_id,
            "study_id": self.study_id,
            "state": state.name,
            "datetime_start": None if state == TrialState.WAITING else now,
            "datetime_complete": now if state.is_finished() else None,
        }
        number, identifier = connection.execute(self._statements.add_trial, row).one()
        self._insert_params(connection, identifier, params or {}, distributions or {})
        for name, attributes in (("user", user_attrs), ("system", system_attrs)):
            if attributes:
                rows = _attributes(identifier, attributes)
                self._insert(connection, f"trial_{name}_attributes", rows)
        self._insert_values(connection, identifier, values)
        if curve:
            self._insert_steps(connection, identifier, curve)
        return int(number), int(identifier)

    def remember(self, number: int, identifier: int) -> None:
        """Take note of the id of a trial that was added, and committed."""
        self._new[number] = identifier

    def set_params(
        self,
        connection: Connection,
        number: int,
        params: Mapping[str, Any],
        distributions: Mapping[str, BaseDistribution],
    ) -> None:
        """Give a trial that has none its parameters.

        Raises:
            UpdateFinishedTrialError: it has ended.
        """
        identifier = self._still_open(connection, number)
        self._insert_params(connection, identifier, params, distributions)

    def set_attributes(
        self, connection: Connection, number: int, attributes: Mapping[str, Any]
    ) -> None:
        """Set user attributes of a trial."""
        if not attributes:
            return
        rows = _attributes(self.identifier(connection, number), attributes)
        connection.execute(self._statements.set_attributes, rows)

    def drop_attribute(self, connection: Connection, number: int, name: str) -> None:
        """Take a user attribute from a trial."""
        table = self.tables["trial_user_attributes"]
        identifier = self.identifier(connection, number)
        connection.execute(delete(table).where(table.c.trial_id == identifier, table.c.key == name))

    def set_step(self, connection: Connection, number: int, step: int, value: float) -> None:
        """Set one intermediate value of a trial; nothing is done where it has ended."""
        this = {"this": self.identifier(connection, number), "at": step, "value": value}
        connection.execute(self._statements.set_step, this)

    def _insert_steps(
        self, connection: Connection, identifier: int, curve: Mapping[int, float]
    ) -> None:
        """Write intermediate values that a trial does not have yet."""
        rows = [
            {
                "trial_id": identifier,
                "step": step,
                "intermediate_value": value,
                "intermediate_value_type": "FINITE",
            }
            for step, value in curve.items()
        ]
        self._insert(connection, "trial_intermediate_values", rows)

    def set_curve(self, connection: Connection, number: int, curve: Mapping[int, float]) -> None:
        """Make a trial's intermediate values those of one attempt.

        The last one may be missing, others may be those of an earlier attempt.
        """
        identifier = self.identifier(connection, number)
        table = self.tables["trial_intermediate_values"]
        known = {
            row.step: row.intermediate_value
            for row in connection.execute(self._statements.steps, {"this": identifier})
        }
        wrong = [step for step, value in known.items() if curve.get(step) != value]
        if wrong:
            connection.execute(
                delete(table).where(table.c.trial_id == identifier, table.c.step.in_(wrong))
            )
        self._insert_steps(
            connection, identifier, {s: v for s, v in curve.items() if known.get(s) != v}
        )

    def begin(self, connection: Connection, number: int) -> bool:
        """Make a WAITING trial RUNNING; False where it waits no longer."""
        this = {"this": self.identifier(connection, number)}
        begun = {"state": "RUNNING", "datetime_start": _now()}
        changed = connection.execute(self._statements.begin, this | begun)
        return changed.rowcount == 1

    def set_state(
        self,
        connection: Connection,
        number: int,
        state: TrialState,
        values: Sequence[float] | None = None,
    ) -> None:
        """End a trial with these values, or let it wait.

        Raises:
            UpdateFinishedTrialError: it has ended before.
        """
        identifier = self.identifier(connection, number)
        ended = {"datetime_complete": _now()} if state.is_finished() else {}
        changed = connection.execute(
            self._statements.change, {"this": identifier, "state": state.name, **ended}
        )
        if changed.rowcount != 1:
            raise UpdateFinishedTrialError(f"trial {number} has ended")
        self._insert_values(connection, identifier, values)

    # -- parts ------------------------------------------------------------------------------

    def _is_news(self, row: Any) -> bool:
        """Whether something that this memory lacks can belong to a trial.

        What runs gets intermediate values alone, and these are of interest at its end.
        """
        if row.trial_id not in self._open:
            return True
        known = self._trials[row.number]
        return known.state.name != row.state or "key" not in known.user_attrs

    def _still_open(self, connection: Connection, number: int) -> int:
        """Keeps others from changing the trial until the transaction ends; its id."""
        trials, identifier = self.tables["trials"], self.identifier(connection, number)
        query = select(trials.c.state).where(trials.c.trial_id == identifier).with_for_update()
        if connection.scalar(query) not in OPEN:
            raise UpdateFinishedTrialError(f"trial {number} has ended")
        return identifier

    def _insert_params(
        self,
        connection: Connection,
        identifier: int,
        params: Mapping[str, Any],
        distributions: Mapping[str, BaseDistribution],
    ) -> None:
        rows = [
            {
                "trial_id": identifier,
                "param_name": path,
                "param_value": distributions[path].to_internal_repr(value),
                "distribution_json": self._spelled(distributions[path]),
            }
            for path, value in params.items()
        ]
        self._insert(connection, "trial_params", rows)

    def _spelled(self, distribution: BaseDistribution) -> str:
        """As Optuna stores it; by identity, as Optuna's are equal where 1 and True are."""
        known = self._json.get(id(distribution))
        if known is None or known[0] is not distribution:
            known = self._json[id(distribution)] = distribution, distribution_to_json(distribution)
        return known[1]

    def _insert_values(
        self, connection: Connection, identifier: int, values: Sequence[float] | None
    ) -> None:
        rows = [
            {"trial_id": identifier, "objective": place, "value": value, "value_type": "FINITE"}
            for place, value in enumerate(values or ())
        ]
        self._insert(connection, "trial_values", rows)

    def _insert(
        self, connection: Connection, table: str, rows: Sequence[Mapping[str, Any]]
    ) -> None:
        if rows:
            connection.execute(self._statements.add[table], rows)


def _attributes(identifier: int, attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"trial_id": identifier, "key": name, "value_json": json.dumps(value)}
        for name, value in attributes.items()
    ]


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
