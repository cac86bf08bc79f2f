"""Growth as a schedule: from which epoch on a training goes on with which larger network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from nas.architecture import Architecture
from nas.errors import ArchitectureError, ConfigError
from nas.nested.order import contains
from nas.quantity import whole

KEYS = {"epoch", "architecture"}


@dataclass(frozen=True, slots=True)
class Growth:
    """Epoch ``epoch``, counted from 1, is the first that the larger network trains for."""

    epoch: int
    architecture: Architecture

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {"epoch": self.epoch, "architecture": self.architecture.to_dict()}


def read_growth(given: object) -> tuple[Growth, ...] | None:
    """A schedule from what a config has for it: a list of mappings, or none.

    Raises:
        ConfigError: it is no such list, its epochs do not rise from 2 or more, or an architecture
            does not contain the one before it.
    """
    if given is None:
        return None
    if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
        raise _mistake(f"is {given!r:.60}; it must be a list of mappings with epoch, architecture")
    steps = tuple(_step(number, one) for number, one in enumerate(given))
    for number, (before, step) in enumerate(pairwise(steps), start=1):
        if step.epoch <= before.epoch:
            raise _mistake(f"epochs {before.epoch} and {step.epoch} do not rise")
        check_growth(before.architecture, step, number)
    return steps or None


def check_growth(architecture: Architecture, step: Growth, number: int = 0) -> None:
    """Refuse a step that ``architecture`` cannot grow by.

    Raises:
        ConfigError: the message has the reason.
    """
    if reason := contains(step.architecture, architecture).reason:
        raise _mistake(f"{number}.architecture does not contain the one before it: {reason}")


def half_as_deep(architecture: Architecture) -> Architecture:
    """The network with half of the blocks in each stage, rounded up; it is contained in train mode.

    Raises:
        ConfigError: it is not, or no stage has two blocks.

    >>> from nas.presets import preset
    >>> [stage.depth for stage in half_as_deep(preset("resnet20")).stages]
    [2, 2, 2]
    """
    stages = [replace(stage, depth=-(-stage.depth // 2)) for stage in architecture.stages]
    half = replace(architecture, stages=tuple(stages))
    if half.key == architecture.key:
        raise ConfigError("grow-during: no stage of this network has two blocks; leave it out")
    if reason := contains(architecture, half).reason:
        raise ConfigError(
            f"grow-during: this network does not contain the one of half as many blocks: {reason}; "
            "leave it out"
        )
    return half


def _step(number: int, given: object) -> Growth:
    if isinstance(given, Growth):
        given = given.to_dict()
    if not isinstance(given, Mapping) or given.keys() != KEYS:
        raise _mistake(f"{number} is {given!r:.60}; it must be a mapping with epoch, architecture")
    epoch, architecture = whole(given["epoch"]), given["architecture"]
    if epoch is None or epoch < 2:
        said = f"{given['epoch']!r:.60}"
        raise _mistake(f"{number}.epoch is {said}; it must be a whole number above 1")
    try:
        if not isinstance(architecture, Architecture):
            architecture = Architecture.from_dict(architecture)
    except ArchitectureError as error:
        raise _mistake(f"{number}.architecture: {error}") from None
    return Growth(epoch, architecture)


def _mistake(text: str) -> ConfigError:
    joint = "." if text[0].isdigit() else " "
    return ConfigError(f"training: growth{joint}{text}")
