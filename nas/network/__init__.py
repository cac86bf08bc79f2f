"""Networks: an architecture as a torch module."""

from nas.network.block import Block, block_class
from nas.network.build import Network, build

__all__ = ["Block", "Network", "block_class", "build"]
