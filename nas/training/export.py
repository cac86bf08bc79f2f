"""A trained network as one file, and back: what a user ships."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

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


def export(training: Training, path: Path | str, origin: Mapping[str, Any] | None = None) -> None:
    """Write the trained network: plain types and tensors, whole or not there.

    ``origin``, plain types, says where it comes from, as ``read_origin`` returns it.

    Raises:
        CheckpointError: it cannot be written there.
    """
    content = {
        "origin": dict(origin or {}),
        "architecture": training.architecture.to_dict(),
        "classes": list(CLASSES),
        "state": {name: value.cpu() for name, value in training.model.state_dict().items()},
    }
    write_checkpoint(content, Path(path))


def read_origin(path: Path) -> dict[str, Any]:
    """What ``export`` was told of the origin of the network in ``path``; {} if nothing.

    Raises:
        CheckpointError: the file cannot be read.
    """
    origin = read_checkpoint(path, torch.device("cpu")).get("origin")
    return origin if isinstance(origin, dict) else {}


def load(path: Path | str) -> Classifier:
    """The network in a file of ``export``, on the CPU, in eval mode.

    Raises:
        CheckpointError: the file cannot be read, or is another kind of file.
    """
    content = read_checkpoint(Path(path), torch.device("cpu"))
    if not set(content) >= {"architecture", "classes", "state"}:
        raise CheckpointError(f"{path} is no exported network")
    architecture = Architecture.from_dict(content["architecture"])
    classifier = Classifier(architecture, tuple(content["classes"]))
    classifier.network.load_state_dict(content["state"])
    return classifier.eval()
