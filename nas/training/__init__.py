"""Training: augmentation, numerics, the loop, checkpoints.

Resolved on first use, so that configurations are to be had without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nas.training.config import TrainingConfig
    from nas.training.loop import EpochResult, Training, fit
    from nas.training.numerics import choose_device, resolve_numerics

_HOMES = {
    "EpochResult": "nas.training.loop",
    "Training": "nas.training.loop",
    "TrainingConfig": "nas.training.config",
    "choose_device": "nas.training.numerics",
    "fit": "nas.training.loop",
    "resolve_numerics": "nas.training.numerics",
}

__all__ = [
    "EpochResult",
    "Training",
    "TrainingConfig",
    "choose_device",
    "fit",
    "resolve_numerics",
]


def __getattr__(name: str) -> object:
    """The public name, from the module that defines it."""
    if name not in _HOMES:
        raise AttributeError(f"module 'nas.training' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
