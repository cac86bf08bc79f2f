"""Ray itself: the cluster at ``RAY_ADDRESS``, or one of our own on this machine."""

from __future__ import annotations

import logging
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from nas.errors import ConfigError
from nas.search.machine import Machine, cluster_address
from nas.study.storage_url import VARIABLE

# Before ray is imported: it reads some of these then.
_RAY_ENVIRONMENT = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative paths stay what the user meant
    "RAY_DEDUP_LOGS": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # results are judged by the searcher
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the study database has every number
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # signals are ours
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",  # no snapshots: the database is the truth
    "TUNE_MAX_PENDING_TRIALS_PG": "1",
    "TUNE_WARN_THRESHOLD_S": "10",
}
for _name, _value in _RAY_ENVIRONMENT.items():
    os.environ.setdefault(_name, _value)

import ray  # noqa: E402
from ray._private.authentication.authentication_token_setup import (  # noqa: E402
    maybe_enable_token_auth_if_token_available,
)
from ray._private.services import canonicalize_bootstrap_address  # noqa: E402
from ray._raylet import GcsClient  # type: ignore[attr-defined]  # noqa: E402

ANSWER_SECONDS = 5.0  # how long a cluster may take to answer; Ray's own patience is minutes
CONNECT_SECONDS = 4.0  # of these, to be connected to
# Below Ray's folder: /ray/session_2026-01-01_12-00-00_123456_1234567/sockets/plasma_store
MAX_TEMP_BYTES = 107 - 75  # 107 bytes is the most that the path of a Unix socket may have
SYSTEM_TEMP = ("/tmp", "/var/tmp", "/dev/shm")


@contextmanager
def cluster(*, keep: bool = False) -> Iterator[Machine]:
    """Ray, connected to ``RAY_ADDRESS`` or started here, and what it has.

    Where this process is connected to a Ray already, that one is used, and left as it is; with
    ``keep``, a new connection is left for later, too.

    Raises:
        ConfigError: there is no cluster at ``RAY_ADDRESS`` that answers, or Ray cannot start.
    """
    address = cluster_address()
    if ray.is_initialized():
        yield _resources(f"the Ray cluster at {address}" if address else "this process's Ray")
        return
    here = Machine.here()
    if address is None:
        os.environ.pop("RAY_ADDRESS", None)  # Ray takes an empty one for an address
        options: dict[str, Any] = {
            "address": "local",  # else Ray joins whatever another user has started here
            "num_cpus": here.cpus,
            "num_gpus": here.gpus,
            "include_dashboard": False,
            "_temp_dir": str(temp_folder() / "ray"),
        }
    else:
        reached(address)
        options = {"address": address}
    # workers inherit our environment, and need no database
    storage = os.environ.pop(VARIABLE, None)
    try:
        with _silence():
            ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigError(f"Ray cannot start: {str(error).splitlines()[0]}") from None
    finally:
        if storage is not None:
            os.environ[VARIABLE] = storage
    try:
        yield here if address is None else _resources(f"the Ray cluster at {address}")
    finally:
        if not keep:
            ray.shutdown()


def reached(address: str, seconds: float = ANSWER_SECONDS) -> str:
    """``address`` as host:port of a cluster's head that answers within ``seconds``.

    Raises:
        ConfigError: it is no address, or no Ray cluster answers there.
    """
    if "://" in address:
        raise ConfigError(
            f"RAY_ADDRESS is {address!r}, a URL; accepted: host:port of the head node, as ray "
            "start prints it, on a machine of the cluster; auto; or leave it out"
        )
    outcome: list[str | Exception] = []

    def reach() -> None:
        try:
            outcome.append(_reach(address))
        except Exception as error:  # Ray's client has exceptions of many kinds
            outcome.append(error)

    # a thread can be given up, which a call into Ray cannot
    thread = Thread(target=reach, daemon=True)
    with _silence():
        thread.start()
        thread.join(seconds)
    found = outcome[0] if outcome else TimeoutError(f"no answer within {seconds:g} s")
    if isinstance(found, str):
        return found
    reason = (str(found).strip() or type(found).__name__).splitlines()[0]
    raise ConfigError(
        f"RAY_ADDRESS is {address!r}, but no Ray cluster there can be joined ({reason}); accepted: "
        "host:port of the head node, as ray start prints it; auto; or leave it out to search on "
        "this machine alone"
    )


def _resources(name: str) -> Machine:
    """All that the Ray of this process has."""
    found = ray.cluster_resources()  # type: ignore[no-untyped-call]
    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    alive = sum(node["Alive"] for node in nodes)
    return Machine(int(found.get("CPU", 0)), int(found.get("GPU", 0)), name, nodes=alive)


def temp_folder() -> Path:
    """A folder for Ray's sessions: RAY_TMPDIR or TMPDIR where it can be used, else the system's.

    Ray's sockets lie below it, whose paths must be short, and its command lines name it, which
    spaces would cut.

    Raises:
        ConfigError: no folder will do.
    """
    given = [os.environ[name] for name in ("RAY_TMPDIR", "TMPDIR") if os.environ.get(name)]
    for folder in (*given[:1], *SYSTEM_TEMP):
        path = Path(folder).absolute()
        fits = len(os.fsencode(path)) <= MAX_TEMP_BYTES and str(path).isprintable()
        if fits and " " not in str(path) and _writable(path):
            return path
    raise ConfigError(
        "Ray needs a folder for its sockets; set RAY_TMPDIR to one that can be written, whose path "
        f"has at most {MAX_TEMP_BYTES} bytes and no spaces"
    )


def _reach(address: str) -> str:
    found = canonicalize_bootstrap_address(address)
    if found is None:
        raise ConnectionError("Ray runs nowhere on this machine")
    host, _, port = found.rpartition(":")
    # refused and unreachable hosts say so at once; Ray's client would try again and again
    with socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS):
        pass
    if address == "auto":  # as ray.init does: a cluster of this user's, whose token is here
        maybe_enable_token_auth_if_token_available(warn_if_disabled=False)
    GcsClient(address=found).internal_kv_get(b"", None)
    return found


@contextmanager
def _silence() -> Iterator[None]:
    """Ray's C++ parts write to descriptor 2 themselves; what is wrong, its exceptions say too."""
    saved = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def _writable(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
