"""What there is to search on, and the defaults that suit it. Knows neither torch nor ray."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nas.errors import ConfigError
from nas.quantity import plural


@dataclass(frozen=True)
class Node:
    """What one machine of a cluster has."""

    cpus: int
    gpus: int

    def slots(self, cpus_per_trial: float, gpus_per_trial: float) -> int:
        """How many trials run on it at once.

        >>> Node(cpus=8, gpus=2).slots(1, 0.4)
        4
        """
        slots = _parts(self.cpus, cpus_per_trial)
        if gpus_per_trial:
            # a trial's share of one GPU cannot come from two
            on_gpus = (
                _parts(1, gpus_per_trial) * self.gpus
                if gpus_per_trial <= 1
                else _parts(self.gpus, gpus_per_trial)
            )
            slots = min(slots, on_gpus)
        return slots


@dataclass(frozen=True)
class Machine:
    """CPU cores and GPUs, of this machine or of a whole cluster."""

    cpus: int
    gpus: int
    name: str = "this machine"
    nodes: tuple[Node, ...] = ()
    """Of a cluster, what each of its nodes has: no trial runs on two."""

    @classmethod
    def here(cls) -> "Machine":
        """The cores that this process may use, and the GPUs that it may see."""
        return cls(_cpus(), _gpus())

    @classmethod
    def of(cls, nodes: Sequence[Node], name: str) -> "Machine":
        """A whole cluster."""
        cpus, gpus = (sum(getattr(node, what) for node in nodes) for what in ("cpus", "gpus"))
        return cls(cpus, gpus, name, tuple(nodes))

    def __str__(self) -> str:
        on = f", {len(self.nodes)} nodes" if self.is_cluster else ""
        return f"{self.name} ({plural(self.cpus, 'CPU')}, {plural(self.gpus, 'GPU')}{on})"

    @property
    def is_cluster(self) -> bool:
        """Whether it is several machines."""
        return len(self.nodes) > 1

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
        nodes = self.nodes or (Node(self.cpus, self.gpus),)
        for option, wanted, unit, most in (
            ("cpus-per-trial", cpus_per_trial, "CPU", max(node.cpus for node in nodes)),
            ("gpus-per-trial", gpus_per_trial, "GPU", max(node.gpus for node in nodes)),
        ):
            if wanted > most and not self.is_cluster:
                raise ConfigError(f"{option} is {wanted:g}, but {self} has fewer")
            if wanted > most:
                raise ConfigError(
                    f"{option} is {wanted:g}, but the largest node of {self} has "
                    f"{plural(most, unit)}, and a trial runs on one node"
                )
        slots = sum(node.slots(cpus_per_trial, gpus_per_trial) for node in nodes)
        if not slots:  # one node has the cores, another one the GPUs
            most = max(node.cpus for node in nodes if node.gpus >= gpus_per_trial)
            raise ConfigError(
                f"cpus-per-trial is {cpus_per_trial:g} and gpus-per-trial {gpus_per_trial:g}, but "
                f"the nodes of {self} with so many GPUs have at most {plural(most, 'CPU')}"
            )
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


@dataclass(frozen=True)
class Address:
    """Where a cluster is said to be, and by what."""

    place: str
    option: str = "address"

    def __str__(self) -> str:
        return f"{self.option} is {self.place!r}"


def cluster_address(given: str | None = None) -> Address | None:
    """The Ray cluster that the option ``address`` names, else ``RAY_ADDRESS``.

    None where Ray is to be started here.
    """
    place, option = given or "", "address"
    if not place:
        place, option = os.environ.get("RAY_ADDRESS", "").strip(), "RAY_ADDRESS"
    return None if place in ("", "local") else Address(place, option)


def check_address(text: str) -> str:
    """The option ``address``, if it can be one.

    Raises:
        ConfigError: it cannot.
    """
    text = text.strip()
    if not text or not text.isprintable() or " " in text:
        raise ConfigError(
            f"{text!r:.60} is no address; accepted: auto, local, or host:port of the head node"
        )
    return text


def _parts(of: float, part: float) -> int:
    """How often ``part`` is contained; Ray counts resources in ten-thousandths."""
    return round(of * 10_000) // max(1, round(part * 10_000))


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
