"""A trained network as one file, and back: what a user ships."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nas.architecture import Architecture
from nas.cost import cost
from nas.data.dataset import Shape
from nas.errors import CheckpointError, NasError
from nas.text import one_line
from nas.training.checkpoint import read_checkpoint, write_checkpoint
from nas.training.classifier import Classifier
from nas.training.loop import Training

PARTS = {"architecture", "classes", "state"}  # of a file
LATER = {"origin", "images"}  # which came later
NESTED = 8  # levels of an origin: training, growth, its steps, their architectures with stages
LARGEST = 65_536  # side of an image, and number of channels
# of a file without ``images``: Fashion-MNIST
OLDER: dict[str, list[Any]] = {"input_shape": [1, 28, 28], "mean": [0.2860], "std": [0.3530]}


def export(training: Training, path: Path | str, origin: Mapping[str, Any] | None = None) -> None:
    """Write the trained network: plain types and tensors, whole or not there.

    ``origin``, plain types, says where it comes from, as ``read_origin`` returns it; which versions
    trained it is added.

    Raises:
        CheckpointError: it cannot be written there.

    >>> from nas import Architecture, TrainingConfig
    >>> from nas.data import open_dataset
    >>> network = Architecture.from_dict({
    ...     "stem": {"width": 8}, "stages": [{"block": "basic", "depth": 1, "width": 8}],
    ... })
    >>> training = Training(network, TrainingConfig(epochs=1), open_dataset("digits"), "cpu")
    >>> result = training.epoch()
    >>> export(training, f"{folder}/digits.pt")
    """
    content = {
        "origin": {**(origin or {}), "versions": versions()},
        "architecture": training.architecture.to_dict(),
        "classes": list(training.dataset.classes),
        "images": {
            "input_shape": list(training.dataset.input_shape),
            "mean": list(training.dataset.mean),
            "std": list(training.dataset.std),
        },
        "state": {name: value.cpu() for name, value in training.model.state_dict().items()},
    }
    write_checkpoint(content, Path(path))


def save(network: Classifier, path: Path) -> None:
    """Write the network of a file, or one made of a checkpoint, as ``export`` does.

    Raises:
        CheckpointError: it cannot be written there.
    """
    content = {
        "origin": network.origin,
        "architecture": network.architecture.to_dict(),
        "classes": list(network.classes),
        "images": {
            "input_shape": list(network.input_shape),
            "mean": list(network.mean),
            "std": list(network.std),
        },
        "state": {name: value.cpu() for name, value in network.network.state_dict().items()},
    }
    write_checkpoint(content, path)


def versions() -> dict[str, str]:
    """Of what a network is trained by here."""
    return {
        "nas": version("nas"),
        "torch": str(torch.__version__),
        "python": platform.python_version(),
    }


def read_origin(path: Path) -> dict[str, Any]:
    """What ``export`` was told of the origin of the network in ``path``; {} if nothing.

    Raises:
        CheckpointError: the file cannot be read.
    """
    return _origin(read_checkpoint(path, torch.device("cpu")))


def add_origin(path: Path, more: Mapping[str, Any]) -> None:
    """Write ``more`` into what the file says of its origin; its network stays as it is.

    Raises:
        CheckpointError: the file cannot be read or written.
    """
    content = read_checkpoint(path, torch.device("cpu"))
    write_checkpoint({**content, "origin": {**_origin(content), **more}}, path)


def _origin(content: Mapping[str, Any]) -> dict[str, Any]:
    origin = content.get("origin") if isinstance(content, dict) else None
    if not isinstance(origin, dict):
        return {}
    return {name: value for name, value in origin.items() if _is_json({name: value})}


def _is_json(value: object, depth: int = NESTED) -> bool:
    """Whether it is what JSON has, nested no deeper than an origin is."""
    if isinstance(value, dict) and depth:
        return all(isinstance(k, str) and _is_json(v, depth - 1) for k, v in value.items())
    if isinstance(value, list) and depth:
        return all(_is_json(one, depth - 1) for one in value)
    return value is None or isinstance(value, str | int | float)


def load(path: Path | str) -> Classifier:
    """The network in a file of ``export``, on the CPU, in eval mode.

    The file may be a stranger's: no code in it is run, and no more memory is taken than it fills.

    Raises:
        CheckpointError: the file cannot be read, or is another kind of file.

    >>> digits = load(f"{folder}/digits.pt")
    >>> images = torch.zeros(2, 1, 8, 8)  # (N, C, H, W), pixels of 0 to 255
    >>> digits(images).shape, digits.classes[:3]
    (torch.Size([2, 10]), ('0', '1', '2'))
    >>> names, probabilities = digits.predict(images[0])  # or what else you have
    >>> names[0] in digits.classes, probabilities.shape
    (True, (1, 10))
    """
    path = Path(path)
    content = read_checkpoint(path, torch.device("cpu"))
    try:
        return _classifier(content, path.stat().st_size)
    except NasError as error:
        raise CheckpointError(f"{path} is no exported network: {one_line(error)[:300]}") from None


def from_checkpoint(path: Path, origin: Mapping[str, Any]) -> Classifier:
    """The network of a checkpoint of ``Training``, as ``load`` returns that of a file.

    Raises:
        CheckpointError: it cannot be read, or is another kind of file.
    """
    found = read_checkpoint(path, torch.device("cpu"))
    try:
        images = {name: found["dataset"][name] for name in OLDER}
        content = {
            "origin": {**origin, "training": found["config"], "versions": versions()},
            "architecture": found["architecture"],
            "classes": found["dataset"]["classes"],
            "images": images,
            "state": found["model"],
        }
        return _classifier(content, path.stat().st_size)
    except (KeyError, TypeError):
        raise CheckpointError(f"{path} is no checkpoint of a training of nas") from None
    except NasError as error:
        raise CheckpointError(f"{path} is no network: {one_line(error)[:300]}") from None


def _classifier(content: Any, size: int) -> Classifier:
    """The network in what was read from a file of ``size`` bytes."""
    if not isinstance(content, dict) or not PARTS <= set(content) <= PARTS | LATER:
        raise CheckpointError("it has other parts than architecture, classes and state")
    classes, state = content["classes"], content["state"]
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise CheckpointError("its classes are not a list of names")
    try:
        architecture = Architecture.from_dict(content["architecture"])
    except RecursionError:  # a message that would repeat what is nested without end
        raise CheckpointError("its architecture is nested too deep") from None
    shape, mean, std = _images(content.get("images", OLDER))
    _check_state(state, cost(architecture, shape, len(classes)).params, size)
    classifier = Classifier(architecture, tuple(classes), shape, mean, std, _origin(content))
    try:
        classifier.network.load_state_dict(state)
    except RuntimeError as error:  # names and shapes
        reason = str(error).partition("\n")[2].strip().partition("\n")[0]
        raise CheckpointError(f"its weights are another network's: {reason}") from None
    return classifier.eval()


def _images(said: object) -> tuple[Shape, tuple[float, ...], tuple[float, ...]]:
    """Shape, mean and deviation of the images, as a file says them.

    Raises:
        CheckpointError: they cannot be those of images.
    """
    if not isinstance(said, dict) or said.keys() != OLDER.keys():
        raise CheckpointError("its images have other parts than input_shape, mean and std")
    shape, mean, std = (said[name] for name in OLDER)
    if (
        not isinstance(shape, list)
        or len(shape) != 3
        or not all(type(side) is int and 0 < side <= LARGEST for side in shape)
    ):
        raise CheckpointError("its images have no input_shape of three whole numbers")
    for values in (mean, std):
        if (
            not isinstance(values, list)
            or len(values) != shape[0]
            or not all(type(one) is float and math.isfinite(one) for one in values)
        ):
            raise CheckpointError("its images have no mean and std of each channel")
    if min(std) <= 0:
        raise CheckpointError("its images have a deviation of 0 or less")
    return (shape[0], shape[1], shape[2]), tuple(mean), tuple(std)


def _check_state(state: object, params: int, size: int) -> None:
    """Refuse weights that are not those of so many parameters, before a network is built.

    Views can make a large tensor of few numbers, so their bytes must be in the file, too.
    """
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and _is_plain(value) for name, value in state.items()
    ):
        raise CheckpointError("its state is not a mapping of names to tensors")
    if sum(value.nbytes for value in state.values()) > size:
        raise CheckpointError("its weights are larger than the file")
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    found = sum(value.numel() for name, value in state.items() if not name.endswith(buffers))
    if found != params:
        raise CheckpointError(f"it has {found:,} weights, its architecture {params:,}")


def _is_plain(value: object) -> bool:
    return (
        isinstance(value, Tensor)
        and value.layout == torch.strided
        and value.device.type == "cpu"
        and not value.is_quantized
        and not value.is_complex()
    )
