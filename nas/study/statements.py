"""The statements on Optuna's tables that belong to the course of each trial.

They are built once for each study that is opened: to build a statement takes SQLAlchemy several
times as long as to execute it. Values come as parameters, by the names of columns; ``this`` is the
id of a trial.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import (
    Engine,
    MetaData,
    Table,
    bindparam,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

OPEN = ("RUNNING", "WAITING")  # states of trials that have not ended
LOCK_STUDY = text("SELECT study_id FROM studies WHERE study_id = :study FOR UPDATE")


class Statements:
    """Those that depend on the types of the columns, which the database says."""

    def __init__(self, engine: Engine) -> None:
        self._dialect = engine.dialect.name
        found = MetaData()
        found.reflect(engine, only=lambda name, _: name.startswith("trial"))
        self.tables: Mapping[str, Table] = found.tables
        """Optuna's, of trials, by name."""
        trials = self.tables["trials"].c
        self.news = (
            select(
                trials.trial_id,
                trials.number,
                trials.state,
                trials.datetime_start,
                trials.datetime_complete,
            )
            .where(
                trials.study_id == bindparam("study"),
                or_(
                    trials.trial_id > bindparam("after"),
                    trials.trial_id.in_(bindparam("open", expanding=True)),
                ),
            )
            .order_by(trials.trial_id)
        )
        """The rows of a study's trials ``after`` an id, and of those that are ``open``."""
        last = select(trials.number).where(trials.study_id == bindparam("study"))
        last = last.order_by(trials.trial_id.desc()).limit(1)
        self.add_trial = (
            insert(self.tables["trials"])
            .values(number=func.coalesce(last.scalar_subquery(), -1) + 1)
            .returning(trials.number, trials.trial_id)
        )
        """Add one to a ``study`` that is locked, under the next number."""
        self.add = {name: insert(table) for name, table in self.tables.items()}
        """An insert of rows, by table."""
        self.set_attributes = self._upsert(
            "trial_user_attributes", ("trial_id", "key"), ("value_json",)
        )
        steps = self.tables["trial_intermediate_values"].c
        step = select(
            trials.trial_id,
            bindparam("at", type_=steps.step.type).label("step"),
            bindparam("value", type_=steps.intermediate_value.type).label("intermediate_value"),
            literal("FINITE", steps.intermediate_value_type.type).label("intermediate_value_type"),
        ).where(trials.trial_id == bindparam("this"), trials.state.in_(OPEN))
        names = [column.name for column in step.selected_columns]
        self.set_step = self._upsert(
            "trial_intermediate_values",
            ("trial_id", "step"),
            ("intermediate_value", "intermediate_value_type"),
        ).from_select(names, step)
        """Set the intermediate ``value`` ``at`` a step of a trial that is open."""
        self.steps = select(steps.step, steps.intermediate_value).where(
            steps.trial_id == bindparam("this")
        )
        self.begin = update(self.tables["trials"]).where(
            trials.trial_id == bindparam("this"), trials.state == "WAITING"
        )
        self.change = update(self.tables["trials"]).where(
            trials.trial_id == bindparam("this"), trials.state.in_(OPEN)
        )

    def _upsert(self, table: str, keys: Collection[str], changed: Collection[str]) -> Any:
        """An insert that changes some columns where the ``keys`` are there."""
        insert_ = sqlite.insert if self._dialect == "sqlite" else postgresql.insert
        statement: Any = insert_(self.tables[table])
        new = {name: statement.excluded[name] for name in changed}
        return statement.on_conflict_do_update(index_elements=list(keys), set_=new)
