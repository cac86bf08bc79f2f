"""The rows of a study as pandas frames: which columns they have, and of which dtype.

``docs/frames.md`` says what each column means, and its unit. A missing whole number, flag or text
is ``pd.NA``, a missing real number NaN, a missing time NaT.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd
from optuna.distributions import json_to_distribution
from sqlalchemy import Connection, text

from nas.space import Choice, Domain, IntRange, SearchSpace

UTC = "datetime64[us, UTC]"
STUDIES = {
    "study": "string", "created": UTC, "trials": "int64", "complete": "int64", "pruned": "int64",
    "failed": "int64", "running": "int64", "waiting": "int64", "planned": "int64",
    "best_accuracy": "float64",
}  # fmt: skip
TRIALS = {  # and then a column for each knob
    "study": "string", "number": "int64", "state": "string", "policy": "string", "epochs": "Int64",
    "val_accuracy": "float64", "val_loss": "float64", "params": "Int64", "macs": "Int64",
    "activations": "Int64", "latency_ms": "float64", "seconds": "float64", "device": "string",
    "attempts": "int64", "reason": "string", "key": "string",
}  # fmt: skip
EPOCHS = {
    "number": "int64", "attempt": "int64", "epoch": "int64", "train_loss": "float64",
    "val_loss": "float64", "val_accuracy": "float64", "learning_rate": "float64",
    "seconds": "float64", "images_per_second": "float64",
}  # fmt: skip
ATTEMPTS = {
    "number": "int64", "attempt": "int64", "state": "string", "owner": "string", "host": "string",
    "device": "string", "numerics": "string", "started": UTC, "ended": UTC, "epochs": "int64",
    "reason": "string",
}  # fmt: skip
LATENCIES = {
    "key": "string", "device": "string", "batch": "int64", "threads": "int64",
    "milliseconds": "float64", "measured": UTC,
}  # fmt: skip

_STUDIES = """
SELECT s.study_name AS study, n.created, n.config, COUNT(t.number) AS trials,
       SUM(CASE WHEN t.state = 'COMPLETE' THEN 1 ELSE 0 END) AS complete,
       SUM(CASE WHEN t.state = 'PRUNED' THEN 1 ELSE 0 END) AS pruned,
       SUM(CASE WHEN t.state = 'FAIL' THEN 1 ELSE 0 END) AS failed,
       SUM(CASE WHEN t.state = 'RUNNING' THEN 1 ELSE 0 END) AS running,
       SUM(CASE WHEN t.state = 'WAITING' THEN 1 ELSE 0 END) AS waiting,
       MAX(CASE WHEN t.state = 'COMPLETE' THEN t.val_accuracy END) AS best_accuracy
FROM nas_studies AS n
JOIN studies AS s ON s.study_id = n.study_id
LEFT JOIN nas_trials AS t ON t.study = s.study_name
GROUP BY s.study_name, n.created, n.config ORDER BY n.created
"""
_TRIALS = """
SELECT t.*, a.device FROM nas_trials AS t
JOIN studies AS s ON s.study_name = t.study
LEFT JOIN nas_attempts AS a
  ON a.study_id = s.study_id AND a.trial = t.number AND a.attempt = t.attempts
WHERE s.study_id = :study ORDER BY t.number
"""
_EPOCHS = """
SELECT trial AS number, attempt, epoch, train_loss, val_loss, val_accuracy, learning_rate, seconds,
       images_per_second
FROM nas_epochs WHERE study_id = :study ORDER BY trial, attempt, epoch
"""
_ATTEMPTS = """
SELECT trial AS number, attempt, state, owner, host, device, numerics, started, ended, reason,
       (SELECT COUNT(*) FROM nas_epochs AS e WHERE e.study_id = a.study_id AND e.trial = a.trial
        AND e.attempt = a.attempt) AS epochs
FROM nas_attempts AS a WHERE study_id = :study ORDER BY trial, attempt
"""
_LATENCIES = """
SELECT key, device, batch, threads, milliseconds, measured
FROM nas_latencies WHERE study_id = :study ORDER BY measured, key
"""
_KNOBS = """
SELECT t.number, p.param_name, p.param_value, p.distribution_json
FROM trial_params AS p JOIN trials AS t ON t.trial_id = p.trial_id WHERE t.study_id = :study
"""


def studies(connection: Connection) -> pd.DataFrame:
    """One row per study of the database, by when it was made: ``STUDIES``."""
    found = pd.read_sql(text(_STUDIES), connection)
    found["planned"] = [json.loads(config)["trials"] for config in found["config"]]
    return _typed(found, STUDIES)


def trials(connection: Connection, study_id: int, space: SearchSpace) -> pd.DataFrame:
    """One row per trial, by number: ``TRIALS``, then the knobs of the space.

    ``attrs["distributions"]`` has Optuna's distribution of each knob, as JSON.
    """
    found = _read(connection, _TRIALS, study_id)
    found["latency_ms"] = found["key"].map(_comparable(latencies(connection, study_id)))
    found = _typed(found, TRIALS)
    values, distributions = _parameters(connection, study_id)
    columns = {
        path: pd.Series(values.get(path, {}), dtype=dtype(domain)).reindex(found["number"])
        for path, domain in space.parameters.items()
    }
    found = found.join(pd.DataFrame(columns), on="number")
    found.attrs["distributions"] = distributions
    return found


def epochs(connection: Connection, study_id: int) -> pd.DataFrame:
    """One row per trial, attempt and epoch, in this order: ``EPOCHS``."""
    return _typed(_read(connection, _EPOCHS, study_id), EPOCHS)


def attempts(connection: Connection, study_id: int) -> pd.DataFrame:
    """One row per attempt, by trial: ``ATTEMPTS``."""
    return _typed(_read(connection, _ATTEMPTS, study_id), ATTEMPTS)


def latencies(connection: Connection, study_id: int) -> pd.DataFrame:
    """One row per network, machine and way of measuring it: ``LATENCIES``."""
    return _typed(_read(connection, _LATENCIES, study_id), LATENCIES)


def knobs(connection: Connection, study_id: int) -> dict[str, dict[int, Any]]:
    """By path and trial: the parameters of Optuna's trials in their own values."""
    return _parameters(connection, study_id)[0]


def _parameters(
    connection: Connection, study_id: int
) -> tuple[dict[str, dict[int, Any]], dict[str, str]]:
    """``knobs``, and by path the distribution of those that have one and the same in all trials."""
    domains: dict[str, Any] = {}
    values: dict[str, dict[int, Any]] = {}
    seen: dict[str, set[str]] = {}
    for number, name, value, domain in connection.execute(text(_KNOBS), {"study": study_id}):
        if domain not in domains:
            domains[domain] = json_to_distribution(domain)
        values.setdefault(name, {})[number] = domains[domain].to_external_repr(value)
        seen.setdefault(name, set()).add(domain)
    return values, {name: min(texts) for name, texts in seen.items() if len(texts) == 1}


def dtype(domain: Domain) -> str:
    """Of a knob's column: Int64, float64, boolean or string.

    >>> dtype(Choice((0.5, 1.0)))
    'float64'
    """
    if isinstance(domain, Choice):
        kinds = {type(value) for value in domain.values}
        if kinds == {bool}:
            return "boolean"
        if kinds == {str}:
            return "string"
        return "Int64" if kinds == {int} else "float64"
    return "Int64" if isinstance(domain, IntRange) else "float64"


def _comparable(measured: pd.DataFrame) -> pd.Series[float]:
    """Milliseconds by key, of the machine and the way that were measured last."""
    how = ["device", "batch", "threads"]
    last = measured.tail(1)[how]
    return measured.merge(last, on=how).set_index("key")["milliseconds"]


def _read(connection: Connection, query: str, study_id: int) -> pd.DataFrame:
    return pd.read_sql(text(query), connection, params={"study": study_id})


def _typed(found: pd.DataFrame, dtypes: Mapping[str, str]) -> pd.DataFrame:
    """The columns of ``dtypes`` alone, in its order."""
    times = {  # SQLite hands out text
        name: pd.to_datetime(found[name], utc=True, format="ISO8601")
        for name, kind in dtypes.items()
        if kind == UTC
    }
    return found.assign(**times)[list(dtypes)].astype(dict(dtypes))
