"""What people say of a study and of its trials: a note and tags each, in a table of their own."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Engine, Select, delete, insert, inspect, select, text

from nas.errors import ConfigError, NasError
from nas.study.damage import read_json
from nas.study.database import engines
from nas.study.database.clock import utc_now
from nas.study.database.tables import REVISION, notes
from nas.study.database.upgrade import has_studies
from nas.study.reader import Study
from nas.text import visible

WRITING = ("SELECT", "INSERT", "DELETE")
OF_STUDY = -1  # in place of a trial's number
LONGEST, LONGEST_TAG, MOST_TAGS = 10_000, 40, 20  # signs of a note and of a tag; tags of one thing


@dataclass(frozen=True)
class Note:
    """What is said of one thing."""

    text: str = ""
    tags: tuple[str, ...] = ()


def read_notes(study: Study) -> dict[int, Note]:
    """By the number of the trial, ``OF_STUDY`` for the study itself.

    Raises:
        DamagedError: tags that are no list of words.
    """
    query = select(notes.c.trial, notes.c.note, notes.c.tags).where(notes.c.study_id == study.id)
    return _read(study.engine, study.url, query)


def read_study_notes(engine: Engine, url: str) -> dict[int, Note]:
    """By the ids of the studies of a database: what is said of each of them itself."""
    query = select(notes.c.study_id, notes.c.note, notes.c.tags).where(notes.c.trial == OF_STUDY)
    return _read(engine, url, query)


def _read(engine: Engine, url: str, query: Select[Any]) -> dict[int, Note]:
    with engines.translate_errors(url), engines.snapshot(engine) as connection:
        if not inspect(connection).has_table(notes.name):
            return {}  # of an older nas
        rows = connection.execute(query).all()
    shown = partial(visible, lines=True)
    return {key: Note(shown(note), tuple(map(visible, _tags(tags)))) for key, note, tags in rows}


def write_note(study: Study, trial: int, note: Note) -> None:
    """Store it in place of what was said before; an empty one leaves nothing.

    Raises:
        ConfigError: a note or a tag that is too long, or too many tags.
        StorageError: the database cannot be written, or is one of an older nas.
    """
    _check(note)
    where = (notes.c.study_id == study.id, notes.c.trial == trial)
    values = {"study_id": study.id, "trial": trial, "note": note.text, "changed": utc_now()}
    engine = engines.engine_for(study.url)
    try:
        with engines.translate_errors(study.url):
            has_studies(engine, study.url, oldest=REVISION)
            with engine.begin() as connection:
                connection.execute(delete(notes).where(*where))
                if note != Note():
                    row = {**values, "tags": json.dumps(list(note.tags))}
                    connection.execute(insert(notes).values(row))
    finally:
        engine.dispose()


def why_not_writable(study: Study) -> str | None:
    """Why nothing can be said of the study in its database; None where it can."""
    try:
        has_studies(study.engine, study.url, oldest=REVISION)
        engines.check_url(study.url)  # of a file: it and its folder can be written
        with engines.translate_errors(study.url), study.engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                return None
            may = " AND ".join(f"has_table_privilege('nas_notes', '{do}')" for do in WRITING)
            if connection.scalar(text(f"SELECT {may}")):
                return None
            return "this user may only read the database"
    except NasError as error:
        return str(error)


def read_tags(words: str) -> tuple[str, ...]:
    """Tags as they are typed, with commas between them; each one once.

    >>> read_tags(" good, look again,good")
    ('good', 'look again')
    """
    found = (" ".join(word.split()) for word in words.split(","))
    return tuple(dict.fromkeys(word for word in found if word))


def _tags(stored: str) -> Iterable[str]:
    found = read_json(stored, "the tags of a note")
    return [str(tag) for tag in found] if isinstance(found, list) else []


def _check(note: Note) -> None:
    if not note.text.isprintable() and "\0" in note.text:
        raise ConfigError("the note has a sign that no database keeps; accepted: text")
    if len(note.text) > LONGEST:
        raise ConfigError(f"the note has {len(note.text):,} signs; accepted: {LONGEST:,} at most")
    if len(note.tags) > MOST_TAGS:
        raise ConfigError(f"there are {len(note.tags)} tags; accepted: {MOST_TAGS} at most")
    for tag in note.tags:
        if len(tag) > LONGEST_TAG:
            raise ConfigError(f"the tag {tag!r:.60} is too long; accepted: {LONGEST_TAG} signs")
