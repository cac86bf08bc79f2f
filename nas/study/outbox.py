"""Results that the database could not take: kept on disk, written in order once it is back.

A line of the file is one named write with its arguments, as JSON. It is on the disk before
``write`` returns, so that neither an outage nor a death of the driver during it loses a result.
Each write can be done again without effect, as it may have come through before its connection
ended; and each is fenced, so that what another driver carries on meanwhile is left alone.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from nas.study.attempts import LostAttemptError
from nas.study.database.outages import UnavailableError

_log = logging.getLogger(__name__)


class Outbox:
    """A queue of writes in the file ``path``, which all drivers of a study on a machine share.

    While it holds anything, writes queue up behind that: the database gets them in order.
    """

    def __init__(self, path: Path, operations: Mapping[str, Callable[..., None]]) -> None:
        """``operations`` by name; their arguments are plain JSON."""
        self.path = path
        self._operations = operations
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(f"{path}.lock")

    def write(self, operation: str, **arguments: Any) -> None:
        """Do it now, or keep it while the database is away.

        Raises:
            LostAttemptError: another driver owns the attempt now.
        """
        try:
            self.flush()
            self._do(operation, arguments)
        except UnavailableError as error:
            _log.warning("%s; kept in %s: %s", error, self.path, _named(operation, arguments))
            self._keep({"operation": operation, "arguments": arguments})

    def flush(self) -> None:
        """Write all that waits; what is another driver's by now is dropped, and logged.

        Raises:
            UnavailableError: the database is still away; what is left goes on waiting.
        """
        if not self.path.exists():
            return
        with self._lock:
            waiting = self._waiting()
            done = 0
            try:
                for entry in waiting:
                    self._replay(**entry)
                    done += 1
            finally:
                if done or not waiting:
                    self._replace(waiting[done:])

    def _do(self, operation: str, arguments: Mapping[str, Any]) -> None:
        try:
            self._operations[operation](**arguments)
        except UnavailableError:  # a dropped connection is replaced by a new one at once
            self._operations[operation](**arguments)

    def _replay(self, operation: str, arguments: Mapping[str, Any]) -> None:
        try:
            self._do(operation, arguments)
        except LostAttemptError as error:
            _log.warning("dropped from %s: %s: %s", self.path, _named(operation, arguments), error)

    def _waiting(self) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        entries = []
        for line in self.path.read_bytes().splitlines():
            try:
                entries.append(json.loads(line))
            except ValueError:  # the machine died while it was written: nobody relied on it
                _log.warning("dropped from %s: an incomplete line", self.path)
        return entries

    def _keep(self, entry: Mapping[str, Any]) -> None:
        with self._lock, self.path.open("a+b") as file:
            complete = file.tell() == 0 or self.path.read_bytes().endswith(b"\n")
            file.write(b"" if complete else b"\n")
            file.write(_line(entry))
            file.flush()
            os.fsync(file.fileno())
            _sync_folder(self.path)

    def _replace(self, entries: list[dict[str, Any]]) -> None:
        """All or nothing, at whatever instant the machine dies."""
        if not entries:
            self.path.unlink(missing_ok=True)
            return
        new = self.path.with_suffix(".new")
        with new.open("wb") as file:
            file.writelines(_line(entry) for entry in entries)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.path)
        _sync_folder(self.path)


def _line(entry: Mapping[str, Any]) -> bytes:
    return json.dumps(entry).encode() + b"\n"


def _named(operation: str, arguments: Mapping[str, Any]) -> str:
    return f"{operation} of trial {arguments['number']}, attempt {arguments['attempt']}"


def _sync_folder(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
