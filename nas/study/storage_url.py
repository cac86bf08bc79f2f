"""Which study database is meant, and its URL without the password."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

DEFAULT_STORAGE = "sqlite:///nas.db"
VARIABLE = "NAS_STORAGE"
SECRETS = (VARIABLE, "PGPASSWORD")  # variables that a worker needs not, and does not get


def storage_url(given: str | None = None) -> str:
    """The URL that is given, else that of the environment, else the default."""
    return given or default_storage()


def default_storage() -> str:
    """What is meant where nothing is given: ``NAS_STORAGE``, else a file in this folder."""
    return os.environ.get(VARIABLE) or DEFAULT_STORAGE


def file_url(path: Path) -> str:
    """Of a SQLite file, whatever signs its path has.

    >>> file_url(Path("100%41?.sqlite"))
    'sqlite:///100%2541%3F.sqlite'
    """
    return URL.create("sqlite", database=str(path)).render_as_string()


def without_password(url: str) -> str:
    """The URL as it is, or less its password, so that the driver takes it from PGPASSWORD."""
    parsed = make_url(url)
    secrets = [name for name in parsed.query if "password" in name]  # libpq takes it there, too
    if parsed.password is None and not secrets:
        return url
    return (
        parsed._replace(password=None)
        .difference_update_query(secrets)
        .render_as_string(hide_password=False)
    )


def has_password(url: str) -> bool:
    """Whether a password is part of the URL; of one that cannot be read, none is.

    >>> has_password("postgresql://me:secret@host/db"), has_password("postgresql://me@host/db")
    (True, False)
    """
    try:
        return without_password(url) != url
    except (ArgumentError, ValueError):
        return False
