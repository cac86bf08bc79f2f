"""What is to be known of a block without torch: its keys, validity, cost, words and colour."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

# One convolution of a block: weights, channels that it reads, channels and pixels that it writes.
Convolution: TypeAlias = tuple[int, int, int, int]

# The keys of a stage that a block may do without, and their values in a stage of such a block.
NEUTRAL: Mapping[str, int | float | bool] = {"groups": 1, "bottleneck": 1.0, "residual": False}


class Sizes(Protocol):
    """The sizes of a stage: all that the validity and the cost of its blocks depend on."""

    @property
    def width(self) -> int:
        """Output channels."""

    @property
    def inner_width(self) -> int:
        """round(width × bottleneck)."""

    @property
    def groups(self) -> int:
        """They divide the inner width."""


def _accept(stage: Sizes) -> None:
    """Any sizes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BlockSpec:
    """A block, as files, costs, reports and messages know it."""

    name: str
    """What a stage's ``block`` is."""

    layers: str
    """In a few words, for editors of space files: ``two 3×3``."""

    keys: Mapping[str, int | float | bool]
    """Which of ``NEUTRAL`` it takes, with the values of a stage that says nothing. A block with
    ``groups`` takes ``group_width`` in a space file, too."""

    convolutions: Callable[[Sizes, int, int, int], Sequence[Convolution]]
    """(stage, in_width, in_pixels, pixels) → those of one block, in order, without the shortcut's.

    Each has one norm: behind it, or before it with preactivation. Weights and channels are linear
    in ``in_width``: draws under limits (``nas.space.draw``) count on it.
    """

    module: str
    """Where its torch module is: ``package.module:Class``, a ``nas.network.block.Block``."""

    colour: str
    """Of its slabs in drawings, as ``#rrggbb``."""

    check: Callable[[Sizes], str | None] = _accept
    """What is wrong with sizes that the block cannot have, in words; None where nothing is."""

    grows: bool = False
    """Whether ``nas.nested`` knows how one block lies in a larger one: its torch module has conv1,
    conv2, … with norm1, norm2, …; the first reads the input, the last writes the output, and what
    lies between has the inner width, in ``groups`` groups where a convolution is grouped."""

    defaults: Mapping[str, int | float | bool] = field(init=False)
    """All of ``NEUTRAL`` in a stage that says nothing."""

    lacks: Mapping[str, int | float | bool] = field(init=False)
    """Those of ``NEUTRAL`` that it does not take."""

    def __post_init__(self) -> None:
        assert self.keys.keys() <= NEUTRAL.keys(), f"{self.name}: keys are {', '.join(NEUTRAL)}"
        lacks = {key: neutral for key, neutral in NEUTRAL.items() if key not in self.keys}
        object.__setattr__(self, "lacks", lacks)
        object.__setattr__(self, "defaults", {**NEUTRAL, **self.keys})
