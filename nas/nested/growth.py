"""Networks that grow into larger ones that compute the same function, and shrink back.

What was there reads nothing of what is new, so that it computes what it did: each weight from a new
channel to an old one is 0, and an old channel takes 0 from a new block. All other new weights are
drawn as those of a fresh network. So each way from a new weight to the logits leads over one 0, and
one step of the optimizer is enough for gradients to reach all of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import nn

from nas.architecture import Architecture
from nas.blocks import BLOCKS
from nas.errors import ArchitectureError
from nas.nested.elements import Element, Mode, elements, packed
from nas.nested.order import contains
from nas.nested.placing import Copied, Passed, Placement, State, Undone, Zeros, columns
from nas.network import Network, build

STATISTICS = ("running_mean", "running_var")


def grow(network: Network, architecture: Architecture, mode: Mode = "train") -> Network:
    """A network of the larger ``architecture`` that computes what ``network`` does.

    Weights and running statistics are carried over; new weights are drawn from torch's global
    generator. ``network`` stays as it is; the new one is on its device, in its precision and mode.

    Args:
        network: what ``nas.build`` made.
        architecture: one that contains the network's own, as ``nas.contains`` says.
        mode: as ``nas.contains`` takes it: with ``train`` the logits stay the same in train and
            in eval mode, with ``eval`` in eval mode.

    Raises:
        ArchitectureError: it is not contained; the message has the reason.

    >>> from dataclasses import replace
    >>> from nas import Stem, build, preset
    >>> small = build(preset("resnet20")).eval()
    >>> stages = [replace(one, depth=4, width=one.width + 8) for one in preset("resnet20").stages]
    >>> large = grow(small, replace(preset("resnet20"), stem=Stem(24), stages=tuple(stages)))
    >>> images = torch.randn(4, 1, 28, 28)  # (N, C, H, W)
    >>> bool((large(images) - small(images)).abs().max() < 1e-5)
    True
    """
    grown = _fresh(architecture, network)
    Embedding(grown, network, mode).write(grown.state_dict(), network.state_dict())
    return grown.train(network.training)


def shrink(network: Network, architecture: Architecture, mode: Mode = "train") -> Network:
    """A network of the smaller ``architecture`` that computes what ``network`` does.

    The way back of ``grow``, where it is exact: nothing that would go is read by what stays.

    Args:
        network: what ``grow`` made; training it further makes all of it count.
        architecture: one that the network's own contains.
        mode: as ``nas.contains`` takes it.

    Raises:
        ArchitectureError: it is not contained, or what would go is in use.

    >>> from dataclasses import replace
    >>> from nas import build, preset
    >>> small = build(preset("resnet20"))
    >>> deeper = [replace(one, depth=4) for one in preset("resnet20").stages]
    >>> large = grow(small, replace(preset("resnet20"), stages=tuple(deeper)))
    >>> again = shrink(large, preset("resnet20"))
    >>> torch.equal(again.stem.conv.weight, small.stem.conv.weight)
    True
    """
    shrunk = _fresh(architecture, network)
    if reason := contains(network.architecture, architecture, mode).reason:
        raise ArchitectureError(f"the network does not shrink: it does not contain that: {reason}")
    embedding = Embedding(network, shrunk, mode)
    embedding.read(network.state_dict(), shrunk.state_dict())
    if used := embedding.differing(network.state_dict(), shrunk.state_dict()):
        raise ArchitectureError(
            f"the network does not shrink: {used[0]} lets what would go count; accepted: a network "
            "that has grown from that architecture and was not trained since"
        )
    return shrunk.train(network.training)


class Embedding:
    """Where the numbers of a smaller network stand in a larger one, and what is 0 there.

    Raises:
        ArchitectureError: the larger network's architecture does not contain the smaller one's.
    """

    def __init__(self, larger: Network, smaller: Network, mode: Mode = "train") -> None:
        found = contains(larger.architecture, smaller.architecture, mode)
        if not found:
            raise ArchitectureError(f"the network cannot grow: {found.reason}")
        self._placements = tuple(_placements(larger, smaller, found.blocks))

    def write(self, larger: State, smaller: State) -> None:
        """Make the larger state compute the smaller one's function; what is free stays."""
        for placement in self._placements:
            placement.write(larger, smaller)

    def carry(self, larger: State, smaller: State) -> None:
        """Put what the smaller one has for each parameter, as an optimizer has, into the larger."""
        for placement in self._placements:
            if isinstance(placement, Copied) and placement.source in smaller:
                placement.write(larger, smaller)

    def read(self, larger: State, smaller: State) -> None:
        """Take the smaller state out of the larger one."""
        for placement in self._placements:
            if isinstance(placement, Copied):
                placement.read(larger, smaller)

    def differing(self, larger: State, smaller: State) -> list[str]:
        """Names of the tensors that ``write`` would change."""
        expected = {name: tensor.clone() for name, tensor in larger.items()}
        self.write(expected, smaller)
        return [name for name, tensor in larger.items() if not torch.equal(tensor, expected[name])]


def _fresh(architecture: Architecture, like: Network) -> Network:
    """A new network for the same images and classes, on the same device."""
    if not isinstance(like, Network):
        raise ArchitectureError(
            f"network is a {type(like).__name__}; accepted: what nas.build makes, as .network of "
            "what nas.load returns is"
        )
    linear = _linear(like)
    channels = _convolution(like, "stem.conv").in_channels
    network = build(architecture, channels, linear.out_features)
    return network.to(linear.weight.device, linear.weight.dtype)


def _convolution(network: Network, name: str) -> nn.Conv2d:
    module = network.get_submodule(name)
    assert isinstance(module, nn.Conv2d), name
    return module


def _linear(network: Network) -> nn.Linear:
    module = network.get_submodule("head.linear")
    assert isinstance(module, nn.Linear)
    return module


def _placements(
    larger: Network, smaller: Network, blocks: Sequence[int | None]
) -> Iterator[Placement]:
    """Part by part, in the order of computation."""
    pair = _Pair(larger, smaller)
    images = range(_convolution(smaller, "stem.conv").in_channels)
    width = smaller.architecture.stem.width
    yield from pair.convolution("stem.conv", "stem.conv", images, range(width))
    if not smaller.architecture.preactivation:
        yield from pair.norm("stem.norm", "stem.norm", range(width))
    small = list(_named(smaller.architecture))
    for (name, block), source in zip(_named(larger.architecture), blocks, strict=True):
        if source is None:
            yield from pair.identity(name, block, width)
        else:
            yield from pair.held(name, block, *small[source])
            width = small[source][1].width
    if smaller.architecture.preactivation:
        yield from pair.norm("head.norm", "head.norm", range(width))
    rows = torch.arange(_linear(smaller).out_features)
    read = columns(range(width), len(rows), 1, _linear(larger).in_features)
    yield Copied("head.linear.weight", "head.linear.weight", rows, read)
    yield Copied("head.linear.bias", "head.linear.bias", rows)


def _named(architecture: Architecture) -> Iterator[tuple[str, Element]]:
    """Each block under the name that its module has."""
    stage, place = -1, 0
    for number, element in elements(architecture):
        stage, place = number, place + 1 if number == stage else 0
        yield f"stages.{number}.block{place}", element


class _Pair:
    """Two networks by the names of their modules; the larger one's stand first."""

    def __init__(self, larger: Network, smaller: Network) -> None:
        self.larger, self.smaller = larger, smaller

    def held(self, name: str, block: Element, source: str, small: Element) -> Iterator[Placement]:
        """A block that holds a smaller one."""
        if not BLOCKS[block.block].grows:  # it is the same, then
            for part, tensor in self.smaller.get_submodule(source).state_dict().items():
                rows = torch.arange(len(tensor) if tensor.dim() else 0)
                yield Copied(f"{name}.{part}", f"{source}.{part}", rows)
            return
        inner = packed(small.inner, small.groups, block.inner, block.groups)
        assert inner is not None, "it is contained"
        count = self._convolutions(name)
        channels = [range(small.in_width), *[inner] * (count - 1), range(small.width)]
        for k in range(1, count + 1):
            reads, writes = channels[k - 1], channels[k]
            yield from self.convolution(f"{name}.conv{k}", f"{source}.conv{k}", reads, writes)
            normed = reads if block.preactivation else writes
            yield from self.norm(f"{name}.norm{k}", f"{source}.norm{k}", normed)
        shortcut, theirs = f"{name}.shortcut", f"{source}.shortcut"
        if small.projects:
            reads, writes = range(small.in_width), range(small.width)
            yield from self.convolution(f"{shortcut}.conv", f"{theirs}.conv", reads, writes)
            if block.norm_on_shortcut:
                yield from self.norm(f"{shortcut}.norm", f"{theirs}.norm", writes)
        elif block.projects and small.residual:
            yield from self._passed(shortcut, "", small.width, block.norm_on_shortcut)
        elif block.projects:
            last = "norm" if block.norm_on_shortcut else "conv"
            yield from self._zero(f"{shortcut}.{last}", small.width)

    def identity(self, name: str, block: Element, width: int) -> Iterator[Placement]:
        """A block that passes its first channels on."""
        count = self._convolutions(name)
        if not block.residual:
            for k in range(1, count + 1):
                yield from self._passed(name, str(k), width, norm=True)
            return
        last = "conv" if block.preactivation else "norm"
        yield from self._zero(f"{name}.{last}{count}", width)
        if block.projects:
            yield from self._passed(f"{name}.shortcut", "", width, block.norm_on_shortcut)

    def convolution(
        self, name: str, source: str, reads: Sequence[int], writes: Sequence[int]
    ) -> Iterator[Placement]:
        """The smaller convolution's weights, between the channels of these numbers."""
        large, small = _convolution(self.larger, name), _convolution(self.smaller, source)
        rows = torch.tensor(writes)
        inputs = large.in_channels // large.groups
        read = columns(reads, small.out_channels, small.groups, inputs)
        yield Copied(f"{name}.weight", f"{source}.weight", rows, read)
        if small.bias is not None:
            yield Copied(f"{name}.bias", f"{source}.bias", rows)
        elif large.bias is not None:
            yield Zeros(f"{name}.bias", rows)

    def norm(self, name: str, source: str, channels: Sequence[int]) -> Iterator[Placement]:
        """Gain, bias and running statistics."""
        rows = torch.tensor(channels)
        for part in ("weight", "bias", *STATISTICS, "num_batches_tracked"):
            yield Copied(f"{name}.{part}", f"{source}.{part}", rows)

    def _passed(self, name: str, number: str, width: int, norm: bool) -> Iterator[Placement]:
        """A convolution, and the norm behind it, that leave the first channels as they are."""
        conv = _convolution(self.larger, f"{name}.conv{number}")
        rows = torch.arange(width)
        yield Passed(f"{name}.conv{number}.weight", rows)
        if conv.bias is not None:
            yield Zeros(f"{name}.conv{number}.bias", rows)
        if norm:
            module = self.larger.get_submodule(f"{name}.norm{number}")
            assert isinstance(module, nn.BatchNorm2d)
            yield Undone(f"{name}.norm{number}", rows, module.eps)

    def _zero(self, name: str, width: int) -> Iterator[Placement]:
        """A layer that puts out 0 in the first channels, whatever it reads."""
        for part, _ in self.larger.get_submodule(name).named_parameters():
            yield Zeros(f"{name}.{part}", torch.arange(width))

    def _convolutions(self, name: str) -> int:
        """How many a block has, without the shortcut's."""
        children = self.larger.get_submodule(name).named_children()
        return sum(child.startswith("conv") for child, _ in children)
