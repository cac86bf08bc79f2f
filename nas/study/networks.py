"""The networks of a study: each once, with its cost at the study's image size and classes."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, Engine, func, select, text

from nas.architecture import Architecture
from nas.cost import Cost
from nas.metrics import COSTS
from nas.study.damage import read_json
from nas.study.database.tables import architectures, insert_new


def add_architecture(
    connection: Connection, study_id: int, architecture: Architecture, cost: Cost
) -> None:
    """Write the network under its key, unless it is there."""
    row = row_of(study_id, architecture, cost)
    connection.execute(insert_new(architectures, connection.dialect.name), row)


def row_of(study_id: int, architecture: Architecture, cost: Cost) -> dict[str, Any]:
    """A network as ``nas_architectures`` has it."""
    return {
        "study_id": study_id,
        "key": architecture.key,
        "description": json.dumps(architecture.to_dict()),
        "params": cost.params,
        "macs": cost.macs,
        "activations": cost.activations,
        "depth": architecture.depth,
    }


def read_architectures(
    engine: Engine, study_id: int, keys: Collection[str]
) -> dict[str, Architecture]:
    """Those of ``keys`` that the study has, in one query."""
    query = select(architectures.c.key, architectures.c.description).where(
        architectures.c.study_id == study_id, architectures.c.key.in_(list(keys))
    )
    with engine.connect() as connection:
        found = connection.execute(query)
        return {key: stored_architecture(description) for key, description in found}


def find_architectures(engine: Engine, beginning: str) -> dict[str, Architecture]:
    """The networks of all studies whose key begins so, which is of hexadecimal digits."""
    query = select(architectures.c.key, func.min(architectures.c.description))
    query = query.where(architectures.c.key.startswith(beginning)).group_by(architectures.c.key)
    with engine.connect() as connection:
        return {key: stored_architecture(one) for key, one in connection.execute(query.limit(10))}


def stored_architecture(description: object) -> Architecture:
    """The network of a row.

    Raises:
        DamagedError: it is no JSON.
        ArchitectureError: it is no network.
    """
    return Architecture.from_dict(read_json(description, "the description of a network"))


def read_costs(connection: Connection, study_id: int, key: str) -> Mapping[str, float]:
    """The costs of a network that the study has, by name."""
    query = select(*(architectures.c[name] for name in COSTS)).where(
        architectures.c.study_id == study_id, architectures.c.key == key
    )
    return dict(connection.execute(query).one()._mapping)


def attributes_of(architecture: Architecture, cost: Cost, policy: str) -> dict[str, Any]:
    """The user attributes of every trial; its sizes are there for Optuna's tools to show."""
    return {
        "key": architecture.key,
        "policy": policy,
        "params": cost.params,
        "macs": cost.macs,
    }


def drop_orphans(engine: Engine, study_id: int) -> None:
    """Delete networks whose driver died before it wrote their trial; the lock is held."""
    with engine.begin() as connection:
        connection.execute(
            text(  # NOT IN reads the trials once, NOT EXISTS once per network
                "DELETE FROM nas_architectures WHERE study_id = :study "
                "AND '\"' || nas_architectures.key || '\"' NOT IN ("
                "SELECT a.value_json FROM trial_user_attributes AS a "
                "JOIN trials AS t ON t.trial_id = a.trial_id WHERE t.study_id = :study "
                "AND a.key = 'key')"
            ),
            {"study": study_id},
        )
