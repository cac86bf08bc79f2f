"""What a study's trials say to a sampler: candidates tried, results in the order of their ends.

More is better in here, whatever the directions of the study.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from nas.causes import failed_by_itself
from nas.samplers.candidates import Candidate, Candidates


@dataclass(frozen=True)
class Result:
    """A trial that ended and says something."""

    number: int
    candidate: Candidate
    values: tuple[float, ...] | None  # None where it was stopped before its end, or failed
    curve: Mapping[int, float]  # of the first value, by step
    violation: float  # by how much it breaks the study's constraints, all together
    failed: bool


class History:
    """The trials of one study, each read once."""

    def __init__(self, candidates: Candidates, directions: Sequence[StudyDirection]) -> None:
        self.results: dict[int, Result] = {}
        self.running: dict[int, Candidate] = {}
        self.tried: dict[int, Candidate] = {}  # all that have a setting, by number
        self.keys: set[Hashable] = set()  # of all that was tried or is under way
        self._candidates = candidates
        self._signs = [-1.0 if d == StudyDirection.MINIMIZE else 1.0 for d in directions]
        self._ended: list[tuple[datetime, int]] = []
        self._open: list[int] = []
        self._read = 0

    def __len__(self) -> int:
        return len(self._ended)

    @property
    def objectives(self) -> int:
        """How many values a trial has."""
        return len(self._signs)

    def first(self, count: int) -> list[Result]:
        """The ``count`` results that came first."""
        return [self.results[number] for _, number in self._ended[:count]]

    def last(self, count: int) -> list[Result]:
        """The ``count`` results that came last, in the order of their ends."""
        return [self.results[number] for _, number in self._ended[-count:]]

    def update(self, trials: Sequence[FrozenTrial], asked: int) -> None:
        """Take note of what is new in ``trials``, which holds all, by number; ``asked`` is the
        number of the one that is being asked for."""
        look, self._open = [*self._open, *range(self._read, len(trials))], []
        self._read = len(trials)
        for number in look:
            trial = trials[number]
            if not trial.state.is_finished():
                self._open.append(number)
                if number != asked and trial.params and number not in self.running:
                    candidate = self._candidates.read(trial.params)
                    if candidate is not None:
                        self.running[number] = self.tried[number] = candidate
                        self.keys.add(candidate.key)
                continue
            known = self.running.pop(number, None)
            candidate = known or self._candidates.read(trial.params)
            if candidate is None:
                continue
            self.tried[number] = candidate
            self.keys.add(candidate.key)
            result = self._result(trial, candidate)
            if result is not None:
                self.results[number] = result
                insort(self._ended, (trial.datetime_complete or datetime.min, number))

    def _result(self, trial: FrozenTrial, candidate: Candidate) -> Result | None:
        failed = trial.state == TrialState.FAIL
        if failed and not failed_by_itself(trial.user_attrs):
            return None
        values = None
        if trial.state == TrialState.COMPLETE and trial.values is not None:
            values = tuple(s * v for s, v in zip(self._signs, trial.values, strict=True))
        curve = {
            step: self._signs[0] * value
            for step, value in trial.intermediate_values.items()
            if math.isfinite(value)
        }
        broken = sum(max(amount, 0.0) for amount in trial.constraints.values())
        if values is None and not curve and not failed:
            return None
        return Result(trial.number, candidate, values, curve, broken, failed)
