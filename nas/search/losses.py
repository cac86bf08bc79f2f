"""What an attempt was lost by: what it trained, its process, or the node that it was on."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

# isort: off
import nas.search.ray_settings  # noqa: F401 - before ray, which reads some of what it sets

# isort: on
import ray
from ray._private.state import actors
from ray.exceptions import OutOfMemoryError, RayActorError, RayTaskError

from nas.errors import in_a_line
from nas.search.trial import NodeError, WorkerError

ANSWER_SECONDS = 1.0  # that a node has
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Loss:
    """Why an attempt cannot go on."""

    reason: str
    """One line, and below it the end of the worker's traceback, where there is one."""
    of: Literal["trial", "process", "node"]
    """``trial``: what it trained raised an exception, or took all memory. ``process``: that died,
    by itself or with its node. ``node``: no trial can be trained there."""


def loss_of(error: BaseException | None) -> Loss:
    """What Ray's exception says; None, where it could not be read."""
    if isinstance(error, RayTaskError):
        cause = error.cause
        if isinstance(cause, WorkerError):
            return Loss(str(cause), "node" if isinstance(cause, NodeError) else "trial")
        return Loss(_plain(in_a_line(cause)), "trial")
    if isinstance(error, OutOfMemoryError):
        return Loss(" ".join(_plain(str(error)).split())[:500], "trial")
    if isinstance(error, RayActorError) and error.actor_init_failed:
        # nothing of a trial is run yet: nas is not there, or not what it is here, for one
        *traceback, last = _plain(str(error)).strip().splitlines()
        return Loss("\n".join([f"its process cannot begin: {last.strip()}", *traceback]), "node")
    if isinstance(error, RayActorError):
        return Loss(_plain(in_a_line(error)), "process")
    return Loss("its process died", "process")


def place_of(error: BaseException | None) -> tuple[str, str]:
    """As ``Worker.place``, of a process that died before it could say so."""
    with suppress(Exception):  # Ray may not know it, or not any more
        address = actors(error.actor_id)["Address"]  # type: ignore[union-attr]
        return address["NodeID"], address["IPAddress"]
    return "", "no host yet"


def node_of(node_id: str) -> Mapping[str, Any] | None:
    """What Ray says of the node with that id, if it ever was there."""
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return next((node for node in nodes if node["NodeID"] == node_id), None)


def is_there(node: Mapping[str, Any]) -> bool:
    """Whether its Ray answers: the cluster learns half a minute late of one that lost its power."""
    try:
        place = (node["NodeManagerAddress"], node["NodeManagerPort"])
        with socket.create_connection(place, ANSWER_SECONDS):
            return bool(node["Alive"])
    except OSError:
        return False


def _plain(text: str) -> str:
    """Without the colours that Ray gives it."""
    return _COLOUR.sub("", text)
