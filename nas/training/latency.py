"""How long networks take for a forward pass, on a processor or a GPU."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import quantiles

import torch
from torch import Tensor, nn

from nas.architecture import Architecture
from nas.network import build

WARM_UP, REPEATS = 3, 21
THREADS = 1  # of one network: what a server gives to a request, and what can be repeated
PRECISION = "float32"
# A network that takes longer is measured fewer times, and never fewer than that: 256 images at a
# time may take a second, which noise hardly moves.
MOST_SECONDS, FEWEST = 5.0, 5


@dataclass(frozen=True)
class Latency:
    """Of repeated forward passes."""

    seconds: float
    """Their median."""
    spread: float
    """Between their quartiles, in seconds."""

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Latency:
        """Median and spread of what was measured."""
        if len(seconds) < 2:
            return cls(seconds[0], 0.0)
        low, middle, high = quantiles(seconds, n=4, method="inclusive")
        return cls(middle, high - low)

    @property
    def milliseconds(self) -> float:
        """The median."""
        return 1000 * self.seconds


def measure_latencies(
    architectures: Sequence[Architecture],
    input_shape: tuple[int, int, int],
    num_classes: int,
    *,
    batch: int = 1,
    repeats: int = REPEATS,
    device: torch.device | str = "cpu",
    clock: Callable[[], float] | None = None,
) -> list[Latency]:
    """Of a forward pass of ``batch`` images of (channels, H, W) on ``device``, per network.

    ``THREADS`` threads, float32, random weights, after a warm-up. The networks take turns, so that
    whatever else the machine does meets them all alike. The ``clock`` is ``clock_of(device)``.
    """
    device = torch.device(device)
    with torch.random.fork_rng(devices=[]):  # the caller's random numbers go on undisturbed
        networks: list[nn.Module] = [build(a, input_shape[0], num_classes) for a in architectures]
        images = torch.randn(batch, *input_shape).to(device)  # (N, C, H, W)
    cases = [(network.to(device), images) for network in networks]
    return time_in_turns(cases, repeats=repeats, clock=clock)


@torch.inference_mode()
def time_in_turns(
    cases: Sequence[tuple[nn.Module, Tensor]],
    *,
    repeats: int = REPEATS,
    clock: Callable[[], float] | None = None,
) -> list[Latency]:
    """Of a forward pass of each module on its input, both on one device; as a network that is
    used, in one thread. The ``clock`` is ``clock_of(device)``."""
    clock = clock or clock_of(cases[0][1].device)
    with threads():
        for module, images in cases:
            module.eval()
            for _ in range(WARM_UP):
                module(images)
        seconds: list[list[float]] = [[] for _ in cases]
        for turn in range(repeats):
            for (module, images), times in zip(cases, seconds, strict=True):
                if turn >= FEWEST and sum(times) > MOST_SECONDS:
                    continue
                _wait_for(images.device)
                start = clock()
                module(images)
                _wait_for(images.device)
                times.append(clock() - start)
    return [Latency.of(times) for times in seconds]


def clock_of(device: torch.device) -> Callable[[], float]:
    """Of a CPU the time of the one thread, which is what a pass takes where nothing else runs: with
    other trials beside it, the time on the wall is several times that, and says more of them. Of a
    GPU the time on the wall."""
    return time.thread_time if device.type == "cpu" else time.perf_counter


def _wait_for(device: torch.device) -> None:
    """A GPU is handed its work, and does it later."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


@contextmanager
def threads(number: int = THREADS) -> Iterator[None]:
    """Let torch compute in so many; the process's own setting returns after."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
