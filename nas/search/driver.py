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
from ray.exceptions import RayError
from ray.tune import (
    Callback,
    CheckpointConfig,
    FailureConfig,
    PlacementGroupFactory,
    RunConfig,
    TuneConfig,
)
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.result import SHOULD_CHECKPOINT
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher as TuneSearcher

from nas.data.cache import told_folders
from nas.objectives.contract import Objective
from nas.quantity import format_duration
from nas.search.asking import host_of
from nas.search.budget import Budget
from nas.search.cards import cards
from nas.search.checkpoints import MOST_SECONDS, Checkpoints, attempt_folder
from nas.search.cluster import what_it_has
from nas.search.curves import Curves, curves_folder
from nas.search.jobs import CODE
from nas.search.losses import Loss, is_there, loss_of, node_of, place_of
from nas.search.nodes import Nodes
from nas.search.pace import Paces
from nas.search.placement import AUTO, Shares
from nas.search.searcher import Job, Searcher
from nas.search.stores import is_remote, local_folder, store_of, tune_path
from nas.search.trial import Worker, noted_of
from nas.study.database.outages import UnavailableError

log = logging.getLogger(__name__)

FURTHER = "metrics/"
POLL_SECONDS = 1.0  # between looks at trials that other drivers run
# Tune keeps every trial that it ran, 0.1 MB each: after so many, another Tuner goes on.
TRIALS_OF_A_TUNER = 400
CLEAR_SECONDS = 5.0  # between looks at what trials that ended left on disk
MOST_AT_ONCE = 10_000  # trials that Tune may ask for; how many there is room for, the bridge says


class StopSearch(BaseException):
    """Raised inside Tune's loop to leave it at once; actors die with our connection.

    Its message is the reason; there is none where the study is finished.
    """


def run(
    searcher: Searcher,
    stopped: Callable[[], str | None],
    name: str,
    objective: Objective,
    nodes: Nodes,
    at_once: int | None = None,
) -> str | None:
    """Run attempts until the study is finished, or until there is a reason to end.

    Args:
        searcher: has what is tried.
        stopped: gives a reason, once there is one.
        name: of the folder of checkpoints, under the config's ``runs``.
        objective: the one that the config names.
        nodes: what is known of the nodes; no trial goes to those that it avoids.
        at_once: so many trials run at most; by default what the nodes have room for, those that
            join and leave meanwhile, too.

    Returns:
        The reason; what ran then is marked interrupted, to be carried on by the next driver.
    """
    config = searcher.config
    checkpoints = Checkpoints(
        store_of(config.runs, name), config.keep, minimizes=searcher.store.measure.minimizes
    )
    shares = _shares(searcher)
    folder = curves_folder(config.log_to, local_folder(config.runs) / name / "tensorboard")
    curves = Curves(folder.absolute()) if folder else None
    paces = Paces((local_folder(config.runs) / name).absolute())
    reason, is_full = None, True
    try:
        with _without_snapshots():
            while reason is None and is_full and not searcher.finished:
                bridge = _Bridge(
                    searcher,
                    stopped,
                    checkpoints,
                    paces,
                    nodes,
                    at_once,
                    shares,
                    resumes=objective.resumes,
                )
                reason = _fit(_tuner(bridge, name, objective, curves))
                is_full = bridge.is_full
    finally:
        searcher.interrupt()
        with suppress(UnavailableError):  # no process of ours writes any more
            seconds = math.inf if reason is None else MOST_SECONDS
            checkpoints.clear(searcher.store.trials(), seconds=seconds)
        paces.close()
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

    def place(job: Mapping[str, Any]) -> PlacementGroupFactory:
        """What a trial needs, on a node that is not avoided."""
        needs = {"CPU": job["cpus"], "GPU": job["gpus"]}
        avoided = job["avoided"]
        # Ray gives each node its id as a label
        others = [{"ray.io/node-id": f"!in({','.join(avoided)})"}] if avoided else None
        return PlacementGroupFactory([needs], bundle_label_selector=others)

    worker = Worker
    if not objective.by_name:  # once to each node, whatever hangs on the function
        sent = cloudpickle.dumps(objective.train)  # type: ignore[no-untyped-call]
        worker = tune.with_parameters(Worker, objective=sent)
    return tune.Tuner(
        tune.with_resources(worker, place),
        tune_config=TuneConfig(
            search_alg=_Suggest(bridge),
            scheduler=_Judge(bridge),
            num_samples=-1,
            max_concurrent_trials=MOST_AT_ONCE,
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
        paces: Paces,
        nodes: Nodes,
        at_once: int | None,
        shares: Shares,
        *,
        resumes: bool,
    ) -> None:
        self.searcher = searcher
        self._stopped = stopped
        self._checkpoints = checkpoints
        self._paces = paces
        self._nodes = nodes
        self._at_once = at_once
        self._room = 0  # trials that the nodes can run at once
        self._looked = -math.inf  # when they were looked at last
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
        self.places: dict[str, tuple[str, str]] = {}  # of each Tune trial: Worker.place
        self.asked = 0.0
        self.is_full = False  # a Tuner takes no more trials

    def __reduce__(self) -> tuple[Any, ...]:
        # Tune pickles all that it is given into its folder; a database URL has no place there
        return (object, ())

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The config of Tune's next trial; None for "not now"."""
        searcher = self.searcher
        self.look()
        if len(self._live) >= self._room:
            return None
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
            "weights": job.parent.weights if job.parent else None,
            "pace": None
            if is_remote(config.runs)
            else str(self._paces.path(job.number, job.attempt)),
            "folder": self._folder,
            "dataset": config.dataset,
            "data": str(Path(config.data).absolute()) if config.data else None,
            "folders": told_folders(),
            "runs": tune_path(config.runs),
            "resize": config.resize,
            "input_shape": list(searcher.space.input_shape),
            "num_classes": searcher.space.num_classes,
            "fingerprint": searcher.store.dataset,
            "device": config.device,
            "cpus": config.cpus_per_trial,
            "gpus": gpus,
            "avoided": sorted(self._nodes.avoided),
            "budget": Budget.of(config).to_dict(),
        }

    def look(self) -> None:
        """Whether to go on, and with how many trials at once.

        Raises:
            StopSearch: there is a reason to end.
        """
        reason = self._stopped() or self.searcher.hopeless
        if not reason and time.monotonic() > self._looked + POLL_SECONDS:
            self._looked = time.monotonic()
            config = self.searcher.config
            slots = {
                node["NodeID"]: what_it_has(node).slots(config.cpus_per_trial, config.least_gpus)
                for node in ray.nodes()  # type: ignore[no-untyped-call]
                if node["Alive"]
            }
            reason = self._nodes.none_of([one for one, slot in slots.items() if slot])
            room = sum(slot for one, slot in slots.items() if one not in self._nodes.avoided)
            self._room = room if self._at_once is None else self._at_once
        if reason:
            raise StopSearch(reason)

    def report(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Hand a result to the searcher; whether the Tune trial shall go on."""
        self.progress[trial_id] = time.monotonic()
        if "failure" not in result and not (self._resumes and self.searcher.config.epochs > 1):
            self.proven(trial_id)
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
                self.searcher.hand_on(job, f"it ran out of memory {said}")
                return False
        return self.searcher.report(job, _nested(result))

    def proven(self, trial_id: str) -> None:
        """The node of a Tune trial can do all that there is to do; what can be carried on is kept
        after an epoch, which takes more than training it."""
        if trial_id in self.places:
            self._nodes.trained(self.places[trial_id][0])

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
        job, error = self.jobs[trial.trial_id], _error(trial)
        loss, timeout = loss_of(error), self.searcher.config.trial_timeout
        if trial.trial_id in self.overdue and timeout is not None:
            loss = Loss(f"no epoch for {format_duration(timeout)}", "process")
        node_id, process = self.places.get(trial.trial_id) or place_of(error)
        node = node_of(node_id)
        is_gone = loss.of == "process" and node is not None and not is_there(node)
        if is_gone:
            loss = Loss(f"its node went away: {loss.reason}", "node")
        first, *rest = loss.reason.splitlines()
        reason = "\n".join([f"{first} (attempt {job.attempt} on {process})", *rest])
        if is_gone or (
            loss.of == "node"
            and node
            and self._nodes.blame(node_id, host_of(node), job.number, loss.reason)
        ):
            self.searcher.hand_on(job, reason)
        else:
            self.searcher.fail(job, reason, retry=True, lost=loss.of != "trial")

    def folder(self, trial_id: str) -> str:
        """Where Tune keeps what the attempt writes."""
        job = self.jobs[trial_id]
        return attempt_folder(job.number, job.attempt)

    def saves(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        """Whether a result is followed by a checkpoint: to go on from, or to be kept."""
        if not result.get("done"):
            return self._resumes
        last = self.jobs[trial_id].epochs
        return self._resumes and self.searcher.config.keep > 0 and result.get("epoch") == last

    def ended(self, trial: Any) -> None:
        """A Tune trial has come to an end: nothing is written any more."""
        self._live.pop(trial.trial_id, None)
        if job := self.jobs.get(trial.trial_id):
            self._paces.drop(job.number, job.attempt)
        for made in (
            trial.storage.trial_working_directory,
            trial.storage.trial_driver_staging_path,
        ):
            with suppress(OSError):  # it is on another node, or has the error that _error reads
                Path(made).rmdir()

    def follow(self) -> None:
        """Now and then, read how far workers are within their epochs."""
        if not self._paces.is_time():
            return
        for job in [self.jobs[trial_id] for trial_id in self._live]:
            if pace := self._paces.read(job.number, job.attempt):
                self.searcher.paced(job, pace)

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

    def choose_trial_to_run(self, tune_controller: Any) -> None:
        """None: Tune starts them in turn by itself.

        One that is chosen gets the next process that is free, and the one that begins for it on
        another node is ended: where trials end faster than processes begin, that node, or the place
        of a process that died, would never be used.
        """

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        if not trial.should_recover():  # else its node went away: Tune starts it on another one
            self._bridge.died(trial)


class _Watch(Callback):
    """Tune's loop, seen from our side: time to stop, leases to renew, checkpoints to note."""

    def __init__(self, bridge: _Bridge) -> None:
        self._bridge = bridge

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        self._bridge.look()
        self._bridge.searcher.heartbeat()
        self._bridge.follow()
        self._bridge.clear()
        for trial in trials:
            self._bridge.watch(trial)

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        with suppress(RayError):  # died already: Tune will see to it
            actor = trial.temporary_state.ray_actor
            self._bridge.places[trial.trial_id] = ray.get(actor.place.remote())

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        result[SHOULD_CHECKPOINT] = self._bridge.saves(trial.trial_id, result)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._bridge.ended(trial)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._bridge.ended(trial)

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        raise StopSearch  # else Tune looks for a snapshot

    def on_checkpoint(
        self, iteration: int, trials: list[Any], trial: Any, checkpoint: Any, **info: Any
    ) -> None:
        self._bridge.proven(trial.trial_id)
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


def _error(trial: Any) -> BaseException | None:
    with suppress(Exception):  # it may not unpickle here
        error: BaseException = cloudpickle.loads(Path(trial.pickled_error_file).read_bytes())
        return error
    return None
