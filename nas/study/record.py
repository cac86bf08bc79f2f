"""What a study is, as stored: enough to refuse another one under its name, and to run it again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, select, text

from nas.errors import StorageError
from nas.study import database
from nas.study.tables import studies
from nas.study.upgrade import has_studies

# A study's values are comparable only among equals in these parts of the config.
FIXED = (
    "objective",
    "epochs",
    "train_images",
    "training",
    "scheduler",
    "grace",
    "reduction",
    "seed",
    "stream",
    "flip",
)


@dataclass(frozen=True)
class StudyRecord:
    """What a study is: plain data, as stored in ``nas_studies``."""

    space: Mapping[str, Any]
    space_hash: str
    config: Mapping[str, Any]
    dataset: str
    provenance: Mapping[str, Any]

    def differences(self, other: StudyRecord) -> list[str]:
        """What makes results of ``other`` not comparable with ours, one phrase each."""
        found = []
        if self.space_hash != other.space_hash:
            found += list(_differences("space", self.space, other.space))
        for key in FIXED:
            found += list(_differences(key, self.config.get(key), other.config.get(key)))
        if self.dataset != other.dataset:
            found.append(f"dataset is {self.dataset[:12]}, not {other.dataset[:12]}")
        return found

    def refuse_another(self, other: StudyRecord, name: str) -> None:
        """Do nothing if results of ``other`` are comparable with those of this study.

        Raises:
            StorageError: they are not; the message says what differs.
        """
        differences = self.differences(other)
        if differences:
            raise StorageError(
                f"study {name!r} exists and is another one: {'; '.join(differences[:3])}; choose "
                "another --study, or leave these options out"
            )


def read_record(url: str, name: str) -> StudyRecord | None:
    """The study as stored, or None where the database or the study is not there yet.

    Raises:
        StorageError: the URL or the database cannot be used.
    """
    path = database.sqlite_path(database.parse_url(url))
    if path is not None and not path.exists():
        return None
    engine = database.engine_for(url, read_only=True)
    with database.explained(url):
        if not has_studies(engine, url):
            return None
        with engine.connect() as connection:
            study_id = connection.scalar(
                text("SELECT study_id FROM studies WHERE study_name = :name"), {"name": name}
            )
            found = connection.execute(record_of(study_id)).first()
    engine.dispose()
    return record_from(found) if found else None


def record_of(study_id: int) -> Select[Any]:
    """The query of one study's row."""
    return select(studies).where(studies.c.study_id == study_id)


def record_from(row: Row[Any]) -> StudyRecord:
    """The record in a row of ``record_of``."""
    return StudyRecord(
        space=json.loads(row.space),
        space_hash=row.space_hash,
        config=json.loads(row.config),
        dataset=row.dataset,
        provenance=json.loads(row.provenance),
    )


def _differences(path: str, ours: Any, theirs: Any) -> Iterator[str]:
    """Where two JSON values differ, as ``path is A, not B``."""
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        for key in sorted(set(ours) | set(theirs)):
            yield from _differences(f"{path}.{key}", ours.get(key), theirs.get(key))
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            yield from _differences(f"{path}.{i}", a, b)
    elif ours != theirs:
        yield f"{path} is {json.dumps(ours)}, not {json.dumps(theirs)}"
