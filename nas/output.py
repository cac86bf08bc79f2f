"""Where something is to be written: checked before the work that leads to it, creating nothing."""

import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from nas.errors import ConfigError

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # a Path keeps one of the slashes


def file_name(words: str) -> str:
    """``words`` that somebody else may have written, as the name of a file in the folder here.

    >>> file_name("../../wide-vs-any"), file_name("any or more")
    ('_.._wide-vs-any', 'any or more')
    """
    return words.replace("/", "_").lstrip(".")[:100]


def check_file(path: Path | str, option: str, endings: Sequence[str] = ()) -> Path:
    """``path``, if a file can be written there; folders that are missing can be made.

    Args:
        option: the name of what was given, with which an error begins.
        endings: the accepted ones; any where there are none.

    Raises:
        ConfigError: it is a URL or a folder, has another ending, or cannot be written.
    """
    path = _path(path, option)
    if endings and path.suffix not in endings:
        accepted = f"ending{'s' * (len(endings) > 1)}: {', '.join(endings)}"
        raise ConfigError(f"{option} is {str(path)!r}; accepted {accepted}")
    if path.is_dir():
        raise ConfigError(f"{option}: {path} is a folder; name a file in it")
    _check_writable(path.parent, option)
    if path.exists() and not os.access(path, os.W_OK):
        raise ConfigError(f"{option}: cannot write {path} (Permission denied)")
    return path


def check_folder(path: Path | str, option: str) -> Path:
    """``path``, if it is a folder that can be written, or can be made one.

    Raises:
        ConfigError: it is a URL, or cannot be written.
    """
    path = _path(path, option)
    _check_writable(path, option)
    return path


def _path(given: Path | str, option: str) -> Path:
    if _URL.match(str(given)):
        raise ConfigError(
            f"{option} is {str(given)!r}, a URL; accepted: a path on this machine, or on a file "
            "system that is mounted"
        )
    if "\0" in str(given):
        raise ConfigError(f"{option} is {str(given)!r}, which no path can be")
    path = Path(given)
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        pass  # each is told below by the folder that it is of
    except OSError as error:
        raise ConfigError(f"{option}: {error.strerror}: {str(path)[:80]!r}") from None
    return path


def _check_writable(folder: Path, option: str) -> None:
    """Where the folder is not there, of the nearest one above it."""
    there = folder.absolute()
    try:
        while not there.exists():
            there = there.parent
        with tempfile.TemporaryFile(dir=there):
            pass
    except NotADirectoryError:
        raise ConfigError(f"{option}: {there} is a file, not a folder") from None
    except OSError as error:
        raise ConfigError(f"{option}: cannot write in {there} ({error.strerror})") from None
