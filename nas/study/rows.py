"""All rows of one study as they stand in the database, of one moment, for ``check``."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from nas.study import frames
from nas.study.damage import read_json, read_metrics, read_time, strangers, view_is_ours
from nas.study.database import engines
from nas.study.reader import Study

Row = Mapping[str, Any]

_INFINITE = {"INF_POS": math.inf, "INF_NEG": -math.inf}  # as Optuna stores a value
_OF_STUDY = "JOIN trials AS t ON t.trial_id = o.trial_id WHERE t.study_id = :id"


@dataclass(frozen=True)
class Rows:
    """Of the tables of Optuna and of ours, and of our view."""

    trials: list[Row]
    values: dict[int, dict[int, float | None]]  # trial id -> of its objectives, by their place
    curves: dict[int, dict[int, float]]  # trial id -> Optuna's intermediate values by epoch
    evaluated: list[int]  # numbers of trials
    attributes: dict[int, dict[str, Any]]  # trial number -> user attributes
    settings: dict[int, dict[str, Any]]
    architectures: dict[str, Row]
    attempts: dict[int, list[Row]]
    epochs: dict[tuple[int, int], list[Row]]  # (trial, attempt) -> by epoch
    latencies: list[Row]
    view: dict[int, Row] | None  # not of a view that is not ours: it could do anything
    strangers: list[str]
    directions: list[str]  # Optuna's

    @classmethod
    def read(cls, study: Study) -> Rows:
        """All rows of a study, of one moment.

        Raises:
            DamagedError: one holds what nas cannot have written.
            StorageError: the database cannot be read.
        """
        with engines.translate_errors(study.url), engines.snapshot(study.engine) as connection:

            def rows(query: str) -> list[Row]:
                return _rows(connection, query, study)

            attributes: dict[int, dict[str, Any]] = defaultdict(dict)
            for row in rows(f"SELECT t.number, o.* FROM trial_user_attributes AS o {_OF_STUDY}"):
                stored = read_json(
                    row["value_json"], f"attribute {row['key']} of trial {row['number']}"
                )
                attributes[row["number"]][row["key"]] = stored
            settings: dict[int, dict[str, Any]] = defaultdict(dict)
            for name, column in frames.knobs(connection, study.id).items():
                for number, value in column.items():
                    settings[number][name] = value
            values: dict[int, dict[int, float | None]] = defaultdict(dict)
            for row in rows(f"SELECT o.* FROM trial_values AS o {_OF_STUDY} ORDER BY o.objective"):
                value = _INFINITE.get(row["value_type"], row["value"])
                values[row["trial_id"]][row["objective"]] = value
            curves: dict[int, dict[int, float]] = defaultdict(dict)
            for row in rows(f"SELECT o.* FROM trial_intermediate_values AS o {_OF_STUDY}"):
                curves[row["trial_id"]][row["step"]] = row["intermediate_value"]
            attempts = defaultdict(list)
            for row in rows(
                "SELECT * FROM nas_attempts WHERE study_id = :id ORDER BY trial, attempt"
            ):
                attempts[row["trial"]].append(_timed(row))
            epochs: dict[tuple[int, int], list[Row]] = defaultdict(list)
            for row in rows("SELECT * FROM nas_epochs WHERE study_id = :id ORDER BY epoch"):
                metrics = {"stored": row["metrics"], "metrics": read_metrics(row["metrics"])}
                epochs[row["trial"], row["attempt"]].append({**row, **metrics})
            evaluations = rows("SELECT trial FROM nas_evaluations WHERE study_id = :id")
            networks = rows("SELECT * FROM nas_architectures WHERE study_id = :id")
            return cls(
                trials=rows(
                    "SELECT trial_id, number, CAST(state AS VARCHAR(16)) AS state, datetime_start "
                    "FROM trials WHERE study_id = :id ORDER BY number"
                ),
                values=values,
                curves=curves,
                evaluated=[row["trial"] for row in evaluations],
                attributes=attributes,
                settings=settings,
                architectures={row["key"]: row for row in networks},
                attempts=attempts,
                epochs=epochs,
                latencies=rows("SELECT key, milliseconds FROM nas_latencies WHERE study_id = :id"),
                view={
                    row["number"]: row
                    for row in rows("SELECT * FROM nas_trials WHERE study = :name")
                }
                if view_is_ours(connection)
                else None,
                strangers=list(strangers(connection)),
                directions=[
                    row["direction"].lower()
                    for row in rows(
                        "SELECT CAST(direction AS VARCHAR(16)) AS direction FROM study_directions "
                        "WHERE study_id = :id ORDER BY objective"
                    )
                ],
            )


def _rows(connection: Connection, query: str, study: Study) -> list[Row]:
    statement = text(query)
    known = {"id": study.id, "name": study.name}
    values = {name: known[name] for name in statement._bindparams}
    return [dict(row._mapping) for row in connection.execute(statement, values)]


def _timed(row: Row) -> Row:
    """SQLite hands out times as text where the query is text."""
    times = {name: row[name] for name in ("lease", "started", "ended")}
    return {**row, **{n: t if t is None else read_time(t, n) for n, t in times.items()}}
