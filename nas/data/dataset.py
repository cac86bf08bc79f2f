"""A data set in the one form that everything else knows: uint8 images, labels, classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas.data.split import split_counts
from nas.quantity import plural

Shape = tuple[int, int, int]
UNEVEN = 1.5  # times as many images of one class as of another: worth a line


class LabelledImages(NamedTuple):
    """``images`` (N, C, H, W) uint8 and their ``labels`` (N,), whole numbers from 0 on."""

    images: NDArray[np.uint8]
    labels: NDArray[Any]


@dataclass(frozen=True)
class Dataset:
    """Images of one shape, with the names of their classes.

    Large arrays are mapped from files: processes of one machine share their memory.
    """

    name: str
    """As it was asked for: digits, or folder:/data/birds."""
    title: str
    """For people: Fashion-MNIST."""
    input_shape: Shape
    """(channels, height, width) of every image."""
    classes: tuple[str, ...]
    """By label."""
    fingerprint: str
    """SHA-256 of shape, classes, labels and pixels, 64 hex digits."""
    mean: tuple[float, ...]
    """Of the training images per channel, pixels scaled to 0 … 1, to four decimals."""
    std: tuple[float, ...]
    """Their standard deviation, likewise."""
    train: LabelledImages
    """For training; for validation, too, where there is no ``validation``."""
    validation: LabelledImages | None = None
    """Validation images of its own, where it has them."""
    test: LabelledImages | None = None
    """For the final evaluation alone."""
    validation_fraction: float = 1 / 5
    """Share of ``train`` that validates where there is no ``validation``."""
    mirrored: bool = True
    """Whether an image mirrored left to right is one of its class: what ``flip: auto`` means."""

    def counts(self, fraction: float | None = None) -> tuple[int, int]:
        """How many images train and how many validate; ``fraction`` as ``Split`` takes it."""
        if self.validation is not None:
            return len(self.train.labels), len(self.validation.labels)
        per_class = np.bincount(self.train.labels, minlength=len(self.classes))
        validating = sum(split_counts(per_class.tolist(), fraction or self.validation_fraction))
        return len(self.train.labels) - validating, validating

    def imbalance(self) -> str | None:
        """In one line, that some classes have far more images than others; None if not."""
        per_class = np.bincount(self.train.labels, minlength=len(self.classes)).tolist()
        least, most = min(per_class), max(per_class)
        if most < UNEVEN * least:
            return None
        rare, common = self.classes[per_class.index(least)], self.classes[per_class.index(most)]
        return (
            f"the classes are uneven: {plural(most, 'image')} of {common!r}, {least:,} of "
            f"{rare!r}; val_balanced_accuracy counts every class alike"
        )


def statistics(counts: NDArray[np.int64]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation per channel from ``counts`` (C, 256), how often each value occurs.

    To four decimals, as such constants are published: the next ones make no difference to a
    training, and so Fashion-MNIST in any form has its own. A channel of one value has deviation 1.
    """
    values = np.arange(256) / 255
    totals = counts.sum(axis=1)
    mean = (counts * values).sum(axis=1) / totals
    variance = (counts * (values - mean[:, None]) ** 2).sum(axis=1) / totals
    std = [round(float(one), 4) or 1.0 for one in np.sqrt(variance)]
    return tuple(round(float(one), 4) for one in mean), tuple(std)


def value_counts(images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(C, 256): how often each value occurs in the channels of images (N, C, H, W)."""
    channels = range(images.shape[1])
    return np.stack([np.bincount(images[:, c].reshape(-1), minlength=256) for c in channels])


def spelled(shape: Sequence[int]) -> str:
    """(3, 32, 32) as ``3×32×32``."""
    return "×".join(map(str, shape))
