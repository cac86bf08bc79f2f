"""Images on their way to the device, and as the network gets them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nas.data.dataset import Dataset, LabelledImages
from nas.data.split import split
from nas.errors import ConfigError
from nas.training.config import TrainingConfig

# bytes of images beyond which they stay in the file that all processes of a machine map
LARGE = 2**28  # in its memory, which many trials share
LARGE_ON_DEVICE = 2**32  # in that of a GPU, which waits for what is not there


class MappedImages:
    """Images that stay in a mapped file; those of a batch are brought to the device."""

    def __init__(
        self, images: NDArray[np.uint8], chosen: NDArray[np.int64], device: torch.device
    ) -> None:
        """Those of ``images`` (N, C, H, W) whose indices are ``chosen``, in that order."""
        self._images = images
        self._chosen = chosen
        self._device = device

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        """(n, C, H, W) uint8 on the device."""
        chosen = self._chosen[rows.cpu().numpy() if isinstance(rows, Tensor) else rows]
        return torch.from_numpy(self._images[chosen]).to(self._device)


Images = Tensor | MappedImages


@dataclass(frozen=True)
class DeviceData:
    """Training and validation images (N, C, H, W) uint8 with labels (N,) int64, on one device."""

    train_images: Images
    train_labels: Tensor
    validation_images: Images
    validation_labels: Tensor

    @classmethod
    def place(cls, data: Dataset, config: TrainingConfig, device: torch.device) -> DeviceData:
        """The split of ``data`` by ``config``, on ``device``; large images stay in their file.

        Raises:
            ConfigError: more training images are asked for than there are.
        """
        own = data.validation
        fraction = config.validation or data.validation_fraction
        train, validation = split(data.train.labels, config.split_seed, 0 if own else fraction)
        if config.train_images is not None:
            if config.train_images > len(train):
                raise ConfigError(
                    f"training: train_images is {config.train_images}; there are {len(train)}"
                )
            train = train[: config.train_images]
        if config.epoch_images is not None and config.epoch_images > len(train):
            raise ConfigError(
                f"training: epoch_images is {config.epoch_images}; there are {len(train)}"
            )
        if own is not None:
            validation = np.arange(len(own.labels))
        return cls(
            *placed(data.train, train, device),
            *placed(own or data.train, validation, device),
        )


def placed(
    data: LabelledImages, chosen: NDArray[np.int64], device: torch.device
) -> tuple[Images, Tensor]:
    """The images and labels at the indices ``chosen``: uint8 and int64."""
    labels = torch.tensor(data.labels[chosen], device=device, dtype=torch.int64)
    most = LARGE if device.type == "cpu" else LARGE_ON_DEVICE
    if len(chosen) * data.images[0].nbytes > most:
        return MappedImages(data.images, chosen, device), labels
    return torch.tensor(data.images[chosen], device=device), labels


def normalise(images: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """uint8 pixels (N, C, H, W) as float32, of mean 0 and deviation 1 where these are theirs."""
    if len(mean) == 1:
        return (images.float() - 255 * mean[0]) / (255 * std[0])
    shift, scale = (
        torch.tensor([255 * one for one in values], device=images.device)[:, None, None]
        for values in (mean, std)
    )
    return (images.float() - shift) / scale
