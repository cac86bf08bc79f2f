"""Which attempt begins next: one that waits, or a new trial; each is written before it is run.

It is handed out under the database's lock, after the study was repaired, so that any number of
drivers keep its number of trials together.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from nas.architecture import Architecture
from nas.errors import NasError, SpaceError
from nas.search.added import Added
from nas.search.config import SearchConfig
from nas.search.failures import FailuresInARow
from nas.search.inheriting import Inheriting, Parent, proven
from nas.search.job import Job, Watcher
from nas.search.sampling import Proposal, Sampler
from nas.search.stores import Saved
from nas.search.tried import telling
from nas.space import SearchSpace
from nas.study.database.outages import UnavailableError
from nas.study.lineage import Inherits
from nas.study.policies import FROM_SCRATCH
from nas.study.store import StudyStore
from nas.training.recipes import inherited

log = logging.getLogger(__name__)

TOLD_AT_ONCE = 100  # trials, before leases and signals get their turn
# Of an attempt: its study moved, its folder was deleted, its file is damaged, or it is of another
# machine's own disk
_GONE = "begins from scratch: the weights of trial {}, with which it began, are not here any more"
_LOST = (
    "begins again at epoch 1: the checkpoint {} is not here; --runs must name a folder that all "
    "drivers and nodes share"
)


class Claims:
    """Hands out the attempts of one study to one driver."""

    def __init__(
        self,
        store: StudyStore,
        space: SearchSpace,
        config: SearchConfig,
        watcher: Watcher,
        failures: FailuresInARow,
        proposed: SearchSpace | None,
    ) -> None:
        """``proposed`` is the part of the space that is proposed from; by default all of it."""
        self.config = config
        self._store = store
        self._space = space
        self._watcher = watcher
        self._failures = failures
        self.sampler = Sampler(
            space if proposed is None else proposed,
            config.sampler,
            config.seed,
            stream=config.stream,
            flip=config.flip,
            directions=store.directions,
        )
        self._added = Added(store, space)
        self._inheriting = (
            Inheriting(store, space, config, self.sampler.tried) if config.inherit else None
        )

    @property
    def finished(self) -> bool:
        """Whether all trials of the study came to an end."""
        trials = self.trials()
        if self._store.unfinished():
            return False
        if len(trials) >= self.config.trials:
            return True
        at_end = not self.sampler.repeats and self.sampler.exhausted(trials) is not None
        return at_end and self._unproven(trials) is None

    @property
    def exhausted(self) -> str | None:
        """In one clause, that every network of the space has been tried, if that is so."""
        return self.sampler.exhausted(self.trials())

    def claim(self) -> Job | None:
        """The next attempt, written to the database; None where there is none now.

        The caller is ``claiming``, and has repaired the study.

        Raises:
            UnavailableError: the database is away.
        """
        tried = self.sampler.tried
        for turn in range(TOLD_AT_ONCE):
            if self._failures.hopeless:
                return None
            # ``repair`` read them
            trials = self.trials() if turn else self._added.shown(self._store.known)
            self._added.write()
            tried.update(trials)
            waiting = [t for t in self._store.unfinished() if t.state == TrialState.WAITING]
            begun = self._store.attempts.begun([t.number for t in waiting]) if waiting else set()
            ready = (t for t in waiting if self._is_ready(t, trials, begun))
            if (trial := next(ready, None)) is not None:
                with suppress(UpdateFinishedTrialError):  # by an Optuna tool, this moment
                    job = self._go_on(trial, trials, begun)
                    if job is not None:
                        return job
                continue
            if len(trials) >= self.config.trials:
                return None
            try:
                proposal = self._propose(trials)
                if proposal is None:
                    return None
                job = self._begin(proposal, trials)
            except UnavailableError:
                raise
            except Exception as error:  # a sampler is not ours to trust; the next trial may do
                self._refuse(self._store.add_empty_trial(), error)
                continue
            if job is not None:
                return job
        return None

    def trials(self) -> Sequence[FrozenTrial]:
        """All trials of the study by number, those that another program added as what they are."""
        return self._added.shown(self._store.trials())

    def resume(self, trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> Job | None:
        """A new attempt of a WAITING trial; None where another driver was faster.

        A trial that cannot be begun fails alone.
        """
        number = trial.number
        try:
            architecture = self._space.architecture(trial.params)
            cost = self._space.cost(architecture)
            last = self._store.attempts.last(number)
            checkpoint, lost = last.checkpoint if last else None, None
            if checkpoint and not (saved := Saved.read(checkpoint)).exists(self.config.runs):
                lost = _LOST.format(saved.place)
                checkpoint = None
            inherits, parent = Inherits.of(trial.user_attrs), None
            if last is None:
                policy = trial.user_attrs["policy"]
                parent = self._parent(architecture, trial.params, policy, trials)
            elif inherits is not None and self._inheriting is not None:
                parent = self._inheriting.again(inherits)
                if checkpoint:  # the parent's weights are in it, whatever became of them
                    parent = parent or Parent(inherits, "")
                elif parent is None:
                    lost = _GONE.format(inherits.trial)
            training = self._training(trial.params, parent)
            attempt = self._store.resume_trial(number, lost, parent.inherits if parent else None)
        except UnavailableError:
            raise
        except Exception as error:  # whatever it is, the other trials go on
            self._refuse(number, error)
            return None
        if attempt is None:
            return None
        if lost:
            log.warning("trial %d: attempt %d %s", number, attempt, lost)
        return Job(number, attempt, architecture, cost, training, checkpoint, parent)

    def _propose(self, trials: Sequence[FrozenTrial]) -> Proposal | None:
        """The next trial; None where there is none, or none before others have ended."""
        inheriting, number = self._inheriting, len(trials)
        if inheriting is None:
            return self.sampler.propose(number, trials)
        inheriting.update(trials)
        if not self._proves(number):
            found = self.sampler.propose(number, inheriting.learned(trials))
            if found is not None:
                return found
        if inheriting.explores(trials):  # it may be one of the best
            return None
        return inheriting.proposal(trials) or self.sampler.propose(
            number, inheriting.learned(trials)
        )

    def _proves(self, number: int) -> bool:
        """Whether a trial is one of the last, which a search that inherits trains from scratch."""
        return number >= self.config.trials - proven(self.config.trials)

    def _unproven(self, trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
        """An inherited network that is to be trained from scratch before the search ends."""
        if self._inheriting is None:
            return None
        self._inheriting.update(trials)
        return self._inheriting.unproven(trials)

    def _begin(self, proposal: Proposal, trials: Sequence[FrozenTrial]) -> Job | None:
        """Write a proposal as a trial; the job, where it is to be trained now."""
        tried, architecture = self.sampler.tried, proposal.architecture
        equal = tried.equal(tried.training(proposal.setting, architecture.key), trials)
        source = telling(equal)
        waits = source is None and any(not t.state.is_finished() for t in equal)
        training, wrong, parent = None, None, None
        if source is None and not waits:
            try:
                if not self._proves(len(trials)):
                    parent = self._parent(architecture, proposal.setting, proposal.policy, trials)
                training = self._training(proposal.setting, parent)
            except Exception as error:  # whatever it is, the other trials go on
                wrong = error
        number = self._store.add_trial(
            proposal.setting,
            self.sampler.distributions,
            architecture,
            proposal.cost,
            policy=proposal.policy,
            source=source,
            waits=waits,
            begins=training is not None,
            inherits=parent.inherits if parent else None,
            system_attrs=proposal.system_attrs,
        )
        log.info(
            "trial %d asked: %s, network %s, %d parameters, %d MACs",
            number, proposal.policy, architecture.key[:12],
            proposal.cost.params, proposal.cost.macs,
        )  # fmt: skip
        if source is not None:
            self._reuse(number, source)
        elif wrong is not None:
            self._refuse(number, wrong)
        elif training is not None:
            return Job(number, 1, architecture, proposal.cost, training, None, parent)
        return None

    def _parent(
        self,
        architecture: Architecture,
        setting: Mapping[str, Any],
        policy: str,
        trials: Sequence[FrozenTrial],
    ) -> Parent | None:
        """What a trial begins with that has not begun before."""
        if self._inheriting is None or policy == FROM_SCRATCH:
            return None
        self._inheriting.update(trials)
        return self._inheriting.parent(architecture, setting, trials)

    def _reuse(self, number: int, source: FrozenTrial) -> None:
        log.info("trial %d trains nothing: the same network as trial %d", number, source.number)
        self._watcher.reused(number, source)

    def _is_ready(
        self, trial: FrozenTrial, trials: Sequence[FrozenTrial], begun: Collection[int]
    ) -> bool:
        """Whether there is something to do for a trial that waits; ``begun`` are those with an
        attempt.

        There is not while one that trains the same is under way: what becomes of it will be told.
        """
        others = self.sampler.tried.others(trial, trials)
        return (
            trial.number in begun
            or telling(others) is not None
            or not any(
                other.state == TrialState.RUNNING
                or (other.state == TrialState.WAITING and other.number < trial.number)
                or other.number in begun
                for other in others
            )
        )

    def _go_on(
        self, trial: FrozenTrial, trials: Sequence[FrozenTrial], begun: Collection[int]
    ) -> Job | None:
        """Do what there is to do for a trial that waits; the job, where it is to be trained."""
        if "key" not in trial.user_attrs:
            self._adopt(trial)
            return None
        source = telling(self.sampler.tried.others(trial, trials))
        if source is not None and trial.number not in begun:
            self._store.tell_trial(trial.number, source)
            self._reuse(trial.number, source)
            return None
        return self.resume(trial, trials)

    def _training(
        self, setting: Mapping[str, Any], parent: Parent | None = None
    ) -> Mapping[str, Any]:
        """How a setting is trained.

        Raises:
            ConfigError: a value that no training takes.
        """
        training = self.config.training_config(**self._space.training(setting))
        if parent is not None:
            training = inherited(training, parent.inherits.epochs)
        return training.to_dict()

    def _adopt(self, trial: FrozenTrial) -> None:
        """Make a trial of ours of one that ``optuna.Study.enqueue_trial`` put into the study.

        What it was not given is drawn.
        """
        given = trial.system_attrs.get("fixed_params")
        try:
            if given is None:
                raise SpaceError("another program began it, and no driver of this study")
            if not isinstance(given, Mapping):
                raise SpaceError(f"{given!r:.60} is no mapping of parameters to values")
            setting = self._space.complete(given, self.sampler.rng(trial.number))
            architecture = self._space.architecture(setting)
            cost = self._space.cost(architecture)
            distributions = self.sampler.distributions
            self._store.adopt_trial(trial.number, setting, distributions, architecture, cost)
        except (UnavailableError, UpdateFinishedTrialError):
            raise
        except Exception as error:
            self._refuse(trial.number, error, policy="enqueued")

    def _refuse(self, number: int, error: Exception, policy: str | None = None) -> None:
        """FAIL a trial of which no attempt can be begun."""
        kind = "" if isinstance(error, NasError) else f"{type(error).__name__}: "
        # below its first line, SQLAlchemy quotes the statement
        reason = f"it cannot be begun: {kind}{str(error).partition(chr(10))[0]}"
        self._store.refuse_trial(number, reason, policy)
        log.warning("trial %d failed: %s", number, reason)
        if policy is None:  # else what others asked for says nothing of the search
            self._failures.add(reason)
        self._watcher.refused(number, reason)
