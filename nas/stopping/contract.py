"""What a stopping rule is asked, and what it may know."""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, TypeAlias, get_args

Scheduler: TypeAlias = Literal["asha", "curves", "hyperband", "none", "pasha"]
SCHEDULERS: tuple[str, ...] = get_args(Scheduler)


class Evidence(Protocol):
    """What a study knows of its trials; those that were told another one's result are not in it."""

    @property
    def costs(self) -> Mapping[int, Sequence[float]]:
        """By trial, what it is judged by besides its curve, known before it is trained; empty in a
        study with one objective."""

    def at(self, epoch: int) -> Mapping[int, float]:
        """What the study is judged by, at ``epoch``, by trial, of all that reached it."""

    def of(self, trial: int) -> Mapping[int, float]:
        """The learning curve of a trial, by epoch."""


class Stopper(Protocol):
    """A rule that stops trials early."""

    def looks_at(self, trial: int, epoch: int) -> bool:
        """Whether ``trial`` may be stopped after ``epoch`` at all: if not, no evidence is read."""

    def reason(self, trial: int, epoch: int, value: float, evidence: Evidence) -> str | None:
        """Why ``trial``, with ``value`` after ``epoch``, is stopped now, in one clause; None where
        it goes on."""
