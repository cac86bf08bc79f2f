"""Which part of a GPU a trial gets. Knows neither torch nor ray.

A number of ``--gpus-per-trial`` is every trial's part. With ``auto`` a trial gets what its network
needs: the memory of a training step in closed form, corrected by what a step of one network took on
the GPUs that are there. A trial that runs out of memory all the same gets twice as much, up to a
whole GPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil

from nas.cost import Cost

AUTO = "auto"
PARTS = 32  # that a GPU is divided into by ``auto``
LEAST = 1 / PARTS
# Assumed, as no GPU was at hand to measure it on: what a process takes beside its tensors (context,
# libraries), and how much more than counted their allocator may hold.
CONTEXT = 800 * 10**6  # bytes
MARGIN = 1.25
# of float32 per output of a convolution that autograd keeps: it, and what its norm and relu make
KEPT = 2.5


@dataclass(frozen=True)
class Card:
    """A GPU of a node, and what a training step took there."""

    name: str
    memory: int
    """Bytes."""
    step: int
    """Bytes of a step of the network that was tried."""


def step_memory(cost: Cost, batch: int) -> int:
    """Bytes of a training step of ``batch`` images, about: weights, their mean, gradients and
    momentum, and what the forward pass keeps for the backward one.

    >>> step_memory(Cost(params=1000, macs=0, activations=100), batch=64)
    80000
    """
    return round(4 * (4 * cost.params + KEPT * batch * cost.activations))


@dataclass
class Shares:
    """The parts of GPUs of one search's trials."""

    given: float | None
    """Of all trials; None for ``auto``."""
    memory: int = 0
    """Bytes of the smallest GPU, with ``auto``."""
    correction: float = 1.0
    """By how much a step takes more than ``step_memory`` says, at the most."""
    _grown: dict[int, float] = field(default_factory=dict)

    @classmethod
    def measured(cls, cards: Sequence[Card], cost: Cost, batch: int) -> Shares:
        """By what a network of this cost took on each of the GPUs."""
        predicted = step_memory(cost, batch)
        return cls(None, min(c.memory for c in cards), max(c.step for c in cards) / predicted)

    def of(self, number: int, cost: Cost, batch: int) -> float:
        """Of trial ``number``, whose network has this cost."""
        if number in self._grown:
            return self._grown[number]
        if self.given is not None:
            return self.given
        needed = self.correction * MARGIN * step_memory(cost, batch) + CONTEXT
        return min(1.0, ceil(PARTS * needed / self.memory) / PARTS)

    def grow(self, number: int, share: float) -> float | None:
        """What a trial gets that ran out of memory with ``share``; None where there is no more."""
        if not 0 < share < 1:
            return None
        self._grown[number] = min(1.0, 2 * share)
        return self._grown[number]
