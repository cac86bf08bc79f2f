"""A study as pandas sees it. Reads only, and may do so while a search writes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Engine, text

from nas.architecture import Architecture
from nas.cost import Cost
from nas.errors import ConfigError, DamagedError, NasError, StorageError, choose
from nas.metrics import MINIMIZED, near_chance
from nas.quantity import percent
from nas.space import SearchSpace
from nas.study import frames
from nas.study.damage import damage, read_mapping, read_time
from nas.study.database import engines
from nas.study.database.upgrade import has_studies
from nas.study.front import in_full, pareto_front
from nas.study.networks import read_architectures, stored_architecture
from nas.study.record import StudyRecord, read_record
from nas.study.retrained import enqueued, find_retraining, retrained
from nas.study.states import told, trials_by_state

COSTS = (*MINIMIZED, "latency_ms")


def studies(url: str) -> pd.DataFrame:
    """One row per study of a database, by when it was made: see docs/frames.md.

    Raises:
        StorageError: the database cannot be read.

    >>> list(studies(storage)["study"])
    ['mine']
    """
    engine = _reading(url)
    try:
        with engines.translate_errors(url), engine.connect() as connection:
            return frames.studies(connection)
    finally:
        engine.dispose()


def open_study(url: str, name: str) -> Study:
    """The study called ``name`` in the database at ``url``.

    Raises:
        StorageError: the database cannot be read, or has no such study.
        DamagedError: the study holds what nas cannot have written.

    >>> study = open_study(storage, "mine")
    >>> study.frame()[["number", "state", "val_accuracy", "macs"]].shape
    (60, 4)
    >>> study.best_trial.number == study.best()["number"].item()
    True
    """
    record = read_record(url, name)
    if record is None:
        known = list(studies(url)["study"])
        raise StorageError(
            f"there is no study {name!r} in {engines.shown(url)}; "
            + (choose(name, known) if known else "it has none")
        )
    study = Study(url, name, record)
    study.refuse_damage()
    return study


@dataclass(frozen=True)
class Trial:
    """One trial of a study that was trained in full."""

    number: int
    accuracy: float
    """On the validation images, a fraction of 1; NaN where a score is judged."""
    architecture: Architecture
    cost: Cost
    params: Mapping[str, Any]
    """The value of each knob, by its path: what Optuna calls params."""
    score: float = math.nan
    """What an objective without an accuracy reported; NaN where an accuracy is judged."""


class Study:
    """One study, read only. docs/frames.md has the columns of its frames, dtypes and units.

    Every method raises a StorageError where the database cannot be read.
    """

    def __init__(self, url: str, name: str, record: StudyRecord) -> None:
        self.url = url
        self.name = name
        self.record = record
        self.engine = _reading(url)

    def frame(self) -> pd.DataFrame:
        """One row per trial, by number, with a column for each knob, named by its path.

        Accuracies are fractions of 1; ``epochs`` is the fidelity at which they were measured.
        """
        with self._snapshot() as connection:
            return frames.trials(connection, self.id, self.space)

    def epochs(self) -> pd.DataFrame:
        """Learning curves in long form, one row per trial, attempt and epoch."""
        with self._snapshot() as connection:
            return frames.epochs(connection, self.id)

    def attempts(self) -> pd.DataFrame:
        """One row per execution of a trial: who ran it, where, when, and how it ended."""
        with self._snapshot() as connection:
            return frames.attempts(connection, self.id)

    def latencies(self) -> pd.DataFrame:
        """One row per network, machine and way of measuring it, by time."""
        with self._snapshot() as connection:
            return frames.latencies(connection, self.id)

    def retrained(self) -> pd.DataFrame:
        """One row per training of a network of this study by ``nas retrain``, by trial and seed."""
        with self._snapshot() as connection:
            return retrained(connection, self.id, self.name, self.record)

    def retraining(self, recipe: str, seed: int, epochs: int) -> str | None:
        """The name of the study in which its networks are trained anew in this way, if any is."""
        with self._snapshot() as connection:
            return find_retraining(connection, self.name, self.record.dataset, recipe, seed, epochs)

    def enqueued(self) -> list[dict[str, Any]]:
        """Settings that were put into the study to be tried, in the order of their trials."""
        with self._snapshot() as connection:
            return enqueued(connection, self.id)

    def __repr__(self) -> str:
        with self._snapshot() as connection:
            states = told(trials_by_state(connection, self.id), "no trial yet")
        return f"<Study {self.name!r} of {self.space.name} in {engines.shown(self.url)}: {states}>"

    @property
    def best_trial(self) -> Trial:
        """The best trial of those trained in full; of equal ones the cheapest.

        Where costs are minimized too, it is the most accurate one, or the one with the best score,
        whatever it costs: one end of the front, of which ``best_trials`` has all.

        Raises:
            StorageError: no trial was trained in full yet.
        """
        best = self.best(1)
        if best.empty:
            raise StorageError(f"study {self.name!r} has no trial that was trained in full yet")
        return self.trained(best)[0]

    @property
    def best_trials(self) -> list[Trial]:
        """The trials on the Pareto front of a study that minimizes costs, as in Optuna, from the
        cheapest to the best; of a study of one objective, the best one alone. Equal networks, which
        Optuna lists again, occur once.
        """
        return self.trained(self.front() if self.record.minimize else self.best(1))

    def trained(self, rows: pd.DataFrame) -> list[Trial]:
        """The trials in rows of ``frame()``, with their networks and settings."""
        networks = read_architectures(self.engine, self.id, set(rows["key"]))
        with self._snapshot() as connection:
            knobs = frames.knobs(connection, self.id)
        return [
            Trial(
                number,
                float(row["val_accuracy"]),
                networks[row["key"]],
                self.space.cost(networks[row["key"]]),
                {name: values[number] for name, values in knobs.items() if number in values},
                float(row["score"]),
            )
            for row in rows.to_dict("records")
            for number in [int(row["number"])]
        ]

    def in_full(self) -> pd.DataFrame:
        """The rows of ``frame()`` that can be compared: trained to the end, each network once."""
        return in_full(self.frame())

    def best(self, count: int = 1) -> pd.DataFrame:
        """The best trials that were trained in full; a reused result counts once."""
        # of equal ones, the cheaper network is the better one
        measure = self.record.measure
        order = [measure.metric, "macs"]
        found = self.in_full().sort_values(order, ascending=[measure.minimizes, True])
        return found.head(count)

    @property
    def doubt(self) -> str:
        """A sentence where even the best network has learnt nothing, so that there is no winner;
        else empty."""
        best = self.best(1)
        if best.empty or not self.record.measure.is_fraction:
            return ""
        classes, images = self.space.num_classes, self.record.images
        accuracy = float(best["val_accuracy"].iloc[0])
        if not near_chance(accuracy, classes, images.validation if images else None):
            return ""
        return (
            f"No network has learnt anything: {percent(accuracy).strip()} is about what guessing "
            f"one of {classes} classes gives."
        )

    def front(self, cost: str | Sequence[str] | None = None) -> pd.DataFrame:
        """The Pareto front of those trained in full, from the cheapest to the best.

        ``cost`` is macs, params or activations; latency_ms, where ``nas latency`` measured it;
        latency or memory, where the trials did; or several of them. By default it is what the study
        minimizes, else macs.

        Raises:
            ConfigError: no such cost.
        """
        costs = (cost,) if isinstance(cost, str) else cost or self.record.costs
        for one in costs:
            if one not in COSTS:
                raise ConfigError(f"cost is {one!r}; {choose(one, COSTS)}")
        return pareto_front(self.in_full(), costs, self.record.measure)

    def architecture(self, number: int) -> Architecture:
        """The network of a trial.

        Raises:
            StorageError: the study has no such trial, or nobody has looked at it yet.
        """
        query = text(
            "SELECT n.description FROM nas_architectures AS n "
            "JOIN trials AS t ON t.study_id = n.study_id "
            "JOIN trial_user_attributes AS a ON a.trial_id = t.trial_id AND a.key = 'key' "
            "WHERE n.study_id = :study AND t.number = :number "
            "AND a.value_json = '\"' || n.key || '\"'"
        )
        with self._snapshot() as connection:
            description = connection.scalar(query, {"study": self.id, "number": int(number)})
        if description is None:
            raise StorageError(f"study {self.name!r} has no trial {number}")
        return stored_architecture(description)

    def setting(self, number: int) -> dict[str, Any]:
        """The value of each knob of a trial, by its path."""
        with self._snapshot() as connection:
            knobs = frames.knobs(connection, self.id)
        return {name: values[number] for name, values in knobs.items() if number in values}

    def devices(self) -> list[dict[str, Any]]:
        """What attempts ran on: device, numerics, and how many attempts, the most used first."""
        query = text(
            "SELECT device, numerics, COUNT(*) AS attempts FROM nas_attempts "
            "WHERE study_id = :study AND device IS NOT NULL "
            "GROUP BY device, numerics ORDER BY COUNT(*) DESC, device, numerics"
        )
        with self._snapshot() as connection:
            return [dict(row._mapping) for row in connection.execute(query, {"study": self.id})]

    def other_software(self) -> list[dict[str, Any]]:
        """Of attempts whose worker had other software than the study began with: that, and how many
        attempts, the most first."""
        query = text(
            "SELECT a.value_json AS software, COUNT(*) AS attempts FROM trial_user_attributes AS a "
            "JOIN trials AS t ON t.trial_id = a.trial_id "
            "WHERE t.study_id = :study AND a.key LIKE 'software.%' "
            "GROUP BY a.value_json ORDER BY COUNT(*) DESC, a.value_json"
        )
        with self._snapshot() as connection:
            rows = connection.execute(query, {"study": self.id}).all()
        return [
            {**read_mapping(row.software, "the software of an attempt"), "attempts": row.attempts}
            for row in rows
        ]

    @cached_property
    def space(self) -> SearchSpace:
        """The design space, as it was when the study was made."""
        try:
            return SearchSpace.from_dict(self.record.space, stored=True)
        except NasError as error:
            raise DamagedError(f"study {self.name!r} is damaged: its space: {error}") from None

    @property
    def trials(self) -> int:
        """How many trials the study has by now."""
        query = text("SELECT COUNT(*) FROM trials WHERE study_id = :study")
        with self._snapshot() as connection:
            return int(connection.execute(query, {"study": self.id}).scalar_one())

    @cached_property
    def created(self) -> datetime:
        """When the study was made, UTC."""
        query = text("SELECT created FROM nas_studies WHERE study_id = :study")
        with self._snapshot() as connection:
            created = connection.scalar(query, {"study": self.id})
        return read_time(created, "its time of creation").replace(tzinfo=UTC)

    @cached_property
    def id(self) -> int:
        """Optuna's id of the study, which our tables have too."""
        query = text("SELECT MIN(study_id) FROM studies WHERE study_name = :study")
        with self._snapshot() as connection:
            found = connection.scalar(query, {"study": self.name})
        if found is None:
            raise StorageError(f"study {self.name!r} is not in the database any more")
        return int(found)

    def refuse_damage(self) -> None:
        """Do nothing if the study's columns hold what belongs there.

        Raises:
            DamagedError: they do not.
        """
        with self._snapshot() as connection:
            problems = list(damage(connection, self.id))
        if problems:
            more = f" (and {len(problems) - 1} more: nas check)" if len(problems) > 1 else ""
            raise DamagedError(f"study {self.name!r} is damaged: {problems[0]}{more}", problems)

    @contextmanager
    def _snapshot(self) -> Iterator[Connection]:
        with engines.translate_errors(self.url), engines.snapshot(self.engine) as connection:
            yield connection


def _reading(url: str) -> Engine:
    engine = engines.engine_for(url, read_only=True)
    with engines.translate_errors(url):
        if not has_studies(engine, url):
            raise StorageError(f"{engines.shown(url)} has no studies of nas in it")
    return engine
