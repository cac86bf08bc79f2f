"""The candidates of a design space: settings that keep all its rules, with what is free to know.

Features are the positions of ordered values, one number per value of others, and the logarithms of
the network's parameters, MACs and activations.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from optuna.distributions import BaseDistribution

from nas.errors import InfeasibleError, SpaceError
from nas.nested.order import contains
from nas.samplers.candidates import WIDTH, Candidate, Params, near, ordered
from nas.search.mirror import distribution
from nas.search.tried import training_of
from nas.space import Choice, Domain, SearchSpace, Setting

ONE_KNOB = 12  # mutations of one knob that are tried; then two are changed at once
TWO_KNOBS = 24
KEPT = 200_000  # settings whose networks are remembered
# For what is like an impossible or known setting:
DRAWS = 16
MUTATIONS = 24


class SpaceCandidates:
    """``nas.samplers.candidates.Candidates`` of a space; ``accepts`` is told what is proposed."""

    def __init__(
        self, space: SearchSpace, accepts: Callable[[Candidate], bool] = lambda candidate: True
    ) -> None:
        self.distributions: Mapping[str, BaseDistribution] = {
            path: distribution(domain) for path, domain in space.parameters.items()
        }
        self._space = space
        self.accepts = accepts
        self._free = [path for path, domain in space.parameters.items() if domain.count != 1]
        self._read: dict[tuple[Any, ...], Candidate | None] = {}

    def draw(self, rng: random.Random) -> Candidate:
        """See ``Candidates``."""
        found = self.read(self._space.sample_setting(rng))
        assert found is not None, "a draw of the space is infeasible"
        return found

    def mutate(self, candidate: Candidate, rng: random.Random) -> Candidate | None:
        """See ``Candidates``. Where no change of one knob keeps the rules, two are changed."""
        parameters = self._space.parameters
        for attempt in range((ONE_KNOB + TWO_KNOBS) if self._free else 0):
            setting = dict(candidate.params)
            for _ in range(1 if attempt < ONE_KNOB else 2):
                path = rng.choice(self._free)
                setting[path] = mutated(parameters[path], setting[path], rng)
            found = self.read(setting)
            if found is not None and found.key != candidate.key:
                return found
        return None

    def read(self, params: Params) -> Candidate | None:
        """See ``Candidates``."""
        setting = tuple(params.values())
        if setting not in self._read or params.keys() != self.distributions.keys():
            if len(self._read) >= KEPT:
                self._read.clear()
            self._read[setting] = self._made(params)
        return self._read[setting]

    def everything(self, most: int) -> list[Candidate] | None:
        """See ``Candidates``."""
        settings = self._space.distinct_settings(most)
        if settings is None:
            return None
        found = [self.read(setting) for setting in settings]
        return [one for one in found if one is not None]

    def contains(self, larger: Candidate, smaller: Candidate) -> bool:
        """See ``Candidates``: the same searched hyper-parameters, and all that the smaller network
        computes, in train mode."""
        space = self._space
        if space.training(larger.params) != space.training(smaller.params):
            return False
        ours, theirs = space.architecture(larger.params), space.architecture(smaller.params)
        return ours.key != theirs.key and bool(contains(ours, theirs))

    def nearest(self, setting: Setting, rng: random.Random) -> Setting | None:
        """A setting itself, if it is possible and accepted; else one like it that is, if any is.

        What is possible and known is mutated. From what is not possible, the way goes back from the
        nearest of some draws, one knob at a time.
        """
        found = self.read(setting)
        if found is not None:
            for _ in range(MUTATIONS):
                if self.accepts(found):
                    return dict(found.params)
                found = self.mutate(found, rng) or found
            return None
        draws = sorted((self.draw(rng) for _ in range(DRAWS)), key=partial(self._far, setting))
        for drawn in draws:
            last = drawn if self.accepts(drawn) else None
            here = dict(drawn.params)
            for path in rng.sample(self._free, len(self._free)):
                there = {**here, path: setting[path]}
                closer = self.read(there)
                if closer is not None:
                    here = there
                    last = closer if self.accepts(closer) else last
            if last is not None:
                return dict(last.params)
        return None

    def _far(self, setting: Setting, candidate: Candidate) -> float:
        """How far a candidate is from a setting, in its knobs alone."""
        domains = self._space.parameters
        return sum(
            abs(a - b)
            for path in self._free
            for a, b in zip(
                seen(domains[path], setting[path]),
                seen(domains[path], candidate.params[path]),
                strict=True,
            )
        )

    def _made(self, params: Params) -> Candidate | None:
        space = self._space
        if params.keys() != space.parameters.keys():
            return None
        try:
            architecture = space.architecture(params)
            key = training_of(space, params, architecture.key)
        except (InfeasibleError, SpaceError):
            return None
        found = space.cost(architecture)
        features = [x for path in params for x in seen(space.parameters[path], params[path])]
        features += [math.log(n) for n in (found.params, found.macs, max(found.activations, 1))]
        return Candidate(params, key, tuple(features), math.log(found.macs))


def seen(domain: Domain, value: Any) -> list[float]:
    """What a model sees of a value: its position on [0, 1], or one number per value."""
    if isinstance(domain, Choice) and not ordered(domain.values):
        return [float(value == other) for other in domain.values[: len(domain.values) - 1]]
    return [place(domain, value)]


def mutated(domain: Domain, value: Any, rng: random.Random) -> Any:
    """Another value of a domain that has two or more, a near one where they have an order."""
    values = domain.values
    if values is None:  # a continuous range
        goal = place(domain, value) + rng.gauss(0, WIDTH)
        return domain.at(min(max(goal, 0.0), math.nextafter(1, 0)))
    position = values.index(value)
    if isinstance(domain, Choice) and not ordered(values):
        return values[(position + rng.randrange(1, len(values))) % len(values)]
    if not isinstance(domain, Choice) and domain.log:
        goal = place(domain, value) + rng.gauss(0, WIDTH)
        moved = min(values, key=lambda other: abs(place(domain, other) - goal))
        if moved != value:
            return moved
    return values[near(position, len(values), rng)]


def place(domain: Domain, value: Any) -> float:
    """Where a value with an order stands, on a scale from 0 to 1."""
    if isinstance(domain, Choice):
        return domain.values.index(value) / max(len(domain.values) - 1, 1)
    if domain.low == domain.high:
        return 0.0
    if domain.log:
        return math.log(value / domain.low) / math.log(domain.high / domain.low)
    return float((value - domain.low) / (domain.high - domain.low))
