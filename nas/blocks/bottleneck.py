"""The ResNeXt block; with one group ResNet's bottleneck."""

from __future__ import annotations

from nas.blocks.spec import BlockSpec, Convolution, Sizes


def _convolutions(stage: Sizes, in_width: int, in_pixels: int, pixels: int) -> list[Convolution]:
    width, inner = stage.width, stage.inner_width
    return [
        (in_width * inner, in_width, inner, in_pixels),  # 1×1, before the stride
        (9 * inner * inner // stage.groups, inner, inner, pixels),  # grouped 3×3, carries it
        (inner * width, inner, width, pixels),  # 1×1
    ]


SPEC = BlockSpec(
    name="bottleneck",
    layers="1×1, grouped 3×3, 1×1",
    keys={"groups": 1, "bottleneck": 1.0, "residual": True},
    convolutions=_convolutions,
    module="nas.network.bottleneck:ResNeXtBlock",
    colour="#de8f05",
    grows=True,
)
