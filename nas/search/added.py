"""What another program added to a study as results: found, judged once, and shown to samplers."""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from nas.architecture import Architecture
from nas.cost import Cost
from nas.space import SearchSpace
from nas.study.added import is_added, mark_added, read_added
from nas.study.database.outages import UnavailableError
from nas.study.policies import ADDED
from nas.study.store import StudyStore

log = logging.getLogger(__name__)


class Added:
    """The results that others added to one study, each looked at once."""

    def __init__(self, store: StudyStore, space: SearchSpace) -> None:
        self._store = store
        self._space = space
        self._read = 0  # so many trials of the study have been looked at
        self._open: list[int] = []  # those among them that had not ended
        self._shown: dict[int, FrozenTrial] = {}  # in place of the study's own, by number
        self._unwritten: dict[int, tuple[Architecture, Cost]] = {}

    def shown(self, trials: Sequence[FrozenTrial]) -> Sequence[FrozenTrial]:
        """The trials of the study as a sampler is to see them; ``trials`` holds all, by number.

        One that was added has its value, without a curve, whose epochs may be anything; one that is
        no result of the space has nothing.
        """
        look = [*self._open, *range(self._read, len(trials))]
        ended = [number for number in look if trials[number].state.is_finished()]
        if ended:
            begun = self._store.attempts.begun(ended)
            for trial in (trials[number] for number in ended):
                policy = trial.user_attrs.get("policy")
                if is_added(trial.state.name, policy, trial.number in begun):
                    self._shown[trial.number] = self._look(trial)
        self._open = [number for number in look if not trials[number].state.is_finished()]
        self._read = len(trials)
        if not self._shown:
            return trials
        return [self._shown.get(number, trial) for number, trial in enumerate(trials)]

    def write(self) -> None:
        """Into the database, what was found since; the caller is ``claiming``.

        Raises:
            UnavailableError: the database is away.
        """
        store = self._store
        for number, (architecture, cost) in list(self._unwritten.items()):
            try:
                mark_added(store.engine, store.attempts.study_id, number, architecture, cost)
            except UnavailableError:
                raise
            except Exception as error:  # whatever it is, the search goes on
                log.warning(
                    "trial %d, which was added, cannot be marked as such: %s", number, error
                )
            else:
                log.info(
                    "trial %d, network %s, was added by another program: no result, but guidance",
                    number, architecture.key[:12],
                )  # fmt: skip
            del self._unwritten[number]

    def _look(self, trial: FrozenTrial) -> FrozenTrial:
        shown = copy.copy(trial)
        shown.intermediate_values = {}
        try:
            architecture, cost = read_added(
                trial.state.name,
                trial.params,
                trial.values or [],
                self._space,
                self._store.measure,
                self._store.minimize,
            )
        except Exception as error:  # whatever others put there, the search goes on
            log.warning(
                "trial %d was added by another program and is left alone: %s", trial.number, error
            )
            shown.state, shown.values = TrialState.FAIL, None
            shown.params, shown.distributions, shown.user_attrs = {}, {}, {}
            return shown
        if trial.user_attrs.get("policy") != ADDED:
            self._unwritten[trial.number] = architecture, cost
        shown.user_attrs = {"key": architecture.key, "policy": ADDED}
        return shown
