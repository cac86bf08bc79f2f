"""A trained network as one file, and back: what a user ships."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from nas.architecture import Architecture
from nas.errors import CheckpointError
from nas.network import build
from nas.training.checkpoint import read_checkpoint, write_checkpoint
from nas.training.data import normalise
from nas.training.fashion_mnist import CLASSES
from nas.training.loop import Training


class Classifier(nn.Module):
    """logits = network(normalised images), so that its users need not know how to normalise.

    ``classes`` are the names of its outputs, in order.
    """

    def __init__(self, architecture: Architecture, classes: tuple[str, ...]) -> None:
        super().__init__()
        self.architecture = architecture
        self.classes = classes
        self.network = build(architecture, in_channels=1, num_classes=len(classes))

    def forward(self, images: Tensor) -> Tensor:
        """(N, 1, H, W) pixels of 0 to 255 → (N, classes) logits."""
        logits: Tensor = self.network(normalise(images))
        return logits


def export(training: Training, path: Path | str) -> None:
    """Write the trained network: plain types and tensors, whole or not there."""
    content = {
        "architecture": training.architecture.to_dict(),
        "classes": list(CLASSES),
        "state": {name: value.cpu() for name, value in training.model.state_dict().items()},
    }
    write_checkpoint(content, Path(path))


def load(path: Path | str) -> Classifier:
    """The network in a file of ``export``, on the CPU, in eval mode.

    Raises:
        CheckpointError: the file cannot be read, or is another kind of file.
    """
    content = read_checkpoint(Path(path), torch.device("cpu"))
    if set(content) != {"architecture", "classes", "state"}:
        raise CheckpointError(f"{path} is no exported network")
    architecture = Architecture.from_dict(content["architecture"])
    classifier = Classifier(architecture, tuple(content["classes"]))
    classifier.network.load_state_dict(content["state"])
    return classifier.eval()
