"""Between Ray Tune and the searcher: Tune's trial ids on one side, our attempts on the other."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

# isort: off
import nas.search.ray_settings  # noqa: F401 - before ray, which reads some of what it sets

# isort: on
import ray
from ray import cloudpickle
from ray.tune.experiment import Trial
from ray.tune.search import Searcher as TuneSearcher

from nas.data.cache import told_folders
from nas.quantity import format_duration
from nas.search.asking import host_of
from nas.search.budget import Budget
from nas.search.checkpoints import Checkpoints, attempt_folder
from nas.search.cluster import what_it_has
from nas.search.job import Job
from nas.search.jobs import CODE
from nas.search.losses import Loss, is_there, loss_of, node_of, place_of
from nas.search.nodes import Nodes
from nas.search.pace import Paces
from nas.search.placement import Shares
from nas.search.searcher import Searcher
from nas.search.stores import is_remote, tune_path

POLL_SECONDS = 1.0  # between looks at trials that other drivers run
FURTHER = "metrics/"
# Tune keeps every trial that it ran, 0.1 MB each: after so many, another Tuner goes on.
TRIALS_OF_A_TUNER = 400
CLEAR_SECONDS = 5.0  # between looks at what trials that ended left on disk


class StopSearch(BaseException):
    """Raised inside Tune's loop to leave it at once; actors die with our connection.

    Its message is the reason; there is none where the study is finished.
    """


class Bridge:
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
