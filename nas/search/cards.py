"""The GPUs of the Ray that is connected to: how large they are, and what a step takes on each."""

from __future__ import annotations

import os
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from nas.architecture import Architecture
from nas.errors import ConfigError
from nas.search.budget import device_name
from nas.search.placement import LEAST, Card
from nas.training.config import TrainingConfig

PATIENCE = 120.0  # seconds that the nodes have to train two steps


def cards(
    architecture: Architecture,
    config: TrainingConfig,
    input_shape: tuple[int, int, int],
    num_classes: int,
) -> list[Card]:
    """One GPU of each node that has some, with what a training step of ``architecture`` takes.

    A logical GPU, on a node without CUDA, has the memory of its machine, and tensors are counted.

    Raises:
        ConfigError: no node answers; of several, those that do not are left out.
    """
    task = ray.remote(num_gpus=LEAST, num_cpus=0, max_retries=0)(_look)
    question = (architecture.to_dict(), config.to_dict(), input_shape, num_classes)
    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    asked = [
        task.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        ).remote(*question)
        for node in nodes
        if node["Alive"] and node["Resources"].get("GPU", 0) >= 1
    ]
    ready, late = ray.wait(asked, num_returns=len(asked), timeout=PATIENCE)
    for one in late:
        ray.cancel(one, force=True)
    found, reason = [], f"no answer within {PATIENCE:g} s"
    for one in ready:
        try:
            found.append(Card(**ray.get(one)))
        except RayError as error:
            reason = " ".join(str(error).split())[-200:]
    if not found:
        raise ConfigError(
            f"gpus-per-trial is auto, but no GPU could be tried ({reason}); accepted: a number, "
            "such as 0.25"
        )
    return found


def _look(
    architecture: dict[str, Any],
    config: dict[str, Any],
    input_shape: tuple[int, int, int],
    num_classes: int,
) -> dict[str, Any]:
    import torch  # on a worker

    from nas.training.memory import training_memory
    from nas.training.numerics import choose_device

    network = Architecture.from_dict(architecture)
    training = TrainingConfig.from_dict(config)
    device = choose_device("cuda" if torch.cuda.is_available() else "cpu")
    step = training_memory(network, training, device, input_shape, num_classes)
    if device.type == "cuda":
        memory = torch.cuda.get_device_properties(device).total_memory
    else:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"name": device_name(device), "memory": memory, "step": step}
