"""What our samplers have in common: an Optuna sampler around one function of the results so far.

The randomness of trial ``n`` comes from the sampler's seed and ``n`` alone, and what is proposed
depends on nothing but that and the study's trials, in the order of their ends: a study that was
killed and carried on gets what it would have had. All that is remembered can be computed again.
"""

from __future__ import annotations

import hashlib
import random
from abc import abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial

from nas.samplers.candidates import Candidate, Candidates, Distributions, Scale
from nas.samplers.history import History

DRAWS = 100  # draws in a row that were known: then there is nothing new to be found so
ENUMERATED = 4096  # settings of a space whose candidates are all looked at


@dataclass(frozen=True)
class Choice:
    """What is proposed, and why: ``guided`` by results, or the ``largest`` whatever they are."""

    candidate: Candidate
    policy: str


class OwnSampler(BaseSampler):
    """A sampler that ranks candidates. A subclass says which one is next: ``choose``.

    With ``candidates``, those of a design space, it knows the space from the first trial on; else
    it takes the distributions that all finished trials share. One object is for one study.
    """

    _candidates: Candidates | None
    _history: History | None
    _everything: list[Candidate] | None
    _listed: bool  # whether everything was looked for
    _pools: dict[tuple[int, int], list[Candidate]]
    _mutations: dict[tuple[Hashable, int], list[Candidate]]

    def __init__(self, seed: int = 0, candidates: Candidates | None = None) -> None:
        self._seed = seed
        self._given = candidates
        self._forget(candidates)
        self._shared = IntersectionSearchSpace(include_pruned=True)

    @abstractmethod
    def choose(self, history: History, number: int, rng: random.Random) -> Choice | None:
        """The choice for trial ``number``; None where it is one of the space's own draws."""

    def propose(
        self, trials: Sequence[FrozenTrial], directions: Sequence[StudyDirection], number: int
    ) -> Choice | None:
        """The choice for trial ``number`` of a study whose ``trials`` are all there are, by number;
        None where it is one of the space's own draws."""
        assert self._candidates is not None
        if self._history is None:
            self._history = History(self._candidates, directions)
        self._history.update(trials, number)
        return self.choose(self._history, number, self._rng(number))

    # -- Optuna's side ----------------------------------------------------------------------

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Of the space, or of all finished trials."""
        if self._given is not None:
            return dict(self._given.distributions)
        return self._shared.calculate(study)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The proposal for this trial."""
        if not search_space:
            return {}
        if self._candidates is None or (
            self._given is None and self._candidates.distributions != search_space
        ):
            self._forget(Distributions(search_space))
        assert self._candidates is not None
        found = self.propose(study.get_trials(deepcopy=False), study.directions, trial.number)
        if found is not None:
            return dict(found.candidate.params)
        assert self._history is not None
        rng = self._rng(trial.number, "draw")
        drawn = self.new_draw(self._history, rng) or self._candidates.draw(rng)
        return dict(drawn.params)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """A random value: of a knob that not all trials have, and of the first trials."""
        return Scale(param_distribution).draw(self._rng(trial.number, param_name))

    # -- parts for subclasses ---------------------------------------------------------------

    def is_new(self, candidate: Candidate, history: History) -> bool:
        """Whether no trial has it, and nothing speaks against it."""
        assert self._candidates is not None
        return candidate.key not in history.keys and self._candidates.accepts(candidate)

    def new_draw(self, history: History, rng: random.Random) -> Candidate | None:
        """One of the space's own draws that is new."""
        assert self._candidates is not None
        for _ in range(DRAWS):
            candidate = self._candidates.draw(rng)
            if self.is_new(candidate, history):
                return candidate
        return None

    def everything(self) -> list[Candidate] | None:
        """All candidates of a small space."""
        if not self._listed:
            assert self._candidates is not None
            self._everything = self._candidates.everything(ENUMERATED)
            self._listed = True
        return self._everything

    def pool(self, size: int, number: int = 0) -> list[Candidate]:
        """So many of the space's own draws: the same ones for the same ``number``."""
        if (number, size) not in self._pools:
            assert self._candidates is not None
            rng = self._rng("pool", number)
            self._pools = {(number, size): [self._candidates.draw(rng) for _ in range(size)]}
        return self._pools[number, size]

    def mutations(self, candidate: Candidate, count: int, number: int) -> list[Candidate]:
        """So many mutations of a candidate of trial ``number``: the same ones each time."""
        known = self._mutations.get((candidate.key, number))
        if known is None:
            assert self._candidates is not None
            rng = self._rng("mutations", number)
            tried = [self._candidates.mutate(candidate, rng) for _ in range(count)]
            known = list({one.key: one for one in tried if one is not None}.values())
            if len(self._mutations) > 1000:
                self._mutations.clear()
            self._mutations[candidate.key, number] = known
        return known

    def _forget(self, candidates: Candidates | None) -> None:
        """Begin with these candidates, and with nothing known of the study."""
        self._candidates = candidates
        self._history = None
        self._listed, self._everything = False, None
        self._pools, self._mutations = {}, {}

    def _rng(self, *what: object) -> random.Random:
        text = "/".join(map(str, (self._seed, *what)))
        return random.Random(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))
