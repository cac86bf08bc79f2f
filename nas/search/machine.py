"""What there is to search on, and the defaults that suit it. Knows neither torch nor ray."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nas.errors import ConfigError
from nas.quantity import plural


@dataclass(frozen=True)
class Machine:
    """CPU cores and GPUs, of this machine or of a whole cluster."""

    cpus: int
    gpus: int
    name: str = "this machine"
    nodes: int = 1

    @classmethod
    def here(cls) -> "Machine":
        """The cores that this process may use, and the GPUs that it may see."""
        return cls(_cpus(), _gpus())

    def __str__(self) -> str:
        return f"{self.name} ({plural(self.cpus, 'CPU')}, {plural(self.gpus, 'GPU')})"

    def defaults(self) -> dict[str, Any]:
        """Options for a first search that ends in minutes.

        On CPUs: a part of the images and a budget of time, so that two cores find a network above
        90 % in less than 8 minutes. On GPUs: all images, more epochs, more trials.
        """
        if self.gpus:
            return {"trials": 64 * self.gpus, "epochs": 8, "gpus_per_trial": 0.25}
        return {
            "trials": 6 * self.cpus,
            "epochs": 4,
            "train_images": 20_000,
            "time_budget": 420.0,
        }

    def slots(self, cpus_per_trial: float, gpus_per_trial: float) -> int:
        """How many trials run at once.

        Raises:
            ConfigError: not one does.
        """
        if cpus_per_trial > self.cpus:
            raise ConfigError(f"cpus-per-trial is {cpus_per_trial:g}, but {self} has fewer")
        if gpus_per_trial > self.gpus:
            raise ConfigError(f"gpus-per-trial is {gpus_per_trial:g}, but {self} has fewer")
        slots = int(self.cpus / cpus_per_trial)
        if gpus_per_trial:
            # a trial's share of one GPU cannot come from two
            on_gpus = (
                int(1 / gpus_per_trial) * self.gpus
                if gpus_per_trial <= 1
                else int(self.gpus / gpus_per_trial)
            )
            slots = min(slots, on_gpus)
        return slots


@dataclass(frozen=True)
class VirtualMachine(Machine):
    """What a search on a table runs on: as many virtual workers as it wants."""

    cpus: int = 10_000
    gpus: int = 0
    name: str = "a virtual machine"
    workers: int = 1
    """Where the search does not say how many."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """The options that the table was trained with."""

    def defaults(self) -> dict[str, Any]:
        """Options for a search on the table; time costs nothing."""
        return {"trials": 100, "concurrency": self.workers, **self.recipe}


def cluster_address() -> str | None:
    """The Ray cluster that ``RAY_ADDRESS`` names; None where Ray is to be started here."""
    address = os.environ.get("RAY_ADDRESS", "").strip()
    return None if address in ("", "local") else address


def _cpus() -> int:
    """Cores of this process' affinity, within the container's quota."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        cores = os.cpu_count() or 1
    try:
        return within_quota(cores, Path("/sys/fs/cgroup/cpu.max").read_text())
    except (OSError, ValueError):
        return cores


def within_quota(cores: int, limit: str) -> int:
    """The whole cores that a container's quota leaves, at least one; ``limit`` as in cpu.max.

    >>> within_quota(8, "250000 100000"), within_quota(8, "max 100000")
    (2, 8)
    """
    quota, period = limit.split()
    return cores if quota == "max" else max(1, min(cores, int(quota) // int(period)))


def _gpus() -> int:
    """NVIDIA GPUs as Ray will count them; asking torch would take seconds."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([entry for entry in visible.split(",") if entry.strip() not in ("", "-1")])
    try:
        listing = subprocess.run(
            ["nvidia-smi", "--list-gpus"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return 0
    return sum(line.startswith("GPU ") for line in listing.stdout.splitlines())
