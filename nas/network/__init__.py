"""Networks: an architecture as a torch module."""

from nas.network.blocks import BLOCKS, Residual, ResNeXtBlock
from nas.network.build import Network, build

__all__ = ["BLOCKS", "Network", "ResNeXtBlock", "Residual", "build"]
