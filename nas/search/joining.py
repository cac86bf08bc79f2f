"""What a search runs on, found or joined without loading Ray where that is not needed."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from nas.search.jobs import own_modules
from nas.search.machine import Machine, cluster_address
from nas.search.resolving import checked

log = logging.getLogger(__name__)


@contextmanager
def machine(
    given: Mapping[str, Any],
    *,
    keep: bool = False,
    tell: Callable[[str], object] = log.warning,
) -> Iterator[Machine]:
    """What a search runs on: the Ray that this process is connected to, the cluster that the option
    ``address`` or RAY_ADDRESS names, joined meanwhile, or this machine.

    Args:
        given: options of the search.
        keep: whether the connection outlives the search.
        tell: is told, in one line, what is waited for.

    Raises:
        ConfigError: the cluster cannot be joined, or there is no such objective to send there.
    """
    said = {name: given[name] for name in ("address", "insecure") if given.get(name) is not None}
    options = checked(said)
    if cluster_address(options.get("address")) or connected():
        from nas.search.cluster import cluster

        modules = own_modules(given.get("objective"))
        with cluster(**options, keep=keep, tell=tell, modules=modules) as found:
            yield found
    else:
        yield Machine.here()


def connected() -> bool:
    """Whether this process is connected to a Ray, found out without loading it."""
    ray = sys.modules.get("ray")
    return ray is not None and ray.is_initialized()
