"""The rows of a study as pandas frames: which columns they have, and of which dtype.

``docs/frames.md`` says what each column means, and its unit. A missing whole number, flag or text
is ``pd.NA``, a missing real number NaN, a missing time NaT.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd
from optuna.distributions import json_to_distribution
from sqlalchemy import Connection, text

from nas.errors import DamagedError
from nas.metrics import ACCURACY, FRACTIONS, MEASURED, METRICS, NAMED, PREFIX, Measure, column
from nas.space import Choice, Domain, IntRange, SearchSpace
from nas.study.added import is_added
from nas.study.damage import read_metrics
from nas.study.database.tables import trials_query
from nas.study.lineage import parents
from nas.study.record import listed, read_objective
from nas.study.states import COUNTS, INHERITED, TRIALS_BY_STATE

UTC = "datetime64[us, UTC]"
STUDIES = {
    "study": "string", "created": UTC, **dict.fromkeys(COUNTS, "int64"), "planned": "Int64",
    "objective": "string", "dataset": "string", "best_accuracy": "float64",
    "best_score": "float64", "direction": "string", "minimize": "string",
    "problem": "string",
}  # fmt: skip
TRIALS = {  # and then a column for each knob, and for each metric of an objective's own
    "study": "string", "number": "int64", "state": "string", "policy": "string",
    "inherits": "Int64", "epochs": "Int64", "val_accuracy": "float64", "val_loss": "float64",
    "params": "Int64", "macs": "Int64", "activations": "Int64", "latency_ms": "float64",
    "seconds": "float64", "device": "string", "attempts": "int64", "reason": "string",
    "key": "string", "objective": "string", **dict.fromkeys(NAMED, "float64"),
    "metric": "string", "direction": "string", "minimize": "string",
}  # fmt: skip
EPOCHS = {  # and then a column for each metric of an objective's own
    "number": "int64", "attempt": "int64", "inherits": "Int64", "epoch": "int64",
    **dict.fromkeys(METRICS, "float64"), "objective": "string",
    **dict.fromkeys(NAMED, "float64"), "metric": "string", "direction": "string",
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

WORDS = ("accuracy", "score")  # of measures
COSTS = ("params", "macs", "activations")
RANGES = {  # of what no network can be beyond
    **dict.fromkeys(FRACTIONS, (0, 1)), **dict.fromkeys(COSTS, (1, 2**63)),
}  # fmt: skip
# What a value of another kind raises, in pandas and in Optuna
UNREADABLE = (
    ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError,
)  # fmt: skip

_STUDIES = f"""
WITH t AS ({TRIALS_BY_STATE}), b AS (
    SELECT t.study_id, MAX(v.value) AS most, MIN(v.value) AS least
    FROM trial_values AS v JOIN trials AS t ON t.trial_id = v.trial_id
    WHERE t.state = 'COMPLETE' AND v.objective = 0 AND EXISTS (
        SELECT 1 FROM nas_attempts AS a  -- what another program added is no result
        WHERE a.study_id = t.study_id AND a.trial = t.number
    ) GROUP BY t.study_id
)
SELECT n.*, s.study_name AS study, t.trials, t.complete, t.inherited, t.pruned, t.failed,
       t.running, t.waiting, b.most, b.least
FROM nas_studies AS n
JOIN studies AS s ON s.study_id = n.study_id
LEFT JOIN t ON t.study_id = n.study_id
LEFT JOIN b ON b.study_id = n.study_id
ORDER BY n.created, s.study_name
"""
_TRIALS = """
WITH shown AS ({view})
SELECT t.*, a.device FROM shown AS t
LEFT JOIN nas_attempts AS a
  ON a.study_id = :study AND a.trial = t.number AND a.attempt = t.attempts
ORDER BY t.number
"""
_EPOCHS = f"""
SELECT trial AS number, attempt, epoch, {", ".join(METRICS)}, metrics
FROM nas_epochs WHERE study_id = :study ORDER BY trial, attempt, epoch
"""
_MEASURED = f"""
SELECT trial AS number, metrics FROM nas_epochs AS e
WHERE study_id = :study AND epoch = 1 AND ({" OR ".join(f"metrics LIKE '%{n}%'" for n in MEASURED)})
  AND attempt = (SELECT MAX(attempt) FROM nas_attempts AS a
                 WHERE a.study_id = e.study_id AND a.trial = e.trial)
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
    rows = []
    for row in connection.execute(text(_STUDIES)):
        about = listed(row)
        problem, measure = about.problem, about.measure
        best = row.least if measure.minimizes else row.most
        if not (best is None or _can_be(best, measure)):
            problem, best = problem or f"its best {measure.word} is {str(best)[:40]!r}", None
        counts = {name: getattr(row, name) or 0 for name in COUNTS}
        rows.append(
            {"study": str(row.study), "created": about.created, "planned": about.planned}
            | counts
            | {"objective": about.objective, "dataset": about.dataset}
            | {"problem": problem, "direction": measure.direction}
            | {"minimize": ", ".join(about.minimize) or None}
            | {f"best_{word}": best if word == measure.word else None for word in WORDS}
        )
    return _typed(pd.DataFrame(rows, columns=list(STUDIES)), STUDIES)


def trials(connection: Connection, study_id: int, space: SearchSpace) -> pd.DataFrame:
    """One row per trial, by number: ``TRIALS``, then the knobs of the space, then metrics.

    One that came to its end with the weights of another trial, which Optuna has as PRUNED, is
    INHERITED. ``attrs["distributions"]`` has Optuna's distribution of each knob, as JSON;
    ``attrs["added"]`` the numbers of trials that are left out, as another program added them.
    """
    view = trials_query(connection.dialect.name, "WHERE t.study_id = :study")
    found = _judged(_read(connection, _TRIALS.format(view=view), study_id), connection, study_id)
    found["latency_ms"] = found["key"].map(_comparable(latencies(connection, study_id)))
    found = found.assign(**_measured(connection, study_id, found))
    found["inherits"] = _inherits(found["number"], connection, study_id)
    own = _own_metrics(found)
    found = _typed(found, TRIALS)
    # no result of ours: another program added it, at a fidelity that nobody knows
    told = zip(found["state"], found["policy"].fillna(""), found["attempts"], strict=True)
    added = pd.Series([is_added(*one) for one in told], found.index, dtype="bool")
    nameless = found["state"].isin(["COMPLETE", "PRUNED"]) & found["key"].isna()
    foreign = found["number"][added].tolist()
    found = found[~(added | nameless)].reset_index(drop=True)
    own = own.loc[~(added | nameless)].reset_index(drop=True)
    _check_values(found)
    inherited = (found["state"] == "PRUNED") & found["inherits"].notna()
    found["state"] = found["state"].mask(inherited, INHERITED)
    numbers = set(found["number"])
    values, distributions = _parameters(connection, study_id, numbers)
    columns = {}
    for path, domain in space.parameters.items():
        known = {n: value for n, value in values.get(path, {}).items() if n in numbers}
        try:
            knob = pd.Series(known, dtype=dtype(domain))
        except UNREADABLE:
            raise DamagedError(f"knob {path} has values that are none of its domain") from None
        columns[path] = knob.reindex(found["number"])
    found = found.join(pd.DataFrame(columns), on="number").join(own)
    found.attrs |= {"distributions": distributions, "added": foreign}
    return found


def epochs(connection: Connection, study_id: int) -> pd.DataFrame:
    """One row per trial, attempt and epoch, in this order: ``EPOCHS``, then metrics."""
    found = _judged(_read(connection, _EPOCHS, study_id), connection, study_id)
    found["inherits"] = _inherits(found["number"], connection, study_id)
    own = _own_metrics(found)
    found = _typed(found, EPOCHS)
    _check_values(found)
    return found.join(own)


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
    connection: Connection, study_id: int, numbers: Collection[int] = ()
) -> tuple[dict[str, dict[int, Any]], dict[str, str]]:
    """``knobs``, and by path the distribution of those that have one and the same in all trials of
    these ``numbers``."""
    domains: dict[str, Any] = {}
    values: dict[str, dict[int, Any]] = {}
    seen: dict[str, set[str]] = {}
    for number, name, value, domain in connection.execute(text(_KNOBS), {"study": study_id}):
        try:
            if domain not in domains:
                domains[domain] = json_to_distribution(domain)
            values.setdefault(name, {})[number] = domains[domain].to_external_repr(value)
        except UNREADABLE:
            raise DamagedError(f"knob {name} of trial {number} has no value of its own") from None
        if number in numbers:
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


def _judged(found: pd.DataFrame, connection: Connection, study_id: int) -> pd.DataFrame:
    """The rows with what the study's networks are judged by, and the metrics in columns."""
    query = text("SELECT config, objective FROM nas_studies WHERE study_id = :study")
    row = connection.execute(query, {"study": study_id}).first()
    try:
        config = json.loads(row.config) if row else {}
        objective, minimize = config["objective"], config.get("minimize") or ()
    except UNREADABLE:  # of a study that is not there any more, or damaged
        objective, minimize = None, ()
    measure = read_objective(row.objective)[0] if row else ACCURACY
    metrics = pd.DataFrame(
        [
            {column(name): value for name, value in read_metrics(stored).items()}
            for stored in (None if pd.isna(one) else one for one in found.pop("metrics"))
        ],
        index=found.index,
    )
    others = sorted({str(name) for name in metrics} - set(NAMED))
    return found.join(metrics.reindex(columns=[*NAMED, *others])).assign(
        objective=objective if isinstance(objective, str) else None,
        minimize=", ".join(minimize) or None,
        **measure.to_dict(),
    )


def _measured(
    connection: Connection, study_id: int, found: pd.DataFrame
) -> dict[str, pd.Series[float]]:
    """By name, what the first epoch of each trial has of ``MEASURED``; of a reused one, that of
    its network."""
    stored = connection.execute(text(_MEASURED), {"study": study_id})
    metrics = {number: read_metrics(text) for number, text in stored}
    columns = {}
    for name in MEASURED:
        known = {number: row[name] for number, row in metrics.items() if name in row}
        values = found["number"].map(known).astype("float64")
        of_network = values.groupby(found["key"]).first()
        reused = found["policy"] == "reused"
        columns[name] = values.where(~reused, found["key"].map(of_network).astype("float64"))
    return columns


def _own_metrics(found: pd.DataFrame) -> pd.DataFrame:
    """The columns of metrics that nas has no name for."""
    own = found[[name for name in found if str(name).startswith(PREFIX)]]
    return own.astype("float64")


def _inherits(numbers: pd.Series[int], connection: Connection, study_id: int) -> pd.Series[float]:
    """Of each of these trials, the one whose weights it began with; NaN of those from scratch."""
    known = {number: one.trial for number, one in parents(connection, study_id).items()}
    return numbers.map(known).astype("float64")


def _comparable(measured: pd.DataFrame) -> pd.Series[float]:
    """Milliseconds by key, of the machine and the way that were measured last."""
    how = ["device", "batch", "threads"]
    last = measured.tail(1)[how]
    return measured.merge(last, on=how).drop_duplicates("key").set_index("key")["milliseconds"]


def _can_be(value: object, measure: Measure) -> bool:
    """Whether a study can have it as its best."""
    if not isinstance(value, int | float):
        return False
    return 0 <= value <= 1 if measure.is_fraction else math.isfinite(value)


def _check_values(found: pd.DataFrame) -> None:
    """Refuse accuracies and costs that no network can have."""
    for name, (least, most) in RANGES.items():
        if name in found and not found[name].dropna().between(least, most).all():
            raise DamagedError(f"there are trials with an impossible {name}")
    if "state" in found:
        full = found[found["state"] == "COMPLETE"]
        for name in ("epochs", *COSTS, *found["metric"].unique()):
            if full[name].isna().any():
                raise DamagedError(f"there are COMPLETE trials without their {name}")


def _read(connection: Connection, query: str, study_id: int) -> pd.DataFrame:
    # not by pandas, which hides the database's own errors behind one of its own
    found = connection.execute(text(query), {"study": study_id})
    return pd.DataFrame.from_records(found.fetchall(), columns=list(found.keys()))


def _typed(found: pd.DataFrame, dtypes: Mapping[str, str]) -> pd.DataFrame:
    """The columns of ``dtypes`` alone, in its order."""
    found = found[list(dtypes)]
    for name, kind in dtypes.items():
        try:
            if kind == UTC:  # SQLite hands out text
                times = pd.to_datetime(found[name], utc=True, format="ISO8601")
                found = found.assign(**{name: times})
            found = found.astype({name: kind})
        except UNREADABLE:
            raise DamagedError(f"column {name} has a value that is no {kind.lower()}") from None
    return found
