"""Which networks of a study were trained anew, and what they came to.

``nas retrain --top`` trains the best networks with several seeds, each seed in a study of its own,
whose provenance names the study that it belongs to; a network's key tells which trial it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
from sqlalchemy import Connection, text

from nas.errors import DamagedError
from nas.study.damage import read_mapping
from nas.study.database.tables import trials_query
from nas.study.record import StudyRecord

RETRAINS = "retrains"  # in the provenance of a study: which one it belongs to, by which recipe
RETRAINED = {
    "number": "int64", "study": "string", "trial": "int64", "recipe": "string", "seed": "Int64",
    "epochs": "Int64", "state": "string", "val_accuracy": "float64", "test_accuracy": "float64",
    "key": "string",
}  # fmt: skip

_STUDIES = text(
    "SELECT n.study_id, s.study_name, n.provenance, n.config, n.dataset FROM nas_studies AS n "
    "JOIN studies AS s ON s.study_id = n.study_id WHERE n.provenance LIKE :mark "
    "ORDER BY n.created, n.study_id"
)
_MARK = {"mark": f'%"{RETRAINS}"%'}
_TESTED = text("SELECT trial, training, test_accuracy, val_accuracy FROM nas_evaluations "
               "WHERE study_id = :study ORDER BY trial")  # fmt: skip
# A network that was trained in full is what its retraining is of, not as stopped or inherited
_KEYS = text(
    "SELECT t.number, a.value_json AS key FROM trials AS t "
    "JOIN trial_user_attributes AS a ON a.trial_id = t.trial_id AND a.key = 'key' "
    "WHERE t.study_id = :study AND EXISTS (SELECT 1 FROM nas_attempts AS e "
    "WHERE e.study_id = t.study_id AND e.trial = t.number) "
    "ORDER BY (t.state <> 'COMPLETE') DESC, t.number DESC"
)


def retrained(
    connection: Connection, study_id: int, study: str, record: StudyRecord
) -> pd.DataFrame:
    """One row per training of a network of the study: ``RETRAINED``.

    ``number`` is the trial that found the network; ``study`` and ``trial`` are where it was trained
    anew. What ``nas retrain --test`` said of one file is a row of the study itself.

    Raises:
        DamagedError: a row holds what nas cannot have written.
    """
    keys = connection.execute(_KEYS, {"study": study_id}).all()
    numbers = {str(key).strip('"'): number for number, key in keys}
    rows = [
        *_own(connection, study_id, study, record),
        *_others(connection, study, record.dataset, numbers),
    ]
    try:
        found = pd.DataFrame(rows, columns=list(RETRAINED)).astype(RETRAINED)
    except (TypeError, ValueError):
        raise DamagedError(f"the retrainings of {study!r} hold what is none") from None
    for name in ("val_accuracy", "test_accuracy"):
        if not found[name].dropna().between(0, 1).all():
            raise DamagedError(f"a retraining of {study!r} has an impossible {name}")
    return found.sort_values(["number", "seed", "study"]).reset_index(drop=True)


def _own(
    connection: Connection, study_id: int, study: str, record: StudyRecord
) -> Iterator[dict[str, Any]]:
    """Trainings into a file, as far as their test images were read; not those of its own trials,
    as ``nas table make`` tests them."""
    options = record.config
    for number, training, test, validation in connection.execute(_TESTED, {"study": study_id}):
        config = read_mapping(training, f"the training of trial {number} that was tested")
        if all(config.get(name) == options.get(name) for name in ("epochs", "train_images")):
            continue
        yield {
            "number": number, "study": study, "trial": number, "seed": config.get("seed"),
            "epochs": config.get("epochs"), "state": "COMPLETE", "val_accuracy": validation,
            "test_accuracy": test,
        }  # fmt: skip


def _others(
    connection: Connection, study: str, dataset: str, numbers: dict[str, int]
) -> Iterator[dict[str, Any]]:
    """Those of one of that name that was deleted before were of other images, perhaps."""
    for one in _belonging(connection, study):
        if one.dataset != dataset:
            continue
        view = trials_query(connection.dialect.name, "WHERE t.study_id = :study")
        tested = {
            row.trial: row.test_accuracy for row in connection.execute(_TESTED, {"study": one.id})
        }
        for row in connection.execute(text(view), {"study": one.id}):
            if row.key in numbers:
                yield {
                    "number": numbers[row.key], "study": one.name, "trial": row.number,
                    "recipe": one.recipe, "seed": one.seed, "epochs": row.epochs,
                    "state": row.state,
                    "val_accuracy": row.val_accuracy if row.state == "COMPLETE" else None,
                    "test_accuracy": tested.get(row.number), "key": row.key,
                }  # fmt: skip


def find_retraining(
    connection: Connection, study: str, dataset: str, recipe: str, seed: int, epochs: int
) -> str | None:
    """The name of the study in which networks of ``study`` are trained in this way, if there is
    one: its name says so only until one of both is renamed."""
    asked = (dataset, recipe, seed, epochs)
    return next(
        (
            one.name
            for one in _belonging(connection, study)
            if (one.dataset, one.recipe, one.seed, one.epochs) == asked
        ),
        None,
    )


def follow_name(connection: Connection, study: str, new: str) -> None:
    """A study is called ``new`` from now on: those that belong to it go on to."""
    query = text("UPDATE nas_studies SET provenance = :provenance WHERE study_id = :id")
    for one in list(_belonging(connection, study)):
        about = {**one.provenance, RETRAINS: {**one.provenance[RETRAINS], "study": new}}
        connection.execute(query, {"provenance": json.dumps(about), "id": one.id})


@dataclass(frozen=True)
class _Belonging:
    """A study in which networks of another one are trained anew."""

    id: int
    name: str
    dataset: str
    provenance: dict[str, Any]
    recipe: str
    seed: Any
    epochs: Any


def _belonging(connection: Connection, study: str) -> Iterator[_Belonging]:
    """Those of the study of that name, the oldest first."""
    for row in connection.execute(_STUDIES, _MARK).all():
        try:
            provenance, config = json.loads(row.provenance), json.loads(row.config)
            about = provenance[RETRAINS]
            of, recipe = about["study"], str(about["recipe"])
            length = (config["seed"], config["epochs"])
        except (ValueError, TypeError, KeyError):  # of another program
            continue
        if of == study:
            yield _Belonging(row.study_id, row.study_name, row.dataset, provenance, recipe, *length)


def enqueued(connection: Connection, study_id: int) -> list[dict[str, Any]]:
    """The settings that were put into a study to be trained, in the order of their trials."""
    query = text(
        "SELECT a.value_json FROM trials AS t JOIN trial_system_attributes AS a "
        "ON a.trial_id = t.trial_id AND a.key = 'fixed_params' "
        "WHERE t.study_id = :study ORDER BY t.number"
    )
    rows = connection.scalars(query, {"study": study_id})
    return [dict(read_mapping(one, "a setting that was put into the study")) for one in rows]
