"""The network that is to be shipped: in a file of ``nas retrain``, or kept by a study."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from nas.data import Dataset, open_dataset
from nas.data.registry import DATASETS, DEFAULT
from nas.errors import CheckpointError, ConfigError, DataError, NasError
from nas.training import TrainingConfig
from nas.training.classifier import Classifier
from nas.training.device import DeviceData
from nas.training.export import load

SAMPLE = 256  # images that 8 bits are fitted to


def find_network(name: str, storage: str) -> Classifier:
    """What is called ``name``: a file of ``nas retrain``, ``STUDY#12``, or the best of ``STUDY``.

    Args:
        name: a file that is there goes before a study of that name.
        storage: URL of the study database.

    Raises:
        NasError: there is none of that name, or the study has not kept what it trained.
    """
    try:
        there = Path(name).exists()
    except (OSError, ValueError):  # a name that no file can have
        there = False
    if there:
        return load(name)
    if Path(name).suffix == ".pt":
        raise CheckpointError(f"{name!r:.200}: there is no such file")
    from nas.search.keeping import kept_network  # Ray: seconds that a file need not wait
    from nas.study.reader import open_study

    study, _, number = name.rpartition("#")
    if study and number.isdecimal():
        return kept_network(open_study(storage, study), int(number))
    return kept_network(open_study(storage, name), None)


@dataclass(frozen=True)
class RealImages:
    """Of the data set that a network was trained on."""

    dataset: Dataset
    training: NDArray[np.uint8]
    """A few that it was trained on (n, C, H, W)."""
    trained: int
    """How many it was trained on."""
    pixels: NDArray[np.uint8]
    """Those that validate (N, C, H, W)."""
    labels: NDArray[np.int64]
    """Their labels (N,)."""


def real_images(network: Classifier, folder: Path | None) -> RealImages:
    """The images of a network; ``folder`` is where they are, if not where ``open_dataset`` looks.

    Raises:
        NasError: they are not here, or are others than those that it was trained on.
    """
    data = network.origin.get("data")
    said = data.get("name") if isinstance(data, dict) else None
    key = said if isinstance(said, str) and said in DATASETS else DEFAULT
    own = DATASETS[key].has_path
    if own and folder is None:
        raise ConfigError(
            f"the network was trained on {DATASETS[key].title}, whose place its file does not say; "
            "name it with data: a network is exported once real images have shown that it stays "
            "the same"
        )
    images = open_dataset(
        f"{key}:{folder}" if own else key,
        folder=None if own else folder,
        input_shape=network.input_shape,
        resize=True,
    )
    trained_on = str(network.origin.get("dataset", images.fingerprint))
    if images.fingerprint != trained_on or images.classes != network.classes:
        raise DataError(
            f"{images.title} has the fingerprint {images.fingerprint[:12]}, and the network was "
            f"trained on {trained_on[:12]!r}; name those images with data"
        )
    try:
        config = TrainingConfig.from_dict(network.origin.get("training", {}))
    except NasError:  # a stranger's file: any split shows what is to be shown
        config = TrainingConfig()
    placed = DeviceData.place(images, config.replace(train_images=None), torch.device("cpu"))
    return RealImages(
        images,
        placed.train_images[:SAMPLE].numpy(),
        len(placed.train_labels),
        placed.validation_images[:].numpy(),
        placed.validation_labels.numpy(),
    )
