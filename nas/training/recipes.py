"""Ways to train a network that was found, by name: what they set of a ``TrainingConfig``.

A search trains briefly, to compare; these train what is kept. Without torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from nas.errors import ConfigError, choose
from nas.training.config import TrainingConfig

RECIPES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        # as the search trained it, for longer
        "study": {"epochs": 20},
        # Long enough that a network would learn its images by heart: they are moved, mirrored where
        # that keeps the class (flip is auto) and partly erased; larger batches at a lower rate.
        "long": {
            "epochs": 60,
            "batch_size": 128,
            "peak_lr": 0.2,
            "warmup": 0.15,
            "weight_decay": 5e-4,
            "averaging": 0.99,
            "label_smoothing": 0.1,
            "flip": "auto",
            "crop_padding": 2,
            "erasing": 0.5,
        },
    }
)
DEFAULT_RECIPE = "study"
INHERITED_LR = 0.3  # of the peak: at the whole of it, what was inherited is lost (docs/nested.md)


def recipe(
    name: str, base: TrainingConfig | None = None, *, epochs: int | None = None, **changes: Any
) -> TrainingConfig:
    """The config of a training by the recipe ``name``.

    Args:
        name: a key of ``RECIPES``.
        base: has what the recipe does not set, such as the seed; by default ``TrainingConfig()``.
            All images train that do not validate.
        epochs: by default the recipe's.
        changes: fields of ``TrainingConfig`` that are to be otherwise.

    Raises:
        ConfigError: there is no such recipe, or a value that cannot be.

    >>> recipe("long", epochs=30).erasing
    0.5
    """
    if name not in RECIPES:
        raise ConfigError(f"recipe is {name!r:.60}; {choose(name, RECIPES)}")
    given = {**RECIPES[name], **({} if epochs is None else {"epochs": epochs})}
    every = {"train_images": None, "epoch_images": None}
    return (base or TrainingConfig()).replace(**{**every, **given, **changes})


def inherited(config: TrainingConfig, epochs: int) -> TrainingConfig:
    """The config of a training for ``epochs`` that begins with the weights of another one.

    >>> short = inherited(TrainingConfig(epochs=6, peak_lr=0.5), 2)
    >>> short.epochs, short.peak_lr
    (2, 0.15)
    """
    return config.replace(epochs=epochs, peak_lr=config.peak_lr * INHERITED_LR)
