"""What a study was run with: code, libraries, hardware."""

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

LIBRARIES = (
    "nas", "torch", "torchvision", "optuna", "ray", "numpy", "pandas", "pydantic", "sqlalchemy",
    "alembic", "psycopg",
)  # fmt: skip


def provenance() -> dict[str, Any]:
    """Plain JSON types, of the driver's machine; asks libraries' metadata, imports none of them."""
    return {
        "code": code(Path(__file__).parents[1]),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "gpus": gpus(),
    }


def digest(found: Mapping[str, Any]) -> str:
    """SHA-256 of a provenance, 64 hex digits: what is shipped names its study's by it."""
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


def code(package: Path) -> dict[str, Any]:
    """The git commit of a source folder, and whether it was changed since; None where installed."""
    try:
        # a package installed below somebody's repository is not a part of that
        _git(package, "ls-files", "--error-unmatch", "__init__.py")
        commit = _git(package, "rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_git(package, "status", "--porcelain", "--", "."))}
    except (OSError, subprocess.SubprocessError):
        return {"commit": None, "dirty": None}


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
    )
    return done.stdout.strip()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def processor() -> str:
    """The processor's model, as the system names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def gpus() -> list[str]:
    """Name and driver of each NVIDIA GPU."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        listing = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in listing.stdout.splitlines() if line.strip()]
