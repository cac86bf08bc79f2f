"""A trained network with what its users need not know: how to normalise, what its outputs mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nas.architecture import Architecture
from nas.network import build
from nas.training.device import normalise
from nas.training.inputs import batches


class Predictions(NamedTuple):
    """What a network takes images for."""

    names: list[str]
    """Of the most probable class of each image."""
    probabilities: NDArray[np.float32]
    """(N, classes), each row with a sum of 1, in the order of the network's ``classes``."""


class Classifier(nn.Module):
    """logits = network(normalised images): ``predict`` for people, ``forward`` for other modules.

    ``classes`` are the names of its outputs, in order; ``input_shape`` is (channels, height, width)
    of the images that it was trained on, ``mean`` and ``std`` those of their channels, pixels
    scaled to 0 … 1. ``origin`` says where it comes from, as far as that is known: study and trial,
    recipe and training, val_accuracy and test_accuracy (fractions of 1), versions.
    """

    def __init__(
        self,
        architecture: Architecture,
        classes: tuple[str, ...],
        input_shape: tuple[int, int, int],
        mean: tuple[float, ...],
        std: tuple[float, ...],
        origin: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.classes = classes
        self.input_shape = input_shape
        self.mean = mean
        self.std = std
        self.origin = dict(origin or {})
        self.network = build(architecture, input_shape[0], len(classes))

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) pixels of 0 to 255 → (N, classes) logits.

        The pixels are uint8 or real numbers of that range, not normalised. Nothing is checked: of
        those of 0 to 1, as torchvision's ``ToTensor`` makes them, the answers are wrong;
        ``predict`` takes them.
        """
        normalised = normalise(images, self.mean, self.std)
        logits: Tensor = self.network(normalised.to(next(self.parameters()).dtype))
        return logits

    @torch.inference_mode()
    def predict(
        self, images: Any, *, resize: bool = False, scale: float | None = None
    ) -> Predictions:
        """The most probable class of each image, and the probabilities of all.

        Args:
            images: the path of a file, an image of PIL, an array of NumPy or a tensor; or many, in
                a list or as one array. Channels may stand before or behind height and width.
            resize: whether images of another size are resized to that of ``input_shape``.
            scale: the value that is white, where the values do not tell: uint8 has 0 to 255, real
                numbers 0 to 1 or 0 to 255. Normalised ones are refused.

        Raises:
            DataError: something is no image, or its values are of no range that is known.
            ShapeError: an image has other channels or, without ``resize``, another size.
        """
        # before anything is computed
        found = batches(images, self.input_shape, resize=resize, scale=scale)
        device = next(self.parameters()).device
        was_training = self.training
        self.eval()  # one image of a batch says nothing of another
        try:
            logits = torch.cat([self(pixels.to(device)).cpu() for pixels in found])
        finally:
            self.train(was_training)
        names = [self.classes[label] for label in logits.argmax(1).tolist()]
        return Predictions(names, logits.float().softmax(1).numpy())
