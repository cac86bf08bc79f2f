"""Ask-and-tell engine: proposes attempts, records results, decides early stopping. No Ray in it.

Every decision is taken from what the study database holds and is written there before it is
acted on, so that a search can be killed at any instant and carried on by the same command.

While the database is away, what runs goes on and its results wait in the store's outbox; no trial
is begun, and none is stopped at a rung: that takes the results of all.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from nas.architecture import Architecture
from nas.cost import Cost
from nas.errors import NasError, SpaceError
from nas.faults import crash_point
from nas.metrics import unusable
from nas.quantity import plural
from nas.search.added import Added
from nas.search.config import SearchConfig
from nas.search.inheriting import Inheriting, Parent, proven
from nas.search.pace import Pace
from nas.search.sampling import Proposal, Sampler
from nas.search.stores import Saved
from nas.search.tried import telling
from nas.space import SearchSpace, Setting
from nas.stopping import find_stopper
from nas.study.attempts import LEASE, WHOLE, LostAttemptError
from nas.study.database.outages import UnavailableError
from nas.study.endings import CAUSES
from nas.study.exchange.taking_over import Result, take_over
from nas.study.lineage import Inherits
from nas.study.policies import FROM_SCRATCH
from nas.study.store import StudyStore
from nas.training.recipes import inherited

log = logging.getLogger(__name__)

TOLD_AT_ONCE = 100  # trials, before leases and signals get their turn
# Of an attempt: its study moved, its folder was deleted, or it is of another machine's own disk
_GONE = "begins from scratch: the weights of trial {}, with which it began, are not here any more"
_LOST = (
    "begins again at epoch 1: the checkpoint {} is not here; --runs must name a folder that all "
    "drivers and nodes share"
)


@dataclass(frozen=True)
class Job:
    """One attempt of a trial, as it is handed to a worker."""

    number: int
    attempt: int
    architecture: Architecture
    cost: Cost
    training: Mapping[str, Any]  # TrainingConfig.to_dict()
    checkpoint: str | None  # where an earlier attempt stopped
    parent: Parent | None = None  # what the trial begins with, if not from scratch

    @property
    def epochs(self) -> int:
        """After so many the attempt is at its end."""
        return int(self.training["epochs"])


class Watcher:
    """Is told of all that happens in a search; a subclass overrides what it wants to know."""

    def starting(self) -> None:
        """There is something to run, and Ray starts."""

    def started(self, job: Job) -> None:
        """An attempt begins."""

    def measured(self, job: Job, result: Mapping[str, Any]) -> None:
        """An epoch was trained."""

    def paced(self, job: Job, pace: Pace) -> None:
        """How far an attempt is within an epoch; about once a second."""

    def ended(self, job: Job, state: str, reason: str | None) -> None:
        """An attempt ended; ``state`` is one of ``nas.study.endings.ENDED``."""

    def refused(self, number: int, reason: str) -> None:
        """A trial failed before an attempt of it began."""

    def reused(self, number: int, source: FrozenTrial) -> None:
        """A trial was told what became of another one of the same network."""

    def avoided(self, host: str, reason: str) -> None:
        """A machine gets no more trials of this search."""


class Searcher:
    """Asks and tells for one driver of one study."""

    def __init__(
        self,
        store: StudyStore,
        space: SearchSpace,
        config: SearchConfig,
        watcher: Watcher,
        proposed: SearchSpace | None = None,
    ) -> None:
        """``proposed`` is the part of the space that is proposed from; by default all of it."""
        self.store = store
        self.space = space
        self.config = config
        self.running: dict[tuple[int, int], Job] = {}
        self._watcher = watcher
        self._sampler = Sampler(
            space if proposed is None else proposed,
            config.sampler,
            config.seed,
            stream=config.stream,
            flip=config.flip,
            directions=store.directions,
        )
        self._stopper = find_stopper(
            config.scheduler,
            grace=config.grace,
            reduction=config.reduction,
            epochs=config.epochs,
            directions=store.directions,
        )
        self._added = Added(store, space)
        self._inheriting = (
            Inheriting(store, space, config, self._sampler.tried) if config.inherit else None
        )
        self._leaving: dict[tuple[int, int], Job] = {}  # at their end, their weights not yet noted
        self._epochs: dict[tuple[int, int], int] = {}  # the last one that an attempt reported
        self._renewed = store.clock()
        self._failed_in_a_row = 0
        self._last_failure: str | None = None

    def paced(self, job: Job, pace: Pace) -> None:
        """A worker said how far it is within an epoch."""
        self._watcher.paced(job, pace)

    @property
    def hopeless(self) -> str | None:
        """Why it makes no sense to go on: so many trials failed, and none between them did not."""
        if self._failed_in_a_row < self.config.max_consecutive_failures:
            return None
        last = (self._last_failure or "").splitlines()[0]
        return (
            f"{plural(self._failed_in_a_row, 'trial')} in a row failed, the last one with: {last}"
        )

    @property
    def finished(self) -> bool:
        """Whether all trials of the study came to an end, and the database knows it."""
        with suppress(UnavailableError):
            trials = self._trials()
            if self.store.unfinished():
                return False
            if len(trials) >= self.config.trials:
                return True
            at_end = not self._sampler.repeats and self._sampler.exhausted(trials) is not None
            return at_end and self._unproven(trials) is None
        return False

    @property
    def exhausted(self) -> str | None:
        """In one clause, that every network of the space has been tried, if that is so."""
        with suppress(UnavailableError):
            return self._sampler.exhausted(self._trials())
        return None

    def start(self, results: Sequence[Result], settings: Sequence[Setting]) -> None:
        """Take over ``results`` of other studies, and let ``settings`` be tried first.

        What an earlier call wrote is not written again.

        Raises:
            UnavailableError: the database is away.
        """
        if not results and not settings:
            return
        with self.store.claiming():  # another driver may begin the same study
            distributions = self._sampler.distributions
            taken = take_over(self.store, results, distributions, self.space.cost)
            first = self.store.enqueue(settings)
        if taken:
            log.info("%s taken over from other studies", plural(taken, "result"))
        if first:
            log.info("%s put first", plural(first, "network"))

    def extend(self, trials: int) -> None:
        """Go on to so many trials of the study, where that is more."""
        if trials > self.config.trials:
            log.info("the study is to have %d trials, not %d", trials, self.config.trials)
            self.config = self.config.model_copy(update={"trials": trials})

    def next_job(self) -> Job | None:
        """The next attempt to run; None where all trials are taken (others may still run some).

        Trials that wait to be carried on come first. One that trains what another trial trained is
        told what became of that one, and not run. None, too, while the database is away.
        """
        with suppress(UnavailableError):
            self._renew()  # a driver that slept tells the others first that it is alive
            with self.store.claiming():
                crash_point("ask.begin")
                self.store.repair(self.config.epochs, self.running)
                return self._claim()
        return None

    def report(self, job: Job, result: Mapping[str, Any]) -> bool:
        """Take one epoch's result; whether the attempt shall go on.

        A result that is no measurement (a missing, non-finite or misplaced value) fails the
        attempt with that reason: ``nas.metrics.unusable``.
        """
        key = (job.number, job.attempt)
        if key not in self.running:  # ended meanwhile
            return False
        crash_point("report.begin")
        reason = result.get("failure") or unusable(
            result, self.store.measure, self._previous(job), self.store.minimize
        )
        if reason:
            # a network above a budget says nothing of whether others can be trained
            self.fail(job, str(reason), retry=False, alarming=not result.get("over_budget"))
            return False
        ending = None
        if result["epoch"] >= job.epochs:
            ending = "inherited" if job.parent else "complete"
        try:
            self.store.record_epoch(job.number, job.attempt, result, ending)
            self._epochs[key] = result["epoch"]
            log.info(
                "trial %d reported: attempt %d, epoch %d, %s %.6g",
                job.number, job.attempt, result["epoch"], self.store.measure.metric,
                self.store.measure.of(result),
            )  # fmt: skip
            self._watcher.measured(job, result)
            if ending is not None:
                self._ended(job, ending)
                return False
            if why := self._stops(job, result):
                log.info("trial %d is stopped: %s", job.number, why)
                self._end(job, "pruned")
                return False
        except LostAttemptError:
            self._lose(job)
            return False
        return True

    def checkpoint(self, job: Job, path: str) -> None:
        """Take note of where ``job`` can be carried on from, or where it leaves its weights."""
        saved = Saved.read(path)
        if self._leaving.pop((job.number, job.attempt), None) and saved.digest:
            with suppress(LostAttemptError):
                self.store.record_weights(job.number, job.attempt, path, saved.digest)
        if (job.number, job.attempt) in self.running:
            crash_point("checkpoint.begin")
            try:
                self.store.record_checkpoint(job.number, job.attempt, path)
            except LostAttemptError:
                self._lose(job)
            crash_point("checkpoint.written")

    def fail(
        self, job: Job, reason: str, *, retry: bool, lost: bool = False, alarming: bool = True
    ) -> None:
        """The attempt cannot go on; with ``retry`` the trial gets another one, within limits.

        ``lost`` says that the machine is to blame, and not what was trained: its process was
        killed, or its node went away. The samplers learn nothing from that. One that is not
        ``alarming`` is none of the failures in a row that end a search.
        """
        again = retry and self._deaths(job) < self.config.max_failures
        final = "abandoned" if lost else "failed"
        self._end(job, "died" if again else final, reason, alarming)

    def hand_on(self, job: Job, reason: str) -> None:
        """The attempt ends where it is, which is no failure, and another one will go on."""
        self._end(job, "interrupted", reason)

    def restarted(self, job: Job, reason: str) -> Job | None:
        """The attempt's process was lost, and another one began where its checkpoint is.

        What that one reports is of another attempt, returned here; None where another driver
        carries the trial on, or will once the database is back.
        """
        with suppress(UnavailableError), self.store.claiming():
            self._end(job, "interrupted", reason)
            trials = self.store.trials()
            return self._resume(trials[job.number], trials)
        self._end(job, "interrupted", reason)
        return None

    def interrupt(self) -> None:
        """Let go of everything that runs; whoever continues the study carries it on."""
        for job in list(self.running.values()):
            self._end(job, "interrupted", "the search was stopped")

    def heartbeat(self) -> None:
        """When a third of a lease has passed: renew ours, free those of drivers that died."""
        with suppress(UnavailableError):
            if self._renew():
                with self.store.claiming():
                    self.store.repair(self.config.epochs, self.running)

    # -- parts ------------------------------------------------------------------------------

    def _trials(self) -> Sequence[FrozenTrial]:
        """All trials of the study by number, those that another program added as what they are."""
        return self._added.shown(self.store.trials())

    def _claim(self) -> Job | None:
        tried = self._sampler.tried
        for turn in range(TOLD_AT_ONCE):
            if self.hopeless:
                return None
            # ``repair`` read them
            trials = self._trials() if turn else self._added.shown(self.store.known)
            self._added.write()
            tried.update(trials)
            waiting = [t for t in self.store.unfinished() if t.state == TrialState.WAITING]
            begun = self.store.attempts.begun([t.number for t in waiting]) if waiting else set()
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
                self._refuse(self.store.add_empty_trial(), error)
                continue
            if job is not None:
                return job
        return None

    def _propose(self, trials: Sequence[FrozenTrial]) -> Proposal | None:
        """The next trial; None where there is none, or none before others have ended."""
        inheriting, number = self._inheriting, len(trials)
        if inheriting is None:
            return self._sampler.propose(number, trials)
        inheriting.update(trials)
        if not self._proves(number):
            found = self._sampler.propose(number, inheriting.learned(trials))
            if found is not None:
                return found
        if inheriting.explores(trials):  # it may be one of the best
            return None
        return inheriting.proposal(trials) or self._sampler.propose(
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
        tried, architecture = self._sampler.tried, proposal.architecture
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
        number = self.store.add_trial(
            proposal.setting,
            self._sampler.distributions,
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
            return self._started(
                Job(number, 1, architecture, proposal.cost, training, None, parent)
            )
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
        others = self._sampler.tried.others(trial, trials)
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
        source = telling(self._sampler.tried.others(trial, trials))
        if source is not None and trial.number not in begun:
            self.store.tell_trial(trial.number, source)
            self._reuse(trial.number, source)
            return None
        return self._resume(trial, trials)

    def _resume(self, trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> Job | None:
        """A new attempt of a WAITING trial; None where another driver was faster.

        A trial that cannot be begun fails alone.
        """
        number = trial.number
        try:
            architecture = self.space.architecture(trial.params)
            cost = self.space.cost(architecture)
            last = self.store.attempts.last(number)
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
            attempt = self.store.resume_trial(number, lost, parent.inherits if parent else None)
        except UnavailableError:
            raise
        except Exception as error:  # whatever it is, the other trials go on
            self._refuse(number, error)
            return None
        if attempt is None:
            return None
        if lost:
            log.warning("trial %d: attempt %d %s", number, attempt, lost)
        return self._started(Job(number, attempt, architecture, cost, training, checkpoint, parent))

    def _stops(self, job: Job, result: Mapping[str, Any]) -> str | None:
        """Why the trial is stopped early, if it is; none is while the database is away."""
        stopper, epoch = self._stopper, result["epoch"]
        if stopper is None or not stopper.looks_at(job.number, epoch):
            return None
        with suppress(UnavailableError):
            curves, value = self.store.curves, self.store.measure.of(result)
            curves.refresh()
            if self.store.minimize and job.number not in curves.costs:
                return None  # its first epoch waits in the outbox
            return stopper.reason(job.number, epoch, value, curves)
        return None

    def _deaths(self, job: Job) -> int:
        with suppress(UnavailableError):
            return self.store.attempts.deaths(job.number)
        return job.attempt - 1  # at most so many, as each was an attempt

    def _renew(self) -> bool:
        now = self.store.clock()
        due = now - self._renewed > LEASE / 3
        if due:
            self.store.attempts.renew_leases(self.running)
            self._renewed = now
        return due

    def _previous(self, job: Job) -> int | None:
        """The epoch before the next result of ``job``; unknown where it begins at a checkpoint."""
        return self._epochs.get((job.number, job.attempt), None if job.checkpoint else 0)

    def _training(
        self, setting: Mapping[str, Any], parent: Parent | None = None
    ) -> Mapping[str, Any]:
        """How a setting is trained.

        Raises:
            ConfigError: a value that no training takes.
        """
        training = self.config.training_config(**self.space.training(setting))
        if parent is not None:
            training = inherited(training, parent.inherits.epochs)
        return training.to_dict()

    def _started(self, job: Job) -> Job:
        """Take note of an attempt that has begun."""
        begun = f"begins with trial {job.parent.inherits.trial}" if job.parent else "begins"
        begun = f"goes on from {job.checkpoint}" if job.checkpoint else begun
        log.info("trial %d claimed: attempt %d %s", job.number, job.attempt, begun)
        self.running[job.number, job.attempt] = job
        self._watcher.started(job)
        crash_point("ask.end")
        return job

    def _end(self, job: Job, state: str, reason: str | None = None, alarming: bool = True) -> None:
        if (job.number, job.attempt) not in self.running:
            return
        try:
            self.store.end_attempt(job.number, job.attempt, state, reason)
        except LostAttemptError:
            self._lose(job)
            return
        self._ended(job, state, reason, alarming)

    def _ended(
        self, job: Job, state: str, reason: str | None = None, alarming: bool = True
    ) -> None:
        """Take note of an attempt's end, which the database has or will have."""
        del self.running[job.number, job.attempt]
        log.log(
            logging.WARNING if reason else logging.INFO,
            "trial %d ended: attempt %d %s%s",
            job.number, job.attempt, state, f": {reason}" if reason else "",
        )  # fmt: skip
        if state in WHOLE and self.config.keep:
            self._leaving[job.number, job.attempt] = job
        if state in (*WHOLE, "pruned"):
            self._failed_in_a_row = 0
        elif state in CAUSES and alarming:
            self._note_failure(reason or "")
        self._watcher.ended(job, state, reason)

    def _lose(self, job: Job) -> None:
        if self.running.pop((job.number, job.attempt), None) is not None:
            log.warning("trial %d: attempt %d is another driver's", job.number, job.attempt)
            self._watcher.ended(job, "interrupted", "another driver carries it on")

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
            setting = self.space.complete(given, self._sampler.rng(trial.number))
            architecture = self.space.architecture(setting)
            cost = self.space.cost(architecture)
            distributions = self._sampler.distributions
            self.store.adopt_trial(trial.number, setting, distributions, architecture, cost)
        except (UnavailableError, UpdateFinishedTrialError):
            raise
        except Exception as error:
            self._refuse(trial.number, error, policy="enqueued")

    def _refuse(self, number: int, error: Exception, policy: str | None = None) -> None:
        """FAIL a trial of which no attempt can be begun."""
        kind = "" if isinstance(error, NasError) else f"{type(error).__name__}: "
        # below its first line, SQLAlchemy quotes the statement
        reason = f"it cannot be begun: {kind}{str(error).partition(chr(10))[0]}"
        self.store.refuse_trial(number, reason, policy)
        log.warning("trial %d failed: %s", number, reason)
        if policy is None:  # else what others asked for says nothing of the search
            self._note_failure(reason)
        self._watcher.refused(number, reason)

    def _note_failure(self, reason: str) -> None:
        self._failed_in_a_row += 1
        self._last_failure = reason
