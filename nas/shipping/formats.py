"""Files of a network that other programs read, and what each of them computes when it is read."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nas.errors import ConfigError, choose
from nas.network import build
from nas.study.shell import install_command
from nas.training.classifier import Classifier
from nas.training.device import normalise

Logits = NDArray[np.float32]
Run = Callable[[NDArray[np.uint8]], Logits]
INPUT, OUTPUTS = "images", ("logits", "probabilities")
BATCH_AXIS = "batch"


@dataclass(frozen=True)
class Format:
    """A form of file."""

    ending: str
    title: str
    """For people."""
    takes: str
    """What is to be given to it."""
    write: Callable[[Classifier, Path, Mapping[str, str]], None]
    """The network into a file, with facts by name, where the form has room for them."""
    read: Callable[[Classifier, Path], Run]
    """What the file computes, as its users would have it; of the network only its description."""
    example: str
    """How to use it, as a program with the file in place of FILE."""
    runtime: str
    """What runs it, where its speed is measured."""
    needs: tuple[str, ...] = ()
    """Modules of the extra ``export``."""


def find_format(name: str) -> Format:
    """The row of ``FORMATS`` of that name.

    Raises:
        ConfigError: there is none, or what it needs is not installed.
    """
    if name not in FORMATS:
        raise ConfigError(f"to is {name!r:.60}; {choose(name, FORMATS)}")
    missing = [module for module in FORMATS[name].needs if find_spec(module) is None]
    if missing:
        raise ConfigError(f"{name} needs {' and '.join(missing)}; run: {install_command('export')}")
    return FORMATS[name]


class _Graph(nn.Module):
    """(N, C, H, W) uint8 pixels → logits and probabilities (N, classes).

    Bytes leave no doubt about what white is, and a runtime refuses what has another type: so the
    images are normalised in here, and whoever feeds real numbers is told.
    """

    def __init__(self, network: Classifier) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.network(images)
        return logits, logits.softmax(1)


def _exported(network: Classifier) -> torch.export.ExportedProgram:
    example = torch.zeros(2, *network.input_shape, dtype=torch.uint8)
    batch = torch.export.Dim(INPUT, min=1)
    return torch.export.export(_Graph(network).eval(), (example,), dynamic_shapes=({0: batch},))


def _write_onnx(network: Classifier, path: Path, facts: Mapping[str, str]) -> None:
    import onnx

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter about itself
        program = torch.onnx.export(
            _exported(network),
            input_names=[INPUT],
            output_names=list(OUTPUTS),
            dynamo=True,
            verbose=False,
        )
    assert program is not None, "the exporter returns what it made"
    program.save(path, external_data=False)
    model = onnx.load(path)
    graph = model.graph
    of_torch = graph.input[0].type.tensor_type.shape.dim[0].dim_param  # a symbol such as s34
    for value in (*graph.input, *graph.output, *graph.value_info):
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param == of_torch:
                axis.dim_param = BATCH_AXIS
    onnx.helper.set_model_props(model, dict(facts))
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _read_onnx(network: Classifier, path: Path) -> Run:
    return onnx_session(path)


def onnx_session(path: Path) -> Run:
    """What an ONNX file computes in onnxruntime, in one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(images: NDArray[np.uint8]) -> Logits:
        logits: Logits = session.run([OUTPUTS[0]], {INPUT: images})[0]
        return logits

    return run


def _write_program(network: Classifier, path: Path, facts: Mapping[str, str]) -> None:
    files = {"facts.json": json.dumps(dict(facts))}
    torch.export.save(_exported(network), path, extra_files=files)


def _read_program(network: Classifier, path: Path) -> Run:
    module = torch.export.load(path).module()
    return lambda images: module(torch.tensor(images))[0].detach().numpy()


def _write_state(network: Classifier, path: Path, facts: Mapping[str, str]) -> None:
    with path.open("wb") as file:
        torch.save(network.network.state_dict(), file)


def _read_state(network: Classifier, path: Path) -> Run:
    plain = build(network.architecture, network.input_shape[0], len(network.classes)).eval()
    plain.load_state_dict(torch.load(path, weights_only=True))

    @torch.inference_mode()
    def run(images: NDArray[np.uint8]) -> Logits:
        logits: Logits = plain(normalise(torch.tensor(images), network.mean, network.std)).numpy()
        return logits

    return run


_BYTES = "images, uint8 (N, {shape}) with N of 1 or more, pixels of 0 to 255, not normalised"
FORMATS = {
    "onnx": Format(
        ".onnx",
        "ONNX",
        _BYTES,
        _write_onnx,
        _read_onnx,
        """import json, numpy, onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession({file})
image = numpy.asarray(Image.open("image.png").convert({mode}).resize(({width}, {height})))
images = image.reshape(1, {height}, {width}, {channels}).transpose(0, 3, 1, 2)  # uint8
logits, probabilities = session.run(None, {{"images": images}})
classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])
print(classes[probabilities[0].argmax()], probabilities[0].max())""",
        "onnxruntime",
        needs=("onnx", "onnxscript", "onnxruntime"),
    ),
    "torch-export": Format(
        ".pt2",
        "a program of torch.export",
        _BYTES,
        _write_program,
        _read_program,
        """import torch

network = torch.export.load({file}).module()
images = torch.zeros(1, {channels}, {height}, {width}, dtype=torch.uint8)  # pixels of 0 to 255
logits, probabilities = network(images)""",
        "PyTorch",
    ),
    "state-dict": Format(
        ".pt",
        "weights alone",
        "images, float32 (N, {shape}), of pixels scaled to 0 … 1, less mean, through std",
        _write_state,
        _read_state,
        """import nas, torch

network = nas.build(nas.Architecture.from_dict({architecture}), {channels}, {classes})
network.load_state_dict(torch.load({file}, weights_only=True))
mean, std = (torch.tensor(one)[:, None, None] for one in ({mean}, {std}))
pixels = torch.zeros(1, {channels}, {height}, {width})  # of 0 to 1
logits = network.eval()((pixels - mean) / std)""",
        "PyTorch",
    ),
}
