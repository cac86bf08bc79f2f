"""The objective of nas itself: the space's networks learn to classify the images of a data set."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.architecture import Architecture
from nas.data import open_dataset
from nas.errors import DataError
from nas.objectives.contract import TrialConfig
from nas.training.config import TrainingConfig

if TYPE_CHECKING:
    import torch

    from nas.data import Dataset
    from nas.training.loop import OnBatch

NUMERICS = ("precision", "channels_last")  # of a result: how it was computed, no metrics


class Classification:
    """``nas.training.Training`` as an objective: validation accuracy, resumed to the bit."""

    def __init__(self, architecture: Architecture, config: TrialConfig) -> None:
        import torch  # the worker alone pays for it

        from nas.training import Training
        from nas.training.gpu import start_device

        torch.set_num_threads(config.threads)
        device = start_device(config.device, config.gpus)
        dataset = _images(config.dataset, config.data, config.input_shape, config.resize)
        if dataset.fingerprint != config.fingerprint:  # a file that was changed, or other nodes'
            raise DataError(
                f"the images here are {dataset.fingerprint[:12]}, those of the study "
                f"{str(config.fingerprint)[:12]}"
            )
        training = TrainingConfig.from_dict(config.training)
        self.training = Training(architecture, training, dataset, str(device))
        self.numerics: str | None = None
        """Precision and memory layout, once an epoch was trained."""

    @property
    def on_batch(self) -> OnBatch | None:
        """Called after each batch with the epoch, its images so far, and how many it has."""
        return self.training.on_batch

    @on_batch.setter
    def on_batch(self, told: OnBatch | None) -> None:
        self.training.on_batch = told

    @property
    def device(self) -> torch.device:
        """Where it trains."""
        return self.training.device

    def epoch(self) -> dict[str, Any]:
        """The metrics of one more epoch."""
        result = self.training.epoch().to_dict()
        precision, channels_last = (result.pop(name) for name in NUMERICS)
        layout = "channels last" if channels_last == "on" else "channels first"
        self.numerics = f"{precision}, {layout}"
        return result

    def save(self, path: Path) -> None:
        """Write a checkpoint."""
        self.training.save(path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint."""
        self.training.load(path)

    def inherit(self, path: Path) -> None:
        """Begin with the weights in the checkpoint of a network that this one contains."""
        self.training.inherit(path)


@lru_cache(maxsize=1)
def _images(name: str, folder: str | None, shape: tuple[int, int, int], resize: bool) -> Dataset:
    """The data set, read once per process: a worker trains many networks."""
    return open_dataset(name, folder=folder, input_shape=shape, resize=resize)
