"""How much memory a training step of a network takes."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nas.architecture import Architecture
from nas.network import build
from nas.training.config import TrainingConfig
from nas.training.numerics import forward, memory_format, resolve_numerics

STEPS = 2  # the optimizer's momentum is there from the second one on


def training_memory(
    architecture: Architecture,
    config: TrainingConfig,
    device: torch.device,
    input_shape: tuple[int, int, int] = (1, 28, 28),
    num_classes: int = 10,
) -> int:
    """Bytes of a training step with ``config``'s batch size: weights, their running mean, their
    gradients and momentum, and what the forward pass keeps of a batch for the backward one.

    On CUDA it is ``torch.cuda.max_memory_allocated`` of real steps in the numerics of a training,
    beyond what was allocated before. Elsewhere torch counts nothing, so the tensors are counted, in
    float32: a lower bound, without the buffers that a convolution or a gradient takes for a moment.
    """
    count = config.batch_size if config.train_images is None else config.train_images
    shape = (min(config.batch_size, count), *input_shape)
    with torch.random.fork_rng(devices=[]):
        network = build(architecture, input_shape[0], num_classes)
        images = torch.randn(shape)  # (N, C, H, W)
    labels = torch.zeros(len(images), dtype=torch.int64)
    if device.type != "cuda":
        return _counted(network, images, labels)
    config = resolve_numerics(architecture, config, device, input_shape, num_classes)
    return _allocated(network, images, labels, config, device)


def _counted(network: nn.Module, images: Tensor, labels: Tensor) -> int:
    """On the CPU, as all devices need it."""
    kept: dict[int, Tensor] = {}  # by storage: several tensors may share one

    def keep(tensor: Tensor) -> Tensor:
        kept.setdefault(tensor.untyped_storage().data_ptr(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = F.cross_entropy(network.train()(images), labels)
    weights = list(network.parameters())
    own = [*weights, *network.buffers()]
    of_network = {tensor.untyped_storage().data_ptr() for tensor in own}
    activations = [t for storage, t in kept.items() if storage not in of_network]
    del loss  # the graph holds what is kept until it was counted
    copies = _bytes(own) * 2 + _bytes(weights) * 2  # and the running mean; gradients, momentum
    return copies + _bytes(activations)


def _bytes(tensors: Sequence[Tensor]) -> int:
    return sum(tensor.untyped_storage().nbytes() for tensor in tensors)


def _allocated(
    network: nn.Module, images: Tensor, labels: Tensor, config: TrainingConfig, device: torch.device
) -> int:
    """The most that real steps had at once."""
    torch.cuda.synchronize(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    network = network.to(device).to(memory_format=memory_format(config)).train()
    mean = deepcopy(network)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.0, momentum=0.9, fused=True)
    images, labels = images.to(device), labels.to(device)
    for _ in range(STEPS):
        loss = F.cross_entropy(forward(network, images, config), labels)
        torch.autograd.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
    torch.cuda.synchronize(device)
    peak = torch.cuda.max_memory_allocated(device)
    del mean
    return peak - before
