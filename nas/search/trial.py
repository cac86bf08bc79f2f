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
from functools import cache
from pathlib import Path
from typing import Any

import ray
from ray import cloudpickle, tune

from nas.architecture import Architecture
from nas.causes import is_of_machine
from nas.errors import CheckpointError, MachineError, OverBudgetError, TrialFailedError
from nas.importing import add_to_path
from nas.objectives.contract import Objective, TrialConfig, find_on_worker
from nas.objectives.running import Running
from nas.search.budget import Budget, Measurement
from nas.search.pace import PaceWriter
from nas.search.probe import software

CHECKPOINT = "checkpoint.pt"
TRACEBACK_LINES = 20  # of a worker's traceback are kept in the study
SHARED = "--runs must name a folder that all nodes share"


class WorkerError(Exception):
    """What a worker died of, as text: the exception itself may not survive the way to the driver.

    Its first line is the class and the message, the others the end of the traceback.
    """


class NodeError(WorkerError):
    """One that says something of the worker's machine, and nothing of what it trained."""


class Worker(tune.Trainable):
    """One Ray actor. Its config is ``_Bridge.suggest``'s dict: plain data, no URL, no secret."""

    def setup(self, config: dict[str, Any], objective: bytes | None = None) -> None:
        """Called once per process, with the first attempt.

        ``objective`` is one that has no name to be found by, as cloudpickle has it.
        """
        self._sent = objective
        self._running: Running | None = None
        self._measured: Measurement | None = None
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """The next attempt in the same process; False where the one before does not end."""
        if not self._close():
            return False
        self._job = new_config
        self._from = new_config["checkpoint"]
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
            raise _told(error) from None

    def save(self, checkpoint_dir: str | None = None) -> Any:
        """A checkpoint, brought to where the driver finds it.

        Raises:
            WorkerError: the objective's exception.
            NodeError: it cannot be written there, or that is no folder of the driver's.
        """
        try:
            return super().save(checkpoint_dir)
        except WorkerError:
            raise
        except Exception as error:  # of whatever file system that is
            other = "cluster storage" in str(error)  # Tune's, as its marker is not there
            why = "another folder than the driver's" if other else _in_a_line(error)
            said = f"no checkpoint can be kept in {self._job['runs']} ({why}); {SHARED}"
            raise NodeError(_described(MachineError(said))) from None

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Tune keeps what is written into ``checkpoint_dir``."""
        assert self._running is not None, "a checkpoint follows a step"
        try:
            self._running.save(Path(checkpoint_dir) / CHECKPOINT)
            if self._measured is not None:
                self._measured.save(Path(checkpoint_dir))
        except (OSError, CheckpointError) as error:  # this machine's own disk is full, for one
            raise NodeError(_described(error)) from None
        except BaseException as error:
            raise _told(error) from None

    def load_checkpoint(self, checkpoint: dict[str, Any] | str | None) -> None:
        """Tune starts a lost actor again from its last checkpoint."""
        self._from = str(checkpoint)

    def cleanup(self) -> None:
        """Tune has no more attempts for this process."""
        self._close()

    def _begin(self) -> Running:
        job = self._job
        os.environ.update(job["folders"])
        add_to_path(Path(job["folder"]))
        objective = self._objective()
        architecture, config = Architecture.from_dict(job["architecture"]), _config(job)
        resumed = Path(self._from) if self._from is not None and objective.resumes else None
        if resumed and not resumed.exists():  # but the driver saw it
            raise MachineError(f"the checkpoint {resumed} is not there; {SHARED}")
        # measured before anything else is in memory, and once: an attempt that goes on keeps what
        # its first epoch was told
        known = Measurement.load(resumed) if resumed else None
        self._measured = known or Budget(**job["budget"]).measure(architecture, config)
        running = Running(objective, architecture, config)
        own: Any = getattr(running.task, "instance", None)
        if job.get("pace") and hasattr(
            own, "on_batch"
        ):  # else how far it is within an epoch is not known
            own.on_batch = PaceWriter(Path(job["pace"]))
        if resumed:
            running.load(resumed / CHECKPOINT)
        return running

    def _objective(self) -> Objective:
        """That of the job, which the driver could import.

        Raises:
            MachineError: it cannot be here.
        """
        try:
            sent = cloudpickle.loads(self._sent) if self._sent is not None else None
            return find_on_worker(self._job["objective"], self._job["folder"], sent)
        except Exception as error:  # whatever is not installed here
            said = _in_a_line(error)
            raise MachineError(f"the objective is not to be had here ({said})") from None

    def _close(self) -> bool:
        if self._running is not None and not self._running.close():
            return False
        self._running = None
        if "torch" in sys.modules:
            from nas.training.gpu import free_memory

            free_memory()
        return True


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


def _with_measured(result: Mapping[str, Any], measured: Measurement) -> dict[str, Any]:
    """An epoch's result with what was measured before the first one, its conditions as JSON."""
    metrics = {**result.get("metrics", {}), **measured.metrics}
    return {**result, "metrics": metrics, "measured_on": json.dumps(measured.where)}


def _told(error: BaseException) -> WorkerError:
    """An exception of a training, as it travels."""
    return (NodeError if is_of_machine(error) else WorkerError)(_described(error))


def _in_a_line(error: BaseException) -> str:
    """Class and message in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"


def _described(error: BaseException) -> str:
    """Class and message in one line, then the end of the traceback."""
    lines = "".join(traceback.format_exception(error)).rstrip().splitlines()
    return "\n".join([_in_a_line(error), *lines[-TRACEBACK_LINES:]])


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
