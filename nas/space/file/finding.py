"""Where space files are: those that come with the package, and a user's own."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from nas.errors import SpaceError, choose


def available() -> tuple[str, ...]:
    """Names of the bundled spaces."""
    return tuple(sorted(path.stem for path in _folder().glob("*.yaml")))


def find_file(name_or_path: str | Path) -> Path:
    """The file of a bundled space, or the path itself.

    A word without a suffix or a folder is a name, anything else a path.

    Raises:
        SpaceError: no bundled space has this name, or there is no such file.
    """
    path = Path(name_or_path)
    if isinstance(name_or_path, str) and path.name == name_or_path and not path.suffix:
        if name_or_path in available():
            return _folder() / f"{name_or_path}.yaml"
        if not path.exists():
            hint = choose(name_or_path, available())
            raise SpaceError(f"no space is named {name_or_path!r}; {hint}, or the path of a file")
    if path.is_dir():
        inside = sorted(str(file) for file in path.glob("*.y*ml"))
        what = choose(path, inside) if inside else "no space file is in it"
        raise SpaceError(f"{path} is a folder, not a file; {what}")
    if not path.exists():
        raise SpaceError(f"{path} does not exist; {choose(path, _siblings(path) or available())}")
    return path


def _folder() -> Path:
    return Path(str(files("nas") / "search_spaces"))


def _siblings(path: Path) -> list[str]:
    return sorted(str(file) for file in path.parent.glob("*.y*ml"))
