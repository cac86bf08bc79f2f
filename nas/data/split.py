"""Which images train and which validate."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def split(
    labels: NDArray[Any], seed: int, fraction: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of the training and of the validation images, both stratified.

    Of each class, ``fraction`` goes to validation, at least one image and never all. The classes
    take turns in the training indices, so the first n of them are even over the classes, and part
    of the first n + 1. The same on every machine and version: ``random.Random.random`` keeps its
    sequence, numpy's may change. With ``fraction`` 0 all images train.
    """
    draw = random.Random(seed)
    order = np.argsort([draw.random() for _ in range(len(labels))], kind="stable")
    drawn = labels[order]
    members = [order[drawn == label] for label in np.unique(labels)]
    shares = split_counts([len(images) for images in members], fraction)
    validation = np.concatenate([own[:n] for own, n in zip(members, shares, strict=True)])
    rest = [own[n:] for own, n in zip(members, shares, strict=True)]
    turn = np.concatenate([np.arange(len(images)) for images in rest])
    train = np.concatenate(rest)[np.argsort(turn, kind="stable")]
    return train, validation


def split_counts(per_class: Sequence[int], fraction: float) -> list[int]:
    """How many images of each class validate, where it has so many.

    >>> split_counts([6000, 11, 2], 1 / 5)
    [1200, 2, 1]
    """
    if not fraction:
        return [0] * len(per_class)
    return [max(1, min(count - 1, int(count * fraction + 0.5))) for count in per_class]
