"""What a database holds may have been written by anybody: it is checked before it is believed.

SQLite keeps any type of value in any column, a view may stand where a table belongs, and JSON may
be nested without end. Each of these is a ``DamagedError`` that says where.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    DateTime,
    Enum,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    inspect,
    text,
)

from nas.errors import DamagedError, StorageError
from nas.metrics import is_name
from nas.study.database import tables
from nas.study.states import STATES

MAX_NESTING = 50  # of JSON; a space has fewer than 10

# The part of Optuna's tables that we read; a test compares it with Optuna's own.
_THEIR_COLUMNS: dict[str, dict[str, Any]] = {
    "studies": {"study_id": Integer(), "study_name": String()},
    "trials": {
        "trial_id": Integer(), "number": Integer(), "study_id": Integer(),
        "state": Enum(*STATES.values()),
    },
    "trial_user_attributes": {"trial_id": Integer(), "key": String(), "value_json": String()},
    "trial_params": {
        "trial_id": Integer(), "param_name": String(), "param_value": Float(),
        "distribution_json": String(),
    },
    "trial_values": {"trial_id": Integer(), "objective": Integer(), "value": Float()},
    "trial_intermediate_values": {
        "trial_id": Integer(), "step": Integer(), "intermediate_value": Float(),
    },
}  # fmt: skip
_MAY_BE_NULL = ("value", "intermediate_value")
OPTUNA = MetaData()
for _table, _columns in _THEIR_COLUMNS.items():
    Table(
        _table, OPTUNA,
        *(Column(name, kind, nullable=name in _MAY_BE_NULL) for name, kind in _columns.items()),
    )  # fmt: skip
# Further ones, whose content is Optuna's business
_THEIRS = (
    "alembic_version", "version_info", "study_directions", "study_user_attributes",
    "study_system_attributes", "trial_system_attributes", "trial_heartbeats",
)  # fmt: skip
TABLES = {*tables.metadata.tables, *OPTUNA.tables, *_THEIRS, "nas_version"}

_JSON = {
    "nas_studies": ("space", "config", "provenance", "objective"),
    "nas_epochs": ("metrics",),
    "nas_architectures": ("description",),
    "nas_evaluations": ("training",),
    "nas_notes": ("tags",),
    "trial_params": ("distribution_json",),
}
_NO_TABLES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'view' OR sql LIKE 'CREATE VIRTUAL%'",
    "postgresql": "SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n "
    "ON n.oid = c.relnamespace WHERE n.nspname = ANY (current_schemas(false)) "
    "AND c.relkind IN ('v', 'm', 'f')",
}
_TRIGGERS = {
    "sqlite": "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT g.tgname, c.relname FROM pg_trigger AS g JOIN pg_class AS c "
    "ON c.oid = g.tgrelid WHERE NOT g.tgisinternal",
}


def refuse_views(connection: Connection) -> None:
    """Do nothing if our tables and Optuna's are tables; a view could compute without end.

    Raises:
        DamagedError: another kind of thing has the name of one.
    """
    found = connection.execute(text(_NO_TABLES[connection.dialect.name])).scalars()
    for name in sorted(map(str, found)):
        if name.lower() in TABLES:
            raise DamagedError(f"the study database has a view in place of the table {name}")


def refuse_others(connection: Connection) -> None:
    """Do nothing if Optuna's tables are there, or can be made beside what else there is.

    Raises:
        StorageError: another program has a table of such a name.
    """
    found = inspect(connection)
    there = {*found.get_table_names()}
    if "version_info" in there:
        return
    for name in sorted(there & {*OPTUNA.tables, "alembic_version"}):
        theirs = {column["name"] for column in found.get_columns(name)}
        # a search that was killed when it made the database left some of Optuna's
        if name not in OPTUNA.tables or not theirs >= set(OPTUNA.tables[name].columns.keys()):
            raise StorageError(
                f"storage: the database has a table {name} of another program, a name that "
                "Optuna takes; choose another database, or in PostgreSQL another schema"
            )


def strangers(connection: Connection) -> Iterator[str]:
    """Triggers on the tables, and a view ``nas_trials`` that is not ours; one phrase each."""
    for name, table in connection.execute(text(_TRIGGERS[connection.dialect.name])):
        if str(table).lower() in TABLES:
            yield f"there is a trigger {name!r} on the table {table}, which nas did not make"
    if not view_is_ours(connection):
        yield "the view nas_trials is not the one that nas makes"


def view_is_ours(connection: Connection) -> bool:
    """Whether ``nas_trials`` has our definition; PostgreSQL rewrites it, and passes."""
    if connection.dialect.name != "sqlite":
        return True
    query = "SELECT sql FROM sqlite_master WHERE type = 'view' AND name = 'nas_trials'"
    found = connection.scalar(text(query))
    return str(found).split() == tables.trials_view("sqlite").split()


def damage(connection: Connection, study_id: int) -> Iterator[str]:
    """The columns of a study that hold what does not belong there, one phrase each.

    PostgreSQL does not let such values in.
    """
    if connection.dialect.name != "sqlite":
        return
    for table in (*OPTUNA.sorted_tables, *tables.ours(connection)):
        if "study_id" in table.columns:
            rows = "study_id = :study"
        elif "trial_id" in table.columns:
            rows = "trial_id IN (SELECT trial_id FROM trials WHERE study_id = :study)"
        else:
            continue
        columns = list(table.columns)
        counts = ", ".join(f"SUM(CASE WHEN {_holds(c)} THEN 0 ELSE 1 END)" for c in columns)
        query = text(f"SELECT {counts} FROM {table.name} WHERE {rows}")
        found = connection.execute(query, {"study": study_id}).one()
        for column, wrong in zip(columns, found, strict=True):
            if wrong:
                values = "1 value that is" if wrong == 1 else f"{wrong} values that are"
                yield f"{table.name}.{column.name} has {values} not {_kind(column)}"


def read_json(stored: object, what: str) -> Any:
    """The JSON of a column; ``what`` names it.

    Raises:
        DamagedError: it is no JSON, or nested too deep.
    """
    try:
        found = json.loads(stored) if isinstance(stored, str) else None
    except (ValueError, RecursionError):
        found = None
    if found is None:
        raise DamagedError(f"{what} is not JSON")
    if _nested(found, MAX_NESTING):
        raise DamagedError(f"{what} is nested more than {MAX_NESTING} deep")
    return found


def read_mapping(stored: object, what: str) -> Mapping[str, Any]:
    """As ``read_json``, where that is a mapping."""
    found = read_json(stored, what)
    if not isinstance(found, dict):
        raise DamagedError(f"{what} is not a mapping")
    return found


def read_metrics(stored: object) -> Mapping[str, float]:
    """Metrics beside those that are columns; empty where there are none.

    Raises:
        DamagedError: they are no numbers by name.
    """
    if stored is None:
        return {}
    found = read_mapping(stored, "the metrics of an epoch")
    for name, value in found.items():
        if not is_name(name) or isinstance(value, bool) or not isinstance(value, int | float):
            raise DamagedError(f"the metric {name[:80]!r} of an epoch is no number of that name")
    return found


def read_time(stored: object, what: str) -> datetime:
    """A time as the database hands it out: SQLite has text."""
    try:
        return stored if isinstance(stored, datetime) else datetime.fromisoformat(str(stored))
    except ValueError:
        raise DamagedError(f"{what} is not a time: {str(stored)[:40]!r}") from None


def _nested(value: Any, most: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return most == 0 or any(_nested(one, most - 1) for one in inner)


def _holds(column: Column[Any]) -> str:
    """The condition, in SQLite's SQL, under which a column's value is what it should be."""
    name, kind = column.name, column.type
    match kind:
        case DateTime():
            second = f"substr({name}, 1, 19)"
            fraction = f"substr({name}, 20)"
            holds = (
                f"typeof({name}) = 'text' AND {second} > '0001' "
                # SQLite takes February 30 and 24:00 as they are, unless it has to count from them
                f"AND strftime('%Y-%m-%d %H\\:%M\\:%S', {second}, '+0 days') = {second} "
                f"AND ({fraction} = '' OR {fraction} GLOB '.{'[0-9]' * 6}')"
            )
        case Enum():
            holds = f"{name} IN ({', '.join(repr(word) for word in kind.enums)})"
        case Float():
            holds = f"typeof({name}) IN ('real', 'integer')"
        case Integer():
            holds = f"typeof({name}) = 'integer'"
        case _:
            holds = f"typeof({name}) = 'text'"
    if name == "value_json":  # the attributes of ours among those of others
        holds = (
            f"CASE WHEN typeof({name}) <> 'text' OR NOT json_valid({name}) THEN 0 "
            "WHEN key IN ('key', 'policy', 'reason') "
            f"THEN json_type({name}) = 'text' WHEN key = 'source' "
            f"THEN json_type({name}) = 'integer' ELSE 1 END"
        )
    elif name in _JSON.get(column.table.name, ()):
        holds = f"CASE WHEN {holds} THEN json_valid({name}) ELSE 0 END"
    return f"({holds}){f' OR {name} IS NULL' if column.nullable else ''}"


def _kind(column: Column[Any]) -> str:
    if column.name in (*_JSON.get(column.table.name, ()), "value_json"):
        return "JSON of its kind"
    match column.type:
        case DateTime():
            return "times"
        case Enum():
            return "states"
        case Float():
            return "numbers"
        case Integer():
            return "whole numbers"
    return "text"
