"""What a study was run with: code, libraries, hardware."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

LIBRARIES = ("nas", "torch", "torchvision", "optuna", "ray", "numpy", "sqlalchemy")


def provenance() -> dict[str, Any]:
    """Plain JSON types; asks the metadata of the libraries, without importing them."""
    return {
        "code": _code(),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": _processor(),
    }


def _code() -> dict[str, Any]:
    """The git commit of this source tree, and whether it was changed; nothing when installed."""
    here = Path(__file__).parent
    try:
        commit = _git(here, "rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_git(here, "status", "--porcelain"))}
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


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
