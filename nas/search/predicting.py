"""Latencies before training: a network's time as the sum of those of its parts, measured once.

``nas latency build`` measures the blocks of a space on a device, fits what the sum leaves out on
some whole networks, and tries the prediction on others. The table is a file in the user's cache:
it is of a machine, as no study is.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from nas.architecture import Architecture
from nas.data.cache import cache_root
from nas.errors import StorageError
from nas.quantity import SECONDS, with_unit
from nas.search.config import SearchConfig
from nas.search.machine import Machine
from nas.search.parts import Part, pieces
from nas.space import SearchSpace
from nas.space.limits import Rule, Violation
from nas.study.provenance import gpus, processor

FORMAT = 1  # of a table: part of its name, so that another version leaves it alone
AROUND = ("name", "description", "parent", "limits", "training")  # of a space: not its blocks


@dataclass(frozen=True)
class Conditions:
    """What a table holds for: another device, batch or number of threads has other times."""

    space: str
    """Hash of the space without its limits."""
    input_shape: tuple[int, int, int]
    num_classes: int
    device: str
    """Kind and model."""
    batch: int = 1
    threads: int = 1
    precision: str = "float32"

    @classmethod
    def of(cls, space: SearchSpace, device: str, batch: int, threads: int) -> Conditions:
        """Those of a space's networks; its limits leave its blocks as they are."""
        content = {key: value for key, value in space.to_dict().items() if key not in AROUND}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(text.encode()).hexdigest()
        return cls(digest, space.input_shape, space.num_classes, device, batch, threads)

    @property
    def path(self) -> Path:
        """Where the table is, if there is one."""
        text = json.dumps([FORMAT, asdict(self)], sort_keys=True)
        return cache_root() / "latency" / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"


@dataclass(frozen=True)
class Errors:
    """How the prediction did on networks that it was not fitted on."""

    networks: int
    median: float
    """Of the absolute errors, fractions of what was measured."""
    most: float
    """What nine in ten of them are below."""
    rank: float
    """Spearman's correlation of predictions and measurements."""
    rank_of_macs: float
    """That of multiply-accumulates alone, which need no table."""


@dataclass(frozen=True)
class Prediction:
    """Of one network."""

    seconds: float
    outside: str | None
    """Why the table does not hold for it, in a clause, if it does not."""

    def __str__(self) -> str:
        """``2.1 ms``, and where that holds for nothing, why."""
        time = with_unit(self.seconds, SECONDS)
        return time if self.outside is None else f"{time}, outside its range: {self.outside}"


@dataclass(frozen=True)
class LatencyTable:
    """Measured parts, and what they say of networks."""

    conditions: Conditions
    seconds: Mapping[str, float]
    """By the name of a part."""
    rules: Mapping[str, tuple[float, ...]]
    """By family: seconds per unit of ``Part.sizes``, for parts that were not measured."""
    largest: Mapping[str, tuple[float, ...]]
    """By family: the largest sizes that were measured."""
    offset: float
    """Seconds of a network beside its parts."""
    scale: float
    """By which their sum is multiplied: parts that follow each other are not parts alone."""
    range: tuple[float, float]
    """The shortest and the longest time of the networks that it was fitted on."""
    errors: Errors
    about: Mapping[str, Any] = field(default_factory=dict)
    """Torch's version, when it was measured, how long that took."""

    def predict(self, architecture: Architecture) -> Prediction:
        """The time of a forward pass.

        >>> table = LatencyTable.load(conditions)  # doctest: +SKIP
        >>> print(table.predict(space.sample(0)))  # doctest: +SKIP
        2.1 ms
        """
        total, outside = 0.0, None
        shape, classes = self.conditions.input_shape, self.conditions.num_classes
        for key, parts in pieces(architecture, shape, classes):
            if key not in self._known:
                self._known[key] = self._sum(parts())
            seconds, beyond = self._known[key]
            total, outside = total + seconds, outside or beyond
        time = self.offset + self.scale * total
        shortest, longest = self.range
        if not shortest <= time <= longest:
            spelled = f"{with_unit(shortest, SECONDS)} to {with_unit(longest, SECONDS)}"
            outside = f"it was fitted on networks of {spelled}"
        return Prediction(time, outside)

    def is_above(self, architecture: Architecture, most: float) -> Prediction | None:
        """The prediction, where it is above ``most`` seconds by more than its error: what nine in
        ten networks were within. None where it is not, or does not hold."""
        found = self.predict(architecture)
        beyond = found.seconds > self.range[1]  # too slow to be known is slow
        if found.outside is not None and not beyond:
            return None
        return found if found.seconds > most * (1 + self.errors.most) else None

    def rule(self, most: float) -> Rule:
        """That no network ``is_above`` so many seconds, for ``SearchSpace.refusing``."""

        def above(architecture: Architecture) -> Violation | None:
            found = self.is_above(architecture, most)
            if found is None:
                return None
            bound, said = with_unit(most, SECONDS), with_unit(found.seconds, SECONDS)
            message = f"max-latency is {bound} but this network is predicted to have {said}"
            return Violation("max-latency", message, found.seconds, said)

        return above

    def save(self) -> Path:
        """Write it where ``load`` looks; whole or not at all."""
        path = self.conditions.path
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".part")
        beside.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")
        beside.replace(path)
        return path

    @classmethod
    def load(cls, conditions: Conditions) -> LatencyTable | None:
        """The one for these conditions on this machine, if it was built.

        Raises:
            StorageError: it cannot be read.
        """
        try:
            stored = json.loads(conditions.path.read_text(encoding="utf-8"))
            return cls(
                conditions,
                seconds={str(name): float(time) for name, time in stored["seconds"].items()},
                rules={name: tuple(rule) for name, rule in stored["rules"].items()},
                largest={name: tuple(sizes) for name, sizes in stored["largest"].items()},
                offset=float(stored["offset"]),
                scale=float(stored["scale"]),
                range=tuple(stored["range"]),
                errors=Errors(**stored["errors"]),
                about=stored["about"],
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StorageError(
                f"{conditions.path} is no table of latencies ({type(error).__name__}); delete it, "
                "or measure again: nas latency build"
            ) from None

    @cached_property
    def _known(self) -> dict[Hashable, tuple[float, str | None]]:
        """Seconds of the pieces of networks, and what of each is beyond what was measured."""
        return {}

    def _sum(self, parts: Sequence[Part]) -> tuple[float, str | None]:
        found = [self._look_up(part) for part in parts]
        beyond = (outside for _, outside in found if outside)
        return sum(seconds for seconds, _ in found), next(beyond, None)

    def _look_up(self, part: Part) -> tuple[float, str | None]:
        name = part.name
        if name in self.seconds:
            return self.seconds[name], None
        if part.family not in self.rules:
            return 0.0, f"no {part.family} was measured"
        sizes = part.sizes()
        seconds = sum(a * b for a, b in zip(self.rules[part.family], sizes, strict=True))
        largest = zip(sizes, self.largest[part.family], strict=True)
        beyond = any(size > most for size, most in largest)
        return seconds, f"{name} is larger than what was measured" if beyond else None


def within_prediction(
    space: SearchSpace, config: SearchConfig, machine: Machine
) -> tuple[SearchSpace, str | None]:
    """The part of ``space`` to propose from, and a sentence on the table that narrows it; all of it
    where there is no budget of time, or no table for the device of the trials.

    Raises:
        StorageError: the table cannot be read.
    """
    device = _device(config)
    if config.max_latency is None or device is None or machine.is_cluster:
        return space, None
    table = LatencyTable.load(Conditions.of(space, device, config.latency_batch, 1))
    if table is None:
        return space, None
    bound = with_unit(config.max_latency, SECONDS)
    measured = str(table.about.get("measured", ""))[:10]
    return space.refusing(table.rule(config.max_latency)), (
        f"Networks that are predicted to be above {bound} by more than "
        f"{100 * table.errors.most:.0f} % are not proposed; measured on {device}, {measured}."
    )


def _device(config: SearchConfig) -> str | None:
    """Kind and model of what trials train on, without loading torch; None where that is not
    known."""
    if config.gpus_per_trial and config.device in ("auto", "cuda"):
        names = {name.rpartition(", ")[0] for name in gpus()}
        return f"cuda {names.pop()}" if len(names) == 1 else None
    on_cpu = config.device == "cpu" or (config.device == "auto" and sys.platform != "darwin")
    return f"cpu {processor()}".strip() if on_cpu else None
