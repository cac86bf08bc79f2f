"""Which proposals would fail as others did: those whose nearest tried neighbour failed by itself.

Out of memory is a matter of size, which a sampler does not see: its knobs each have a small part in
it. A network's costs are known before it is trained, so neighbours are networks of similar costs
(by their ratio) and, where hyper-parameters are searched, of similar training.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from nas.causes import failed_by_itself
from nas.errors import SpaceError
from nas.search.candidates import place
from nas.space import Choice, SearchSpace

Points = NDArray[np.float64]


class Failing:
    """What a study says of where trials fail."""

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._read = 0  # so many trials of the study have been looked at
        self._open: list[int] = []  # those among them that had not ended
        self._settings: dict[bool, list[Mapping[str, Any]]] = {True: [], False: []}  # by failure
        self._points: dict[bool, Points] = {}

    def update(self, trials: Sequence[FrozenTrial]) -> None:
        """Take note of what ended; ``trials`` holds all trials of the study, by number."""
        look, self._open = [*self._open, *range(self._read, len(trials))], []
        self._read = len(trials)
        for number in look:
            trial = trials[number]
            own = failed_by_itself(trial.user_attrs)
            if not trial.state.is_finished():
                self._open.append(number)
            elif "source" not in trial.user_attrs and (trial.state != TrialState.FAIL or own):
                self._settings[trial.state == TrialState.FAIL].append(trial.params)

    def expects(self, setting: Mapping[str, Any]) -> bool:
        """Whether the nearest trial that ended is one that failed."""
        if not self._settings[True]:
            return False
        here = self._point(setting)
        distance = {
            failed: np.abs(self._all(failed, len(here)) - here).sum(axis=1).min(initial=math.inf)
            for failed in (True, False)
        }
        return bool(distance[True] < distance[False])

    def _all(self, failed: bool, dimensions: int) -> Points:
        """(n, d) where those that failed, or those that did not, are."""
        known = self._points.get(failed, np.empty((0, dimensions)))
        new = []
        for setting in self._settings[failed][len(known) :]:
            try:
                new.append(self._point(setting))
            except SpaceError:  # of no network of the space: Optuna lets anybody add trials
                new.append(np.full(dimensions, math.inf))
        self._points[failed] = np.vstack([known, *new])
        return self._points[failed]

    def _point(self, setting: Mapping[str, Any]) -> Points:
        """(d,) logarithms of the costs; each hyper-parameter on a scale from 0 to 1."""
        space = self._space
        found = space.cost(space.architecture(setting))
        costs = [math.log(n) for n in (found.params, found.macs, found.activations)]
        return np.array(costs + [self._scaled(k, v) for k, v in space.training(setting).items()])

    def _scaled(self, name: str, value: Any) -> float:
        domain = self._space.parameters[f"training.{name}"]
        if isinstance(domain, Choice):
            return domain.values.index(value) / len(domain.values)
        return place(domain, value)
