"""Budgets that are measured: what of a network a trial's worker measures before it trains it.

The worker measures on the device that the trial trains on, and a network above a budget is not
trained. What was measured travels with each epoch, as the metrics of ``MEASURED``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.architecture import Architecture
from nas.errors import OverBudgetError
from nas.objectives.contract import TrialConfig
from nas.quantity import BYTES, SECONDS, with_unit
from nas.study.provenance import processor
from nas.training.config import TrainingConfig

if TYPE_CHECKING:
    import torch

    from nas.search.config import SearchConfig

MEASURED = ("latency", "latency_spread", "memory")  # seconds, seconds, bytes
ABOVE = " is above max-"  # of every reason why a network was not trained
FILE = "measured.json"  # beside a checkpoint: what was measured before its first epoch


@dataclass(frozen=True)
class Budget:
    """What is measured of each network, and the most that it may be."""

    latency: bool = False
    """Whether the time of a forward pass is measured."""
    memory: bool = False
    """Whether the memory of a training step is."""
    max_latency: float | None = None
    """Seconds."""
    max_memory: int | None = None
    """Bytes."""
    batch: int = 1
    """Images of the forward pass."""

    @classmethod
    def of(cls, config: SearchConfig) -> Budget:
        """What a search asks for."""
        return cls(
            latency=config.max_latency is not None or "latency" in config.minimize,
            memory=config.max_memory is not None or "memory" in config.minimize,
            max_latency=config.max_latency,
            max_memory=config.max_memory,
            batch=config.latency_batch,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, by field."""
        return asdict(self)

    def __str__(self) -> str:
        """``max-latency 2 ms, max-memory 64 MB``, or empty where there is no bound."""
        said = []
        if self.max_latency is not None:
            batch = f" for {self.batch} images at a time" if self.batch > 1 else ""
            said.append(f"max-latency {with_unit(self.max_latency, SECONDS)}{batch}")
        if self.max_memory is not None:
            said.append(f"max-memory {with_unit(self.max_memory, BYTES)}")
        return ", ".join(said)

    def measure(self, architecture: Architecture, config: TrialConfig) -> Measurement | None:
        """What is asked for, measured here; None where nothing is.

        Raises:
            OverBudgetError: it is above a budget.
            MachineError: the trial's device cannot be used here.
        """
        if not (self.latency or self.memory):
            return None
        import torch  # the worker alone pays for it

        from nas.training.gpu import start_device
        from nas.training.latency import PRECISION, THREADS, measure_latencies
        from nas.training.memory import training_memory

        device = start_device(config.device, config.gpus)
        shape, classes = config.input_shape, config.num_classes
        metrics: dict[str, float] = {}
        where: dict[str, Any] = {"device": device_name(device), "torch": str(torch.__version__)}
        if self.latency:
            (found,) = measure_latencies(
                [architecture], shape, classes, batch=self.batch, device=device
            )
            metrics |= {"latency": found.seconds, "latency_spread": found.spread}
            where |= {"batch": self.batch, "threads": THREADS, "precision": PRECISION}
            self._refuse("latency", found.seconds, self.max_latency, SECONDS)
        if self.memory:
            training = TrainingConfig.from_dict(config.training)
            memory = training_memory(architecture, training, device, shape, classes)
            metrics["memory"] = memory
            where["memory_of"] = f"a training step of {training.batch_size} images"
            self._refuse("memory", memory, self.max_memory, BYTES)
        return Measurement(metrics, where)

    @staticmethod
    def _refuse(name: str, value: float, most: float | None, units: Mapping[str, Any]) -> None:
        if most is not None and value > most:
            found, bound = with_unit(value, units), with_unit(most, units)
            raise OverBudgetError(f"{name} {found}{ABOVE}{name} {bound}")


@dataclass(frozen=True)
class Measurement:
    """What was measured of one network, and where and how."""

    metrics: Mapping[str, float]
    """By the names of ``MEASURED``, those that were asked for."""
    where: Mapping[str, Any]
    """The device, and of the latency batch, threads and precision; torch's version."""

    def save(self, folder: Path) -> None:
        """Write it beside a checkpoint."""
        (folder / FILE).write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, folder: Path) -> Measurement | None:
        """The one beside a checkpoint, if it is there."""
        try:
            return cls(**json.loads((folder / FILE).read_text()))
        except FileNotFoundError:
            return None


def device_name(device: torch.device) -> str:
    """Kind and model, as measurements are stored with: ``cpu Intel(R) Xeon(R) …``."""
    if device.type == "cuda":
        import torch

        return f"cuda {torch.cuda.get_device_name(device)}"
    return f"{device.type} {processor()}".strip()
