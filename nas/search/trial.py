"""All that a worker executes: a dict in, one dict per epoch out.

Tune keeps the worker's process and hands it one attempt after another (importing torch anew would
cost seconds each time), so nothing of an attempt may outlive it but the images.
"""

import json
import os
import platform
import socket
import traceback
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from ray import tune

from nas.architecture import Architecture
from nas.errors import TrialFailedError
from nas.faults import misbehaving
from nas.search.synthetic import Synthetic
from nas.training.config import TrainingConfig

CHECKPOINT = "checkpoint.pt"
TRACEBACK_LINES = 20  # of a worker's traceback are kept in the study


class WorkerError(Exception):
    """What a worker died of, as text: the exception itself may not survive the way to the driver.

    Its first line is the class and the message, the others the end of the traceback.
    """


class Objective(Protocol):
    """What can be trained epoch by epoch."""

    def epoch(self) -> Any:
        """Train one more epoch; a dict of metrics, or something with ``to_dict``."""

    def save(self, path: Path) -> None:
        """Write a checkpoint."""

    def load(self, path: Path) -> None:
        """Go on from a checkpoint."""


class Worker(tune.Trainable):
    """One Ray actor. Its config is ``job_to_config``'s dict: plain data, no URL, no secret."""

    def setup(self, config: dict[str, Any]) -> None:
        """Called once per process, with the first attempt."""
        self._images: dict[str, Any] = {}  # data sets, by what names them
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """The next attempt in the same process."""
        self._job = new_config
        self._from = new_config["checkpoint"]
        self._objective: Objective | None = None
        self._execution = uuid.uuid4().hex  # tells one run of an attempt from another
        return True

    def step(self) -> dict[str, Any]:
        """One epoch. A trial that cannot go on says why; any other exception ends the process.

        Raises:
            WorkerError: the exception.
        """
        try:
            if self._objective is None:  # here, as Tune's driver watches over steps
                self._objective = self._begin()
            result = self._objective.epoch()
        except TrialFailedError as error:
            return {"failure": str(error), "execution": self._execution}
        except Exception as error:
            raise WorkerError(_described(error)) from None
        metrics = result if isinstance(result, dict) else result.to_dict()
        if "precision" in metrics:
            layout = "channels last" if metrics["channels_last"] == "on" else "channels first"
            metrics["numerics"] = f"{metrics['precision']}, {layout}"
        return {**metrics, **self._where, "execution": self._execution}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Tune keeps what is written into ``checkpoint_dir``."""
        assert self._objective is not None, "a checkpoint follows a step"
        self._objective.save(Path(checkpoint_dir) / CHECKPOINT)

    def load_checkpoint(self, checkpoint: dict[str, Any] | str | None) -> None:
        """Tune starts a lost actor again from its last checkpoint."""
        self._from = str(checkpoint)

    def _begin(self) -> Objective:
        objective = OBJECTIVES[self._job["objective"]](self._job, self._images)
        self._where = _where(objective)
        if self._from is not None:
            objective.load(Path(self._from) / CHECKPOINT)
        return objective


def _fashion_mnist(config: Mapping[str, Any], images: dict[str, Any]) -> Objective:
    import torch  # the worker alone pays for it

    from nas.data import open_dataset
    from nas.training import Training

    torch.set_num_threads(max(1, int(config["cpus"])))
    device = config["device"]
    if device == "auto" and torch.cuda.is_available() and not config["gpus"]:
        device = "cpu"  # a GPU that Ray has not given to this trial is another one's
    key = json.dumps([config[name] for name in ("dataset", "data", "input_shape", "resize")])
    if key not in images:
        images[key] = open_dataset(
            config["dataset"],
            folder=config["data"],
            input_shape=tuple(config["input_shape"]),
            resize=config["resize"],
        )
    dataset = images[key]
    if dataset.fingerprint != config["fingerprint"]:  # of a file that was changed, or other nodes'
        raise TrialFailedError(
            f"the images here are {dataset.fingerprint[:12]}, those of the study "
            f"{config['fingerprint'][:12]}"
        )
    return Training(
        Architecture.from_dict(config["architecture"]),
        TrainingConfig.from_dict(config["training"]),
        dataset,
        device,
    )


def _synthetic(config: Mapping[str, Any], _: dict[str, Any]) -> Objective:
    training = TrainingConfig.from_dict(config["training"])
    objective = Synthetic(Architecture.from_dict(config["architecture"]), training)
    return misbehaving(objective, config["trial"])


OBJECTIVES: dict[str, Callable[[Mapping[str, Any], dict[str, Any]], Objective]] = {
    "fashion_mnist": _fashion_mnist,
    "synthetic": _synthetic,
}


def _described(error: Exception) -> str:
    """Class and message in one line, then the end of the traceback."""
    message = " ".join(str(error).split())[:500]
    lines = "".join(traceback.format_exception(error)).rstrip().splitlines()
    return "\n".join([f"{type(error).__name__}: {message}", *lines[-TRACEBACK_LINES:]])


def _where(objective: Objective) -> dict[str, str]:
    """Host, process and device, as the study records them."""
    device = getattr(objective, "device", "cpu")
    name = platform.processor() or platform.machine()
    if getattr(device, "type", "cpu") == "cuda":
        import torch

        name = torch.cuda.get_device_name(device)
    return {"host": f"{socket.gethostname()}/{os.getpid()}", "device": f"{device} {name}".strip()}
