"""ResNet's basic block."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import relu

from nas.architecture import Stage
from nas.network.block import Block, Shortcut, convolution


class Residual(Block):
    """y = relu(f(x) + shortcut(x)), f = 3×3 (stride), bn, relu, 3×3, bn.

    With ``preactivation`` y = f(a) + shortcut(x), a = relu(bn(x)), f = 3×3 (stride), bn, relu,
    3×3, where a shortcut that projects is 1×1(a).

    d2l's Residual. He et al. 2015, arXiv:1512.03385, figure 5 left; with preactivation He et al.
    2016, arXiv:1603.05027, figure 4 (e).
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
        width = stage.width
        self.conv1 = convolution(in_width, width, 3, stage.stride, bias=conv_bias)
        self.norm1 = nn.BatchNorm2d(in_width if preactivation else width)
        self.conv2 = convolution(width, width, 3, bias=conv_bias)
        self.norm2 = nn.BatchNorm2d(width)
        self.shortcut = Shortcut(in_width, stage, conv_bias, shortcut_norm and not preactivation)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_width, H, W) → (N, width, ⌈H/stride⌉, ⌈W/stride⌉)."""
        if self.preactivation:
            a = relu(self.norm1(x))
            f = relu(self.norm2(self.conv1(a)))  # (N, width, ⌈H/stride⌉, ⌈W/stride⌉)
            f = self.conv2(f)
            y: Tensor = self.shortcut(f, a if self.shortcut.projects else x)
            return y
        f = relu(self.norm1(self.conv1(x)))  # (N, width, ⌈H/stride⌉, ⌈W/stride⌉)
        f = self.norm2(self.conv2(f))
        return relu(self.shortcut(f, x))

    def zero_init_residual(self) -> None:
        """See ``Block``."""
        # not the norm before a last convolution: relu(0) would pass no gradient, ever
        last = self.conv2 if self.preactivation else self.norm2
        for parameter in last.parameters():
            nn.init.zeros_(parameter)
