"""Write a network in a form that other programs read, once it answers as the trained one does."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote

import numpy as np
import torch
from numpy.typing import NDArray

from nas.cost import cost
from nas.data import DATASETS
from nas.errors import ConfigError, ExportError
from nas.output import check_file
from nas.report.drawing import draw
from nas.shipping.card import limits, markdown
from nas.shipping.formats import FORMATS, Run, find_format, onnx_session
from nas.shipping.source import RealImages, real_images
from nas.study.provenance import processor
from nas.training.classifier import Classifier
from nas.training.export import versions
from nas.training.latency import threads

IMAGES = 256  # real ones that a file must answer as the trained network does
TOLERANCE = 1e-4  # of a logit
TIMED = 30  # passes
BATCH = 500


@dataclass(frozen=True)
class Shipped:
    """What was written."""

    files: tuple[Path, ...]
    """The network, then its card for people, its card as JSON, and its drawing."""
    card: Mapping[str, Any]


def ship(
    network: Classifier,
    output: Path | str,
    *,
    to: str = "onnx",
    data: Path | None = None,
    int8: bool = False,
) -> Shipped:
    """Write ``network`` into ``output``, and beside it a card (.md and .json) and a drawing (.svg).

    Nothing is there before 256 validation images have given the same answers, their logits within
    1e-4 of PyTorch's.

    Args:
        network: as ``nas.load`` or ``find_network`` returns it.
        output: a file that is not there yet, with the ending of the format.
        to: a key of ``FORMATS``: onnx, torch-export or state-dict.
        data: the folder of its images, where they are not a published data set's.
        int8: whether to write an ONNX file of 8 bits, too, and what that costs in accuracy.

    Raises:
        ConfigError: no such format, a file that is there or cannot be written, or a library of the
            extra ``export`` is missing.
        DataError: the images are not here.
        ExportError: what was written computes something else. It was deleted.
    """
    form = find_format(to)
    if int8 and to != "onnx":
        raise ConfigError(f"int8 is given, but to is {to}; accepted: onnx")
    path = check_file(output, "output", (form.ending,))
    endings = [path.suffix, ".md", ".json", ".svg", *([".int8.onnx"] if int8 else [])]
    places = {ending: path.with_suffix(ending) for ending in endings}
    for place in places.values():
        if place.exists():
            raise ConfigError(
                f"output: {place} is there already; name another one, or remove it first"
            )
    network = network.cpu().eval()
    real = real_images(network, data)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".nas-export-") as folder:
        made = Path(folder) / path.name
        form.write(network, made, _facts(network))
        run = form.read(network, made)
        parity = _compare(network, run, real.pixels[:IMAGES], to)
        card = _card(network, real, run, to) | {
            "file": path.name,
            "bytes": made.stat().st_size,
            "sha256": hashlib.sha256(made.read_bytes()).hexdigest(),
            "example": _example(network, to, path.name),
            "parity": parity,
        }
        if int8:
            small = Path(folder) / places[".int8.onnx"].name
            card["int8"] = _quantized(made, small, real, card["accuracy"]["validation"])
        card["limits"] = limits(card)
        drawing = draw(network.architecture, network.input_shape, len(network.classes))
        drawing = drawing.replace("<svg ", '<svg style="background:#fff;color:#222" ', 1)
        _write(Path(folder) / places[".svg"].name, drawing)
        _write(Path(folder) / places[".json"].name, json.dumps(card, indent=1) + "\n")
        _write(
            Path(folder) / places[".md"].name,
            markdown(card, quote(os.fsencode(places[".svg"].name))),
        )
        for ending in reversed(endings):  # the network last: where it is, so is what belongs to it
            (Path(folder) / places[ending].name).replace(places[ending])
    return Shipped(tuple(places.values()), card)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", errors="backslashreplace")


def _facts(network: Classifier) -> dict[str, str]:
    """What a file says of itself to programs: texts by name."""
    facts: dict[str, Any] = {
        "classes": network.classes,
        "input_shape": network.input_shape,
        "architecture": network.architecture.to_dict(),
        "origin": network.origin,
    }
    return {name: json.dumps(value, default=str) for name, value in facts.items()}


def _example(network: Classifier, to: str, file: str) -> str:
    channels, height, width = network.input_shape
    return FORMATS[to].example.format(
        file=repr(file), channels=channels, height=height, width=width,
        mode=repr("L" if channels == 1 else "RGB"), classes=len(network.classes),
        architecture=network.architecture.to_dict(), mean=list(network.mean),
        std=list(network.std),
    )  # fmt: skip


@torch.inference_mode()
def _logits(network: Classifier, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.concatenate([network(torch.tensor(part)).numpy() for part in _parts(pixels)])


def _parts(pixels: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    return [pixels[start : start + BATCH] for start in range(0, len(pixels), BATCH)]


def _compare(network: Classifier, run: Run, pixels: NDArray[np.uint8], to: str) -> dict[str, Any]:
    """How far the file's logits are from the network's.

    Raises:
        ExportError: too far, or with another answer to an image, in batches or one at a time.
    """
    expected = _logits(network, pixels)
    found = run(pixels)
    alone = np.concatenate([run(pixels[k : k + 1]) for k in range(min(3, len(pixels)))])
    largest = float(
        max(np.abs(found - expected).max(), np.abs(alone - expected[: len(alone)]).max())
    )
    others = int((found.argmax(1) != expected.argmax(1)).sum())
    if not largest <= TOLERANCE or others:
        raise ExportError(
            f"{to}: the file computes something else than the network: logits differ by "
            f"{largest:.1e}, accepted: {TOLERANCE:.0e}; {others} of {len(pixels)} answers differ. "
            "Nothing was written"
        )
    return {"images": len(pixels), "largest_difference": largest, "tolerance": TOLERANCE}


def _card(network: Classifier, real: RealImages, run: Run, to: str) -> dict[str, Any]:
    """What is known of the network, whatever the file."""
    costs = cost(network.architecture, network.input_shape, len(network.classes))
    origin = network.origin
    answers = _logits(network, real.pixels).argmax(1)
    classes = len(network.classes)
    confusion = np.bincount(classes * real.labels + answers, minlength=classes**2)
    training = origin.get("training")
    training = training if isinstance(training, dict) else {}
    return {
        "title": FORMATS[to].title[0].upper() + FORMATS[to].title[1:],
        "takes": FORMATS[to].takes.format(shape=", ".join(map(str, network.input_shape))),
        "network": str(network.architecture),
        "architecture": network.architecture.to_dict(),
        "params": costs.params,
        "macs": costs.macs,
        "classes": list(network.classes),
        "input_shape": list(network.input_shape),
        "mean": list(network.mean),
        "std": list(network.std),
        "data": _data(real),
        "training": training,
        "accuracy": {
            "test": _fraction(origin.get("test_accuracy")),
            "validation": float((answers == real.labels).mean()),
            "searched": _searched(origin.get("searched")),
            "seeds": _seeds(origin.get("seeds")),
        },
        "confusion": confusion.reshape(classes, classes).tolist(),
        "latency": {
            "milliseconds": _milliseconds(run, real.pixels[:1]),
            "machine": processor(),
            "runtime": FORMATS[to].runtime,
        },
        "origin": origin,
        "versions": versions(),
        "made": f"{datetime.now(UTC):%Y-%m-%d}",
    }


def _data(real: RealImages) -> dict[str, Any]:
    images, validating = real.dataset, len(real.labels)
    row = DATASETS[images.name.partition(":")[0]]
    return {
        "title": images.title,
        "fingerprint": images.fingerprint,
        "training": real.trained,
        "validation": validating,
        "test": len(images.test.labels) if images.test else 0,
        "licence": row.licence,
        "home": row.home,
    }


def _milliseconds(run: Run, image: NDArray[np.uint8]) -> float:
    """Median time of one image, in one thread."""
    times = []
    with threads():
        for _ in range(TIMED):
            start = time.perf_counter()
            run(image)
            times.append(time.perf_counter() - start)
    return 1000 * median(times)


def _fraction(value: object) -> float | None:
    """An accuracy, as a file says it; None of what can be none."""
    return value if isinstance(value, float) and 0 <= value <= 1 else None


def _searched(value: object) -> dict[str, Any] | None:
    if not isinstance(value, dict):
        return None
    accuracy, epochs = _fraction(value.get("val_accuracy")), value.get("epochs")
    if accuracy is None or not isinstance(epochs, int):
        return None
    return {"val_accuracy": accuracy, "epochs": epochs}


def _seeds(value: object) -> dict[str, list[float]]:
    """Accuracies of trainings of the same network with other seeds, by what was measured."""
    if not isinstance(value, dict):
        return {}
    return {
        str(name): [one for one in values if _fraction(one) is not None]
        for name, values in value.items()
        if isinstance(values, list) and any(_fraction(one) is not None for one in values)
    }


def _quantized(path: Path, small: Path, real: RealImages, before: float) -> dict[str, Any]:
    """Write the ONNX file at ``path`` in 8 bits; what that costs, on validation images."""
    from nas.shipping.quantizing import quantize

    quantize(path, small, real.training)
    run = onnx_session(small)
    answers = np.concatenate([run(part).argmax(1) for part in _parts(real.pixels)])
    return {
        "file": small.name,
        "bytes": small.stat().st_size,
        "sha256": hashlib.sha256(small.read_bytes()).hexdigest(),
        "milliseconds": _milliseconds(run, real.pixels[:1]),
        "accuracy": float((answers == real.labels).mean()),
        "accuracy_before": before,
    }
