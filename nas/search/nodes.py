"""Nodes of a cluster that cannot train, by what went wrong there: they are avoided, and named.

A node is to blame for what the machine does (``nas.causes``): its data, its disk, its GPU. Nothing
of that counts against the trial, which waits for another node.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping

from nas.search.job import Watcher

log = logging.getLogger(__name__)

MOST = 2  # errors of a node, no epoch trained there between them, before it is avoided


class Nodes:
    """What is known of the nodes of one search, by Ray's ids of them."""

    def __init__(self, watcher: Watcher | None = None) -> None:
        """``watcher`` is told of each node that is avoided."""
        self._watcher = watcher or Watcher()
        self._in_a_row: dict[str, int] = defaultdict(int)
        self._failed: dict[str, set[int]] = defaultdict(set)  # trials that failed on a node
        self._avoided: dict[str, tuple[str, str]] = {}

    @property
    def avoided(self) -> frozenset[str]:
        """The ids of those that get no trial any more."""
        return frozenset(self._avoided)

    @property
    def reasons(self) -> Mapping[str, str]:
        """By host, what was wrong last on those that are avoided."""
        return dict(self._avoided.values())

    def trained(self, node: str) -> None:
        """An epoch was trained and kept there: the errors before it were no lasting ones."""
        self._in_a_row.pop(node, None)

    def blame(self, node: str, host: str, trial: int, reason: str) -> bool:
        """Whether an error of the machine on a node is to be counted against that.

        It is not where the same trial had one there before, and others were trained in between:
        then it is something about the trial.

        >>> nodes = Nodes()
        >>> [nodes.blame("1f", "gpu7", trial, "no space left") for trial in (0, 1)]
        [True, True]
        >>> nodes.reasons
        {'gpu7': 'no space left'}
        """
        if trial in self._failed[node] and not self._in_a_row[node]:
            return False
        self._failed[node].add(trial)
        self._in_a_row[node] += 1
        if self._in_a_row[node] >= MOST and node not in self._avoided:
            reason = reason.splitlines()[0]
            self._avoided[node] = (host, reason)
            log.warning("node %s gets no more trials: %s", host, reason)
            self._watcher.avoided(host, reason)
        return True

    def none_of(self, able: Collection[str]) -> str | None:
        """Why no trial can run on the nodes that are ``able`` to by what they have, if that is so.

        >>> nodes = Nodes()
        >>> _ = [nodes.blame("1f", "gpu7", trial, "no space left") for trial in (0, 1)]
        >>> nodes.none_of({"1f", "2e"}), nodes.none_of({"1f"})
        (None, 'no node is left to train on: gpu7 (no space left)')
        """
        if not able or not self.avoided.issuperset(able):
            return None
        named = "; ".join(f"{self._avoided[one][0]} ({self._avoided[one][1]})" for one in able)
        return f"no node is left to train on: {named}"
