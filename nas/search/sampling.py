"""Which setting to try next: the space's own random draws, or a guided sampler of Optuna's.

A guided sampler reads an in-memory mirror of the study, so that a proposal costs no query and an
infeasible one leaves no trace. Equal studies get equal proposals: the randomness of trial ``n``
comes from the study's seed and ``n`` alone, whatever was interrupted in between.
"""

import hashlib
import random
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, NSGAIISampler, QMCSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.errors import ConfigError, InfeasibleError, choose
from nas.space import Choice, Domain, IntRange, SearchSpace, Setting

STARTUP = 8  # random trials before a guided sampler has something to go by
INFEASIBLE = 200  # guided proposals in a row, then a random one is taken
PAIRS = 1000  # random settings in a row whose flip is infeasible, then there are none

# ``random`` is missing: the space draws by itself, uniformly over what is feasible
SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "tpe": lambda seed: TPESampler(seed=seed, multivariate=True, n_startup_trials=STARTUP),
    "nsga2": lambda seed: NSGAIISampler(seed=seed, population_size=STARTUP),
    "qmc": lambda seed: QMCSampler(seed=seed, scramble=True),
}


@dataclass(frozen=True)
class Proposal:
    """A feasible setting, and whether earlier results had a part in it."""

    setting: Setting
    policy: str  # random | guided | flipped
    system_attrs: Mapping[str, Any] = field(default_factory=dict)


def distribution(domain: Domain) -> BaseDistribution:
    """Optuna's word for a domain of a space.

    It has none for steps on a logarithmic scale: a guided sampler sees these evenly spaced, and
    the space's own draws alone prefer the small ones.
    """
    if isinstance(domain, Choice):
        return CategoricalDistribution(domain.values)
    if isinstance(domain, IntRange):
        log = domain.log and domain.step == 1
        return IntDistribution(domain.low, domain.high, log, domain.step)
    log = domain.log and domain.step is None
    return FloatDistribution(domain.low, domain.high, log, domain.step)


def check_flip(space: SearchSpace, sampler: str, flip: str) -> None:
    """Do nothing if pairs of settings can differ in the knob ``flip``.

    Raises:
        ConfigError: the space has no such knob, or it cannot be flipped.
    """
    if sampler != "random":
        raise ConfigError(f"flip pairs random settings, but sampler is {sampler}; accepted: random")
    if flip not in space.parameters:
        raise ConfigError(f"flip is {flip!r}; {choose(flip, space.parameters)}")
    domain = space.parameters[flip]
    if not isinstance(domain, Choice | IntRange) or len(domain.values) < 2:
        raise ConfigError(f"flip: {flip} is {domain}; accepted: a knob with two values or more")


class Sampler:
    """Proposes settings of ``space`` for the trials of one study."""

    def __init__(
        self,
        space: SearchSpace,
        name: str,
        seed: int,
        *,
        stream: str | None = None,
        flip: str | None = None,
    ) -> None:
        """``name`` is tpe, nsga2, qmc or random; ``seed`` is the study's.

        Equal seeds with different ``stream``s draw independently. With ``flip``, the path of a
        knob, every other random setting is the one before it with another value of that knob.
        """
        self.distributions = {
            path: distribution(domain) for path, domain in space.parameters.items()
        }
        self._space = space
        self._name = name
        self._seed = f"{seed}/{stream}" if stream else str(seed)
        self._flip = flip
        self._mirror = optuna.create_study(direction="maximize")
        self._mirrored: dict[int, int] = {}  # number of a trial -> id of its mirror
        self._points: list[Setting] = []  # of the quasi-random sequence, so far

    def propose(self, number: int, trials: Sequence[FrozenTrial]) -> Proposal:
        """The setting of trial ``number``, given all trials before it."""
        finished = sum(t.state in (TrialState.COMPLETE, TrialState.PRUNED) for t in trials)
        proposal = None
        if self._flip is not None:
            return self._paired(number)
        if self._name == "qmc":
            proposal = self._quasi_random(number)
        elif self._name in SAMPLERS and finished >= STARTUP:
            proposal = self._guided(number, trials)
        rng = random.Random(self._hash(number))
        return proposal or Proposal(self._space.sample_setting(rng), "random")

    def _guided(self, number: int, trials: Sequence[FrozenTrial]) -> Proposal | None:
        """A proposal that learns from the results so far."""
        self._sync(trials)
        self._mirror.sampler = _sampler(self._name, self._hash(number))
        trial = self._ask()
        if trial is None:
            return None
        # the mirror goes on showing it as running, so that the next proposals keep away from it
        self._mirrored[number] = trial._trial_id
        noted = self._mirror._storage.get_trial_system_attrs(trial._trial_id)
        return Proposal(dict(trial.params), "guided", noted)

    def _paired(self, number: int) -> Proposal:
        """Settings 2k and 2k + 1 differ in one knob alone, and both are feasible."""
        assert self._flip is not None
        rng = random.Random(self._hash(number - number % 2))
        domain = self._space.parameters[self._flip]
        assert isinstance(domain, Choice | IntRange)
        for _ in range(PAIRS):
            setting = self._space.sample_setting(rng)
            others = [value for value in domain.values if value != setting[self._flip]]
            flipped = {**setting, self._flip: others[int(rng.random() * len(others))]}
            try:
                self._space.architecture(flipped)
            except InfeasibleError:
                continue
            return Proposal(flipped, "flipped") if number % 2 else Proposal(setting, "random")
        raise ConfigError(
            f"flip: of {PAIRS:,} random settings of {self._space.name}, none was feasible with "
            f"another value of {self._flip}; widen the limits"
        )

    def _quasi_random(self, number: int) -> Proposal | None:
        """Trial n gets the n-th feasible point of one low-discrepancy sequence."""
        if not self._points:
            self._mirror.sampler = _sampler(self._name, self._hash(-1))
        while len(self._points) <= number:
            trial = self._ask()
            if trial is None:
                return None
            self._points.append(dict(trial.params))
        return Proposal(self._points[number], "random")

    def _ask(self) -> optuna.Trial | None:
        """A feasible trial of the mirror, unless ``INFEASIBLE`` in a row were not."""
        for _ in range(INFEASIBLE):
            trial = self._mirror.ask(self.distributions)
            try:
                self._space.architecture(trial.params)
            except InfeasibleError:
                self._mirror.tell(trial, state=TrialState.FAIL)
            else:
                return trial
        return None

    def _sync(self, trials: Sequence[FrozenTrial]) -> None:
        """Bring the mirror up to date with the study."""
        storage = self._mirror._storage
        for trial in trials:
            if trial.number not in self._mirrored:
                copied = _copy(trial)
                self._mirrored[trial.number] = storage.create_new_trial(
                    self._mirror._study_id, template_trial=copied
                )
                continue
            mirrored = self._mirrored[trial.number]
            if trial.state.is_finished() and not storage.get_trial(mirrored).state.is_finished():
                for epoch, value in trial.intermediate_values.items():
                    storage.set_trial_intermediate_value(mirrored, epoch, value)
                storage.set_trial_state_values(mirrored, trial.state, trial.values)

    def _hash(self, number: int) -> int:
        text = f"{self._seed}/{number}".encode()
        return int.from_bytes(hashlib.sha256(text).digest()[:4])


def _sampler(name: str, seed: int) -> BaseSampler:
    with warnings.catch_warnings():  # multivariate TPE and QMC call themselves experimental
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return SAMPLERS[name](seed)


def _copy(trial: FrozenTrial) -> FrozenTrial:
    """A trial as the mirror takes it: one that waits for a driver counts as running."""
    finished = trial.state.is_finished()
    return create_trial(
        state=trial.state if finished else TrialState.RUNNING,
        values=trial.values if finished else None,
        params=trial.params,
        distributions=trial.distributions,
        intermediate_values=trial.intermediate_values,
        system_attrs=trial.system_attrs,
    )
