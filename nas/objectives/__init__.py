"""Objectives: what is done with a network to learn how good it is.

``fashion_mnist`` trains it on images, ``synthetic`` computes a made-up accuracy; others are a
user's own: see ``nas.objectives.contract``.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from nas.objectives.contract import Objective, TrialConfig, find_objective

if TYPE_CHECKING:
    from nas.objectives.classification import Classification as fashion_mnist  # noqa: N813

_HOMES = {"fashion_mnist": ("nas.objectives.classification", "Classification")}

__all__ = ["Objective", "TrialConfig", "fashion_mnist", "find_objective"]


def __getattr__(name: str) -> object:
    """The built-in objective that needs torch, on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'nas.objectives' has no attribute {name!r}")
    home, attribute = _HOMES[name]
    return getattr(import_module(home), attribute)


def __dir__() -> list[str]:
    return __all__
