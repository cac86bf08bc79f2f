"""The blocks of a network in order, and which block may stand for which.

Two constructions: a block *holds* a smaller one, whose channels are the first of its own and read
nothing of the others; and a block is the *identity*. Each rule here returns what forbids it, as
(knob, reason), or None. A rule that says ``None`` is one that ``nas.nested.growth`` carries out.

The modes are torch's: in ``train`` a norm uses the statistics of the batch, so that no weights undo
it; in ``eval`` it is an affine map, which weights can undo. What is exact in train mode is so in
eval mode, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

from nas.architecture import Architecture, Stem
from nas.blocks import BLOCKS
from nas.quantity import plural

Mode: TypeAlias = Literal["train", "eval"]
Refusal: TypeAlias = tuple[str, str]  # the knob that forbids it, and how

NORM = (
    "its shortcut is a projection behind which a norm stands, and no weights undo a norm that "
    "uses the statistics of the batch"
)
HIDDEN = "a pre-activation shortcut that projects reads what a norm and a ReLU left"


@dataclass(frozen=True, slots=True)
class Element:
    """One block of a network: its sizes, and the conventions that it follows."""

    block: str
    in_width: int
    width: int
    inner: int
    groups: int
    stride: int
    residual: bool
    projects: bool
    bias: bool  # of its convolutions
    shortcut_norm: bool
    preactivation: bool

    @property
    def norm_on_shortcut(self) -> bool:
        """Whether a shortcut of it that projects ends in a norm."""
        return self.shortcut_norm and not self.preactivation


def elements(architecture: Architecture) -> Iterator[tuple[int, Element]]:
    """Each block in the order of computation, with the number of its stage."""
    in_width = architecture.stem.width
    for number, stage in enumerate(architecture.stages):
        for place in range(stage.depth):
            first = place == 0
            element = Element(
                stage.block,
                in_width,
                stage.width,
                stage.inner_width,
                stage.groups,
                stage.stride if first else 1,
                stage.residual,
                first and stage.projects(in_width),
                architecture.conv_bias,
                architecture.shortcut_norm,
                architecture.preactivation,
            )
            in_width = stage.width
            yield number, element


def packed(small_inner: int, small_groups: int, inner: int, groups: int) -> tuple[int, ...] | None:
    """Where each of the smaller block's inner channels lies in the larger one's; None if nowhere.

    A grouped convolution is a block-diagonal matrix. The smaller one's groups lie side by side in
    those of the larger one, as many in each as fit whole.

    >>> packed(4, 2, 6, 1)  # two groups of 2 in one of 6
    (0, 1, 2, 3)
    >>> packed(4, 2, 6, 2)  # one in each
    (0, 1, 3, 4)
    >>> packed(6, 2, 8, 4) is None  # groups of 3 in groups of 2
    True
    """
    size, room = small_inner // small_groups, inner // groups
    in_each = room // size
    if in_each * groups < small_groups:
        return None
    places = (divmod(channel, size) for channel in range(small_inner))
    return tuple(
        (group // in_each) * room + (group % in_each) * size + place for group, place in places
    )


def stem_forbids(larger: Stem, smaller: Stem) -> Refusal | None:
    """What keeps a stem from holding a smaller one: a 3×3 kernel lies in the middle of a 7×7."""
    if larger.width < smaller.width:
        return "width", _below(larger.width, smaller.width)
    if larger.kernel < smaller.kernel:
        return "kernel", _below(larger.kernel, smaller.kernel)
    for key in ("stride", "pool"):
        if getattr(larger, key) != getattr(smaller, key):
            return key, _differs(getattr(larger, key), getattr(smaller, key))
    return None


@lru_cache(maxsize=10_000)
def holding_forbids(larger: Element, smaller: Element, mode: Mode) -> Refusal | None:
    """What keeps a block from holding a smaller one."""
    for key in ("block", "stride"):
        if getattr(larger, key) != getattr(smaller, key):
            return key, _differs(getattr(larger, key), getattr(smaller, key))
    if not BLOCKS[larger.block].grows and larger != smaller:
        return "block", f"how a {larger.block} block lies in a larger one is not known"
    if larger.width < smaller.width:
        return "width", _below(larger.width, smaller.width)
    if larger.inner < smaller.inner:
        return "bottleneck", f"the inner width is {_below(larger.inner, smaller.inner)}"
    if packed(smaller.inner, smaller.groups, larger.inner, larger.groups) is None:
        return "groups", (
            f"{plural(larger.groups, 'group')} of {larger.inner // larger.groups} channels cannot "
            f"hold {plural(smaller.groups, 'group')} of {smaller.inner // smaller.groups}, each "
            "whole"
        )
    return _shortcut_forbids(larger, smaller, mode)


def _shortcut_forbids(larger: Element, smaller: Element, mode: Mode) -> Refusal | None:
    """What keeps a shortcut from computing what that of the smaller block does."""
    if not smaller.residual:
        if larger.residual and not larger.projects:
            return "residual", (
                "it is on, and a shortcut that is the identity cannot be 0 as where it is off"
            )
        return None  # one that projects can be 0
    if not larger.residual:
        return "residual", "it is off, and such a block does not add its input"
    if smaller.projects:
        if not larger.projects:
            return "width", "its shortcut is the identity, and that of the smaller one projects"
        if larger.norm_on_shortcut != smaller.norm_on_shortcut:
            return "shortcut_norm", "one has a norm on its shortcuts, the other one has none"
        return None
    return _undoing_forbids(larger, mode) if larger.projects else None


def _undoing_forbids(larger: Element, mode: Mode) -> Refusal | None:
    """What keeps a shortcut that projects from being the identity."""
    if larger.preactivation:
        return "width", HIDDEN
    return ("width", NORM) if larger.norm_on_shortcut and mode == "train" else None


@lru_cache(maxsize=10_000)
def identity_forbids(larger: Element, width: int, mode: Mode) -> Refusal | None:
    """What keeps a block from passing its first ``width`` channels on as they are."""
    if larger.stride != 1:
        return "stride", f"is {larger.stride}, and what shrinks the image is not the identity"
    if larger.width < width:
        return "width", _below(larger.width, width)
    if not BLOCKS[larger.block].grows:
        return "depth", f"how a {larger.block} block is the identity is not known"
    if larger.residual:
        return _undoing_forbids(larger, mode) if larger.projects else None
    if larger.preactivation:
        return "depth", (
            "a block without a shortcut is not the identity: what its ReLUs cut off is lost"
        )
    if mode == "train":
        return "depth", (
            "a block without a shortcut is not the identity: no weights undo its norms, which use "
            "the statistics of the batch"
        )
    if larger.inner < width:
        return "depth", (
            f"a block without a shortcut is not the identity of {width} channels where its inner "
            f"width is {larger.inner}"
        )
    return None


def _below(larger: int, smaller: int) -> str:
    return f"{larger}, below the smaller one's {smaller}"


def _differs(larger: object, smaller: object) -> str:
    words = [str(one).lower() if isinstance(one, bool) else str(one) for one in (larger, smaller)]
    return f"{words[0]}, and {words[1]} in the smaller one"
