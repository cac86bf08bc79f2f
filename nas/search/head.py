"""The head node of a cluster that is named: whether it answers, and what it asks of who joins."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import TypeVar

# isort: off
import nas.search.ray_settings  # noqa: F401 - before ray, which reads some of what it sets

# isort: on
from ray._private.services import canonicalize_bootstrap_address
from ray._raylet import (  # type: ignore[attr-defined]
    AuthenticationTokenLoader,
    Config,
    GcsClient,
)
from ray.exceptions import AuthenticationError

from nas.errors import ConfigError
from nas.search.machine import Address

ANSWER_SECONDS = 5.0  # how long a cluster may take to answer; Ray's own patience is minutes
CONNECT_SECONDS = 4.0  # of these, to be connected to
MODE = "RAY_AUTH_MODE"
OPEN, TOKEN = "disabled", "token"  # its values

_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Head:
    """The head node of a cluster that answered."""

    place: str
    """host:port."""
    mode: str
    """``OPEN``, or ``TOKEN`` where the cluster asks for one, which is then here."""
    hosts: frozenset[str]
    """The addresses of all nodes of the cluster."""

    @property
    def is_here(self) -> bool:
        """Whether all nodes of the cluster are on this machine."""
        return all(map(is_here, self.hosts))


def reached(address: Address, seconds: float = ANSWER_SECONDS) -> Head:
    """The head node at ``address``, if it answers within ``seconds`` and takes our token.

    Raises:
        ConfigError: it is no address, no Ray cluster answers there, or it wants a token that is
            not here.
    """
    if "://" in address.place:
        raise ConfigError(
            f"{address}, a URL; accepted: host:port of the head node, as ray start prints it, on "
            "a machine of the cluster; auto; local, or leave it out. Through ray:// Ray Tune would "
            "run the search on the cluster, away from this database; submit it as a Ray job instead"
        )
    end = time.monotonic() + seconds

    def left() -> float:
        return max(0.0, end - time.monotonic())

    try:
        with silence():
            place = _within(left(), lambda: _located(address.place))
            # A cluster without tokens takes any, so whether it has them is seen without one.
            for mode in (OPEN, TOKEN):
                if mode == TOKEN and not _has_token(address):
                    break
                try:
                    with authentication(mode):
                        return Head(place, mode, _within(left(), lambda: _hosts(place)))
                except AuthenticationError:
                    continue
    except ConfigError:
        raise
    except Exception as error:  # Ray's client has exceptions of many kinds
        late = isinstance(error, _LateError)
        found = f"no answer within {seconds:g} s" if late else str(error).strip()
        reason = (found or type(error).__name__).splitlines()[0]
        raise ConfigError(
            f"{address}, but no Ray cluster there can be joined ({reason}); accepted: host:port of "
            "the head node, as ray start prints it; auto; or leave it out to search on this "
            "machine alone"
        ) from None
    another = f"another token than that of {_token_source()}" if _has_token(address) else "a token"
    raise ConfigError(
        f"{address}, but the Ray cluster there wants {another}; copy ~/.ray/auth_token from its "
        "head node to the same place here, or name a file with its token in RAY_AUTH_TOKEN_PATH"
    )


def is_here(host: str) -> bool:
    """Whether an address is one of this machine's.

    >>> is_here("127.0.0.1"), is_here("203.0.113.7")
    (True, False)
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:  # the system lets nobody listen at the address of another machine
        with socket.socket(family, socket.SOCK_DGRAM) as here:
            here.bind((host, 0))
    except OSError:
        return False
    return True


@contextmanager
def authentication(mode: str) -> Iterator[None]:
    """What this process asks of Ray in between: with or without a token."""
    before = os.environ.get(MODE)
    _set_mode(mode)
    try:
        yield
    finally:
        # A Ray that is started here afterwards has tokens unless the user said otherwise
        if before is None:
            os.environ.pop(MODE)
        else:
            os.environ[MODE] = before


@contextmanager
def silence() -> Iterator[None]:
    """Ray's C++ parts write to descriptor 2 themselves; what is wrong, its exceptions say too."""
    saved = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


class _LateError(Exception):
    """No answer in time."""


def _within(seconds: float, call: Callable[[], _Found]) -> _Found:
    """What ``call`` returns or raises; it is given up after so many seconds."""
    outcome: list[_Found] = []
    failure: list[Exception] = []

    def run() -> None:
        try:
            outcome.append(call())
        except Exception as error:
            failure.append(error)

    # a thread can be given up, which a call into Ray cannot
    thread = Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if failure:
        raise failure[0]
    if not outcome:
        raise _LateError
    return outcome[0]


def _located(place: str) -> str:
    """Where exactly, host:port, if something listens there."""
    found = canonicalize_bootstrap_address(place)
    if found is None:
        raise ConnectionError("Ray runs nowhere on this machine")
    host, _, port = str(found).rpartition(":")
    # refused and unreachable hosts say so at once; Ray's client would try again and again
    with socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS):
        pass
    return str(found)


def _hosts(place: str) -> frozenset[str]:
    nodes = GcsClient(address=place).get_all_node_info()
    return frozenset(node.node_manager_address for node in nodes.values() if not node.state)


def _set_mode(mode: str) -> None:
    os.environ[MODE] = mode
    Config.initialize("")  # else what was read at first holds


def _has_token(address: Address) -> bool:
    """Whether there is a token here, wherever Ray looks for one.

    Raises:
        ConfigError: it is said to be in a file that has none.
    """
    loader = AuthenticationTokenLoader.instance()
    loader.reset_cache()
    try:
        return bool(loader.has_token(ignore_auth_mode=True))
    except AuthenticationError:
        file = os.environ.get("RAY_AUTH_TOKEN_PATH", "")
        raise ConfigError(
            f"{address}, and the Ray cluster there wants a token, but RAY_AUTH_TOKEN_PATH is "
            f"{file!r}, which cannot be read or is empty; accepted: a file with its token"
        ) from None


def _token_source() -> str:
    """Where Ray takes the token from."""
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        if os.environ.get(name):
            return name
    return "~/.ray/auth_token"
