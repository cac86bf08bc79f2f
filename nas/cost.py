"""Parameters, multiply-accumulates and activations of an architecture, in closed form.

No network is built: a stage is its first block plus depth − 1 equal ones, and a block is a handful
of convolutions, so one call takes microseconds and a sampler can afford it for every draw.

Convention (pycls' complexity, torchvision's num_params): ``macs`` counts convolutions and the
linear layer, and one per output element where they have a bias; norms, activations, pools and the
residual addition count nothing. ``activations`` are the output elements of every convolution, of
the stem's max-pool and of the linear layer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from nas.architecture import Architecture, Stage, check_positive

# One convolution as (weights, output width, output pixels, how often it occurs).
_Conv = tuple[int, int, int, int]


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
    return sum(cost_of_parts(architecture, input_shape, num_classes), Cost(0, 0, 0))


def cost_of_parts(
    architecture: Architecture,
    input_shape: tuple[int, int, int] = (1, 28, 28),
    num_classes: int = 10,
) -> tuple[Cost, ...]:
    """Cost of the stem, of each stage and of the head; their sum is ``cost``.

    The norm before a preactivation network's pool belongs to the head.
    """
    (num_classes,) = check_positive("head", num_classes=num_classes)
    stem, preactivation = architecture.stem, architecture.preactivation
    pixels = [height * width for height, width in architecture.resolutions(input_shape)]
    channels, *sides = check_positive("input", **dict(zip("chw", input_shape, strict=True)))
    before_pool = prod(-(-side // stem.stride) for side in sides)
    weights = stem.kernel**2 * channels * stem.width
    parts = [
        _total(
            [(weights, stem.width, before_pool, 1)],
            normed=0 if preactivation else stem.width,
            bias=architecture.conv_bias,
            pooled=stem.width * pixels[0] if stem.pool else 0,
        )
    ]
    in_width = stem.width
    for number, stage in enumerate(architecture.stages):
        convs = _stage_convs(stage, in_width, pixels[number], pixels[number + 1])
        normed = _stage_normed(stage, in_width, architecture.shortcut_norm, preactivation)
        parts.append(_total(convs, normed, architecture.conv_bias))
        in_width = stage.width
    linear = (in_width * num_classes, num_classes, 1, 1)
    parts.append(_total([linear], normed=in_width if preactivation else 0, bias=True))
    return tuple(parts)


def _stage_convs(stage: Stage, in_width: int, in_pixels: int, pixels: int) -> list[_Conv]:
    """The first block's convolutions, those of the depth − 1 others, and the shortcut's."""
    width, inner, rest = stage.width, stage.inner_width, stage.depth - 1
    if stage.block == "basic":
        convs = [
            (9 * in_width * width, width, pixels, 1),  # 3×3, carries the stride
            (9 * width * width, width, pixels, 1 + 2 * rest),  # 3×3, as both of the others are
        ]
    else:
        convs = [
            (in_width * inner, inner, in_pixels, 1),  # 1×1, before the stride
            (width * inner, inner, pixels, rest),  # 1×1 of the other blocks
            (9 * inner * inner // stage.groups, inner, pixels, 1 + rest),  # grouped 3×3
            (inner * width, width, pixels, 1 + rest),  # 1×1
        ]
    if stage.projects(in_width):
        convs.append((in_width * width, width, pixels, 1))
    return convs


def _stage_normed(stage: Stage, in_width: int, shortcut_norm: bool, preactivation: bool) -> int:
    """Channels of all norms of a stage: one after each convolution, or before each of f's."""
    inner = stage.width if stage.block == "basic" else 2 * stage.inner_width
    if preactivation:
        return in_width + (stage.depth - 1) * stage.width + stage.depth * inner
    shortcut = stage.width if shortcut_norm and stage.projects(in_width) else 0
    return shortcut + stage.depth * (inner + stage.width)


def _total(convs: Iterable[_Conv], normed: int, bias: bool, pooled: int = 0) -> Cost:
    """Cost of ``convs``, of norms over ``normed`` channels and of ``pooled`` outputs."""
    params, macs, activations = 2 * normed, 0, pooled  # a norm scales and shifts each channel
    for weights, width, pixels, times in convs:
        numbers = weights + width if bias else weights
        params += times * numbers
        macs += times * pixels * numbers
        activations += times * pixels * width
    return Cost(params, macs, activations)
