"""Which networks a study has, so that none is trained twice in the same way.

Two trials are the same training if their networks have the same key and the searched
hyper-parameters are equal. What a study says of one holds for the other, as the seed is the
study's: its result, the rung at which it was stopped, or the failure that it caused itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

from optuna.trial import FrozenTrial, TrialState

from nas.causes import failed_by_itself
from nas.errors import SpaceError
from nas.space import SearchSpace
from nas.study.policies import ADDED
from nas.study.states import INHERITS

Training: TypeAlias = tuple[str, tuple[Any, ...]]  # key, and the searched hyper-parameters

# of two results of one training, the one that says more is told
_TOLD = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


class Tried:
    """An index of the trials of one study by what they train, read once per trial."""

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._trainings: dict[int, Training] = {}  # by number of a trial
        self._numbers: dict[Training, list[int]] = {}
        self._read = 0  # so many trials of the study have been looked at
        self._unnamed: list[int] = []  # those among them that were enqueued and not yet adopted

    def __contains__(self, training: object) -> bool:
        return training in self._numbers

    def training(self, setting: Mapping[str, Any], key: str | None = None) -> Training:
        """What a setting trains; ``key`` is that of its network, where it is known.

        Raises:
            InfeasibleError: the setting is infeasible.
        """
        key = key or self._space.architecture(setting).key
        return training_of(self._space, setting, key)

    def update(self, trials: Sequence[FrozenTrial]) -> None:
        """Take note of the trials that are new in ``trials``, which holds all, by number."""
        new = [*self._unnamed, *range(self._read, len(trials))]
        self._read, self._unnamed = len(trials), []
        for number in new:
            trial = trials[number]
            if "key" not in trial.user_attrs:
                if not trial.state.is_finished():
                    self._unnamed.append(number)
            elif not (trial.state.is_finished() and "source" in trial.user_attrs):
                with suppress(SpaceError):  # what is outside the space is never proposed
                    training = self.training(trial.params, trial.user_attrs["key"])
                    self._trainings[number] = training
                    self._numbers.setdefault(training, []).append(number)

    def equal(self, training: Training, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """The trials that train this, by number; not those that were told a result."""
        found = [trials[number] for number in self._numbers.get(training, [])]
        return [trial for trial in found if "source" not in trial.user_attrs]

    def others(self, trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """The other trials that train what ``trial`` does."""
        training = self._trainings.get(trial.number)
        equal = [] if training is None else self.equal(training, trials)
        return [other for other in equal if other.number != trial.number]


def training_of(space: SearchSpace, setting: Mapping[str, Any], key: str) -> Training:
    """What a setting trains whose network has this ``key``."""
    return key, tuple(space.training(setting).values())


def telling(trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """Of trials of one training, the one whose result holds for all, if there is one.

    A failure is a result where the training caused it; where the machine did, nothing is known; nor
    is it of the value that another program added, for how many epochs it holds. One that began with
    the weights of another network says nothing of a training from scratch.
    """
    results = [
        trial
        for trial in trials
        if trial.state in _TOLD
        and trial.user_attrs.get("policy") != ADDED
        and INHERITS not in trial.user_attrs
        and (trial.state != TrialState.FAIL or failed_by_itself(trial.user_attrs))
    ]
    return min(results, key=lambda trial: _TOLD.index(trial.state), default=None)
