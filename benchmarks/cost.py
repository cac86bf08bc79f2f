"""How much faster the closed form of an architecture's cost is than building it and counting.

    python benchmarks/cost.py

Both arms see the same random ResNeXt networks in turn, in one process on one core; the ratio is
that of their medians per architecture.
"""

import random
import statistics
import time

import torch
from torch import nn

import nas

ARCHITECTURES = 200
CALLS = 20  # of the closed form per architecture: one is too short for the clock


def draw(generator: random.Random) -> nas.Architecture:
    """Four stages, as deep and as wide as networks for 28×28 images are."""
    stages = [
        nas.Stage(
            "bottleneck",
            depth=generator.randint(1, 4),
            width=width,
            stride=stride,
            groups=width // 2 // generator.choice([4, 8]),
            bottleneck=0.5,
            residual=generator.random() < 0.5,
        )
        for width, stride in [(16, 1), (32, 1), (64, 2), (128, 2)]
    ]
    return nas.Architecture(nas.Stem(16), tuple(stages))


def build_and_count(architecture: nas.Architecture) -> nas.Cost:
    """The cost as counted by hooks while one image passes the built network."""
    network = nas.build(architecture).eval()
    macs = activations = 0

    def count(module: nn.Conv2d | nn.Linear, _inputs: object, output: torch.Tensor) -> None:
        nonlocal macs, activations
        activations += output.numel()
        macs += output.numel() * (module.weight[0].numel() + (module.bias is not None))

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    with torch.no_grad():
        network(torch.zeros(1, 1, 28, 28))
    params = sum(parameter.numel() for parameter in network.parameters())
    return nas.Cost(params, macs, activations)


def main() -> None:
    """Time both arms and print their medians and ratio."""
    torch.set_num_threads(1)
    generator = random.Random(0)
    closed, counted = [], []
    for _ in range(ARCHITECTURES):
        architecture = draw(generator)
        start = time.perf_counter()
        for _ in range(CALLS):
            cost = nas.cost(architecture)
        middle = time.perf_counter()
        same = build_and_count(architecture)
        end = time.perf_counter()
        assert cost == same
        closed.append((middle - start) / CALLS)
        counted.append(end - middle)
    closed_form, count = statistics.median(closed), statistics.median(counted)
    print(f"closed form     {closed_form * 1e6:8.1f} µs  {60 / closed_form:12,.0f} a minute")
    print(f"build and count {count * 1e6:8.1f} µs  {60 / count:12,.0f} a minute")
    print(f"ratio           {count / closed_form:8.0f}")


if __name__ == "__main__":
    main()
