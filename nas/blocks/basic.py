"""ResNet's basic block."""

from __future__ import annotations

from nas.blocks.spec import BlockSpec, Convolution, Sizes


def _convolutions(stage: Sizes, in_width: int, in_pixels: int, pixels: int) -> list[Convolution]:
    width = stage.width
    return [
        (9 * in_width * width, in_width, width, pixels),  # 3×3, carries the stride
        (9 * width * width, width, width, pixels),  # 3×3
    ]


SPEC = BlockSpec(
    name="basic",
    layers="two 3×3",
    keys={"residual": True},
    convolutions=_convolutions,
    module="nas.network.basic:Residual",
    colour="#0173b2",
    grows=True,
)
