"""Device, precision and memory layout: what changes a training's speed and not its meaning."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from statistics import median

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nas.architecture import Architecture
from nas.data.dataset import Shape
from nas.errors import ConfigError, choose
from nas.network import build
from nas.training.config import TrainingConfig

PROBE_IMAGES = 32
TIMED_STEPS = 3
HOPELESS = 2.5  # times as long as the shortest; a first step has its own costs


def choose_device(name: str = "auto") -> torch.device:
    """The device called ``name`` ("cpu", "cuda:1", …); for "auto" the first of cuda, mps, cpu.

    Raises:
        ConfigError: there is no such device here; the message lists those that are.
    """
    here = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    here += ["mps"] if torch.backends.mps.is_available() else []
    here += ["cpu"]
    if name == "auto":
        return torch.device(here[0])
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in here:
        raise ConfigError(f"device {name!r} is not here; {choose(wanted, here)}")
    return torch.device(wanted)


def trial_device(name: str, gpus: float) -> str:
    """``name`` for a trial that was given so many GPUs: with none, "auto" takes none, as one that
    is here is another trial's."""
    return "cpu" if name == "auto" and torch.cuda.is_available() and not gpus else name


@contextmanager
def fast_convolutions() -> Iterator[None]:
    """Let cuDNN time its algorithms for each shape; the process's own setting returns after."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def memory_format(config: TrainingConfig) -> torch.memory_format:
    """``config``'s explicit layout, as torch calls it."""
    return torch.channels_last if config.channels_last == "on" else torch.contiguous_format


def forward(model: nn.Module, images: Tensor, config: TrainingConfig) -> Tensor:
    """float32 logits of (N, C, H, W) float32 images, computed in ``config``'s explicit numerics."""
    images = _laid_out(images, config)
    bfloat16 = config.precision == "bfloat16"
    with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=bfloat16):
        logits: Tensor = model(images)  # (N, classes)
    return logits.float()


def _laid_out(images: Tensor, config: TrainingConfig) -> Tensor:
    """``images`` in ``config``'s layout, by their strides too.

    An image of one channel is contiguous in both layouts, and convolutions go by its strides.
    """
    n, c, h, w = images.shape
    strides = (c * h * w, 1, c * w, c) if config.channels_last == "on" else (c * h * w, h * w, w, 1)
    return images.contiguous(memory_format=memory_format(config)).as_strided((n, c, h, w), strides)


def resolve_numerics(
    architecture: Architecture,
    config: TrainingConfig,
    device: torch.device,
    input_shape: Shape = (1, 28, 28),
    num_classes: int = 10,
) -> TrainingConfig:
    """``config`` with an explicit precision and layout, for images of (channels, H, W).

    On CUDA both are a rule: bfloat16 where the GPU computes in it, channels last. On a CPU the
    fastest combination depends on the architecture, so a few steps of each are timed, on a network
    of its own and random images. The answer is therefore part of the result: store it.
    """
    precisions = ("float32", "bfloat16") if config.precision == "auto" else (config.precision,)
    layouts = ("off", "on") if config.channels_last == "auto" else (config.channels_last,)
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
        chosen = (precisions[-1] if fast else precisions[0], layouts[-1])
    elif device.type == "cpu":
        candidates = [
            config.replace(precision=precision, channels_last=layout)
            for precision, layout in product(precisions, layouts)
        ]
        if len(candidates) == 1:
            return candidates[0]
        return _fastest(architecture, candidates, input_shape, num_classes)
    else:
        chosen = (precisions[0], layouts[0])
    return config.replace(precision=chosen[0], channels_last=chosen[1])


def _fastest(
    architecture: Architecture,
    candidates: list[TrainingConfig],
    input_shape: Shape,
    num_classes: int,
) -> TrainingConfig:
    """The candidate with the shortest median step.

    They take turns, so that noise hits all. One that is hopeless at its first step takes no
    other: where bfloat16 is emulated, a step may be five times as long.
    """
    steps = [_step(architecture, config, input_shape, num_classes) for config in candidates]
    first = [_seconds(step) for step in steps]
    left = [number for number, spent in enumerate(first) if spent <= HOPELESS * min(first)]
    turns = [[_seconds(steps[number]) for number in left] for _ in range(TIMED_STEPS)]
    medians = [median(times) for times in zip(*turns, strict=True)]
    return candidates[left[medians.index(min(medians))]]


def _seconds(step: Callable[[], None]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def _step(
    architecture: Architecture, config: TrainingConfig, input_shape: Shape, num_classes: int
) -> Callable[[], None]:
    """A forward and backward pass of a network of its own in ``config``'s explicit numerics."""
    with torch.random.fork_rng(devices=[]):
        model = build(architecture, input_shape[0], num_classes)
        model = model.to(memory_format=memory_format(config))
    images = torch.randn(PROBE_IMAGES, *input_shape, generator=torch.Generator().manual_seed(0))
    labels = torch.zeros(PROBE_IMAGES, dtype=torch.int64)

    def step() -> None:
        torch.autograd.backward(F.cross_entropy(forward(model, images, config), labels))
        model.zero_grad()

    return step
