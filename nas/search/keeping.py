"""Networks of trials whose checkpoints stayed: as they are used, and as files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas.errors import CheckpointError
from nas.search.retrain import about_trial, chosen
from nas.search.testing import last_checkpoint
from nas.study.reader import Study
from nas.study.shell import nas_command
from nas.training.classifier import Classifier
from nas.training.export import from_checkpoint, save


def kept_network(study: Study, number: int | None) -> Classifier:
    """What trial ``number`` (by default the best) led to.

    Raises:
        CheckpointError: its checkpoint is not on this disk; the message says how to train it anew.
    """
    number = chosen(study, number)
    path = last_checkpoint(study, number)
    if path is None:
        again = nas_command(
            "retrain", study.name, trial=number, recipe="long", output="winner.pt",
            storage=study.url,
        )  # fmt: skip
        raise CheckpointError(
            f"trial {number} of {study.name!r} has no checkpoint on this disk: they go when a "
            f"trial ends, unless --keep says how many stay. To train it anew: {again}"
        )
    return from_checkpoint(path, about_trial(study, number))


def write_kept(study: Study, number: int, output: Path, about: Mapping[str, Any]) -> None:
    """Write the network of a trial as ``nas retrain`` does, with ``about`` in its origin.

    Raises:
        CheckpointError: its checkpoint is not on this disk, or the file cannot be written.
    """
    network = kept_network(study, number)
    network.origin |= about
    save(network, output)
