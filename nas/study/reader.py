"""A study as pandas sees it. Reads only, and may do so while a search writes."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any

import pandas as pd
from optuna.distributions import json_to_distribution
from sqlalchemy import Connection, Engine, select, text

from nas.architecture import Architecture
from nas.errors import StorageError, choose
from nas.space import SearchSpace
from nas.study import database
from nas.study.record import StudyRecord, read_record
from nas.study.tables import architectures
from nas.study.upgrade import has_studies

_INTEGERS = ("epochs", "params", "macs", "activations", "attempts")
_STUDIES = """
SELECT s.study_name AS study, n.created, COUNT(t.number) AS trials,
       SUM(CASE WHEN t.state = 'COMPLETE' THEN 1 ELSE 0 END) AS complete,
       SUM(CASE WHEN t.state = 'PRUNED' THEN 1 ELSE 0 END) AS pruned,
       SUM(CASE WHEN t.state = 'FAIL' THEN 1 ELSE 0 END) AS failed,
       SUM(CASE WHEN t.state = 'RUNNING' THEN 1 ELSE 0 END) AS running,
       MAX(CASE WHEN t.state = 'COMPLETE' THEN t.val_accuracy END) AS best_accuracy
FROM nas_studies AS n
JOIN studies AS s ON s.study_id = n.study_id
LEFT JOIN nas_trials AS t ON t.study = s.study_name
GROUP BY s.study_name, n.created ORDER BY n.created
"""


def studies(url: str) -> pd.DataFrame:
    """One row per study: study, created (UTC), trials by state, best_accuracy (fraction of 1).

    Raises:
        StorageError: the database cannot be read.
    """
    engine = _reading(url)
    with engine.connect() as connection:
        return pd.read_sql(text(_STUDIES), connection, parse_dates=["created"])


def open_study(url: str, name: str) -> Study:
    """The study called ``name`` in the database at ``url``.

    Raises:
        StorageError: the database cannot be read, or has no such study.
    """
    record = read_record(url, name)
    if record is None:
        known = list(studies(url)["study"])
        raise StorageError(
            f"there is no study {name!r} in {database.shown(url)}; "
            + (choose(name, known) if known else "it has none")
        )
    return Study(url, name, record)


class Study:
    """One study, read only."""

    def __init__(self, url: str, name: str, record: StudyRecord) -> None:
        self.url = url
        self.name = name
        self.record = record
        self.engine = _reading(url)

    def frame(self) -> pd.DataFrame:
        """One row per trial, by number: the columns of the view ``nas_trials``, then each knob.

        Accuracies are fractions of 1; ``epochs`` is the fidelity at which they were measured.
        """
        query = text("SELECT * FROM nas_trials WHERE study = :study ORDER BY number")
        with self.engine.connect() as connection:
            trials = pd.read_sql(query, connection, params={"study": self.name})
        trials = trials.astype(dict.fromkeys(_INTEGERS, "Int64"))
        knobs = {name: pd.Series(values) for name, values in self.knobs().items()}
        return trials.join(pd.DataFrame(knobs), on="number")

    def epochs(self) -> pd.DataFrame:
        """Learning curves in long form, one row per trial, attempt and epoch."""
        query = text(
            "SELECT trial AS number, attempt, epoch, train_loss, val_loss, val_accuracy, "
            "learning_rate, seconds, images_per_second FROM nas_epochs "
            "WHERE study_id = :study ORDER BY trial, attempt, epoch"
        )
        with self.engine.connect() as connection:
            return pd.read_sql(query, connection, params={"study": self.id})

    def best(self, count: int = 1) -> pd.DataFrame:
        """The most accurate trials that were trained in full; a reused result counts once."""
        trials = self.frame()
        full = trials[(trials["state"] == "COMPLETE") & (trials["policy"] != "reused")]
        # equal accuracies: the cheaper network is the better one
        return full.sort_values(["val_accuracy", "macs"], ascending=[False, True]).head(count)

    def architecture(self, number: int) -> Architecture:
        """The network of a trial.

        Raises:
            StorageError: the study has no such trial.
        """
        keys = text("SELECT key FROM nas_trials WHERE study = :study AND number = :number")
        with self.engine.connect() as connection:
            key = connection.scalar(keys, {"study": self.name, "number": number})
            description = connection.scalar(
                select(architectures.c.description).where(
                    architectures.c.study_id == self.id, architectures.c.key == key
                )
            )
        if description is None:
            raise StorageError(f"study {self.name!r} has no trial {number}")
        return Architecture.from_dict(json.loads(description))

    def setting(self, number: int) -> dict[str, Any]:
        """The value of each knob of a trial, by its path."""
        return {name: values[number] for name, values in self.knobs().items() if number in values}

    def devices(self) -> list[dict[str, Any]]:
        """What attempts ran on: device, numerics, and how many attempts, the most used first."""
        query = text(
            "SELECT device, numerics, COUNT(*) AS attempts FROM nas_attempts "
            "WHERE study_id = :study AND device IS NOT NULL "
            "GROUP BY device, numerics ORDER BY COUNT(*) DESC, device, numerics"
        )
        with self.engine.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(query, {"study": self.id})]

    @cached_property
    def space(self) -> SearchSpace:
        """The design space, as it was when the study was made."""
        return SearchSpace.from_dict(self.record.space)

    @cached_property
    def id(self) -> int:
        """Optuna's id of the study, which our tables have too."""
        query = text("SELECT study_id FROM studies WHERE study_name = :study")
        with self.engine.connect() as connection:
            return int(connection.execute(query, {"study": self.name}).scalar_one())

    def knobs(self, connection: Connection | None = None) -> dict[str, dict[int, Any]]:
        """By path and trial: the parameters of Optuna's trials in their own values.

        With ``connection``, they are those of its snapshot.
        """
        if connection is None:
            with self.engine.connect() as own:
                return self.knobs(own)
        query = text(
            "SELECT t.number, p.param_name, p.param_value, p.distribution_json "
            "FROM trial_params AS p JOIN trials AS t ON t.trial_id = p.trial_id "
            "WHERE t.study_id = :study"
        )
        domains: dict[str, Any] = {}
        values: dict[str, dict[int, Any]] = {}
        for number, name, value, domain in connection.execute(query, {"study": self.id}):
            if domain not in domains:
                domains[domain] = json_to_distribution(domain)
            values.setdefault(name, {})[number] = domains[domain].to_external_repr(value)
        return values


def _reading(url: str) -> Engine:
    engine = database.engine_for(url, read_only=True)
    with database.explained(url):
        if not has_studies(engine):
            raise StorageError(f"{database.shown(url)} has no studies of nas in it")
    return engine
