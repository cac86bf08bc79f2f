"""One attempt of a trial as it is handed on, and who is told of what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial

from nas.architecture import Architecture
from nas.cost import Cost
from nas.search.inheriting import Parent
from nas.search.pace import Pace


@dataclass(frozen=True)
class Job:
    """One attempt of a trial, as it is handed to a worker."""

    number: int
    attempt: int
    architecture: Architecture
    cost: Cost
    training: Mapping[str, Any]  # TrainingConfig.to_dict()
    checkpoint: str | None  # where an earlier attempt stopped
    parent: Parent | None = None  # what the trial begins with, if not from scratch

    @property
    def epochs(self) -> int:
        """After so many the attempt is at its end."""
        return int(self.training["epochs"])


class Watcher:
    """Is told of all that happens in a search; a subclass overrides what it wants to know."""

    def starting(self) -> None:
        """There is something to run, and Ray starts."""

    def started(self, job: Job) -> None:
        """An attempt begins."""

    def measured(self, job: Job, result: Mapping[str, Any]) -> None:
        """An epoch was trained."""

    def paced(self, job: Job, pace: Pace) -> None:
        """How far an attempt is within an epoch; about once a second."""

    def ended(self, job: Job, state: str, reason: str | None) -> None:
        """An attempt ended; ``state`` is one of ``nas.study.endings.ENDED``."""

    def refused(self, number: int, reason: str) -> None:
        """A trial failed before an attempt of it began."""

    def reused(self, number: int, source: FrozenTrial) -> None:
        """A trial was told what became of another one of the same network."""

    def avoided(self, host: str, reason: str) -> None:
        """A machine gets no more trials of this search."""
