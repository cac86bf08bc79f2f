"""One network as plain data: a stem, stages of equal blocks, a linear head.

``Architecture`` is what a design space contains, what crosses processes (as a dict) and what a
study stores (as JSON, under its ``key``). It is valid from birth and knows nothing of torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from typing import Any

from nas.blocks import BLOCKS, BlockSpec, takers
from nas.errors import ArchitectureError, choose
from nas.quantity import plain, whole

STEM_KERNELS = (3, 7)
LARGEST = 1_000_000  # no size of a real network is above it, and every product of sizes is exact
_OF_BLOCK: Any = ...  # stands for the value that the block has where a stage says nothing


@dataclass(frozen=True, slots=True)
class Stem:
    """A ``kernel``×``kernel`` convolution to ``width`` channels, then, if ``pool``, a 3×3 max-pool
    of stride 2."""

    width: int
    kernel: int = 3
    stride: int = 1
    pool: bool = False

    def __post_init__(self) -> None:
        _settle_sizes(self, "stem", "width", "stride")
        _settle_flags(self, "stem", "pool")
        kernel = whole(self.kernel)
        if kernel not in STEM_KERNELS:
            raise ArchitectureError(f"stem: kernel is {self.kernel!r}; accepted: 3, 7")
        object.__setattr__(self, "kernel", kernel)

    def __str__(self) -> str:
        """As a person reads it: ``7×7 to 64, stride 2, max-pool``."""
        stride = f", stride {self.stride}" if self.stride > 1 else ""
        return f"{self.kernel}×{self.kernel} to {self.width}{stride}{', max-pool' * self.pool}"

    def output_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """(height, width) behind it, for an image of ``size``.

        Raises:
            ArchitectureError: nothing of the image is left.
        """
        size = strided("stem", size, self.stride)
        return strided("stem.pool", size, 2) if self.pool else size


@dataclass(frozen=True, slots=True)
class Stage:
    """``depth`` blocks of ``width`` output channels; the first block carries the ``stride``.

    ``block`` is a name in ``nas.blocks``. ``basic`` is d2l's Residual: two 3×3 convolutions.
    ``bottleneck`` is the ResNeXt block: 1×1, 3×3 in ``groups`` groups, 1×1, with an inner width of
    round(width × ``bottleneck``). A key that a block does not take has its neutral value.
    """

    block: str
    depth: int
    width: int
    stride: int = 1
    groups: int = _OF_BLOCK
    bottleneck: float = _OF_BLOCK
    residual: bool = _OF_BLOCK

    def __post_init__(self) -> None:
        spec = BLOCKS.get(self.block) if isinstance(self.block, str) else None
        if spec is None:
            raise ArchitectureError(f"unknown block {self.block!r}; {choose(self.block, BLOCKS)}")
        for key, value in spec.defaults.items():
            if getattr(self, key) is _OF_BLOCK:
                object.__setattr__(self, key, value)
        _settle_sizes(self, "stage", "depth", "width", "stride", "groups")
        _settle_flags(self, "stage", "residual")
        multiplier = plain(self.bottleneck)
        if isinstance(multiplier, bool) or not isinstance(multiplier, int | float):
            raise ArchitectureError(f"stage: bottleneck is {multiplier!r}, not a number")
        if not 0 < multiplier <= LARGEST:
            raise ArchitectureError(
                f"stage: bottleneck is {multiplier!r}; accepted: above 0, up to {LARGEST}"
            )
        object.__setattr__(self, "bottleneck", float(multiplier))
        _check_keys(self, spec)
        if self.inner_width < 1:
            raise ArchitectureError(
                f"stage: inner width round({self.width} × {multiplier}) is below 1"
            )
        if self.inner_width % self.groups:
            raise ArchitectureError(
                f"stage: inner width {self.inner_width} is not divisible by groups {self.groups}"
            )
        if wrong := spec.check(self):
            raise ArchitectureError(f"stage: {wrong}")

    def __str__(self) -> str:
        """As a person reads it: ``3 × bottleneck 256, inner 128 in 32 groups, stride 2``."""
        keys = BLOCKS[self.block].keys
        inner = f", inner {self.inner_width}" if "bottleneck" in keys else ""
        groups = f" in {self.groups} groups" if self.groups > 1 else ""
        stride = f", stride {self.stride}" if self.stride > 1 else ""
        plain = ", no residual" if "residual" in keys and not self.residual else ""
        return f"{self.depth} × {self.block} {self.width}{inner}{groups}{stride}{plain}"

    @property
    def inner_width(self) -> int:
        """Channels of the 3×3 convolution: round(width × bottleneck), as d2l rounds it."""
        return round(self.width * self.bottleneck)

    def projects(self, in_width: int) -> bool:
        """Whether the first block's shortcut is a 1×1 convolution rather than the identity."""
        return self.residual and (self.stride != 1 or in_width != self.width)


@dataclass(frozen=True, slots=True)
class Architecture:
    """Stem, stages, and a head of global average pool and linear layer.

    Raises:
        ArchitectureError: the description is no network; the message names the part.
    """

    stem: Stem
    stages: tuple[Stage, ...]
    conv_bias: bool = False  # d2l's convolutions have biases
    shortcut_norm: bool = True  # d2l's Residual has no norm on its 1×1 shortcut
    preactivation: bool = False  # He et al. 2016 v2 (arXiv:1603.05027): norm, ReLU, convolution

    def __post_init__(self) -> None:
        object.__setattr__(self, "stages", tuple(self.stages))
        if not isinstance(self.stem, Stem):
            raise ArchitectureError(f"stem is {self.stem!r}, not a Stem")
        for stage in self.stages:
            if not isinstance(stage, Stage):
                raise ArchitectureError(f"stages contain {stage!r}, not a Stage")
        if not self.stages:
            raise ArchitectureError("an architecture has at least one stage")
        _settle_flags(self, "architecture", "conv_bias", "shortcut_norm", "preactivation")

    @classmethod
    def from_dict(cls, description: Mapping[str, Any]) -> Architecture:
        """The inverse of ``to_dict``; keys with a default may be left out, others not."""
        rest = _known(description, cls, "architecture")
        stages = rest.pop("stages")
        if isinstance(stages, str | Mapping) or not hasattr(stages, "__iter__"):
            raise ArchitectureError(f"stages is {stages!r}, not a list of stages")
        stem = Stem(**_known(rest.pop("stem"), Stem, "stem"))
        return cls(stem, tuple(_stage(i, stage) for i, stage in enumerate(stages)), **rest)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types with every default written out."""
        return {
            "stem": asdict(self.stem),
            "stages": [asdict(stage) for stage in self.stages],
            "conv_bias": self.conv_bias,
            "shortcut_norm": self.shortcut_norm,
            "preactivation": self.preactivation,
        }

    def __str__(self) -> str:
        """One line per part, then the conventions that differ from the defaults."""
        stages = (f"stages.{number}: {stage}" for number, stage in enumerate(self.stages))
        conventions = {
            "biases": self.conv_bias,
            "no norm on shortcuts": not self.shortcut_norm,
            "preactivation": self.preactivation,
        }
        named = ", ".join(name for name, holds in conventions.items() if holds)
        return "\n".join([f"stem: {self.stem}", *stages, *([named] if named else [])])

    @property
    def key(self) -> str:
        """SHA-256 of the canonical JSON, 64 hex digits: equal networks have equal keys."""
        text = json.dumps(self._canonical().to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def depth(self) -> int:
        """Blocks in all stages together."""
        return sum(stage.depth for stage in self.stages)

    def input_widths(self) -> tuple[int, ...]:
        """Channels that enter each stage."""
        return (self.stem.width, *(stage.width for stage in self.stages[:-1]))

    def resolutions(self, input_shape: tuple[int, int, int]) -> tuple[tuple[int, int], ...]:
        """(height, width) after the stem and after each stage, for images of (C, H, W).

        Raises:
            ArchitectureError: a part with a stride would shrink the image below 1 pixel, or the
                input's shape is not of positive whole numbers.
        """
        if len(input_shape) != 3:
            raise ArchitectureError(
                f"input: shape is {input_shape!r}; accepted: (channels, height, width)"
            )
        _, height, width = check_positive(
            "input", **dict(zip(("channels", "height", "width"), input_shape, strict=True))
        )
        sizes = [self.stem.output_size((height, width))]
        for number, stage in enumerate(self.stages):
            sizes.append(strided(f"stages.{number}", sizes[-1], stage.stride))
        return tuple(sizes)

    def _canonical(self) -> Architecture:
        """The one description among all those of the same network."""
        stages: list[Stage] = []
        for stage in self.stages:
            # 0.33 and 0.34 of width 4 are the same inner width
            exact = replace(stage, bottleneck=stage.inner_width / stage.width)
            last = stages[-1] if stages else None
            if last and exact == replace(last, depth=exact.depth, stride=1):
                stages[-1] = replace(last, depth=last.depth + exact.depth)
            else:
                stages.append(exact)
        widths = self.input_widths()
        projected = any(s.projects(w) for s, w in zip(self.stages, widths, strict=True))
        normed = self.shortcut_norm or self.preactivation or not projected
        return replace(self, stages=tuple(stages), shortcut_norm=normed)


def strided(name: str, size: tuple[int, int], stride: int) -> tuple[int, int]:
    """The size behind an odd kernel of ``stride`` with padding (kernel − 1)/2.

    Raises:
        ArchitectureError: it would be below 1 pixel; the message names the part.
    """
    if stride > min(size):
        raise ArchitectureError(
            f"{name} (stride {stride}) shrinks its {size[0]}×{size[1]} input below 1 pixel"
        )
    return (-(-size[0] // stride), -(-size[1] // stride))


def _known(description: object, kind: Any, name: str) -> dict[str, Any]:
    """``description`` as keyword arguments of ``kind``; unknown and missing keys are refused."""
    if not isinstance(description, Mapping):
        raise ArchitectureError(f"{name} is {description!r}, not a mapping")
    known = {field.name: field for field in fields(kind)}
    for key in description:
        if key not in known:
            raise ArchitectureError(f"{name}: unknown key {key!r}; {choose(key, known)}")
    for key, field in known.items():
        if key not in description and field.default is MISSING:
            raise ArchitectureError(f"{name}: {key} is missing")
    return dict(description)


def _stage(number: int, description: object) -> Stage:
    """A stage from its dict; errors say which one it is."""
    try:
        return Stage(**_known(description, Stage, "stage"))
    except ArchitectureError as error:
        text = str(error).removeprefix("stage: ")
        raise ArchitectureError(f"stages.{number}: {text}") from None


def _check_keys(stage: Stage, spec: BlockSpec) -> None:
    """Refuse a value of a key that the block does not take."""
    for key, neutral in spec.lacks.items():
        if getattr(stage, key) != neutral:
            raise ArchitectureError(
                f"stage: a {spec.name} block has no {' and no '.join(spec.lacks)}; leave {key} "
                f"out, or use a block that takes it: {', '.join(takers(key))}"
            )


def check_positive(part: str, **values: object) -> tuple[int, ...]:
    """The values as Python's integers: NumPy's are whole numbers, too, and so is 2.0.

    Raises:
        ArchitectureError: one is no whole number from 1 to ``LARGEST``; it names the ``part``.
    """
    numbers = []
    for name, value in values.items():
        number = whole(value)
        if number is None:
            raise ArchitectureError(f"{part}: {name} is {value!r}, not a whole number")
        if not 1 <= number <= LARGEST:
            raise ArchitectureError(f"{part}: {name} is {number}; accepted: 1 to {LARGEST}")
        numbers.append(number)
    return tuple(numbers)


def _settle_sizes(owner: Stem | Stage, part: str, *names: str) -> None:
    """Check sizes of a frozen object, and keep them as Python's integers."""
    sizes = check_positive(part, **{name: getattr(owner, name) for name in names})
    for name, size in zip(names, sizes, strict=True):
        object.__setattr__(owner, name, size)


def _settle_flags(owner: Stem | Stage | Architecture, part: str, *names: str) -> None:
    """Check switches of a frozen object, and keep them as Python's booleans."""
    for name in names:
        flag = plain(getattr(owner, name))
        if type(flag) is not bool:
            raise ArchitectureError(f"{part}: {name} is {flag!r}; accepted: true, false")
        object.__setattr__(owner, name, flag)
