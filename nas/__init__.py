"""Search and compare neural-architecture design spaces.

Names that need torch or a schema are resolved on first use: ``import nas`` loads neither torch nor
ray.
"""

import logging
from importlib import import_module
from typing import TYPE_CHECKING

from nas.architecture import Architecture, Stage, Stem

# At once, as a module of the same name would otherwise take the place of the function.
from nas.cost import Cost, cost
from nas.errors import NasError
from nas.presets import preset
from nas.summary import summary

if TYPE_CHECKING:
    from nas import plots
    from nas.nested.growth import grow, shrink
    from nas.nested.order import Containment, contains
    from nas.network import build
    from nas.populations.comparing import compare_spaces
    from nas.populations.narrowing import narrow_space
    from nas.populations.table import make_table
    from nas.search.job import Watcher
    from nas.search.run import run_search
    from nas.space import SearchSpace
    from nas.study.reader import Study, open_study, studies
    from nas.training import TrainingConfig, fit
    from nas.training.export import load

_HOMES = {
    "Containment": "nas.nested.order",
    "SearchSpace": "nas.space",
    "Study": "nas.study.reader",
    "TrainingConfig": "nas.training",
    "Watcher": "nas.search.job",
    "build": "nas.network",
    "compare_spaces": "nas.populations.comparing",
    "contains": "nas.nested.order",
    "fit": "nas.training",
    "grow": "nas.nested.growth",
    "load": "nas.training.export",
    "make_table": "nas.populations.table",
    "narrow_space": "nas.populations.narrowing",
    "open_study": "nas.study.reader",
    "run_search": "nas.search.run",
    "shrink": "nas.nested.growth",
    "studies": "nas.study.reader",
}

__all__ = [
    "Architecture",
    "Containment",
    "Cost",
    "NasError",
    "SearchSpace",
    "Stage",
    "Stem",
    "Study",
    "TrainingConfig",
    "Watcher",
    "__version__",
    "build",
    "compare_spaces",
    "contains",
    "cost",
    "fit",
    "grow",
    "load",
    "make_table",
    "narrow_space",
    "open_study",
    "plots",
    "preset",
    "run_search",
    "shrink",
    "studies",
    "summary",
]


logging.getLogger("nas").addHandler(logging.NullHandler())  # it prints nothing by itself


def __getattr__(name: str) -> object:
    """The public name, from the module that defines it."""
    if name == "__version__":
        from importlib.metadata import version  # 20 ms that few need

        return version("nas")
    if name == "plots":
        return import_module("nas.plots")
    if name not in _HOMES:
        raise AttributeError(f"module 'nas' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
