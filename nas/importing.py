"""What a user names as package.module:name: imported, with one line where that fails."""

from __future__ import annotations

import importlib
import sys
from operator import attrgetter
from pathlib import Path
from typing import Any

from nas.errors import ConfigError, choose


def add_to_path(folder: Path) -> None:
    """Let modules of ``folder`` be imported, before those that are installed."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
        importlib.invalidate_caches()


def import_named(option: str, name: str, folder: Path) -> Any:
    """What ``name``, a package.module:name, stands for; modules of ``folder`` are found, too.

    Raises:
        ConfigError: there is none, or its module cannot be imported; the message begins with
            ``option``.
    """
    module, _, attribute = name.partition(":")
    if module == "__main__" or "<" in attribute:
        raise ConfigError(
            f"{option} is {name!r}, of a script or a notebook; hand the function itself to "
            "nas.run_search there, or move it into a module: package.module:name"
        )
    add_to_path(folder)
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and (module == error.name or module.startswith(f"{error.name}.")):
            raise ConfigError(
                f"{option} is {name!r}, but there is no module {error.name}, neither in {folder} "
                "nor installed"
            ) from None
        raise ConfigError(_broken(option, name, module, error)) from None
    except (Exception, SystemExit) as error:  # whatever a module does when it is imported
        raise ConfigError(_broken(option, name, module, error)) from None
    try:
        return attrgetter(attribute)(found)
    except AttributeError:
        known = [
            key
            for key, value in vars(found).items()
            if callable(value) and getattr(value, "__module__", None) == found.__name__
        ]
        raise ConfigError(
            f"{option} is {name!r}, but {module} has no {attribute}; {choose(attribute, known)}"
        ) from None


def _broken(option: str, name: str, module: str, error: BaseException) -> str:
    said = " ".join(str(error).split())[:200]
    return f"{option} is {name!r}, but importing {module} fails: {type(error).__name__}: {said}"
