"""The blocks that stages are made of, by name: one module here per block, found by itself.

A module describes its block as ``SPEC``; the torch module beside it is in ``nas.network``.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from nas.blocks.spec import NEUTRAL, BlockSpec, Convolution, Sizes

__all__ = ["BLOCKS", "NEUTRAL", "BlockSpec", "Convolution", "Sizes", "takers"]


def _registered() -> dict[str, BlockSpec]:
    """The specification of each module of this package, in the order of their names."""
    blocks: dict[str, BlockSpec] = {}
    for name in sorted(module.name for module in iter_modules(__path__)):
        if name != "spec":
            spec: BlockSpec = import_module(f"{__name__}.{name}").SPEC
            assert spec.name not in blocks, f"two blocks are named {spec.name}"
            blocks[spec.name] = spec
    return blocks


BLOCKS = _registered()


def takers(key: str) -> list[str]:
    """Names of the blocks that take ``key``, such as ``groups``."""
    return [name for name, spec in BLOCKS.items() if key in spec.keys]
