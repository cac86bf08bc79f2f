"""Measured latencies: how long a study's networks take on a machine that is named."""

from collections.abc import Mapping

from sqlalchemy import delete, insert

from nas.study.database import engines
from nas.study.database.clock import utc_now
from nas.study.database.tables import latencies
from nas.study.reader import Study


def record_latencies(
    study: Study, milliseconds: Mapping[str, float], *, device: str, batch: int, threads: int
) -> None:
    """Store what a forward pass took, by the networks' keys; an earlier measurement gives way.

    Raises:
        StorageError: the database cannot be written.
    """
    where = {"study_id": study.id, "device": device, "batch": batch, "threads": threads}
    rows = [
        {**where, "key": key, "milliseconds": value, "measured": utc_now()}
        for key, value in milliseconds.items()
    ]
    engine = engines.engine_for(study.url)
    try:
        with engines.translate_errors(study.url), engine.begin() as connection:
            for row in rows:
                same = [latencies.c[name] == row[name] for name in (*where, "key")]
                connection.execute(delete(latencies).where(*same))
                connection.execute(insert(latencies).values(row))
    finally:
        engine.dispose()
