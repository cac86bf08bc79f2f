"""How long networks take for a forward pass on this machine's processor."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from statistics import median

import torch

from nas.architecture import Architecture
from nas.network import build

WARM_UP, REPEATS = 3, 21
THREADS = 1  # of one network: what a server gives to a request, and what can be repeated


@torch.inference_mode()
def measure_latencies(
    architectures: Sequence[Architecture],
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    batch: int = 1,
    repeats: int = REPEATS,
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    """Median milliseconds of a forward pass of ``batch`` images of (channels, H, W), per network.

    ``THREADS`` threads, float32, random weights, after a warm-up. The networks take turns, so that
    whatever else the machine does meets them all alike.
    """
    with _threads():
        images = torch.randn(batch, *input_shape)  # (N, C, H, W)
        networks = [build(a, input_shape[0], num_classes).eval() for a in architectures]
        for network in networks:
            for _ in range(WARM_UP):
                network(images)
        seconds: list[list[float]] = [[] for _ in networks]
        for _ in range(repeats):
            for network, times in zip(networks, seconds, strict=True):
                start = clock()
                network(images)
                times.append(clock() - start)
    return [1000 * median(times) for times in seconds]


@contextmanager
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        yield
    finally:
        torch.set_num_threads(before)
