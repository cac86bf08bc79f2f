"""The ResNeXt block; with one group ResNet's bottleneck."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import relu

from nas.architecture import Stage
from nas.network.block import Block, Shortcut, convolution


class ResNeXtBlock(Block):
    """y = relu(f(x) + shortcut(x)), f = 1×1, bn, relu, grouped 3×3 (stride), bn, relu, 1×1, bn.

    With ``preactivation`` y = f(a) + shortcut(x), a = relu(bn(x)), f = 1×1, bn, relu, grouped 3×3
    (stride), bn, relu, 1×1, where a shortcut that projects is 1×1(a).

    d2l's ResNeXtBlock; with one group ResNet's bottleneck, the stride on its 3×3 as in torchvision.
    Xie et al. 2017, arXiv:1611.05431, figure 3 (c).
    """

    def __init__(
        self,
        in_width: int,
        stage: Stage,
        conv_bias: bool = False,
        shortcut_norm: bool = True,
        preactivation: bool = False,
    ) -> None:
        super().__init__(in_width, stage, conv_bias, shortcut_norm, preactivation)
        width, inner = stage.width, stage.inner_width
        self.conv1 = convolution(in_width, inner, 1, bias=conv_bias)
        self.norm1 = nn.BatchNorm2d(in_width if preactivation else inner)
        self.conv2 = convolution(inner, inner, 3, stage.stride, stage.groups, bias=conv_bias)
        self.norm2 = nn.BatchNorm2d(inner)
        self.conv3 = convolution(inner, width, 1, bias=conv_bias)
        self.norm3 = nn.BatchNorm2d(inner if preactivation else width)
        self.shortcut = Shortcut(in_width, stage, conv_bias, shortcut_norm and not preactivation)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_width, H, W) → (N, width, ⌈H/stride⌉, ⌈W/stride⌉)."""
        if self.preactivation:
            a = relu(self.norm1(x))
            f = relu(self.norm2(self.conv1(a)))  # (N, inner, H, W)
            f = relu(self.norm3(self.conv2(f)))  # (N, inner, ⌈H/stride⌉, ⌈W/stride⌉)
            f = self.conv3(f)  # (N, width, ⌈H/stride⌉, ⌈W/stride⌉)
            y: Tensor = self.shortcut(f, a if self.shortcut.projects else x)
            return y
        f = relu(self.norm1(self.conv1(x)))  # (N, inner, H, W)
        f = relu(self.norm2(self.conv2(f)))  # (N, inner, ⌈H/stride⌉, ⌈W/stride⌉)
        f = self.norm3(self.conv3(f))  # (N, width, ⌈H/stride⌉, ⌈W/stride⌉)
        return relu(self.shortcut(f, x))

    def zero_init_residual(self) -> None:
        """See ``Block``."""
        # not the norm before a last convolution: relu(0) would pass no gradient, ever
        last = self.conv3 if self.preactivation else self.norm3
        for parameter in last.parameters():
            nn.init.zeros_(parameter)
