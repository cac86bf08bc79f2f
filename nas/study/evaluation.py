"""The final evaluation of a trial on the test images: once, and the database says when."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError

from nas.errors import StorageError
from nas.study.database import engines
from nas.study.database.clock import utc_now
from nas.study.database.tables import evaluations


def evaluated(url: str, study: str, trial: int) -> dict[str, Any] | None:
    """The stored evaluation of a trial: test_accuracy (fraction of 1), evaluated (UTC), …"""
    engine = engines.engine_for(url, read_only=True)
    query = select(evaluations).where(
        evaluations.c.study_id == _study_id(study), evaluations.c.trial == trial
    )
    with engines.translate_errors(url), engine.connect() as connection:
        row = connection.execute(query).first()
    engine.dispose()
    return dict(row._mapping) if row else None


def record_evaluation(
    url: str,
    study: str,
    trial: int,
    training: Mapping[str, Any],
    *,
    val_accuracy: float,
    test_loss: float,
    test_accuracy: float,
) -> None:
    """Store what the test images said.

    Raises:
        StorageError: the trial was evaluated meanwhile.
    """
    engine = engines.engine_for(url)
    values = {
        "study_id": _study_id(study),
        "trial": trial,
        "training": json.dumps(training),
        "val_accuracy": val_accuracy,
        "test_loss": test_loss,
        "test_accuracy": test_accuracy,
        "evaluated": utc_now(),
    }
    with engines.translate_errors(url):
        try:
            with engine.begin() as connection:
                connection.execute(insert(evaluations).values(values))
        except IntegrityError:
            raise StorageError(f"trial {trial} of {study!r} has been evaluated already") from None
        finally:
            engine.dispose()


def _study_id(study: str) -> Any:
    query = text("SELECT study_id FROM studies WHERE study_name = :study")
    return query.bindparams(study=study).columns(evaluations.c.study_id).scalar_subquery()
