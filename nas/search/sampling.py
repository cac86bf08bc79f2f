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

from nas.errors import InfeasibleError
from nas.space import Choice, Domain, IntRange, SearchSpace, Setting

STARTUP = 8  # random trials before a guided sampler has something to go by
INFEASIBLE = 200  # guided proposals in a row, then a random one is taken

# ``random`` is missing: the space draws by itself, uniformly over what is feasible
GUIDED: dict[str, Callable[[int], BaseSampler]] = {
    "tpe": lambda seed: TPESampler(seed=seed, multivariate=True, n_startup_trials=STARTUP),
    "nsga2": lambda seed: NSGAIISampler(seed=seed, population_size=STARTUP),
    "qmc": lambda seed: QMCSampler(seed=seed, scramble=True),
}


@dataclass(frozen=True)
class Proposal:
    """A feasible setting, and whether earlier results had a part in it."""

    setting: Setting
    policy: str  # random | guided
    system_attrs: Mapping[str, Any] = field(default_factory=dict)


def distribution(domain: Domain) -> BaseDistribution:
    """Optuna's word for a domain of a space."""
    if isinstance(domain, Choice):
        return CategoricalDistribution(domain.values)
    if isinstance(domain, IntRange):
        return IntDistribution(domain.low, domain.high, domain.log, domain.step)
    return FloatDistribution(domain.low, domain.high, domain.log, domain.step)


class Sampler:
    """Proposes settings of ``space`` for the trials of one study."""

    def __init__(self, space: SearchSpace, name: str, seed: int) -> None:
        """``name`` is tpe, nsga2, qmc or random; ``seed`` is the study's."""
        self.distributions = {
            path: distribution(domain) for path, domain in space.parameters.items()
        }
        self._space = space
        self._name = name
        self._seed = seed
        self._mirror = optuna.create_study(direction="maximize")
        self._mirrored: dict[int, int] = {}  # number of a trial -> id of its mirror

    def propose(self, number: int, trials: Sequence[FrozenTrial]) -> Proposal:
        """The setting of trial ``number``, given all trials before it."""
        finished = sum(t.state in (TrialState.COMPLETE, TrialState.PRUNED) for t in trials)
        if self._name in GUIDED and (finished >= STARTUP or self._name == "qmc"):
            self._sync(trials)
            guided = self._guided(number)
            if guided is not None:
                return guided
        rng = random.Random(self._hash(number))
        return Proposal(self._space.sample_setting(rng), "random")

    def _guided(self, number: int) -> Proposal | None:
        # a quasi-random sequence is one for the whole study; its points are counted in the mirror
        seed = self._hash(-1 if self._name == "qmc" else number)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self._mirror.sampler = GUIDED[self._name](seed)
            for _ in range(INFEASIBLE):
                trial = self._mirror.ask(self.distributions)
                try:
                    self._space.architecture(trial.params)
                except InfeasibleError:
                    self._mirror.tell(trial, state=TrialState.FAIL)
                    continue
                # from now on the mirror shows this trial as running, others will keep away from it
                self._mirrored[number] = trial._trial_id
                policy = "random" if self._name == "qmc" else "guided"
                return Proposal(dict(trial.params), policy, self._mirrored_attrs(trial._trial_id))
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

    def _mirrored_attrs(self, trial_id: int) -> dict[str, Any]:
        """What the sampler noted on a trial and will look for again, such as its generation."""
        return self._mirror._storage.get_trial_system_attrs(trial_id)

    def _hash(self, number: int) -> int:
        text = f"{self._seed}/{number}".encode()
        return int.from_bytes(hashlib.sha256(text).digest()[:4])


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
