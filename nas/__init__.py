"""Search and compare neural-architecture design spaces.

The public names, resolved on first use: ``import nas`` loads neither torch nor ray.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nas.architecture import Architecture, Stage, Stem
    from nas.cost import Cost, cost
    from nas.errors import NasError
    from nas.network import build, summary
    from nas.presets import preset
    from nas.space import SearchSpace
    from nas.training import TrainingConfig, fit

_HOMES = {
    "Architecture": "nas.architecture",
    "Cost": "nas.cost",
    "NasError": "nas.errors",
    "SearchSpace": "nas.space",
    "Stage": "nas.architecture",
    "Stem": "nas.architecture",
    "TrainingConfig": "nas.training",
    "build": "nas.network",
    "cost": "nas.cost",
    "fit": "nas.training",
    "preset": "nas.presets",
    "summary": "nas.network",
}

__all__ = [
    "Architecture",
    "Cost",
    "NasError",
    "SearchSpace",
    "Stage",
    "Stem",
    "TrainingConfig",
    "build",
    "cost",
    "fit",
    "preset",
    "summary",
]


def __getattr__(name: str) -> object:
    """The public name, from the module that defines it."""
    if name not in _HOMES:
        raise AttributeError(f"module 'nas' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
