"""Which trial begins with the weights of which, in a search with ``--inherit``.

A trial begins with the best evaluated network that its own contains, exactly and in train mode,
whose weights are kept and whose training was the same. Then it trains for fewer epochs. How its
result compares with one from scratch nobody knows beforehand; so the best inherited networks are
trained from scratch in the last trials of a study, and only what was counts as its best.
"""

from __future__ import annotations

import copy
from bisect import insort
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from nas.architecture import Architecture
from nas.errors import ConfigError
from nas.nested.order import contains
from nas.search.config import SearchConfig
from nas.search.sampling import Proposal
from nas.search.stores import Saved
from nas.search.tried import Tried
from nas.space import SearchSpace
from nas.study.lineage import Inherits
from nas.study.policies import ADDED, FROM_SCRATCH, IMPORTED
from nas.study.states import INHERITS
from nas.study.store import StudyStore

PROVEN = 3  # inherited networks at most that are trained from scratch at the end


@dataclass(frozen=True)
class Parent:
    """What a trial begins with, and where it is."""

    inherits: Inherits
    weights: str
    """The checkpoint, as ``Saved`` spells it."""


class Inheriting:
    """The lineage of one study, of which each trial is read once."""

    def __init__(
        self, store: StudyStore, space: SearchSpace, config: SearchConfig, tried: Tried
    ) -> None:
        self._store = store
        self._space = space
        self._config = config
        self._tried = tried
        self._read = 0  # so many trials of the study have been looked at
        self._open: list[int] = []  # those among them that had not ended
        self._best: list[tuple[float, int]] = []  # whose weights are kept: -value, number
        self._inherited: list[tuple[float, int]] = []  # all that came to their end, the same way
        self._networks: dict[int, Architecture] = {}  # of _best, by number
        self._learned: dict[int, FrozenTrial] = {}  # in place of the study's own, by number

    def update(self, trials: Sequence[FrozenTrial]) -> None:
        """Take note of what is new in ``trials``, which holds all, by number."""
        look, self._open = [*self._open, *range(self._read, len(trials))], []
        self._read = len(trials)
        for trial in (trials[number] for number in look):
            if not trial.state.is_finished():
                self._open.append(trial.number)
            elif is_trained(trial):
                place = (-float(trial.values[0]), trial.number)
                insort(self._best, place)
                if INHERITS in trial.user_attrs:
                    insort(self._inherited, place)
                    self._learned[trial.number] = _learned(trial)
        del self._best[self._config.keep :]
        kept = {number for _, number in self._best}
        self._networks = {n: one for n, one in self._networks.items() if n in kept}

    def learned(self, trials: Sequence[FrozenTrial]) -> Sequence[FrozenTrial]:
        """The trials as a sampler is to see them: what an inherited one came to is the value of its
        network, as nearly all of a study may be inherited."""
        if not self._learned:
            return trials
        return [self._learned.get(number, trial) for number, trial in enumerate(trials)]

    def parent(
        self, architecture: Architecture, setting: Any, trials: Sequence[FrozenTrial]
    ) -> Parent | None:
        """What a trial of this network begins with; None where it trains from scratch."""
        training = self._space.training(setting)
        weights = self._store.weights([number for _, number in self._best])
        for _, number in self._best:
            if number not in weights or self._space.training(trials[number].params) != training:
                continue
            network = self._network(number, trials)
            if network.key == architecture.key or not contains(architecture, network):
                continue
            epochs = self._config.inherit_epochs
            assert epochs is not None, "the config was checked"
            found = self._parent(Inherits(number, network.key, epochs, ""), weights)
            if found is not None:
                return found
        return None

    def again(self, inherits: Inherits) -> Parent | None:
        """The same for a trial that began before; None where the weights are gone."""
        found = self._parent(inherits, self._store.weights([inherits.trial]))
        return found if found and found.inherits == inherits else None

    def unproven(self, trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
        """The best inherited trial whose network was not trained from scratch, if it is one of the
        best ``PROVEN``."""
        seen = []
        for _, number in self._inherited:
            trial = trials[number]
            training = self._tried.training(trial.params, trial.user_attrs["key"])
            if training in seen:  # a network that was drawn twice
                continue
            seen.append(training)
            equal = self._tried.equal(training, trials)
            if all(INHERITS in other.user_attrs for other in equal):
                return trial
            if len(seen) == PROVEN:
                break
        return None

    def proposal(self, trials: Sequence[FrozenTrial]) -> Proposal | None:
        """``unproven`` from scratch."""
        trial = self.unproven(trials)
        if trial is None:
            return None
        architecture = self._space.architecture(trial.params)
        cost = self._space.cost(architecture)
        return Proposal(trial.params, FROM_SCRATCH, architecture, cost)

    def explores(self, trials: Sequence[FrozenTrial]) -> bool:
        """Whether a trial is under way that may come to be one of the best inherited ones."""
        return any(trials[n].user_attrs.get("policy") != FROM_SCRATCH for n in self._open)

    def _parent(self, inherits: Inherits, weights: dict[int, tuple[str, str]]) -> Parent | None:
        if inherits.trial not in weights:
            return None
        place, digest = weights[inherits.trial]
        saved = Saved.read(place)
        # what is damaged would fail each trial that begins with it
        if saved.digest != digest or not saved.is_whole(self._config.runs):
            return None
        return Parent(replace(inherits, sha256=digest), place)

    def _network(self, number: int, trials: Sequence[FrozenTrial]) -> Architecture:
        if number not in self._networks:
            self._networks[number] = self._space.architecture(trials[number].params)
        return self._networks[number]


def check_inheritance(space: SearchSpace) -> None:
    """Do nothing if trials can be trained alike, as one is with that whose weights it begins with.

    Raises:
        ConfigError: no two of them would draw the same hyper-parameters.
    """
    for path, domain in space.parameters.items():
        if path.startswith("training.") and domain.count is None:
            raise ConfigError(
                f"inherit is given, but {space.name} searches {path} among {domain}, so no two "
                "trials have the same, and a trial inherits from none that has another one; "
                "accepted: a choice, a range with a step, or a space without, as resnext_bench is"
            )


def proven(trials: int) -> int:
    """How many of so many trials are for inherited networks from scratch.

    >>> proven(60), proven(8), proven(3)
    (3, 2, 1)
    """
    return max(1, min(PROVEN, trials // 4))


def is_trained(trial: FrozenTrial) -> bool:
    """Whether a trial came to the end of a training of its own, in full or inherited."""
    if "source" in trial.user_attrs or trial.user_attrs.get("policy") in (ADDED, IMPORTED):
        return False
    return trial.state == TrialState.COMPLETE or (
        trial.state == TrialState.PRUNED and INHERITS in trial.user_attrs
    )


def protected(trials: Sequence[FrozenTrial]) -> Collection[int]:
    """Numbers of trials whose weights one that has not ended begins with."""
    told = [Inherits.of(t.user_attrs) for t in trials if not t.state.is_finished()]
    return {inherits.trial for inherits in told if inherits}


def _learned(trial: FrozenTrial) -> FrozenTrial:
    shown = copy.copy(trial)
    shown.state, shown.intermediate_values = TrialState.COMPLETE, {}
    return shown
