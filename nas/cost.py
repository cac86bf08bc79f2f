"""Parameters, multiply-accumulates and activations of an architecture, in closed form.

No network is built: a stage is its first block plus depth − 1 equal ones, and a block is a handful
of convolutions (``nas.blocks``): one call takes microseconds, and a sampler can afford it for every
draw.

Convention (pycls' complexity, torchvision's num_params): ``macs`` counts convolutions and the
linear layer, and one per output element where they have a bias; norms, activations, pools and the
residual addition count nothing. ``activations`` are the output elements of every convolution, of
the stem's max-pool and of the linear layer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from nas.architecture import Architecture, Stage, Stem, check_positive
from nas.blocks import BLOCKS, Convolution


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one network, or one part of it, and one image."""

    params: int  # trainable numbers: weights, biases, and two per normalised channel
    macs: int  # multiply-accumulates of one forward pass
    activations: int  # output elements of convolutions, stem pool and linear layer

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.params + other.params,
            self.macs + other.macs,
            self.activations + other.activations,
        )


def cost(
    architecture: Architecture,
    input_shape: tuple[int, int, int] = (1, 28, 28),
    num_classes: int = 10,
) -> Cost:
    """Cost of the whole network for one image of ``input_shape`` = (channels, height, width).

    Raises:
        ArchitectureError: a stride would shrink the image below 1 pixel, or a size is no positive
            whole number.

    >>> from nas import preset
    >>> cost(preset("resnet18"), input_shape=(3, 224, 224), num_classes=1000)
    Cost(params=11689512, macs=1814074344, activations=2685416)
    """
    params = macs = activations = 0
    for part in cost_of_parts(architecture, input_shape, num_classes):
        params += part.params
        macs += part.macs
        activations += part.activations
    return Cost(params, macs, activations)


def cost_of_parts(
    architecture: Architecture,
    input_shape: tuple[int, int, int] = (1, 28, 28),
    num_classes: int = 10,
) -> tuple[Cost, ...]:
    """Cost of the stem, of each stage and of the head; their sum is ``cost``.

    The norm before a preactivation network's pool belongs to the head.
    """
    (num_classes,) = check_positive("head", num_classes=num_classes)
    pixels = [height * width for height, width in architecture.resolutions(input_shape)]
    channels, height, width = check_positive("input", **dict(zip("chw", input_shape, strict=True)))
    bias, preactivation = architecture.conv_bias, architecture.preactivation
    parts = [stem_cost(architecture.stem, (channels, height, width), bias, preactivation)]
    in_width = architecture.stem.width
    for number, stage in enumerate(architecture.stages):
        parts.append(_stage(stage, in_width, pixels[number], pixels[number + 1], architecture))
        in_width = stage.width
    return (*parts, head_cost(in_width, num_classes, preactivation))


def stem_cost(
    stem: Stem,
    input_shape: tuple[int, int, int],
    conv_bias: bool = False,
    preactivation: bool = False,
) -> Cost:
    """Cost of a stem alone, for an image that it leaves something of."""
    channels, *sides = input_shape
    before_pool = prod(-(-side // stem.stride) for side in sides)
    behind_pool = prod(-(-side // (2 * stem.stride)) for side in sides) if stem.pool else 0
    numbers = stem.kernel**2 * channels * stem.width + (stem.width if conv_bias else 0)
    norm = 0 if preactivation else 2 * stem.width
    outputs = stem.width * (before_pool + behind_pool)
    return Cost(numbers + norm, before_pool * numbers, outputs)


def head_cost(width: int, num_classes: int, preactivation: bool = False) -> Cost:
    """Cost of a head alone, behind ``width`` channels."""
    linear = (width + 1) * num_classes
    norm = 2 * width if preactivation else 0
    return Cost(linear + norm, linear, num_classes)


def _stage(
    stage: Stage, in_width: int, in_pixels: int, pixels: int, architecture: Architecture
) -> Cost:
    """The first block, the depth − 1 others, and the shortcut that projects."""
    convolutions = BLOCKS[stage.block].convolutions
    bias, preactivation = architecture.conv_bias, architecture.preactivation
    first = convolutions(stage, in_width, in_pixels, pixels)
    params, macs, activations = _block(first, bias, preactivation)
    width, more = stage.width, stage.depth - 1
    if more:
        other = _block(convolutions(stage, width, pixels, pixels), bias, preactivation)
        params += more * other[0]
        macs += more * other[1]
        activations += more * other[2]
    if stage.projects(in_width):
        numbers = in_width * width + (width if bias else 0)
        params += numbers + (2 * width if architecture.shortcut_norm and not preactivation else 0)
        macs += pixels * numbers
        activations += pixels * width
    return Cost(params, macs, activations)


def _block(
    convolutions: Iterable[Convolution], bias: bool, preactivation: bool
) -> tuple[int, int, int]:
    """A block's convolutions, each with its norm, which scales and shifts every channel."""
    params = macs = activations = 0
    for weights, reads, writes, pixels in convolutions:
        numbers = weights + writes if bias else weights
        params += numbers + 2 * (reads if preactivation else writes)
        macs += pixels * numbers
        activations += pixels * writes
    return params, macs, activations
