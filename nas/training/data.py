"""Which images train and which validate, and both on the device as uint8."""

import random
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nas.errors import ConfigError
from nas.training.config import TrainingConfig
from nas.training.fashion_mnist import MEAN, STD, LabelledImages

VALIDATION_IMAGES = 10_000


def split(labels: NDArray[np.uint8], seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of the training images and of the 10,000 validation images, both stratified.

    Every class gives as many images to validation. The classes take turns in the training
    indices, so the first n of them are stratified too, and part of the first n + 1. The same on
    every machine and version: ``random.Random.random`` keeps its sequence, numpy's may change.
    """
    draw = random.Random(seed)
    order = np.argsort([draw.random() for _ in labels], kind="stable")
    classes = np.unique(labels)
    members = [order[labels[order] == label] for label in classes]
    share = VALIDATION_IMAGES // len(classes)
    validation = np.concatenate([images[:share] for images in members])
    rest = [images[share:] for images in members]
    turn = np.concatenate([np.arange(len(images)) for images in rest])
    train = np.concatenate(rest)[np.argsort(turn, kind="stable")]
    return train, validation


@dataclass(frozen=True)
class DeviceData:
    """Training and validation images (N, 1, 28, 28) uint8 with labels (N,) int64, on one device."""

    train_images: Tensor
    train_labels: Tensor
    validation_images: Tensor
    validation_labels: Tensor

    @classmethod
    def place(
        cls, data: LabelledImages, config: TrainingConfig, device: torch.device
    ) -> "DeviceData":
        """The split of ``data`` by ``config``'s split seed, on ``device`` (39 MB when whole).

        Raises:
            ConfigError: more training images are asked for than there are.
        """
        train, validation = split(data.labels, config.split_seed)
        if config.train_images is not None:
            if config.train_images > len(train):
                raise ConfigError(
                    f"training: train_images is {config.train_images}; there are {len(train)}"
                )
            train = train[: config.train_images]
        return cls(
            *on_device(LabelledImages(data.images[train], data.labels[train]), device),
            *on_device(LabelledImages(data.images[validation], data.labels[validation]), device),
        )


def on_device(data: LabelledImages, device: torch.device) -> tuple[Tensor, Tensor]:
    """Images (N, 28, 28) and labels as tensors (N, 1, 28, 28) uint8 and (N,) int64 there."""
    images = torch.tensor(data.images, device=device).unsqueeze(1)
    return images, torch.tensor(data.labels, device=device, dtype=torch.int64)


def normalise(images: Tensor) -> Tensor:
    """uint8 pixels as float32 of mean 0 and deviation 1 over the dataset."""
    return (images.float() - 255 * MEAN) / (255 * STD)
