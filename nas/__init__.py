"""Search and compare neural-architecture design spaces.

Names that need torch or a schema are resolved on first use: ``import nas`` loads neither torch nor
ray.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from nas.architecture import Architecture, Stage, Stem

# At once, as a module of the same name would otherwise take the place of the function.
from nas.cost import Cost, cost
from nas.errors import NasError
from nas.presets import preset
from nas.summary import summary

if TYPE_CHECKING:
    from nas.analysis import plots
    from nas.network import build
    from nas.space import SearchSpace
    from nas.study.reader import open_study, studies
    from nas.training import TrainingConfig, fit
    from nas.training.export import load

_HOMES = {
    "SearchSpace": "nas.space",
    "TrainingConfig": "nas.training",
    "build": "nas.network",
    "fit": "nas.training",
    "load": "nas.training.export",
    "open_study": "nas.study.reader",
    "plots": "nas.analysis",
    "studies": "nas.study.reader",
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
    "load",
    "open_study",
    "plots",
    "preset",
    "studies",
    "summary",
]


def __getattr__(name: str) -> object:
    """The public name, from the module that defines it."""
    if name not in _HOMES:
        raise AttributeError(f"module 'nas' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
