"""Ray itself: the cluster that is named, or one of our own on this machine."""

from __future__ import annotations

import logging
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

# isort: off
import nas.search.ray_settings  # noqa: F401 - before ray, which reads some of what it sets

# isort: on
import ray

from nas.errors import ConfigError
from nas.search.head import OPEN, Head, authentication, reached, silence
from nas.search.machine import Address, Machine, Node, cluster_address
from nas.study.storage_url import SECRETS

log = logging.getLogger(__name__)

JOIN_SECONDS = 60.0  # how long a cluster that has no CPU yet is waited for
# Below Ray's folder: /ray/session_2026-01-01_12-00-00_123456_1234567/sockets/plasma_store
MAX_TEMP_BYTES = 107 - 75  # 107 bytes is the most that the path of a Unix socket may have
SYSTEM_TEMP = ("/tmp", "/var/tmp", "/dev/shm")


@contextmanager
def cluster(
    address: str | None = None,
    *,
    insecure: bool = False,
    keep: bool = False,
    tell: Callable[[str], object] = log.warning,
    modules: Sequence[str] = (),
) -> Iterator[Machine]:
    """Ray, connected to a cluster or started here, and what it has.

    Where this process is connected to a Ray already, that one is used, and left as it is; with
    ``keep``, a new connection is left for later, too.

    Args:
        address: the cluster to join; by default the one at ``RAY_ADDRESS``, if that is set.
        insecure: also join one on other machines that asks nobody for a token.
        keep: leave a new connection open.
        tell: is told, in one line, that a cluster without CPUs is waited for.
        modules: files and packages that the workers of a cluster that is joined import from us.

    Raises:
        ConfigError: no cluster that answers is there, it wants a token that is not here, it has no
            CPU, this process is connected to another one, or Ray cannot start.
    """
    named = cluster_address(address)
    if ray.is_initialized():
        if address and named:
            _refuse_another(named)
        yield _resources(f"the Ray cluster at {named.place}" if named else "this process's Ray")
        return
    if named is None:
        here = Machine.here()
        _start(
            address="local",  # else Ray joins whatever another user has started here
            num_cpus=here.cpus,
            num_gpus=here.gpus,
            include_dashboard=False,
            _temp_dir=str(temp_folder() / "ray"),
        )
    else:
        head = reached(named)
        _refuse_open(named, head, insecure)
        code: dict[str, Any] = {"runtime_env": {"py_modules": list(modules)}} if modules else {}
        _start(head.mode, address=named.place, **code)
    try:
        yield here if named is None else _populated(named, tell)
    finally:
        if not keep:
            ray.shutdown()


def _start(mode: str | None = None, **options: Any) -> None:
    """Start Ray, or join one.

    Raises:
        ConfigError: that fails.
    """
    # workers inherit our environment, and need no database; an empty address is one for Ray
    left_out = {name: os.environ.pop(name, None) for name in (*SECRETS, "RAY_ADDRESS")}
    try:
        with silence(), authentication(mode) if mode else nullcontext():
            ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
    except Exception as error:  # that is what Ray raises on a machine too busy to start it in time
        raise ConfigError(f"Ray cannot start: {str(error).splitlines()[0]}") from None
    finally:
        os.environ.update({name: value for name, value in left_out.items() if value is not None})


def _refuse_open(address: Address, head: Head, insecure: bool) -> None:
    """Do nothing if the cluster may be joined.

    Raises:
        ConfigError: whoever reaches it can run code on it, and that was not asked for.
    """
    if head.mode == OPEN and not head.is_here and not insecure:
        raise ConfigError(
            f"{address}, a Ray cluster on other machines that asks nobody for a token: whoever "
            "reaches it can run code there, and on this machine once it has joined. Start its "
            "nodes with RAY_AUTH_MODE=token and one token, or add --insecure (insecure=True in "
            "Python)"
        )


def _refuse_another(address: Address) -> None:
    """Do nothing if this process is connected to the cluster at ``address``.

    Raises:
        ConfigError: it is connected to another one.
    """
    connected = str(ray.get_runtime_context().gcs_address)
    if _resolved(reached(address).place) != _resolved(connected):
        raise ConfigError(
            f"{address}, but this process is connected to the Ray at {connected}; call "
            "ray.shutdown() first, or leave the address out"
        )


def _resolved(place: str) -> tuple[str, str]:
    host, _, port = place.rpartition(":")
    try:
        return socket.gethostbyname(host.strip("[]")), port
    except OSError:
        return host, port


def _populated(address: Address, tell: Callable[[str], object]) -> Machine:
    """The cluster at ``address``, once it has a CPU.

    Raises:
        ConfigError: it gets none within ``JOIN_SECONDS``.
    """
    name = f"the Ray cluster at {address.place}"
    end, told = time.monotonic() + JOIN_SECONDS, False
    while not (machine := _resources(name)).cpus:
        if time.monotonic() > end:
            raise ConfigError(
                f"{address}, but {machine} has no CPU for a trial, nor got one within "
                f"{JOIN_SECONDS:g} s; start its workers first: a search asks no autoscaler for them"
            )
        if not told:
            tell(f"{machine} has no CPU yet: waiting for {JOIN_SECONDS:g} s at most")
            told = True
        time.sleep(1)
    return machine


def _resources(name: str) -> Machine:
    """All that the Ray of this process has."""
    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    return Machine.of([what_it_has(node) for node in nodes if node["Alive"]], name)


def what_it_has(node: Mapping[str, Any]) -> Node:
    """What a node of ``ray.nodes()`` has."""
    resources = node["Resources"]
    return Node(int(resources.get("CPU", 0)), int(resources.get("GPU", 0)))


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


def _writable(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
