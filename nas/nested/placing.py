"""Where the numbers of a smaller network stand among those of a larger one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

State: TypeAlias = Mapping[str, Tensor]  # of a network, as its state_dict: shares its memory


class Placement(Protocol):
    """What some of the larger network's numbers must be."""

    def write(self, larger: State, smaller: State) -> None:
        """Put it there."""


@dataclass(frozen=True, slots=True)
class Copied:
    """The smaller network's tensor, in some of the rows (output channels), which are 0 beside."""

    name: str
    source: str  # the smaller one's name of it
    rows: Tensor  # (n,)
    columns: Tensor | None = None  # (n, m), the input channels of each row; none of a vector

    def write(self, larger: State, smaller: State) -> None:
        """See ``Placement``."""
        target, values = larger[self.name], smaller[self.source]
        if target.dim() == 0:  # how many batches a norm has seen
            target.copy_(values)
            return
        target[self.rows] = 0
        target[self._where(target, values)] = values

    def read(self, larger: State, smaller: State) -> None:
        """The other way: from the larger network's tensor into the smaller one's."""
        source, target = larger[self.name], smaller[self.source]
        target.copy_(source[self._where(source, target)] if source.dim() else source)

    def _where(self, large: Tensor, small: Tensor) -> tuple[Tensor | slice, ...]:
        if self.columns is None:
            return (self.rows,)
        # a smaller kernel is the middle of a larger one
        edges = [
            (wide - narrow) // 2
            for wide, narrow in zip(large.shape[2:], small.shape[2:], strict=True)
        ]
        middle = [
            slice(edge, edge + side) for edge, side in zip(edges, small.shape[2:], strict=True)
        ]
        return (self.rows[:, None], self.columns, *middle)


@dataclass(frozen=True, slots=True)
class Zeros:
    """0 in some rows."""

    name: str
    rows: Tensor

    def write(self, larger: State, smaller: State) -> None:
        """See ``Placement``."""
        larger[self.name][self.rows] = 0


@dataclass(frozen=True, slots=True)
class Passed:
    """A convolution that passes its first channels on: row i is 1 at channel i, in the middle."""

    name: str
    rows: Tensor

    def write(self, larger: State, smaller: State) -> None:
        """See ``Placement``."""
        weight = larger[self.name]  # (outputs, inputs / groups, kernel, kernel)
        weight[self.rows] = 0
        middle = weight.shape[2] // 2
        weight[self.rows, self.rows % weight.shape[1], middle, middle] = 1


@dataclass(frozen=True, slots=True)
class Undone:
    """A norm whose gain and bias take back what its running statistics do, in some rows."""

    name: str  # of the module
    rows: Tensor
    eps: float

    def write(self, larger: State, smaller: State) -> None:
        """See ``Placement``."""
        variance, mean = larger[f"{self.name}.running_var"], larger[f"{self.name}.running_mean"]
        larger[f"{self.name}.weight"][self.rows] = (variance[self.rows] + self.eps).sqrt()
        larger[f"{self.name}.bias"][self.rows] = mean[self.rows]


def columns(places: Sequence[int], rows: int, small_groups: int, inputs: int) -> Tensor:
    """For each of ``rows`` outputs of a convolution, where in the larger one's weight it reads.

    Args:
        places: the larger network's channel of each input channel of the smaller convolution.
        rows: output channels of the smaller convolution.
        small_groups: groups of the smaller convolution.
        inputs: input channels in each group of the larger one.
    """
    size = len(places) // small_groups
    group = torch.arange(rows) // (rows // small_groups)  # of each row
    read = group[:, None] * size + torch.arange(size)  # (rows, size)
    return torch.tensor(places)[read] % inputs
