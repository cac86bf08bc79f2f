"""Trials that fail one after another: after so many it makes no sense to go on."""

from __future__ import annotations

from nas.quantity import plural


class FailuresInARow:
    """Counts the trials that failed since the last one that did not."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0
        self._last = ""

    def add(self, reason: str) -> None:
        """One more failed."""
        self._count += 1
        self._last = reason

    def clear(self) -> None:
        """One did not fail."""
        self._count = 0

    @property
    def hopeless(self) -> str | None:
        """Why it makes no sense to go on, if it does not."""
        if self._count < self._most:
            return None
        last = self._last.partition("\n")[0]
        return f"{plural(self._count, 'trial')} in a row failed, the last one with: {last}"
