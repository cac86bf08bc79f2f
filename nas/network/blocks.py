"""The blocks that stages are made of: each is its equation, and a row of ``BLOCKS``.

A block computes (N, in_width, H, W) → (N, width, ⌈H/stride⌉, ⌈W/stride⌉). It is described by a
stage, of which it is one element, and by the conventions of its architecture. In the equations bn
is batch normalisation and n×n a convolution; shortcut(x) is x, or bn(1×1(x)) where the stride or
the width changes, or 0 where the stage is not residual.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import relu

from nas.architecture import Stage


class Residual(nn.Module):
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
        super().__init__()
        width = stage.width
        self.preactivation = preactivation
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

    def begin_as_shortcut(self) -> None:
        """Make f 0 through its last layer, so that y is the shortcut until training moves it."""
        # not the norm before a last convolution: relu(0) would pass no gradient, ever
        last = self.conv2 if self.preactivation else self.norm2
        for parameter in last.parameters():
            nn.init.zeros_(parameter)


class ResNeXtBlock(nn.Module):
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
        super().__init__()
        width, inner = stage.width, stage.inner_width
        self.preactivation = preactivation
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

    def begin_as_shortcut(self) -> None:
        """Make f 0 through its last layer, so that y is the shortcut until training moves it."""
        # not the norm before a last convolution: relu(0) would pass no gradient, ever
        last = self.conv3 if self.preactivation else self.norm3
        for parameter in last.parameters():
            nn.init.zeros_(parameter)


class Shortcut(nn.Module):
    """y = f + shortcut(x): f + x, or f + bn(1×1(x)) where the stride or the width changes, or f."""

    def __init__(self, in_width: int, stage: Stage, conv_bias: bool, norm: bool) -> None:
        super().__init__()
        self.residual = stage.residual
        self.projects = stage.projects(in_width)
        self.stride = stage.stride
        # both are there in any case, as TorchScript compiles all of forward; an Identity has no
        # entry in the state
        self.conv: nn.Module = nn.Identity()
        if self.projects:
            self.conv = convolution(in_width, stage.width, 1, bias=conv_bias)
        self.norm = nn.BatchNorm2d(stage.width) if self.projects and norm else nn.Identity()

    def forward(self, f: Tensor, x: Tensor) -> Tensor:
        """(N, width, ⌈H/stride⌉, ⌈W/stride⌉), (N, in_width, H, W) → as f."""
        if self.projects:
            # all that a 1×1 convolution with a stride sees of x; oneDNN 3.13's own backward pass
            # for it, channels last, crashes where in_width is no multiple of 16
            x = x[:, :, :: self.stride, :: self.stride]
            x = self.norm(self.conv(x))
        return f + x if self.residual else f


BLOCKS: dict[str, type[Residual | ResNeXtBlock]] = {
    "basic": Residual,
    "bottleneck": ResNeXtBlock,
}


def convolution(
    in_width: int, width: int, kernel: int, stride: int = 1, groups: int = 1, bias: bool = False
) -> nn.Conv2d:
    """A convolution that keeps the image's size where its stride is 1."""
    return nn.Conv2d(in_width, width, kernel, stride, padding=kernel // 2, groups=groups, bias=bias)
