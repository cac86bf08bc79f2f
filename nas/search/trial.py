"""All that a worker executes: a dict in, one dict per epoch out.

Tune keeps the worker's process and hands it one attempt after another (importing torch anew would
cost seconds each time), so nothing of an attempt may outlive it but data that was read.
"""

import json
import os
import platform
import socket
import sys
import traceback
import uuid
from collections.abc import Mapping
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import ray
from ray import cloudpickle, tune

from nas.architecture import Architecture
from nas.causes import is_of_machine
from nas.errors import (
    CheckpointError,
    MachineError,
    OverBudgetError,
    TrialFailedError,
    in_a_line,
)
from nas.importing import add_to_path
from nas.objectives.contract import Objective, TrialConfig, find_on_worker
from nas.objectives.running import Running
from nas.search.budget import Budget, Measurement
from nas.search.pace import PaceWriter
from nas.search.probe import software
from nas.search.stores import CHECKPOINT, Saved, digest_of, saved_place
from nas.study.storage_url import SECRETS

DIGEST = "nas_digest"  # of a checkpoint's file, as an attribute of what Tune knows of it
TRACEBACK_LINES = 20  # of a worker's traceback are kept in the study
SHARED = "--runs must name a folder that all nodes share"


class WorkerError(Exception):
    """What a worker died of, as text: the exception itself may not survive the way to the driver.

    Its first line is the class and the message, the others the end of the traceback.
    """


class NodeError(WorkerError):
    """One that says something of the worker's machine, and nothing of what it trained."""


class Worker(tune.Trainable):
    """One Ray actor. Its config is ``Bridge.suggest``'s dict: plain data, no URL, no secret."""

    def setup(self, config: dict[str, Any], objective: bytes | None = None) -> None:
        """Called once per process, with the first attempt.

        ``objective`` is one that has no name to be found by, as cloudpickle has it.
        """
        for name in SECRETS:  # of the node's environment: what is trained needs none
            os.environ.pop(name, None)
        self._sent = objective
        self._running: Running | None = None
        self._measured: Measurement | None = None
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """The next attempt in the same process; False where the one before does not end."""
        if not self._close():
            return False
        self._job = new_config
        noted = new_config["checkpoint"]
        self._from = Saved.read(noted) if noted else None
        weights = new_config.get("weights")
        self._weights = Saved.read(weights) if weights else None
        self._execution = uuid.uuid4().hex  # tells one run of an attempt from another
        return True

    def place(self) -> tuple[str, str]:
        """Where it is: Ray's id of the node, and address/process, for people."""
        address, process = self.get_current_ip_pid()  # type: ignore[no-untyped-call]
        return ray.get_runtime_context().get_node_id(), f"{address}/{process}"

    def step(self) -> dict[str, Any]:
        """One epoch. A trial that cannot go on says why; any other exception ends the process.

        Raises:
            WorkerError: the exception.
        """
        try:
            if self._running is None:  # here, as Tune's driver watches over steps
                self._running = self._begin()
            result = self._running.epoch()
            if self._measured is not None:
                result = _with_measured(result, self._measured)
            where = {**_where(self._running), "software": _software()}
            return {**result, **where, "execution": self._execution}
        except OverBudgetError as error:
            return {"failure": str(error), "over_budget": True, "execution": self._execution}
        except TrialFailedError as error:
            return {"failure": str(error), "execution": self._execution}
        except BaseException as error:  # a function of a user may raise any
            if _is_out_of_memory(error):
                self._running = None  # with all that it holds
                failure = " ".join(str(error).split())[:300]
                return {
                    "failure": failure, "out_of_memory": True, "execution": self._execution
                }  # fmt: skip
            raise _told(error) from None

    def save(self, checkpoint_dir: str | None = None) -> Any:
        """A checkpoint, brought to where the driver finds it, with the digest of what was written.

        Raises:
            WorkerError: the objective's exception.
            NodeError: it cannot be written there, or that is no folder of the driver's.
        """
        try:
            saved = super().save(checkpoint_dir)
        except WorkerError:
            raise
        except Exception as error:  # of whatever file system that is
            other = "cluster storage" in str(error)  # Tune's, as its marker is not there
            why = "another folder than the driver's" if other else in_a_line(error)
            said = f"no checkpoint can be kept in {self._job['runs']} ({why}); {SHARED}"
            raise NodeError(_described(MachineError(said))) from None
        setattr(saved.checkpoint, DIGEST, self._digest)
        return saved

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Tune keeps what is written into ``checkpoint_dir``."""
        assert self._running is not None, "a checkpoint follows a step"
        try:
            file = Path(checkpoint_dir) / CHECKPOINT
            self._running.save(file)
            self._digest = digest_of(file)
            if self._measured is not None:
                self._measured.save(Path(checkpoint_dir))
        except (OSError, CheckpointError) as error:  # this machine's own disk is full, for one
            raise NodeError(_described(error)) from None
        except BaseException as error:
            raise _told(error) from None

    def restore(self, checkpoint_path: Any) -> None:
        """Tune starts a lost actor again from its last checkpoint, which ``save`` returned."""
        super().restore(checkpoint_path)
        self._from = noted_of(self._job["runs"], checkpoint_path.checkpoint)

    def load_checkpoint(self, checkpoint: dict[str, Any] | str | None) -> None:
        """Nothing: it is read when the attempt begins."""

    def cleanup(self) -> None:
        """Tune has no more attempts for this process."""
        self._close()

    def _begin(self) -> Running:
        job = self._job
        os.environ.update(job["folders"])
        add_to_path(self._folder)
        objective = self._objective()
        architecture, config = Architecture.from_dict(job["architecture"]), _config(job)
        goes_on = self._from if objective.resumes else None
        if goes_on and not goes_on.exists(job["runs"]):  # but the driver saw it
            raise MachineError(f"the checkpoint {goes_on.place} is not there; {SHARED}")
        begins = goes_on or self._weights
        with begins.fetched(job["runs"]) if begins else nullcontext() as found:
            # measured before anything else is in memory, and once: an attempt that goes on keeps
            # what its first epoch was told
            known = Measurement.load(found) if found and goes_on else None
            self._measured = known or Budget(**job["budget"]).measure(architecture, config)
            running = Running(objective, architecture, config)
            own: Any = getattr(running.task, "instance", None)
            # else how far it is within an epoch is not known
            if job.get("pace") and hasattr(own, "on_batch"):
                own.on_batch = PaceWriter(Path(job["pace"]))
            if found and goes_on:
                running.load(found / CHECKPOINT)
            elif found:
                running.inherit(found / CHECKPOINT)
        return running

    @property
    def _folder(self) -> Path:
        """Where modules of the user's are: where the driver was, or what was sent."""
        return Path(self._job["folder"] or Path.cwd())

    def _objective(self) -> Objective:
        """That of the job, which the driver could import.

        Raises:
            MachineError: it cannot be here.
        """
        try:
            sent = cloudpickle.loads(self._sent) if self._sent is not None else None
            return find_on_worker(self._job["objective"], self._folder, sent)
        except Exception as error:  # whatever is not installed here
            said = in_a_line(error)
            raise MachineError(f"the objective is not to be had here ({said})") from None

    def _close(self) -> bool:
        if self._running is not None and not self._running.close():
            return False
        self._running = None
        if "torch" in sys.modules:
            from nas.training.gpu import free_memory

            free_memory()
        return True


def noted_of(runs: str, checkpoint: tune.Checkpoint) -> Saved:
    """Where one that ``Worker.save`` returned is, and what."""
    return Saved(saved_place(runs, checkpoint.path), getattr(checkpoint, DIGEST))


def _config(job: Mapping[str, Any]) -> TrialConfig:
    return TrialConfig.of(
        job["training"],
        dataset=job["dataset"],
        data=job["data"],
        resize=job["resize"],
        input_shape=tuple(job["input_shape"]),
        num_classes=job["num_classes"],
        fingerprint=job["fingerprint"],
        device=job["device"],
        threads=max(1, int(job["cpus"])),
        gpus=job["gpus"],
        trial=job["trial"],
    )


def _is_out_of_memory(error: BaseException) -> bool:
    """Whether a GPU's memory was all taken."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(error, torch.OutOfMemoryError)


def _with_measured(result: Mapping[str, Any], measured: Measurement) -> dict[str, Any]:
    """An epoch's result with what was measured before the first one, its conditions as JSON."""
    metrics = {**result.get("metrics", {}), **measured.metrics}
    return {**result, "metrics": metrics, "measured_on": json.dumps(measured.where)}


def _told(error: BaseException) -> WorkerError:
    """An exception of a training, as it travels."""
    return (NodeError if is_of_machine(error) else WorkerError)(_described(error))


def _described(error: BaseException) -> str:
    """Class and message in one line, then the end of the traceback."""
    lines = "".join(traceback.format_exception(error)).rstrip().splitlines()
    return "\n".join([in_a_line(error), *lines[-TRACEBACK_LINES:]])


@cache
def _software() -> str:
    """This process's, as JSON."""
    return json.dumps(software())


def _where(running: Running) -> dict[str, str]:
    """Host, process and device, as the study records them; and the numerics, where it says so."""
    own = getattr(running.task, "instance", None)
    device = str(getattr(own, "device", None) or ("cuda" if running.config.gpus else "cpu"))
    where = {"host": f"{socket.gethostname()}/{os.getpid()}", "device": _named(device)}
    numerics = getattr(own, "numerics", None)
    return {**where, "numerics": str(numerics)} if numerics else where


def _named(device: str) -> str:
    name = platform.processor() or platform.machine()
    if device.startswith("cuda"):
        import torch

        if torch.cuda.is_available():
            name = torch.cuda.get_device_name(device)
    return f"{device} {name}".strip()
