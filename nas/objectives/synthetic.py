"""An objective that needs no training: a documented function of the architecture.

For trying a cluster, a sampler or a database in seconds. It has the shape of real results: more
multiply-accumulates help with diminishing returns, residual connections help deep networks, narrow
groups cost a little, and a learning curve rises towards its end over the epochs:

    accuracy = 1 − 0.6·m^−0.12 − plain − grouped − noise,    m = MACs / 10,000
    plain    = 0.002 · (blocks without a residual connection)
    grouped  = 0.004 · mean over stages of log2(groups) / 8
    noise    in [0, 0.01), from the key and the seed
    after epoch e of E:  accuracy · (1 − 0.3·(1 − e/E)²)
"""

import hashlib
import json
from math import log2
from pathlib import Path
from statistics import fmean
from typing import Any

from nas.architecture import Architecture
from nas.cost import cost
from nas.faults import misbehave
from nas.objectives.contract import TrialConfig


def accuracy(architecture: Architecture, epoch: int, epochs: int, seed: int = 0) -> float:
    """The synthetic validation accuracy after ``epoch`` of ``epochs``, a fraction of 1."""
    scale = cost(architecture).macs / 10_000
    plain = 0.002 * sum(stage.depth for stage in architecture.stages if not stage.residual)
    grouped = 0.004 * fmean(log2(stage.groups) / 8 for stage in architecture.stages)
    digest = hashlib.sha256(f"{architecture.key}/{seed}".encode()).digest()
    noise = 0.01 * int.from_bytes(digest[:4]) / 2**32
    final: float = 1 - 0.6 * scale**-0.12 - plain - grouped - noise
    return max(0.0, min(1.0, final * (1 - 0.3 * (1 - epoch / epochs) ** 2)))


class Synthetic:
    """The function above as an objective, with a checkpoint of one number."""

    def __init__(self, architecture: Architecture, config: TrialConfig) -> None:
        self._architecture = architecture
        self._config = config
        self._epoch = 0

    def epoch(self) -> dict[str, Any]:
        """The result of the next epoch; its times are made up."""
        self._epoch += 1
        config = self._config
        value = accuracy(self._architecture, self._epoch, config.epochs, config.seed)
        result = {
            "epoch": self._epoch,
            "train_loss": 1 - value,
            "val_loss": 1 - value,
            "val_accuracy": value,
            "learning_rate": config.training["peak_lr"],
            "seconds": 0.001,
            "images_per_second": 1e6,
        }
        return misbehave(result, config.trial)

    def save(self, path: Path) -> None:
        """Write the only state there is."""
        path.write_text(json.dumps({"epoch": self._epoch}))

    def load(self, path: Path) -> None:
        """The inverse of ``save``."""
        self._epoch = int(json.loads(path.read_text())["epoch"])
