"""What the torch modules of all blocks have in common, and how one is found.

In the equations of blocks bn is batch normalisation and n×n a convolution; shortcut(x) is x, or
bn(1×1(x)) where the stride or the width changes, or 0 where the stage is not residual.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module

from torch import Tensor, nn

from nas.architecture import Stage
from nas.blocks import BLOCKS
from nas.errors import ArchitectureError, choose


class Block(nn.Module):
    """(N, in_width, H, W) → (N, width, ⌈H/stride⌉, ⌈W/stride⌉), as its equation says.

    Described by the stage that it is one element of, and the conventions of its architecture,
    which all blocks keep: whether convolutions have biases, whether a 1×1 shortcut has a norm, and
    whether norm and ReLU come before a convolution (``preactivation``) or behind it.
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
        self.preactivation = preactivation
        self.residual = stage.residual

    def zero_init_residual(self) -> None:
        """Make f 0 through its last layer, so that y is the shortcut until training moves it.

        Called only on a block that is residual.
        """
        raise NotImplementedError


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


@cache
def block_class(name: str) -> type[Block]:
    """The torch module of a block.

    Raises:
        ArchitectureError: there is no block of that name.
    """
    if name not in BLOCKS:
        raise ArchitectureError(f"unknown block {name!r}; {choose(name, BLOCKS)}")
    home, _, class_name = BLOCKS[name].module.partition(":")
    found: type[Block] = getattr(import_module(home), class_name)
    return found


def convolution(
    in_width: int, width: int, kernel: int, stride: int = 1, groups: int = 1, bias: bool = False
) -> nn.Conv2d:
    """A convolution that keeps the image's size where its stride is 1."""
    return nn.Conv2d(in_width, width, kernel, stride, padding=kernel // 2, groups=groups, bias=bias)
