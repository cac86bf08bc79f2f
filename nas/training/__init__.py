"""Training: Fashion-MNIST, its augmentation, and the loop.

Resolved on first use, so that configurations and data are to be had without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nas.training.config import TrainingConfig
    from nas.training.fashion_mnist import LabelledImages, fingerprint, load_test, load_train
    from nas.training.loop import EpochResult, Training, fit
    from nas.training.numerics import choose_device, resolve_numerics
    from nas.training.sources import fetch

_HOMES = {
    "EpochResult": "nas.training.loop",
    "LabelledImages": "nas.training.fashion_mnist",
    "Training": "nas.training.loop",
    "TrainingConfig": "nas.training.config",
    "choose_device": "nas.training.numerics",
    "fetch": "nas.training.sources",
    "fingerprint": "nas.training.fashion_mnist",
    "fit": "nas.training.loop",
    "load_test": "nas.training.fashion_mnist",
    "load_train": "nas.training.fashion_mnist",
    "resolve_numerics": "nas.training.numerics",
}

__all__ = [
    "EpochResult",
    "LabelledImages",
    "Training",
    "TrainingConfig",
    "choose_device",
    "fetch",
    "fingerprint",
    "fit",
    "load_test",
    "load_train",
    "resolve_numerics",
]


def __getattr__(name: str) -> object:
    """The public name, from the module that defines it."""
    if name not in _HOMES:
        raise AttributeError(f"module 'nas.training' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
