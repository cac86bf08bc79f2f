"""Published networks by name.

A plain name is the published network for large images, with a 7×7 stem of stride 2 and a max-pool;
``cifar_…`` is its form for small ones, with a 3×3 stem of stride 1 and no pool. For any other such
form: ``replace(preset("resnet34"), stem=SMALL_IMAGE_STEM)``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from nas.architecture import Architecture, Stage, Stem
from nas.errors import ArchitectureError, choose

LARGE_IMAGE_STEM = Stem(64, kernel=7, stride=2, pool=True)
SMALL_IMAGE_STEM = Stem(64)


def preset(name: str) -> Architecture:
    """The architecture called ``name`` in ``PRESETS``.

    Raises:
        ArchitectureError: there is none of that name; the message has the nearest, then all.

    >>> resnet18 = preset("resnet18")
    >>> resnet18.depth, [stage.width for stage in resnet18.stages]
    (8, [64, 128, 256, 512])
    """
    if name not in PRESETS:
        raise ArchitectureError(f"unknown preset {name!r}; {choose(name, PRESETS)}")
    return PRESETS[name]()


def _basic(
    depths: tuple[int, ...],
    widths: tuple[int, ...] = (64, 128, 256, 512),
    stem: Stem = LARGE_IMAGE_STEM,
    conv_bias: bool = False,
    shortcut_norm: bool = True,
    preactivation: bool = False,
) -> Architecture:
    """A ResNet of basic blocks: every stage but the first halves the image."""
    stages = [
        Stage("basic", depth, width, stride=1 if number == 0 else 2)
        for number, (depth, width) in enumerate(zip(depths, widths, strict=True))
    ]
    return Architecture(stem, tuple(stages), conv_bias, shortcut_norm, preactivation)


def _bottleneck(
    depths: tuple[int, ...],
    bottleneck: float = 1 / 4,
    groups: int = 1,
    stem: Stem = LARGE_IMAGE_STEM,
    preactivation: bool = False,
) -> Architecture:
    """A ResNet of bottleneck blocks: every stage but the first halves the image."""
    stages = [
        Stage("bottleneck", depth, width, 1 if width == 256 else 2, groups, bottleneck)
        for depth, width in zip(depths, (256, 512, 1024, 2048), strict=True)
    ]
    return Architecture(stem, tuple(stages), preactivation=preactivation)


def _regnetx(depths: tuple[int, ...], widths: tuple[int, ...], group_width: int) -> Architecture:
    """A RegNetX: no bottleneck, one group width, and every stage halves the image."""
    stages = [
        Stage("bottleneck", depth, width, stride=2, groups=width // group_width)
        for depth, width in zip(depths, widths, strict=True)
    ]
    return Architecture(Stem(32, stride=2), tuple(stages))


PRESETS: dict[str, Callable[[], Architecture]] = {
    # He et al. 2015, arXiv:1512.03385, table 1
    "resnet18": partial(_basic, (2, 2, 2, 2)),
    "resnet34": partial(_basic, (3, 4, 6, 3)),
    "resnet50": partial(_bottleneck, (3, 4, 6, 3)),
    "resnet101": partial(_bottleneck, (3, 4, 23, 3)),
    "resnet152": partial(_bottleneck, (3, 8, 36, 3)),
    # the same, section 4.2, with projecting shortcuts
    "resnet20": partial(_basic, (3, 3, 3), (16, 32, 64), Stem(16)),
    "resnet56": partial(_basic, (9, 9, 9), (16, 32, 64), Stem(16)),
    "cifar_resnet18": partial(_basic, (2, 2, 2, 2), stem=SMALL_IMAGE_STEM),
    # He et al. 2016, arXiv:1603.05027
    "preact_resnet18": partial(_basic, (2, 2, 2, 2), preactivation=True),
    "preact_resnet34": partial(_basic, (3, 4, 6, 3), preactivation=True),
    "preact_resnet50": partial(_bottleneck, (3, 4, 6, 3), preactivation=True),
    "preact_resnet101": partial(_bottleneck, (3, 4, 23, 3), preactivation=True),
    "preact_resnet152": partial(_bottleneck, (3, 8, 36, 3), preactivation=True),
    "cifar_preact_resnet18": partial(
        _basic, (2, 2, 2, 2), stem=SMALL_IMAGE_STEM, preactivation=True
    ),
    # Zagoruyko and Komodakis 2016, arXiv:1605.07146: the inner width doubled
    "wide_resnet50_2": partial(_bottleneck, (3, 4, 6, 3), 1 / 2),
    # Xie et al. 2017, arXiv:1611.05431: 32 groups of 4 and of 8 channels in the first stage
    "resnext50_32x4d": partial(_bottleneck, (3, 4, 6, 3), 1 / 2, groups=32),
    "resnext101_32x8d": partial(_bottleneck, (3, 4, 23, 3), 1.0, groups=32),
    # Dive into Deep Learning, section 8.6: biases, and no norm on the shortcuts
    "d2l_resnet18": partial(_basic, (2, 2, 2, 2), conv_bias=True, shortcut_norm=False),
    # Radosavovic et al. 2020, arXiv:2003.13678. Block j < d of the plan is w0 + wa·j wide, which
    # is rounded to w0·wm^k for a whole k, then to a multiple of 8 and of the group width.
    # (d, w0, wa, wm, group width) = (13, 24, 36.44, 2.49, 8) and (22, 24, 24.48, 2.54, 16); in
    # the latter 24 becomes 32, and 392 becomes 384 as Python rounds 24.5 to 24.
    "regnetx_200mf": partial(_regnetx, (1, 1, 4, 7), (24, 56, 152, 368), 8),
    "regnetx_400mf": partial(_regnetx, (1, 2, 7, 12), (32, 64, 160, 384), 16),
}
