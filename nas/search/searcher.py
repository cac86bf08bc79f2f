"""Ask-and-tell engine: proposes attempts, records results, decides early stopping. No Ray in it.

Every decision is taken from what the study database holds and is written there before it is
acted on, so that a search can be killed at any instant and carried on by the same command.

While the database is away, what runs goes on and its results wait in the store's outbox; no trial
is begun, and none is stopped at a rung: that takes the results of all.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from nas.faults import crash_point
from nas.metrics import unusable
from nas.quantity import plural
from nas.search.claims import Claims
from nas.search.config import SearchConfig
from nas.search.failures import FailuresInARow
from nas.search.job import Job, Watcher
from nas.search.pace import Pace
from nas.search.stores import Saved
from nas.space import SearchSpace, Setting
from nas.stopping import find_stopper
from nas.study.attempts import LEASE, WHOLE, LostAttemptError
from nas.study.database.outages import UnavailableError
from nas.study.endings import CAUSES
from nas.study.exchange.taking_over import Result, take_over
from nas.study.store import StudyStore

log = logging.getLogger(__name__)


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
        self.running: dict[tuple[int, int], Job] = {}
        self._watcher = watcher
        self._failures = FailuresInARow(config.max_consecutive_failures)
        self.claims = Claims(store, space, config, watcher, self._failures, proposed)
        self._stopper = find_stopper(
            config.scheduler,
            grace=config.grace,
            reduction=config.reduction,
            epochs=config.epochs,
            directions=store.directions,
        )
        self._leaving: dict[tuple[int, int], Job] = {}  # at their end, their weights not yet noted
        self._epochs: dict[tuple[int, int], int] = {}  # the last one that an attempt reported
        self._renewed = store.clock()

    @property
    def config(self) -> SearchConfig:
        """With as many trials as the study is to have by now."""
        return self.claims.config

    def paced(self, job: Job, pace: Pace) -> None:
        """A worker said how far it is within an epoch."""
        self._watcher.paced(job, pace)

    @property
    def hopeless(self) -> str | None:
        """Why it makes no sense to go on: so many trials failed, and none between them did not."""
        return self._failures.hopeless

    @property
    def finished(self) -> bool:
        """Whether all trials of the study came to an end, and the database knows it."""
        with suppress(UnavailableError):
            return self.claims.finished
        return False

    @property
    def exhausted(self) -> str | None:
        """In one clause, that every network of the space has been tried, if that is so."""
        with suppress(UnavailableError):
            return self.claims.exhausted
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
            distributions = self.claims.sampler.distributions
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
            self.claims.config = self.config.model_copy(update={"trials": trials})

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
                job = self.claims.claim()
                return self._started(job) if job else None
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
            again = self.claims.resume(trials[job.number], trials)
            return self._started(again) if again else None
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
            self._failures.clear()
        elif state in CAUSES and alarming:
            self._failures.add(reason or "")
        self._watcher.ended(job, state, reason)

    def _lose(self, job: Job) -> None:
        if self.running.pop((job.number, job.attempt), None) is not None:
            log.warning("trial %d: attempt %d is another driver's", job.number, job.attempt)
            self._watcher.ended(job, "interrupted", "another driver carries it on")
