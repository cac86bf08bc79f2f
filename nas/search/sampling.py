"""Which setting to try next: the space's own random draws, or one that is chosen.

Equal studies get equal proposals: the randomness of trial ``n`` comes from the study's seed and
``n`` alone, whatever was interrupted in between.

A guided or quasi-random sampler proposes networks that the study does not have yet, until there are
none. ``random`` draws with replacement, as a random sample of a space must: a network that comes
again is a draw of its own, though the searcher does not train it again.
"""

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from nas.architecture import Architecture
from nas.cost import Cost
from nas.errors import ConfigError, InfeasibleError, choose
from nas.metrics import Direction
from nas.quantity import plural
from nas.samplers import OWN, STARTUP, make
from nas.samplers.base import OwnSampler
from nas.samplers.candidates import Candidate
from nas.search.candidates import SpaceCandidates
from nas.search.failing import Failing
from nas.search.mirror import Mirror, distribution, find_sampler
from nas.search.tried import Training, Tried
from nas.space import Choice, IntRange, SearchSpace, Setting
from nas.space.domains import below

if TYPE_CHECKING:
    from scipy.stats.qmc import Sobol

# Points of the quasi-random sequence in a row that are infeasible or tried; then one is drawn.
REFUSED = 200
PAIRS = 1000  # random settings in a row whose flip is infeasible, then there are none
# What "every network has been tried" means: a space of so many settings at most is enumerated; in
# a larger one, so many draws in a row found nothing new (with 0.5 % of the draws left to be found,
# that happens once in 150 times).
ENUMERATED = 4096
DRAWS = 1000
POINT = "nas:point"  # of the quasi-random sequence that a trial's proposal went up to


@dataclass(frozen=True)
class Proposal:
    """A feasible setting, its network, and what made it one."""

    setting: Setting
    policy: str  # of nas.study.policies
    architecture: Architecture
    cost: Cost
    system_attrs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Choice:
    """What a sampler chose: a proposal before its network is built."""

    setting: Setting
    policy: str
    system_attrs: Mapping[str, Any] = field(default_factory=dict)


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
        directions: Sequence[Direction] = ("maximize",),
    ) -> None:
        """``name`` is one of ``nas.samplers.NAMES``, or one to import; ``seed`` is the study's.

        Equal seeds with different ``stream``s draw independently. With ``flip``, the path of a
        knob, every other random setting is the one before it with another value of that knob.
        ``directions`` are the study's, one for each value of a trial: maximize or minimize.
        """
        self.distributions = {
            path: distribution(domain) for path, domain in space.parameters.items()
        }
        self.tried = Tried(space)
        self._space = space
        self._name = name
        self._seed = f"{seed}/{stream}" if stream else str(seed)
        self._flip = flip
        self._failing = Failing(space)
        self._candidates = SpaceCandidates(space, self._is_promising)
        self._directions = [StudyDirection[direction.upper()] for direction in directions]
        self._own = make(name, self._hash(-1), self._candidates) if name in OWN else None
        factory = find_sampler(name)
        self._mirror = Mirror(space, factory, directions) if factory else None

    @property
    def repeats(self) -> bool:
        """Whether it draws with replacement, and so is never at an end."""
        return self._name == "random"

    def rng(self, number: int) -> random.Random:
        """The randomness of trial ``number``."""
        return random.Random(self._hash(number))

    def propose(self, number: int, trials: Sequence[FrozenTrial]) -> Proposal | None:
        """The setting of trial ``number``, given all trials before it; None where it is at an end:
        every network has been tried."""
        self.tried.update(trials)
        choice = self._choose(number, trials)
        if choice is None:
            return None
        architecture = self._space.architecture(choice.setting)
        costs = self._space.cost(architecture)
        return Proposal(choice.setting, choice.policy, architecture, costs, choice.system_attrs)

    def _choose(self, number: int, trials: Sequence[FrozenTrial]) -> _Choice | None:
        if self._flip is not None:
            return self._paired(number)
        if self.repeats:
            return _Choice(self._space.sample_setting(self.rng(number)), "random")
        if self._own is not None:
            return self._ranked(number, trials, self._own) or self._untried(number, "guided")
        if self._mirror is None:
            return self._quasi_random(number, trials)
        finished = sum(t.state in (TrialState.COMPLETE, TrialState.PRUNED) for t in trials)
        guided = self._guided(number, trials, self._mirror) if finished >= STARTUP else None
        return guided or self._untried(number, "guided")

    def exhausted(self, trials: Sequence[FrozenTrial]) -> str | None:
        """In one clause, that every network has been tried; None where one is left."""
        self.tried.update(trials)
        if self._untried(len(trials), "random") is not None:
            return None
        if self._everything is None:
            return (
                f"{DRAWS:,} random draws of {self._space.name} in a row gave no network that has "
                "not been tried"
            )
        every = things(self._space, len(self._everything))
        return f"all {every} of {self._space.name} have been tried"

    def _ranked(
        self, number: int, trials: Sequence[FrozenTrial], sampler: BaseSampler
    ) -> _Choice | None:
        """What a sampler of ours chooses."""
        assert isinstance(sampler, OwnSampler)
        self._failing.update(trials)
        found = sampler.propose(trials, self._directions, number)
        return None if found is None else _Choice(dict(found.candidate.params), found.policy)

    def _guided(self, number: int, trials: Sequence[FrozenTrial], mirror: Mirror) -> _Choice | None:
        """What a sampler of Optuna's proposes, or what is like it and can be tried."""
        mirror.update(trials)
        self._failing.update(trials)
        rng = self.rng(number)
        found = mirror.ask(
            number, self._hash(number), lambda setting: self._candidates.nearest(setting, rng)
        )
        return found and _Choice(found[0], "guided", found[1])

    def _quasi_random(self, number: int, trials: Sequence[FrozenTrial]) -> _Choice | None:
        """The next point of one low-discrepancy sequence whose network is new, in the values that
        the space draws at such shares."""
        # the study's last trial that came from the sequence says how far it is
        last = (t.system_attrs[POINT] for t in reversed(trials) if POINT in t.system_attrs)
        first = next(last, -1) + 1
        if self._sequence.num_generated > first:  # what was proposed could not be written
            self._sequence.reset()
        if self._sequence.num_generated < first:
            self._sequence.fast_forward(first - self._sequence.num_generated)
        parameters = self._space.parameters
        for point in range(first, first + REFUSED):
            shares = self._sequence.random(1)[0]
            setting = {
                path: domain.at(float(share))
                for (path, domain), share in zip(parameters.items(), shares, strict=True)
            }
            if self._is_new(setting):
                return _Choice(setting, "quasi_random", {POINT: point})
        found = self._untried(number, "quasi_random")
        return found and replace(found, system_attrs={POINT: first + REFUSED - 1})

    def _untried(self, number: int, policy: str) -> _Choice | None:
        """One of the space's own draws that is new, if there is one.

        The first draw is one like any other. Those after it depend on what the study has, so they
        are no random sample of the space: their policy is ``policy``.
        """
        rng = self.rng(number)
        for draw in range(DRAWS):
            setting = self._space.sample_setting(rng)
            if self._is_new(setting):
                return _Choice(setting, policy if draw else "random")
            if not draw and self._everything is not None:
                left = [one for what, one in self._everything.items() if what not in self.tried]
                if not left:
                    return None
        return _Choice(left[below(rng, len(left))], policy) if self._everything else None

    def _is_new(self, setting: Setting) -> bool:
        """Whether it is feasible, and the study does not have it."""
        try:
            return self.tried.training(setting) not in self.tried
        except InfeasibleError:
            return False

    def _is_promising(self, candidate: Candidate) -> bool:
        return candidate.key not in self.tried and not self._failing.expects(candidate.params)

    @cached_property
    def _everything(self) -> dict[Training, Setting] | None:
        """All that can be tried, where the space is small."""
        found = self._space.distinct_settings(ENUMERATED)
        return None if found is None else {self.tried.training(one): one for one in found}

    @cached_property
    def _sequence(self) -> "Sobol":
        from scipy.stats.qmc import Sobol  # a second that other samplers need not wait

        return Sobol(len(self._space.parameters), scramble=True, seed=self._hash(-1))

    def _paired(self, number: int) -> _Choice:
        """Settings 2k and 2k + 1 differ in one knob alone, and both are feasible."""
        assert self._flip is not None
        rng = self.rng(number - number % 2)
        domain = self._space.parameters[self._flip]
        assert isinstance(domain, Choice | IntRange)
        for _ in range(PAIRS):
            setting = self._space.sample_setting(rng)
            others = [value for value in domain.values if value != setting[self._flip]]
            flipped = {**setting, self._flip: others[below(rng, len(others))]}
            try:
                self._space.architecture(flipped)
            except InfeasibleError:
                continue
            return _Choice(flipped, "flipped") if number % 2 else _Choice(setting, "random")
        raise ConfigError(
            f"flip: of {PAIRS:,} random settings of {self._space.name}, none was feasible with "
            f"another value of {self._flip}; widen the limits"
        )

    def _hash(self, number: int) -> int:
        text = f"{self._seed}/{number}".encode()
        return int.from_bytes(hashlib.sha256(text).digest()[:4])


def things(space: SearchSpace, count: int) -> str:
    """So many things that can be tried, in words."""
    searched = any(path.startswith("training.") for path in space.parameters)
    if searched:
        return f"{plural(count, 'combination')} of network and training"
    return plural(count, "network")
