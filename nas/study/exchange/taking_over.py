"""Results of one study taken over into another one of the same database, where they are comparable.

Whether they are is for the caller to know. What is written is what a search would have written, but
for the policy, and for a user attribute that says where it was trained; all of it, or nothing.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.trial import TrialState
from sqlalchemy import Connection, Table, insert, select

from nas.architecture import Architecture
from nas.cost import Cost
from nas.metrics import COSTS
from nas.study.curves import Curves
from nas.study.damage import read_metrics
from nas.study.database import tables
from nas.study.networks import attributes_of, row_of
from nas.study.policies import ADDED, IMPORTED
from nas.study.store import MEASURED_ON, StudyStore

Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Result:
    """A trial of another study that was trained in full."""

    study: str
    study_id: int
    number: int
    setting: Mapping[str, Any]
    """That of the study which takes it over."""
    architecture: Architecture

    @property
    def training(self) -> tuple[object, ...]:
        """Equal where the same network was trained in the same way."""
        return training_of(self.architecture.key, self.setting)


def training_of(key: str, setting: Mapping[str, Any]) -> tuple[object, ...]:
    """``Result.training`` of the network with this key."""
    return key, *sorted(one for one in setting.items() if one[0].startswith("training."))


def take_over(
    store: StudyStore,
    results: Sequence[Result],
    distributions: Mapping[str, BaseDistribution],
    cost: Callable[[Architecture], Cost],
) -> int:
    """Write the results that the study lacks as trials of it; how many these were.

    What was trained there in full already is not taken over, so that the same call again does
    nothing; the caller is ``claiming``.

    Args:
        store: of the study that takes them over.
        results: of other studies of the same database, each COMPLETE at the study's fidelity.
        distributions: of each knob of the study's space.
        cost: of a network, at the study's images.
    """
    trials = store.trials()
    there = {
        training_of(str(trial.user_attrs.get("key")), trial.params)
        for trial in trials
        if trial.state == TrialState.COMPLETE and trial.user_attrs.get("policy") != ADDED
    }
    new: dict[tuple[object, ...], Result] = {}
    for result in results:
        if result.training not in there:
            new.setdefault(result.training, result)
    found = {study: _Source(store, study) for study in {one.study_id for one in new.values()}}
    if new:
        with store.engine.begin() as connection:
            writing = _Writing(connection, store, distributions)
            sources = {study: one.read(connection, writing.theirs) for study, one in found.items()}
            for number, one in enumerate(new.values(), start=len(trials)):
                writing.add(number, one, sources[one.study_id], cost(one.architecture))
            writing.write()
    return len(new)


class _Source:
    """What is copied of one study."""

    def __init__(self, store: StudyStore, study_id: int) -> None:
        self._id = study_id
        self._curves = Curves(replace(store.attempts, study_id=study_id, seen=set()))
        self._curves.refresh()
        self._attempts: dict[int, Row] = {}  # the last one, by trial
        self._epochs: dict[tuple[int, int], list[Row]] = {}  # by trial and attempt
        self._times: dict[int, Row] = {}  # Optuna's, by trial
        self._measured_on: dict[int, str] = {}  # JSON, by trial

    def read(self, connection: Connection, theirs: Mapping[str, Table]) -> _Source:
        """Read it, table by table; ``theirs`` are Optuna's."""
        for row in self._rows(connection, tables.attempts):
            self._attempts[row["trial"]] = row
        for row in self._rows(connection, tables.epochs):
            self._epochs.setdefault((row["trial"], row["attempt"]), []).append(row)
        trials, attributes = theirs["trials"], theirs["trial_user_attributes"]
        for row in self._rows(connection, trials):
            times = {name: row[name] for name in ("datetime_start", "datetime_complete")}
            self._times[row["number"]] = times
        query = select(trials.c.number, attributes.c.value_json).join_from(
            trials, attributes, trials.c.trial_id == attributes.c.trial_id
        )
        query = query.where(trials.c.study_id == self._id, attributes.c.key == MEASURED_ON)
        self._measured_on = {row.number: row.value_json for row in connection.execute(query)}
        return self

    def measured_on(self, trial: int) -> Mapping[str, Any]:
        """Where a trial measured its latency and memory, as a user attribute."""
        found = self._measured_on.get(trial)
        return {} if found is None else {MEASURED_ON: json.loads(found)}

    def of(self, trial: int) -> tuple[Row, list[Row], Mapping[int, float], Row]:
        """Of a trial, its last attempt, the epochs of that, what it is judged by, and its times."""
        attempt = self._attempts[trial]
        epochs = self._epochs[trial, attempt["attempt"]]
        return attempt, epochs, self._curves.of(trial), self._times[trial]

    def _rows(self, connection: Connection, table: Table) -> list[Row]:
        query = select(table).where(table.c.study_id == self._id)
        query = query.order_by(*table.primary_key.columns)
        return [dict(row._mapping) for row in connection.execute(query)]


class _Writing:
    """The rows of new trials, until they are written all at once."""

    def __init__(
        self,
        connection: Connection,
        store: StudyStore,
        distributions: Mapping[str, BaseDistribution],
    ) -> None:
        self._connection = connection
        self._minimize = store.minimize
        self._study_id = store.attempts.study_id
        self._distributions = distributions
        self._json = {path: distribution_to_json(one) for path, one in distributions.items()}
        self.theirs = store.optuna_tables
        networks = tables.architectures
        query = select(networks.c.key).where(networks.c.study_id == self._study_id)
        self._keys = set(connection.scalars(query))
        self._ours: dict[Table, list[Row]] = defaultdict(list)
        self._trials: list[Row] = []
        self._of_trials: dict[str, list[Row]] = defaultdict(list)  # the id is its place until then

    def add(self, number: int, result: Result, source: _Source, cost: Cost) -> None:
        """Make the rows of trial ``number``."""
        attempt, epochs, curve, times = source.of(result.number)
        own = {"study_id": self._study_id, "trial": number, "attempt": 1}
        if result.architecture.key not in self._keys:
            self._keys.add(result.architecture.key)
            network = row_of(self._study_id, result.architecture, cost)
            self._ours[tables.architectures].append(network)
        # the checkpoint is the other study's, which may be cleared away
        self._ours[tables.attempts].append({**attempt, **own, "checkpoint": None})
        self._ours[tables.epochs] += [{**row, **own} for row in epochs]
        first = read_metrics(epochs[0]["metrics"])
        known = {**first, **{name: getattr(cost, name) for name in COSTS}}
        values = [curve[max(curve)], *(float(known[name]) for name in self._minimize)]
        place = {"trial_id": len(self._trials)}
        self._trials.append(
            {"study_id": self._study_id, "number": number, "state": "COMPLETE", **times}
        )
        self._of_trials["trial_values"] += [
            {**place, "objective": objective, "value": value, "value_type": "FINITE"}
            for objective, value in enumerate(values)
        ]
        self._of_trials["trial_intermediate_values"] += [
            {
                **place,
                "step": epoch,
                "intermediate_value": value,
                "intermediate_value_type": "FINITE",
            }
            for epoch, value in curve.items()
        ]
        self._of_trials["trial_params"] += [
            {
                **place,
                "param_name": path,
                "param_value": domain.to_internal_repr(result.setting[path]),
                "distribution_json": self._json[path],
            }
            for path, domain in self._distributions.items()
        ]
        attributes = {
            **attributes_of(result.architecture, cost, IMPORTED),
            IMPORTED: {"study": result.study, "trial": result.number},
            **source.measured_on(result.number),
        }
        self._of_trials["trial_user_attributes"] += [
            {**place, "key": name, "value_json": json.dumps(value)}
            for name, value in attributes.items()
        ]

    def write(self) -> None:
        """Into all tables."""
        for table in (tables.architectures, tables.attempts, tables.epochs):
            if self._ours[table]:
                self._connection.execute(insert(table), self._ours[table])
        trials = self.theirs["trials"]
        inserted = insert(trials).returning(trials.c.trial_id, sort_by_parameter_order=True)
        ids = list(self._connection.scalars(inserted, self._trials))
        for name, rows in self._of_trials.items():
            written = [{**row, "trial_id": ids[row["trial_id"]]} for row in rows]
            self._connection.execute(insert(self.theirs[name]), written)
