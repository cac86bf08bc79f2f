"""Code of the user's on its way to a cluster, and what Ray deletes of a job that it runs.

``ray job submit`` copies a folder to the cluster, runs the command in the copy, and deletes it. A
search that is not such a job sends the modules of its objective itself.
"""

from __future__ import annotations

import json
import os
import re
import sys
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Any

from sqlalchemy import URL

from nas.errors import ConfigError
from nas.objectives.contract import find_objective, is_built_in
from nas.study.database.engines import sqlite_path

ENVIRONMENT = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # of a job's command: what Ray was told of it
_DELETED = re.compile(r"/session_[^/]+/runtime_resources/")
CODE = ("working_dir", "py_modules")  # what of a runtime environment brings modules


def own_modules(objective: Any) -> list[str]:
    """Files and packages that the workers of a cluster need for an objective of the user's.

    The one that it is in, and those that lie beside it and are imported by now. None of what is
    installed, as that is on each node, nor of a job, whose modules are there by ``ray job submit``.

    Raises:
        ConfigError: there is no such objective.
    """
    if objective is None or _sent_with_job():
        return []
    name = find_objective(objective).name
    if is_built_in(name):
        return []
    module = sys.modules.get(name.partition(":")[0].partition(".")[0])
    place = _place(module) if module else None
    root = place.parent if place else Path.cwd()  # a notebook has no file
    if any(root.is_relative_to(folder) for folder in sysconfig.get_paths().values()):
        return []
    others = [one for name, one in sys.modules.items() if "." not in name]
    beside = {_place(one) for one in others if one.__name__ not in ("nas", "__main__")}
    return sorted(str(one) for one in beside if one is not None and one.parent == root)


def refuse_deleted(storage: URL, runs: str) -> None:
    """Do nothing if what a search writes outlives the Ray job that it may be.

    Raises:
        ConfigError: it lies in the job's folder.
    """
    database = sqlite_path(storage)
    gone = {
        "storage": database is not None and _is_deleted(database) and str(storage),
        "runs": "://" not in runs and _is_deleted(Path(runs)) and runs,
    }
    said = " and ".join(f"{option} is {value}" for option, value in gone.items() if value)
    if said:
        raise ConfigError(
            f"{said}, in the folder of a Ray job, which Ray deletes after it; name places that "
            "last with --storage (postgresql+psycopg://…) and --runs (a folder that all nodes "
            "share, or s3://bucket/path)"
        )


def _is_deleted(path: Path) -> bool:
    return _DELETED.search(str(path.absolute())) is not None


def _sent_with_job() -> bool:
    config = json.loads(os.environ.get(ENVIRONMENT, "{}"))
    return any(name in (config.get("runtime_env") or {}) for name in CODE)


def _place(module: ModuleType) -> Path | None:
    """The folder of a package, or the file of a module."""
    folders = list(getattr(module, "__path__", []))
    file = getattr(module, "__file__", None)
    return Path(folders[0]) if folders else Path(file) if file else None
