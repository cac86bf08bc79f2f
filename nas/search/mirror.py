"""A study as a sampler of Optuna's sees it: in memory, so that a proposal costs no query.

Three things differ from the study's own rows, which say what was and are for people. A failure that
the trial caused itself is a result here, worse than any: samplers of Optuna's learn nothing from
FAIL. Each knob has the weights that the space's own draws have, in coordinates of which Optuna has
a distribution; and numbers have their order there, which a choice of Optuna's has not.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import accumulate
from math import nextafter
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseGASampler, BaseSampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.causes import failed_by_itself
from nas.errors import ConfigError, in_a_line
from nas.importing import import_named
from nas.metrics import Direction
from nas.samplers import OPTUNAS, make
from nas.samplers.candidates import ordered
from nas.space import Choice, Domain, IntRange, SearchSpace, Setting

UNGUIDED = ("qmc", "random")  # of Optuna's, those that results are nothing to
# By direction: what a trial that failed by itself has
WORST = {"maximize": -math.inf, "minimize": math.inf}


def find_sampler(name: str) -> Callable[..., BaseSampler] | None:
    """What makes the sampler called ``name`` of a ``seed``, where it is one of Optuna's that learns
    from results, or one to import; None for others.

    One to import is ``package.module:name``, from the current folder too: a class of Optuna's, or a
    function of your own.

    Raises:
        ConfigError: it cannot be imported, or makes no sampler of Optuna's.
    """
    if ":" not in name:
        return partial(make, name) if name in OPTUNAS and name not in UNGUIDED else None
    factory: Callable[..., BaseSampler] = import_named("sampler", name, Path.cwd())
    try:
        with warnings.catch_warnings():  # most of Optuna's call themselves experimental
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            made = factory(seed=0)
    except (Exception, SystemExit) as error:  # whatever a module of others does
        raise ConfigError(
            f"sampler {name} cannot be made with a seed: {in_a_line(error)}"
        ) from error
    if not isinstance(made, BaseSampler):
        raise ConfigError(f"sampler {name} makes {made!r:.60}, no optuna.samplers.BaseSampler")
    return factory


def distribution(domain: Domain) -> BaseDistribution:
    """Optuna's word for a domain of a space, as it stands in the study's rows.

    It has none for steps on a logarithmic scale: these are evenly spaced there.
    """
    if isinstance(domain, Choice):
        return CategoricalDistribution(domain.values)
    if isinstance(domain, IntRange):
        log = domain.log and domain.step == 1
        return IntDistribution(domain.low, domain.high, log, domain.step)
    log = domain.log and domain.step is None
    return FloatDistribution(domain.low, domain.high, log, domain.step)


def _repeatable(sampler: BaseSampler) -> BaseSampler:
    """With the same proposals after a restart.

    A genetic sampler of Optuna's draws from the parents of a generation in the order in which it
    selected them, and later, or in another process, in that of their numbers: here, always so.
    """
    if isinstance(sampler, BaseGASampler):
        select = sampler.select_parent
        sampler.select_parent = lambda study, generation: sorted(  # type: ignore[method-assign]
            select(study, generation), key=lambda trial: trial.number
        )
    return sampler


class Axis:
    """One knob in the mirror: a value's place there, and back.

    Numbers of a choice are their positions. Values of unequal weights, for which Optuna has no
    distribution, are places on [0, 1]: each has a part of it as long as its share of the space's
    draws, and stands in the middle of it.
    """

    def __init__(self, domain: Domain) -> None:
        self.domain = domain
        self._middles: dict[Any, float] | None = None
        self.distribution = distribution(domain)
        self._positions = isinstance(domain, Choice) and ordered(domain.values)
        if self._positions:
            self.distribution = IntDistribution(0, len(domain.values or ()) - 1)
        if not isinstance(domain, Choice) and domain.log and domain.values and domain.weights:
            self.distribution = FloatDistribution(0, 1)
            ends = list(accumulate(domain.weights))
            pairs = zip(domain.values, ends, domain.weights, strict=True)
            self._middles = {v: (end - weight / 2) / ends[-1] for v, end, weight in pairs}

    def place(self, value: Any) -> Any:
        """Where a value stands."""
        if self._positions:
            assert self.domain.values is not None
            return self.domain.values.index(self.domain.find(value))
        return value if self._middles is None else self._middles[self.domain.find(value)]

    def value(self, place: Any) -> Any:
        """The value that stands there."""
        if self._positions:
            assert self.domain.values is not None
            return self.domain.values[place]
        return place if self._middles is None else self.domain.at(min(place, nextafter(1, 0)))


class Mirror:
    """The trials of a study of ``space``, for the sampler that ``make`` makes of a seed.

    ``directions`` are the study's, one for each value of a trial.
    """

    def __init__(
        self,
        space: SearchSpace,
        make: Callable[..., BaseSampler],
        directions: Sequence[Direction] = ("maximize",),
    ) -> None:
        self._make = make
        self._worst = [WORST[direction] for direction in directions]
        self._has_curves = len(directions) == 1  # Optuna knows none of several values
        self._axes = {path: Axis(domain) for path, domain in space.parameters.items()}
        self._distributions = {path: axis.distribution for path, axis in self._axes.items()}
        self._study = optuna.create_study(directions=directions)
        self._storage = self._study._storage
        self._read = 0  # so many trials of the study have been looked at
        self._ids: dict[int, int] = {}  # number of a trial that has not ended -> id of its mirror
        self._unnamed: list[int] = []  # enqueued, without values yet
        self._asked: tuple[int, int, Setting] | None = None  # the last proposal: number, id, values

    def ask(
        self, number: int, seed: int, nearest: Callable[[Setting], Setting | None]
    ) -> tuple[Setting, Mapping[str, Any]] | None:
        """A setting for trial ``number``, and what the sampler notes with it.

        ``nearest`` says what is taken for what the sampler proposed: that itself, or what may be
        tried and is like it. None where nothing is.
        """
        with warnings.catch_warnings():  # multivariate TPE calls itself experimental
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self._study.sampler = _repeatable(self._make(seed=seed))
            trial = self._study.ask(self._distributions)
        proposed = {path: axis.value(trial.params[path]) for path, axis in self._axes.items()}
        noted = self._storage.get_trial_system_attrs(trial._trial_id)
        setting = nearest(proposed)
        if setting == proposed:
            # it goes on running here, so that the next proposals keep away from it
            self._asked = number, trial._trial_id, proposed
        else:
            self._study.tell(trial, state=TrialState.FAIL)
        return None if setting is None else (setting, noted)

    def update(self, trials: Sequence[FrozenTrial]) -> None:
        """Bring it up to date with the study, of which ``trials`` holds all, by number."""
        new = [*self._unnamed, *range(self._read, len(trials))]
        self._read, self._unnamed = len(trials), []
        if self._asked is not None:
            number, identifier, setting = self._asked
            self._asked = None
            if number in new and trials[number].params == setting:
                self._ids[number] = identifier
                new.remove(number)
            else:  # it could not be written
                self._storage.set_trial_state_values(identifier, TrialState.FAIL)
        for number in new:
            if self._fits(trials[number]):
                self._ids[number] = self._storage.create_new_trial(
                    self._study._study_id, template_trial=self._copy(trials[number])
                )
            elif not trials[number].state.is_finished():
                self._unnamed.append(number)
        for number in [n for n in self._ids if trials[n].state.is_finished()]:
            trial, identifier = trials[number], self._ids.pop(number)
            if not self._storage.get_trial(identifier).state.is_finished():
                for epoch, value in self._curve(trial).items():
                    self._storage.set_trial_intermediate_value(identifier, epoch, value)
                self._storage.set_trial_state_values(identifier, *self._result(trial))

    def _fits(self, trial: FrozenTrial) -> bool:
        """Whether it is a trial of the space: Optuna lets anybody add others to a study."""
        return trial.params.keys() == self._axes.keys() and all(
            axis.domain.contains(trial.params[path]) for path, axis in self._axes.items()
        )

    def _copy(self, trial: FrozenTrial) -> FrozenTrial:
        """A trial as the mirror takes it: one that waits for a driver counts as running."""
        state, values = self._result(trial)
        return create_trial(
            state=state,
            values=values,
            params={path: self._axes[path].place(value) for path, value in trial.params.items()},
            distributions={path: self._distributions[path] for path in trial.params},
            intermediate_values=self._curve(trial),
            system_attrs=trial.system_attrs,
        )

    def _curve(self, trial: FrozenTrial) -> dict[int, float]:
        return dict(trial.intermediate_values) if self._has_curves else {}

    def _result(self, trial: FrozenTrial) -> tuple[TrialState, Sequence[float] | None]:
        """State and values of a trial in the mirror."""
        if not trial.state.is_finished():
            return TrialState.RUNNING, None
        if trial.state == TrialState.FAIL and failed_by_itself(trial.user_attrs):
            return TrialState.COMPLETE, self._worst
        return trial.state, trial.values
