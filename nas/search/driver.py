"""The only file that knows Ray Tune's machinery: it adapts the searcher to it and runs it.

Tune places attempts on cores, GPUs and nodes, reuses their processes and moves checkpoints. What
is tried, stopped and believed is the searcher's business; Tune's own snapshots are not used, the
study database is the only truth. Each Tune trial is one attempt.
"""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

# isort: off
import nas.search.ray_settings  # noqa: F401 - before ray, which reads some of what it sets

# isort: on
import ray
from ray import cloudpickle, tune
from ray.exceptions import OutOfMemoryError, RayActorError, RayError, RayTaskError
from ray.tune import Callback, CheckpointConfig, FailureConfig, RunConfig, TuneConfig
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.result import SHOULD_CHECKPOINT
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher as TuneSearcher

from nas.objectives.contract import Objective
from nas.search.budget import Budget
from nas.search.cards import cards
from nas.search.checkpoints import MOST_SECONDS, Checkpoints, attempt_folder
from nas.search.curves import Curves, curves_folder
from nas.search.duration import format_duration
from nas.search.jobs import CODE
from nas.search.placement import AUTO, Shares
from nas.search.searcher import Job, Searcher
from nas.search.stores import local_folder, store_of, tune_path
from nas.search.trial import Worker, WorkerError, noted_of
from nas.study.database.outages import UnavailableError

log = logging.getLogger(__name__)

FURTHER = "metrics/"
POLL_SECONDS = 1.0  # between looks at trials that other drivers run
# Tune keeps every trial that it ran, 0.1 MB each: after so many, another Tuner goes on.
TRIALS_OF_A_TUNER = 400
CLEAR_SECONDS = 5.0  # between looks at what trials that ended left on disk


class StopSearch(BaseException):
    """Raised inside Tune's loop to leave it at once; actors die with our connection.

    Its message is the reason; there is none where the study is finished.
    """


def run(
    searcher: Searcher, stopped: Callable[[], str | None], name: str, objective: Objective
) -> str | None:
    """Run attempts until the study is finished, or until ``stopped`` gives a reason to end.

    ``objective`` is the one that the config names. Checkpoints go to the folder ``name`` under the
    config's ``runs``. Returns the reason; what ran then is marked interrupted, to be carried on
    by the next driver of the study.
    """
    config = searcher.config
    checkpoints = Checkpoints(
        store_of(config.runs, name), config.keep, minimizes=searcher.store.measure.minimizes
    )
    shares = _shares(searcher)
    folder = curves_folder(config.log_to, local_folder(config.runs) / name / "tensorboard")
    curves = Curves(folder.absolute()) if folder else None
    reason, is_full = None, True
    try:
        with _without_snapshots():
            while reason is None and is_full and not searcher.finished:
                bridge = _Bridge(searcher, stopped, checkpoints, shares, resumes=objective.resumes)
                reason = _fit(_tuner(bridge, name, objective, curves))
                is_full = bridge.is_full
    finally:
        searcher.interrupt()
        with suppress(UnavailableError):  # no process of ours writes any more
            seconds = math.inf if reason is None else MOST_SECONDS
            checkpoints.clear(searcher.store.trials(), seconds=seconds)
        if curves:
            curves.close()
    return reason


def _shares(searcher: Searcher) -> Shares:
    """Of GPUs, by the option ``gpus_per_trial``; with auto, the GPUs are tried first."""
    config, space = searcher.config, searcher.space
    if config.gpus_per_trial != AUTO:
        return Shares(config.least_gpus)
    network, training = space.sample(config.seed), config.training_config()
    found = cards(network, training, space.input_shape, space.num_classes)
    shares = Shares.measured(found, space.cost(network), training.batch_size)
    log.info(
        "GPUs: %s; a step takes %.2f of what is predicted",
        ", ".join(sorted({f"{one.name}, {one.memory / 1e9:.1f} GB" for one in found})),
        shares.correction,
    )
    return shares


def _resources(config: dict[str, Any]) -> tune.PlacementGroupFactory:
    """What an attempt asks Tune for."""
    return tune.PlacementGroupFactory([{"CPU": config["cpus"], "GPU": config["gpus"]}])


def _fit(tuner: tune.Tuner) -> str | None:
    """Run a Tuner to its end; the reason, where there is one to end the search."""
    outside = sys.exception()
    try:
        tuner.fit()
    except StopSearch as stop:
        error = stop.__context__
        if error is not None and error is not outside:  # Tune cleans up after its own, too
            raise error from None
        return str(stop) or None
    return None


def _tuner(bridge: _Bridge, name: str, objective: Objective, curves: Curves | None) -> tune.Tuner:
    """Tune, around the searcher of ``bridge``."""
    config = bridge.searcher.config
    worker = Worker
    if not objective.by_name:  # once to each node, whatever hangs on the function
        sent = cloudpickle.dumps(objective.train)  # type: ignore[no-untyped-call]
        worker = tune.with_parameters(Worker, objective=sent)
    return tune.Tuner(
        tune.with_resources(worker, _resources),
        tune_config=TuneConfig(
            search_alg=_Suggest(bridge),
            scheduler=_Judge(bridge),
            num_samples=-1,
            max_concurrent_trials=config.concurrency,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: bridge.folder(trial.trial_id),
        ),
        run_config=RunConfig(
            name=name,
            storage_path=tune_path(config.runs),
            callbacks=[_Watch(bridge), *([_Log(bridge, curves)] if curves else [])],
            # which results are followed by one, _Watch says
            checkpoint_config=CheckpointConfig(num_to_keep=1, checkpoint_at_end=False),
            failure_config=FailureConfig(max_failures=0),  # retries are attempts: ours
            verbose=0,
        ),
    )


@contextmanager
def _without_snapshots() -> Iterator[None]:
    """Tune writes all that it knows of all trials again with each of their checkpoints: 27 kB a
    trial, in memory and on disk, which nothing of ours reads."""
    written = TuneController.checkpoint

    def checkpoint(controller: TuneController, force: bool = False, wait: bool = False) -> None:
        """Nothing: the study database is the state."""

    TuneController.checkpoint = checkpoint  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        TuneController.checkpoint = written  # type: ignore[method-assign]


class _Bridge:
    """Tune's trial ids on one side, our jobs on the other."""

    def __init__(
        self,
        searcher: Searcher,
        stopped: Callable[[], str | None],
        checkpoints: Checkpoints,
        shares: Shares,
        *,
        resumes: bool,
    ) -> None:
        self.searcher = searcher
        self.stopped = stopped
        self._checkpoints = checkpoints
        self._shares = shares
        self._gpus: dict[str, float] = {}  # of each Tune trial
        self._resumes = resumes
        # where modules of the user's are, unless they were sent
        sent = ray.get_runtime_context().runtime_env
        self._folder = None if any(map(sent.get, CODE)) else str(Path.cwd())
        self._cleared = 0.0
        self._live: dict[str, str] = {}  # folders of the Tune trials that have not come to an end
        self.jobs: dict[str, Job] = {}
        self.executions: dict[str, str] = {}  # the run of each Tune trial that reported last
        self.progress: dict[str, float] = {}  # when each Tune trial that runs last gave a sign
        self.overdue: set[str] = set()
        self.places: dict[str, str] = {}  # address/process of each Tune trial
        self.asked = 0.0
        self.is_full = False  # a Tuner takes no more trials

    def __reduce__(self) -> tuple[Any, ...]:
        # Tune pickles all that it is given into its folder; a database URL has no place there
        return (object, ())

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The config of Tune's next trial; None for "not now"."""
        searcher = self.searcher
        if not searcher.running and time.monotonic() < self.asked + POLL_SECONDS:
            return None
        self.asked = time.monotonic()
        if len(self.jobs) >= TRIALS_OF_A_TUNER:
            self.is_full = True
            return TuneSearcher.FINISHED
        job = searcher.next_job()
        if job is None:
            return TuneSearcher.FINISHED if searcher.finished else None
        self.jobs[trial_id] = job
        self._live[trial_id] = attempt_folder(job.number, job.attempt)
        config = searcher.config
        gpus = self._shares.of(job.number, job.cost, job.training["batch_size"])
        self._gpus[trial_id] = gpus
        return {
            "objective": config.objective,
            "trial": job.number,
            "architecture": job.architecture.to_dict(),
            "training": dict(job.training),
            "checkpoint": job.checkpoint,
            "runs": config.runs,
            "folder": self._folder,
            "dataset": config.dataset,
            "data": str(Path(config.data).absolute()) if config.data else None,
            "resize": config.resize,
            "input_shape": list(searcher.space.input_shape),
            "num_classes": searcher.space.num_classes,
            "fingerprint": searcher.store.dataset,
            "device": config.device,
            "cpus": config.cpus_per_trial,
            "gpus": gpus,
            "capped": self._shares.caps,
            "budget": Budget.of(config).to_dict(),
        }

    def report(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Hand a result to the searcher; whether the Tune trial shall go on."""
        self.progress[trial_id] = time.monotonic()
        execution = result["execution"]
        if self.executions.setdefault(trial_id, execution) != execution:
            self.executions[trial_id] = execution
            again = self.searcher.restarted(self.jobs[trial_id], "its node went away")
            if again is None:
                return False
            self.jobs[trial_id] = again
        job = self.jobs[trial_id]
        if result.get("out_of_memory"):
            share = self._gpus[trial_id]
            if more := self._shares.grow(job.number, share):
                said = f"with {share:g} of a GPU, and gets {more:g}: {result['failure']}"
                self.searcher.hand_back(job, f"it ran out of memory {said}")
                return False
        return self.searcher.report(job, _nested(result))

    def watch(self, trial: Any) -> None:
        """Kill the process of a Tune trial that gave no sign for too long."""
        trial_id, now = trial.trial_id, time.monotonic()
        if trial.status != Trial.RUNNING:
            self.progress.pop(trial_id, None)
            return
        patience = self.searcher.config.trial_timeout
        since = self.progress.setdefault(trial_id, now)
        if patience is None or now < since + patience or trial_id in self.overdue:
            return
        self.overdue.add(trial_id)
        ray.kill(trial.temporary_state.ray_actor)

    def died(self, trial: Any) -> None:
        """Tell the searcher that the process of a Tune trial is lost, and why."""
        job = self.jobs[trial.trial_id]
        cause, lost = _cause(trial)
        timeout = self.searcher.config.trial_timeout
        if trial.trial_id in self.overdue and timeout is not None:
            cause, lost = f"no epoch for {format_duration(timeout)}", True
        first, *rest = cause.splitlines()
        place = f"attempt {job.attempt} on {self.places.get(trial.trial_id, 'no host yet')}"
        self.searcher.fail(job, "\n".join([f"{first} ({place})", *rest]), retry=True, lost=lost)

    def folder(self, trial_id: str) -> str:
        """Where Tune keeps what the attempt writes."""
        job = self.jobs[trial_id]
        return attempt_folder(job.number, job.attempt)

    def saves(self, result: Mapping[str, Any]) -> bool:
        """Whether a result is followed by a checkpoint: to go on from, or to be kept."""
        if not result.get("done"):
            return self._resumes
        config = self.searcher.config
        return self._resumes and config.keep > 0 and result.get("epoch") == config.epochs

    def ended(self, trial: Any) -> None:
        """A Tune trial has come to an end: nothing is written any more."""
        self._live.pop(trial.trial_id, None)
        for made in (
            trial.storage.trial_working_directory,
            trial.storage.trial_driver_staging_path,
        ):
            with suppress(OSError):  # it is on another node, or has the error that _cause reads
                Path(made).rmdir()

    def clear(self) -> None:
        """Now and then, delete what trials that ended left on disk."""
        now = time.monotonic()
        if now > self._cleared + CLEAR_SECONDS:
            self._cleared = now
            self._checkpoints.clear(self.searcher.store.known, self._live.values())


class _Suggest(TuneSearcher):
    """Tune's view of the searcher. It stores nothing: pickles could carry secrets."""

    def __init__(self, bridge: _Bridge) -> None:
        super().__init__()
        self._bridge = bridge

    def suggest(self, trial_id: str) -> Any:  # Tune's own type leaves FINISHED out
        return self._bridge.suggest(trial_id)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Told by the scheduler already."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the study database is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: see ``save``."""


class _Judge(FIFOScheduler):
    """Every result passes here once; the searcher says whether its attempt goes on."""

    def __init__(self, bridge: _Bridge) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._bridge = bridge

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        goes_on = self._bridge.report(trial.trial_id, result)
        return TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        if not trial.should_recover():  # else its node went away: Tune starts it on another one
            self._bridge.died(trial)


class _Watch(Callback):
    """Tune's loop, seen from our side: time to stop, leases to renew, checkpoints to note."""

    def __init__(self, bridge: _Bridge) -> None:
        self._bridge = bridge

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        reason = self._bridge.stopped() or self._bridge.searcher.hopeless
        if reason:
            raise StopSearch(reason)
        self._bridge.searcher.heartbeat()
        self._bridge.clear()
        for trial in trials:
            self._bridge.watch(trial)

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        with suppress(RayError):  # died already: Tune will see to it
            actor = trial.temporary_state.ray_actor
            address, process = ray.get(actor.get_current_ip_pid.remote())
            self._bridge.places[trial.trial_id] = f"{address}/{process}"

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        result[SHOULD_CHECKPOINT] = self._bridge.saves(result)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._bridge.ended(trial)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._bridge.ended(trial)

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        raise StopSearch  # else Tune looks for a snapshot

    def on_checkpoint(
        self, iteration: int, trials: list[Any], trial: Any, checkpoint: Any, **info: Any
    ) -> None:
        # noted before Tune deletes the one before
        searcher = self._bridge.searcher
        noted = noted_of(searcher.config.runs, checkpoint)
        searcher.checkpoint(self._bridge.jobs[trial.trial_id], str(noted))


class _Log(Callback):
    """Learning curves for other programs: see ``curves``."""

    def __init__(self, bridge: _Bridge, curves: Curves) -> None:
        self._bridge = bridge
        self._curves = curves

    def __reduce__(self) -> tuple[Any, ...]:
        return (object, ())  # as the bridge: open files have no place in Tune's folder either

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        self._curves.epoch(self._bridge.folder(trial.trial_id), result)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._curves.ended(self._bridge.folder(trial.trial_id))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._curves.ended(self._bridge.folder(trial.trial_id))


def _nested(result: Mapping[str, Any]) -> dict[str, Any]:
    """A result as the worker had it: Tune writes the value of a mapping in it as metrics/name."""
    own = {name: value for name, value in result.items() if not name.startswith(FURTHER)}
    further = result.keys() - own.keys()
    return {**own, "metrics": {name.removeprefix(FURTHER): result[name] for name in further}}


def _cause(trial: Any) -> tuple[str, bool]:
    """What a trial's process died of: one line, and below it the end of the worker's traceback.

    And whether the process was lost, rather than that what it trained raised an exception or took
    all memory.
    """
    with suppress(Exception):  # the error may not unpickle here
        error = cloudpickle.loads(Path(trial.pickled_error_file).read_bytes())
        if isinstance(error, RayTaskError):
            cause = error.cause
            return str(cause) if isinstance(cause, WorkerError) else str(error), False
        if isinstance(error, OutOfMemoryError):
            return " ".join(str(error).split())[:500], False
        if isinstance(error, RayActorError):
            detail = " ".join(str(error).split())
            return f"{type(error).__name__}: {detail}"[:500], True
    return "its process died", True
