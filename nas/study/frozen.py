"""Trials as Optuna's own storage gives them, read from its tables in a few queries."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection, bindparam, text

# All that belongs to trials, in one query; "place" orders the parts of a kind.
_PARTS = text("""
SELECT 'param' AS kind, trial_id, param_id AS place, param_name AS name, param_value AS value,
    distribution_json AS body
FROM trial_params WHERE trial_id IN :ids
UNION ALL SELECT 'user', trial_id, 0, key, NULL, value_json
FROM trial_user_attributes WHERE trial_id IN :ids
UNION ALL SELECT 'system', trial_id, 0, key, NULL, value_json
FROM trial_system_attributes WHERE trial_id IN :ids
UNION ALL SELECT 'value', trial_id, objective, NULL, value, CAST(value_type AS VARCHAR(8))
FROM trial_values WHERE trial_id IN :ids
UNION ALL SELECT 'step', trial_id, step, NULL, intermediate_value,
    CAST(intermediate_value_type AS VARCHAR(8))
FROM trial_intermediate_values WHERE trial_id IN :ids
""").bindparams(bindparam("ids", expanding=True))
_MANY = 10_000  # trials in one query
_SPECIAL = {"INF_POS": math.inf, "INF_NEG": -math.inf, "NAN": math.nan}


def frozen_trials(connection: Connection, rows: Sequence[Any]) -> dict[int, FrozenTrial]:
    """By id, the trials of these ``rows`` of Optuna's table, with all that belongs to them."""
    parts: dict[int, list[Any]] = {row.trial_id: [] for row in rows}
    ids = list(parts)
    for first in range(0, len(ids), _MANY):
        for part in connection.execute(_PARTS, {"ids": ids[first : first + _MANY]}):
            parts[part.trial_id].append(part)
    return {row.trial_id: _frozen(row, parts[row.trial_id]) for row in rows}


def _frozen(row: Any, parts: Iterable[Any]) -> FrozenTrial:
    """A trial as Optuna's storage gives it."""
    by_kind = defaultdict(list)
    for part in sorted(parts, key=lambda part: part.place):
        by_kind[part.kind].append(part)
    params = by_kind["param"]
    distributions = _distributions(tuple((part.name, part.body) for part in params))
    attributes = {
        kind: {part.name: json.loads(part.body) for part in by_kind[kind]}
        for kind in ("user", "system")
    }
    numbers = {
        kind: {part.place: _SPECIAL.get(part.body, part.value) for part in by_kind[kind]}
        for kind in ("value", "step")
    }
    return FrozenTrial(
        number=row.number,
        state=TrialState[row.state],
        value=None,
        values=list(numbers["value"].values()) or None,
        datetime_start=_local(row.datetime_start),
        datetime_complete=_local(row.datetime_complete),
        params={one.name: distributions[one.name].to_external_repr(one.value) for one in params},
        distributions=distributions,
        user_attrs=attributes["user"],
        system_attrs=attributes["system"],
        intermediate_values=numbers["step"],
        trial_id=row.trial_id,
    )


@lru_cache(maxsize=64)
def _distributions(parameters: tuple[tuple[str, str], ...]) -> dict[str, BaseDistribution]:
    """Of names with what Optuna stores for them; one object for all trials of a space."""
    return {name: json_to_distribution(body) for name, body in parameters}


def _local(stored: datetime | None) -> datetime | None:
    """Optuna keeps UTC, and shows local time."""
    return stored and stored.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)
