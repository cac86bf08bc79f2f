"""A network as the parts that its time is the sum of: a stem, blocks, a head."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from nas.architecture import Architecture, Stage, Stem
from nas.blocks import BLOCKS
from nas.cost import cost_of_parts

if TYPE_CHECKING:
    from torch import nn

Size = tuple[int, int]
Kind = Literal["stem", "block", "head"]
_KINDS: tuple[Kind, ...] = ("stem", "block", "head")


@dataclass(frozen=True)
class Part:
    """One part of a network, as everything that its time depends on."""

    kind: Kind
    network: Architecture
    """The smallest one that has this part."""
    input_shape: tuple[int, int, int]
    """What the part is given: channels, height, width."""
    num_classes: int = 1
    """Of a head."""

    @property
    def name(self) -> str:
        """One line that no other part has."""
        channels, height, width = self.input_shape
        stem, stage, network = self.network.stem, self.network.stages[0], self.network
        what = {"stem": stem, "block": stage, "head": f"linear to {self.num_classes}"}[self.kind]
        flags = {
            "biases": network.conv_bias,
            "no norm on shortcuts": not network.shortcut_norm,
            "preactivation": network.preactivation,
        }
        said = [f"{self.kind} of ({channels},{height},{width})", str(what)]
        return ", ".join(said + [name for name, holds in flags.items() if holds])

    @property
    def family(self) -> str:
        """Of the parts that are timed by one rule: of one kind, and one block."""
        return self.network.stages[0].block if self.kind == "block" else self.kind

    def sizes(self) -> tuple[float, ...]:
        """What time goes by: 1; multiply-accumulates outside and inside of groups; numbers that
        are written, and parameters."""
        channels, height, width = self.input_shape
        shape = self.input_shape if self.kind == "stem" else (1, height, width)
        costs = cost_of_parts(self.network, shape, self.num_classes)[_KINDS.index(self.kind)]
        grouped = 0
        stage = self.network.stages[0]
        if self.kind == "block" and stage.groups > 1:
            pixels = height * width // stage.stride**2
            convolutions = BLOCKS[stage.block].convolutions(stage, channels, height * width, pixels)
            grouped = sum(
                weights * at
                for weights, reads, writes, at in convolutions
                if weights * stage.groups == 9 * reads * writes
            )
        return (1.0, costs.macs - grouped, grouped, costs.activations, costs.params)

    def module(self) -> nn.Module:
        """It in torch, with fresh weights."""
        from nas.network import build

        channels = self.input_shape[0] if self.kind == "stem" else 1
        network = build(self.network, channels, self.num_classes)
        if self.kind == "block":
            block: nn.Module = network.stages[0]
            return block
        return network.stem if self.kind == "stem" else network.head


def pieces(
    architecture: Architecture, input_shape: tuple[int, int, int], num_classes: int
) -> Iterator[tuple[Hashable, Callable[[], Sequence[Part]]]]:
    """Its stem, its stages, its head: what each is known again by, and its parts, when asked for.

    A sampler looks at thousands of networks of a few pieces, and making parts takes longer than
    telling these apart.
    """
    flags = (architecture.conv_bias, architecture.shortcut_norm, architecture.preactivation)
    sizes = architecture.resolutions(input_shape)
    stem, last = architecture.stem, architecture.stages[-1].width

    def smallest(stem: Stem, stage: Stage) -> Architecture:
        return Architecture(stem, (stage,), *flags)

    def of_stage(stage: Stage, in_width: int, before: Size, behind: Size) -> Sequence[Part]:
        first = smallest(Stem(in_width), replace(stage, depth=1))
        found = [Part("block", first, (in_width, *before))]
        if stage.depth > 1:
            other = smallest(Stem(stage.width), replace(stage, depth=1, stride=1))
            found += [Part("block", other, (stage.width, *behind))] * (stage.depth - 1)
        return found

    yield (flags, stem), lambda: [Part("stem", smallest(stem, Stage("basic", 1, 1)), input_shape)]
    widths = architecture.input_widths()
    for number, stage in enumerate(architecture.stages):
        where = (widths[number], sizes[number], sizes[number + 1])
        yield (flags, stage, where), partial(of_stage, stage, *where)

    def head() -> Sequence[Part]:
        smallest_one = smallest(Stem(1), Stage("basic", 1, last))
        return [Part("head", smallest_one, (last, *sizes[-1]), num_classes)]

    yield (flags, last, sizes[-1]), head


def parts(
    architecture: Architecture, input_shape: tuple[int, int, int], num_classes: int
) -> Iterator[Part]:
    """All parts of a network, in order; equal ones as often as they occur."""
    for _, made in pieces(architecture, input_shape, num_classes):
        yield from made()
