"""What one stage may be, as arrays: widths, ties and orders, and the exact cost behind any input.

The cost of a stage is linear in the width of its input, but where the shortcut is the identity. So
four numbers for each option (``slope``, ``base``, ``same``, the output ``width``) hold the cost for
every network that the stage may be in. They come from ``nas.cost``, by asking it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nas.architecture import Architecture, Stage, Stem, strided
from nas.cost import Cost, cost_of_parts, head_cost, stem_cost
from nas.errors import ArchitectureError
from nas.space.domains import Value
from nas.space.stages import FACTORS, StageSequences

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
Size: TypeAlias = tuple[int, int]  # height and width of an image

MAX_OPTIONS = 300_000  # of one stage, all keys together


class TooLargeError(Exception):
    """A space with more options than arrays are good for."""


@dataclass(frozen=True)
class Meter:
    """How much of one measure each part of a network has."""

    measure: str  # depth, params, macs, activations
    input_shape: tuple[int, int, int]
    num_classes: int
    flags: Mapping[str, bool]  # conv_bias, shortcut_norm, preactivation

    def stem(self, stem: Stem) -> tuple[int, Size]:
        """Its amount, and the size of the image behind it.

        Raises:
            ArchitectureError: nothing of the image is left.
        """
        size = stem.output_size(self.input_shape[1:])
        flags = (self.flags["conv_bias"], self.flags["preactivation"])
        return self._measured(stem_cost(stem, self.input_shape, *flags)), size

    def stage(self, stage: Stage, in_width: int, size: Size) -> int:
        """Its amount, behind ``in_width`` channels of an image of ``size``."""
        if self.measure == "depth":
            return stage.depth
        network = Architecture(Stem(in_width), (stage,), **self.flags)
        return self._measured(cost_of_parts(network, (1, *size), self.num_classes)[1])

    def head(self, width: int) -> int:
        """The amount of the head behind ``width`` channels."""
        return self._measured(head_cost(width, self.num_classes, self.flags["preactivation"]))

    def _measured(self, cost: Cost) -> int:
        amount: int = 0 if self.measure == "depth" else getattr(cost, self.measure)
        return amount


@dataclass(frozen=True)
class StageTable:
    """All options of one stage at one size of its input; every array has an entry for each."""

    factors: Sequence[Sequence[Mapping[str, Value]]]  # option (i, j, …) is their union
    weight: Floats  # of all options together 1, also where some are left out
    width: Ints  # of the output
    slope: Ints
    base: Ints
    same: Ints  # the amount behind an input of the stage's own width
    keys: Mapping[str, Floats]  # the setting's values of keys that ties and orders are about
    size: Ints  # of the output, as an index of ``sizes``
    sizes: Sequence[Size]
    left: Ints  # the options that leave a pixel of the image

    def amount(self, options: Ints, in_width: int) -> Ints:
        """Of the measure, behind an input of ``in_width``."""
        linear = self.slope[options] * in_width + self.base[options]
        same: Ints = np.where(self.width[options] == in_width, self.same[options], linear)
        return same

    def values(self, option: int) -> dict[str, Value]:
        """The setting of one option."""
        places = np.unravel_index(option, [len(factor) for factor in self.factors])
        found: dict[str, Value] = {}
        for factor, place in zip(self.factors, places, strict=True):
            found.update(factor[int(place)])
        return found


def stage_table(sequences: StageSequences, number: int, size: Size, meter: Meter) -> StageTable:
    """The table of stage ``number``; the last stage's amounts have the head's in them.

    Raises:
        TooLargeError: it would have more than ``MAX_OPTIONS`` entries.
    """
    layers = [list(sequences.options(number, keys, weighted=True)) for keys in FACTORS]
    shape = tuple(len(layer) for layer in layers)
    if np.prod(shape, dtype=float) > MAX_OPTIONS:
        raise TooLargeError
    factors = [[dict(option.values) for option in layer] for layer in layers]
    widths, depths, strides, residuals = factors
    weight = np.ones(1)
    for layer in layers:
        total = sum(option.weight for option in layer)
        weight = np.multiply.outer(weight, [option.weight / total for option in layer])
    sizes, reached = _sizes(size, [int(values["stride"]) for values in strides])
    last = number == len(sequences.knobs) - 1
    amounts = np.zeros((4, len(widths), len(strides), len(residuals)), np.int64)
    known: dict[Stage, tuple[int, int, int, int]] = {}
    built = []
    for i, values in enumerate(widths):
        built.append(sequences.build_one(number, {"depth": 1, **values}))
        for j, stride in enumerate(strides):
            for k, residual in enumerate(residuals):
                if reached[j] >= 0:
                    rest: dict[str, Any] = stride | residual
                    stage = replace(built[-1], **rest)
                    if stage not in known:
                        known[stage] = _linear(stage, size, meter, last)
                    amounts[:, i, j, k] = known[stage]
    slope, base, same, more = amounts[:, :, None]
    depth = np.array([int(values["depth"]) for values in depths])[None, :, None, None]
    grid = np.indices(shape)
    size_after = np.array(reached)[grid[2]].ravel()
    keys = {}
    for key in (*sequences.relations.tied, *sequences.relations.order):
        for axis, factor in enumerate(factors):
            if key in factor[0]:
                values_of = np.array([float(values[key]) for values in factor])
                keys[key] = values_of[grid[axis]].ravel()
    return StageTable(
        factors,
        weight.ravel(),
        np.array([stage.width for stage in built])[grid[0]].ravel(),
        np.broadcast_to(slope, shape).ravel(),
        (base + (depth - 1) * more).ravel(),
        (same + (depth - 1) * more).ravel(),
        keys,
        size_after,
        sizes,
        np.flatnonzero(size_after >= 0),
    )


def _linear(stage: Stage, size: Size, meter: Meter, last: bool) -> tuple[int, int, int, int]:
    """Slope, base, the amount behind the stage's own width, and that of each further block."""
    head = meter.head(stage.width) if last else 0
    first, second = [width for width in (1, 2, 3) if width != stage.width][:2]
    one, two = meter.stage(stage, first, size), meter.stage(stage, second, size)
    slope = (two - one) // (second - first)
    same = meter.stage(stage, stage.width, size)
    deeper = meter.stage(replace(stage, depth=2), first, size)
    return slope, one - slope * first + head, same + head, deeper - one


def _sizes(size: Size, strides: Sequence[int]) -> tuple[list[Size], list[int]]:
    """The sizes behind some strides, and which of them each stride reaches; -1 for none."""
    sizes: list[Size] = []
    reached = []
    for stride in strides:
        try:
            after = strided("stage", size, stride)
        except ArchitectureError:
            reached.append(-1)
            continue
        if after not in sizes:
            sizes.append(after)
        reached.append(sizes.index(after))
    return sizes, reached
