"""What a study is, as stored: enough to refuse another one under its name, and to run it again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, Select, inspect, select, text

from nas.data.registry import DEFAULT, title_of
from nas.errors import ConfigError, DamagedError, StorageError
from nas.metrics import ACCURACY, Direction, Measure, read_minimized
from nas.quantity import plural
from nas.study.damage import read_mapping, read_time, refuse_others
from nas.study.database import engines
from nas.study.database.tables import studies
from nas.study.database.upgrade import has_studies
from nas.text import visible

SYNTHETIC = "synthetic"  # the objective that trains nothing
TABLE = "table"  # the one that replays learning curves: table:FILE

MOST = 10_000_000  # of trials, and of epochs


@dataclass(frozen=True)
class Images:
    """What the networks of a study were trained on, to whoever reads it without them."""

    title: str
    training: int
    """That a trial trains on at most."""
    validation: int

    @property
    def text(self) -> str:
        """In words: 50,000 training images of Fashion-MNIST."""
        return f"{self.training:,} training images of {self.title}"


_FINGERPRINT = re.compile("[0-9a-f]{64}")
OLDER = {"training": 50_000, "validation": 10_000}  # of studies of Fashion-MNIST that say nothing


# Options that studies of an earlier nas do not have, and what held for them
SINCE = {"resize": False, "latency_batch": 1, "inherit": False}


@dataclass(frozen=True)
class StudyRecord:
    """What a study is: plain data, as stored in ``nas_studies``."""

    space: Mapping[str, Any]
    space_hash: str
    config: Mapping[str, Any]
    dataset: str
    provenance: Mapping[str, Any]
    fixed: tuple[str, ...] = field(default=(), compare=False)
    """Parts of the config in which a study must be equal for its results to be comparable; of a
    record that is stored, they are those of the one that it is compared with."""
    measure: Measure = ACCURACY
    """What its networks are judged by."""
    source: str | None = None
    """SHA-256 of the source of its objective, where that is a user's."""

    @property
    def objective(self) -> str:
        """``measure`` and ``source`` as ``nas_studies.objective`` has them, JSON."""
        return json.dumps({**self.measure.to_dict(), "source": self.source})

    @property
    def minimize(self) -> tuple[str, ...]:
        """The costs that are minimized beside ``measure``; none in a study of one objective."""
        return tuple(self.config.get("minimize") or ())

    @property
    def directions(self) -> tuple[Direction, ...]:
        """Of each value of a trial: the measure's, and one for each cost that is minimized."""
        others: list[Direction] = ["minimize" for _ in self.minimize]
        return (self.measure.direction, *others)

    @property
    def costs(self) -> tuple[str, ...]:
        """Those of its front: what is minimized, else MACs."""
        return self.minimize or ("macs",)

    @property
    def untrained(self) -> str | None:
        """That no network was trained, in a sentence to stand wherever results are shown; None
        where they were."""
        return untrained(self.config.get("objective"))

    @property
    def images(self) -> Images | None:
        """What the networks were trained on, ``train_images`` taken into account; None where that
        was no data set of ours, of which ``dataset`` is the fingerprint."""
        if not _FINGERPRINT.fullmatch(self.dataset):
            return None
        stored = self.provenance.get("images")
        found = {**OLDER, **(stored if isinstance(stored, Mapping) else {})}
        name = self.config.get("dataset")
        title = found.get("title") or title_of(name if isinstance(name, str) else DEFAULT)
        asked = self.config.get("train_images")
        counts = [asked or found["training"], found["validation"]]
        for count in counts:
            if type(count) is not int or not 0 < count <= MOST:
                raise DamagedError(f"its number of images is {str(count)[:40]!r}")
        return Images(visible(title)[:200], *counts)

    @property
    def is_own(self) -> bool:
        """Whether its objective is a user's: package.module:name."""
        objective = self.config.get("objective")
        return ":" in str(objective) and table_path(objective) is None

    @property
    def is_retrainable(self) -> bool:
        """Whether ``nas retrain`` trains its networks: as nas does, on images of a data set."""
        return not self.untrained and not self.is_own

    @property
    def trained_by(self) -> str:
        """on the images of a data set, or by an objective of a user's: after the word trained."""
        if self.is_own:
            return visible(f"by the objective {self.config['objective']}")
        images = self.images
        return f"on {images.text}" if images else "on images that are not known"

    @property
    def accuracy(self) -> str:
        """What the study's networks are judged by, as labels have it."""
        return label_of(self.config.get("objective"), self.measure)

    def differences(self, other: StudyRecord) -> list[str]:
        """What makes results of ``other`` not comparable with ours, one phrase each."""
        found = []
        if self.space_hash != other.space_hash:
            found += list(_differences("space", self.space, other.space))
        for key in dict.fromkeys((*self.fixed, *other.fixed)):
            ours, theirs = (_fixed(one.config, key) for one in (self, other))
            found += list(_differences(key, ours, theirs))
        if self.dataset != other.dataset and not any(one.startswith("dataset") for one in found):
            found.append(f"dataset is {self.dataset[:12]}, not {other.dataset[:12]}")
        for name in ("metric", "direction"):
            ours, theirs = getattr(self.measure, name), getattr(other.measure, name)
            if ours != theirs:
                found.append(f"{name} is {ours}, not {theirs}")
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


def table_path(objective: object) -> Path | None:
    """The file of an objective ``table:FILE``; None of another one.

    >>> table_path("table:studies/mine.sqlite").name, table_path("synthetic")
    ('mine.sqlite', None)
    """
    word, _, path = str(objective).partition(":")
    return Path(path) if word == TABLE and path else None


def _fixed(config: Mapping[str, Any], key: str) -> Any:
    """The value of an option, as far as a study depends on it: files of data may move."""
    if key == "objective" and table_path(config.get(key)):
        return TABLE
    if key == "dataset":
        return str(config.get(key) or DEFAULT).partition(":")[0]
    value = config.get(key)
    if key == "minimize":
        return ", ".join(value or ()) or "none"
    return SINCE.get(key) if value is None else value


def untrained(objective: object) -> str | None:
    """``StudyRecord.untrained`` of a study of that objective."""
    if table_path(objective):
        return (
            "The objective is a table: no network was trained by this study, learning curves were "
            "replayed."
        )
    if objective != SYNTHETIC:
        return None
    return (
        "The objective is synthetic: no network was trained, the accuracies are a function of the "
        "architecture."
    )


def label_of(objective: object, measure: Measure = ACCURACY) -> str:
    """``StudyRecord.accuracy`` of a study of that objective."""
    return "synthetic accuracy" if objective == SYNTHETIC else measure.label


def read_record(
    url: str, name: str, directions: Sequence[str] = ("maximize",)
) -> StudyRecord | None:
    """The study as stored, or None where the database or the study is not there yet.

    ``directions`` are what a study that is made anew would have.

    Raises:
        StorageError: the URL or the database cannot be used, or the study is another program's.
    """
    try:
        name.encode()
    except UnicodeEncodeError:  # bytes of the command line that its encoding does not have
        raise StorageError(f"study {name!r} is not text in this terminal's encoding") from None
    path = engines.sqlite_path(engines.parse_url(url))
    if path is not None and not path.exists():
        return None
    engine = engines.engine_for(url, read_only=True)
    with engines.translate_errors(url):
        ours = has_studies(engine, url)
        with engine.connect() as connection:
            if not ours:
                refuse_others(connection)
                if not inspect(connection).has_table("trial_params"):
                    return None  # Optuna's tables are not there either
            study_id = connection.scalar(
                text("SELECT study_id FROM studies WHERE study_name = :name"), {"name": name}
            )
            if study_id is None:
                return None
            found = connection.execute(record_of(study_id)).first() if ours else None
            if found is None:
                refuse_foreign(connection, study_id, name, directions)
    engine.dispose()
    try:
        return record_from(found) if found else None
    except DamagedError as error:
        raise DamagedError(f"study {name!r} is damaged: {error}", error.problems) from None


def refuse_foreign(
    connection: Connection, study_id: int, name: str, directions: Sequence[str]
) -> None:
    """Do nothing if a study of Optuna's without a record of ours can become one of ours, of those
    directions.

    It can where nothing is in it: a search that died at its first steps left it so. Trials that
    were enqueued and have not begun are no hindrance.

    Raises:
        StorageError: it cannot; the message says what differs.
    """
    query = (
        "SELECT CAST(direction AS VARCHAR(16)) FROM study_directions WHERE study_id = :id "
        "ORDER BY objective"
    )
    found = [str(one).lower() for one in connection.scalars(text(query), {"id": study_id})]
    trials = "FROM trials WHERE study_id = :id AND CAST(state AS VARCHAR(16)) != 'WAITING'"
    begun = connection.scalar(text(f"SELECT COUNT(*) {trials}"), {"id": study_id})
    differences = []
    if found != [*directions]:
        differences.append(f"its direction is {spelled(found)}, not {spelled(directions)}")
    if begun:
        query = (
            "SELECT DISTINCT param_name FROM trial_params WHERE trial_id IN "
            f"(SELECT trial_id {trials}) ORDER BY param_name LIMIT 4"
        )
        names = [repr(one) for one in connection.scalars(text(query), {"id": study_id})]
        searched = f" of {', '.join(names[:3])}{', …' * (len(names) > 3)}" if names else ""
        differences.append(f"{plural(begun, 'trial')}{searched} in it, not by nas")
    if differences:
        raise StorageError(
            f"study {name!r} exists and was made by another program: {'; '.join(differences)}; "
            "choose another --study"
        )


def spelled(directions: Sequence[str]) -> str:
    """The directions of a study, in words."""
    return " and ".join(directions) or "not set"


def record_of(study_id: int) -> Select[Any]:
    """The query of one study's row; without ``created``, which may be no time."""
    columns = [column for column in studies.columns if column.name != "created"]
    return select(*columns).where(studies.c.study_id == study_id)


def record_from(row: Row[Any]) -> StudyRecord:
    """The record in a row of ``record_of``.

    Raises:
        DamagedError: it is none.
    """
    config = read_mapping(row.config, "its config")
    for name in ("trials", "epochs"):
        value = config.get(name)
        if type(value) is not int or not 1 <= value <= MOST:
            raise DamagedError(f"{name} of its config is {str(value)[:40]!r}, not a whole number")
    for name in ("space_hash", "dataset"):
        if not isinstance(getattr(row, name), str):
            raise DamagedError(f"its {name} is not text")
    try:
        read_minimized(config.get("minimize") or ())
    except ConfigError as error:
        raise DamagedError(f"its config cannot be read: {error}") from None
    measure, source = read_objective(row.objective)
    return StudyRecord(
        space=read_mapping(row.space, "its space"),
        space_hash=row.space_hash,
        config=config,
        dataset=row.dataset,
        provenance=read_mapping(row.provenance, "its provenance"),
        measure=measure,
        source=source,
    )


def read_objective(stored: object) -> tuple[Measure, str | None]:
    """``nas_studies.objective``; of a study of an earlier nas there is none."""
    if stored is None:
        return ACCURACY, None
    found = read_mapping(stored, "its objective")
    source = found.get("source")
    if not isinstance(source, str | None):
        raise DamagedError("the source of its objective is no text")
    try:
        return Measure(found["metric"], found["direction"]), source
    except (KeyError, ConfigError) as error:
        raise DamagedError(f"its objective cannot be read: {error}") from None


@dataclass(frozen=True)
class Listed:
    """A study in a list: of one that is damaged, ``problem`` says why the rest is missing."""

    planned: int | None
    objective: str | None
    dataset: str | None
    """Title of what its networks were trained on; None where that is no data set of nas."""
    measure: Measure
    minimize: tuple[str, ...]
    created: datetime | None  # UTC
    problem: str | None


def listed(row: Row[Any]) -> Listed:
    """What a list says of the study in a row that has ``study`` and all of ``nas_studies``."""
    try:
        if not isinstance(row.study, str):
            raise DamagedError("its name is not text")
        created = read_time(row.created, "its time of creation")
        record = record_from(row)
        config = record.config
        objective = config.get("objective")
        if not isinstance(objective, str | None):
            raise DamagedError(f"objective of its config is {str(objective)[:40]!r}, not text")
        dataset = record.images.title if record.images else None
        about = (config["trials"], objective, dataset, record.measure, record.minimize)
        return Listed(*about, created, None)
    except DamagedError as error:
        return Listed(None, None, None, ACCURACY, (), None, str(error))


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
