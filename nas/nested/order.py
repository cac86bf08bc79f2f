"""The order of architectures: which contains which, with the construction that shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias, get_args

from nas.architecture import Architecture
from nas.blocks import BLOCKS
from nas.errors import ArchitectureError, choose
from nas.nested.elements import (
    Element,
    Mode,
    Refusal,
    elements,
    holding_forbids,
    identity_forbids,
    stem_forbids,
)

MOST_BLOCKS = 1_000  # of a network that is compared: pairs of blocks are looked at
# What a block may be refused by, those of blocks that are most alike last
_KNOBS = ("block", "stride", "width", "bottleneck", "groups", "residual", "shortcut_norm")
Numbered: TypeAlias = tuple[int, Element]  # with the number of its stage


@dataclass(frozen=True, slots=True)
class Move:
    """One step of the construction: a knob of the larger architecture, and what becomes of it."""

    path: str
    """As in a space file: ``stem.width``, ``stages.0.depth``; of the larger architecture."""
    how: str
    """In words: what is new, and why the function stays the same."""
    mode: Mode
    """``train``: exact with statistics of the batch and with running ones; ``eval``: with the
    latter alone."""

    def __str__(self) -> str:
        alone = ", in eval mode alone" if self.mode == "eval" else ""
        return f"{self.path}: {self.how}{alone}"


@dataclass(frozen=True, slots=True)
class Containment:
    """The answer of ``contains``: true if it holds; prints its moves, or the reason why not."""

    moves: tuple[Move, ...] = ()
    """What leads from the smaller architecture to the larger one; empty if they are equal."""
    reason: str = ""
    """Which knob forbids it, and why; empty if it is contained."""
    blocks: tuple[int | None, ...] = ()
    """For each block of the larger network, the number of the smaller one's block that it holds,
    counted over all stages; None for one that is the identity."""

    def __bool__(self) -> bool:
        return not self.reason

    def __str__(self) -> str:
        return self.reason or "\n".join(map(str, self.moves)) or "the same network"

    @property
    def mode(self) -> Mode:
        """``train`` if every move is exact in train mode, too; else ``eval``."""
        return "eval" if any(move.mode == "eval" for move in self.moves) else "train"


def contains(larger: Architecture, smaller: Architecture, mode: Mode = "train") -> Containment:
    """Whether weights make ``larger`` compute every function that ``smaller`` computes.

    A yes is a proof: ``nas.grow`` carries it out. A no says that none of these constructions leads
    there, and what is in their way: new blocks that are the identity, new channels that nothing
    old reads, groups as blocks on the diagonal of a matrix, a kernel in the middle of a larger
    one, a shortcut that is 0.

    Args:
        larger: the architecture that is asked about.
        smaller: the one that may be contained in it.
        mode: ``train`` asks for a construction that is exact in train mode, where norms use the
            statistics of the batch, and in eval mode. ``eval`` is content with eval mode: then
            weights can undo a norm, so that a projection, or a post-activation block without a
            shortcut, can be the identity, too.

    Returns:
        A ``Containment``: its truth is the answer, it prints as the proof or the reason.

    Raises:
        ArchitectureError: ``mode`` is another word.

    >>> from nas import Architecture
    >>> def network(depth, width, residual=True):
    ...     stage = {"block": "basic", "depth": depth, "width": width, "stride": 2}
    ...     stages = [{**stage, "residual": residual}]
    ...     return Architecture.from_dict({"stem": {"width": 8}, "stages": stages})
    >>> print(contains(network(3, 24), network(1, 16)))
    stages.0.depth: 1 to 3: the new blocks add 0 to their input, as the gain of their last norm is 0
    stages.0.width: 16 to 24: new channels, which nothing that was there reads
    >>> answer = contains(network(3, 16, residual=False), network(1, 16, residual=False))
    >>> bool(answer), answer.reason.partition(":")[0]
    (False, 'stages.0.depth')
    >>> contains(network(3, 16, residual=False), network(1, 16, residual=False), "eval").mode
    'eval'
    """
    if mode not in get_args(Mode):
        raise ArchitectureError(f"mode is {mode!r}; {choose(mode, get_args(Mode))}")
    if larger.depth > MOST_BLOCKS or smaller.depth > MOST_BLOCKS:
        return Containment(reason=f"depth: networks of up to {MOST_BLOCKS:,} blocks are compared")
    if refusal := _whole_forbids(larger, smaller):
        return Containment(reason=": ".join(refusal))
    large, small = list(elements(larger)), list(elements(smaller))
    reach = _Reach(large, small, smaller.stem.width, "train")
    found = reach.alignment()
    if found is None:
        weaker = _Reach(large, small, smaller.stem.width, "eval")
        found = weaker.alignment()
        if mode == "train" and found is not None:
            reason = ": ".join(reach.refusal_along(found))
            return Containment(reason=f"{reason} (contained in eval mode alone)")
        if found is None:
            tried = reach if mode == "train" else weaker
            return Containment(reason=_reason(larger, smaller, tried))
    return Containment(tuple(_moves(larger, smaller, large, small, found)), blocks=found)


class _Reach:
    """Which blocks of the smaller network the first blocks of the larger one can account for."""

    def __init__(
        self, large: Sequence[Numbered], small: Sequence[Numbered], stem_width: int, mode: Mode
    ) -> None:
        self.large, self.small, self.mode = large, small, mode
        widths = [stem_width, *(element.width for _, element in small)]
        # reached[j][i]: the larger one's first j blocks can compute the smaller one's first i
        self.reached = [[True] + [False] * len(small)]
        for j, (_, block) in enumerate(large):
            before = self.reached[j]
            row = [False] * (len(small) + 1)
            for i, width in enumerate(widths):
                if before[i]:
                    row[i] = row[i] or identity_forbids(block, width, mode) is None
                    if i < len(small) and holding_forbids(block, small[i][1], mode) is None:
                        row[i + 1] = True
            self.reached.append(row)
        self.widths = widths

    def alignment(self) -> tuple[int | None, ...] | None:
        """See ``Containment.blocks``; of several, the one whose new blocks come last."""
        i, found = len(self.small), list[int | None]()
        if not self.reached[-1][i]:
            return None
        for j in range(len(self.large) - 1, -1, -1):
            block, before = self.large[j][1], self.reached[j]
            if before[i] and identity_forbids(block, self.widths[i], self.mode) is None:
                found.append(None)
            else:
                i -= 1
                found.append(i)
        return tuple(reversed(found))

    def obstacle(self) -> Refusal:
        """What forbids to go on from where the most is accounted for: of the blocks that might hold
        the next one of the smaller network, what forbids it of the most alike."""
        i = max(i for row in self.reached for i, yes in enumerate(row) if yes)
        places = [j for j, row in enumerate(self.reached) if row[i]]
        if i == len(self.small):
            number, block = self.large[places[-1]]
            refusal = identity_forbids(block, self.widths[i], self.mode)
            assert refusal is not None, "the way goes on"
            return f"stages.{number}.{refusal[0]}", refusal[1]
        found = []
        for j in places:
            if j < len(self.large):
                number, block = self.large[j]
                refusal = holding_forbids(block, self.small[i][1], self.mode)
                assert refusal is not None, "the way goes on"
                found.append(
                    (_KNOBS.index(refusal[0]), j, f"stages.{number}.{refusal[0]}", refusal[1])
                )
        if not found:
            return "stages", f"nothing is left for stages.{self.small[i][0]} of the smaller one"
        return max(found)[2:]

    def refusal_along(self, blocks: Sequence[int | None]) -> Refusal:
        """What forbids an alignment that is one in eval mode."""
        width = self.widths[0]
        for (number, block), source in zip(self.large, blocks, strict=True):
            if source is None:
                refusal = identity_forbids(block, width, self.mode)
            else:
                refusal = holding_forbids(block, self.small[source][1], self.mode)
                width = self.small[source][1].width
            if refusal:
                return f"stages.{number}.{refusal[0]}", refusal[1]
        raise AssertionError("an alignment in this mode, too")


def _whole_forbids(larger: Architecture, smaller: Architecture) -> Refusal | None:
    """What is wrong with the stem and the conventions."""
    if larger.preactivation != smaller.preactivation:
        return "preactivation", "one has it and the other one has not"
    if smaller.conv_bias and not larger.conv_bias:
        return "conv_bias", "it is false, and the smaller one's convolutions have biases"
    refusal = stem_forbids(larger.stem, smaller.stem)
    return refusal and (f"stem.{refusal[0]}", refusal[1])


def _reason(larger: Architecture, smaller: Architecture, reach: _Reach) -> str:
    """In the words of the knobs, stage by stage where both have equally many."""
    refusal = reach.obstacle()
    if refusal[0] == "stages" and len(larger.stages) < len(smaller.stages):
        return f"stages: {len(larger.stages)}, below the smaller one's {len(smaller.stages)}"
    if len(larger.stages) == len(smaller.stages):
        refusal = next(_stagewise(larger, smaller, reach), refusal)
    return ": ".join(refusal)


def _stagewise(larger: Architecture, smaller: Architecture, reach: _Reach) -> Iterator[Refusal]:
    """What keeps a stage from holding the one of the same number."""
    for number, (wide, narrow) in enumerate(zip(larger.stages, smaller.stages, strict=True)):
        large = [block for stage, block in reach.large if stage == number]
        small = [block for stage, block in reach.small if stage == number]
        for one, other in zip(large, small, strict=False):
            if refusal := holding_forbids(one, other, reach.mode):
                yield f"stages.{number}.{refusal[0]}", refusal[1]
        if wide.depth < narrow.depth:
            yield f"stages.{number}.depth", f"{wide.depth}, below the smaller one's {narrow.depth}"
        for one in large[len(small) :]:
            if refusal := identity_forbids(one, narrow.width, reach.mode):
                yield f"stages.{number}.{refusal[0]}", refusal[1]


def _moves(
    larger: Architecture,
    smaller: Architecture,
    large: Sequence[Numbered],
    small: Sequence[Numbered],
    blocks: Sequence[int | None],
) -> Iterator[Move]:
    """The construction in words, in the order of the larger one's parts."""
    if larger.conv_bias and not smaller.conv_bias:
        yield Move("conv_bias", "the new biases are 0", "train")
    if larger.stem.kernel > smaller.stem.kernel:
        kernels = f"{smaller.stem.kernel} to {larger.stem.kernel}"
        yield Move("stem.kernel", f"{kernels}: around the old kernel there are zeros", "train")
    if larger.stem.width > smaller.stem.width:
        yield _widened("stem.width", smaller.stem.width, larger.stem.width)
    for number, stage in enumerate(larger.stages):
        pairs = [
            (block, None if source is None else small[source])
            for (of, block), source in zip(large, blocks, strict=True)
            if of == number
        ]
        yield from _stage_moves(f"stages.{number}", stage.depth, pairs)


def _stage_moves(
    path: str, depth: int, pairs: Sequence[tuple[Element, Numbered | None]]
) -> Iterator[Move]:
    """What becomes of one stage, whose blocks hold another or are the identity."""
    held = [(block, source[1]) for block, source in pairs if source is not None]
    new = [block for block, source in pairs if source is None]
    if new:
        how = f"{len(held)} to {depth}: the new blocks {_identity(new[-1])}"
        whole = f"a new stage: its blocks {_identity(new[-1])}"
        mode: Mode = "train" if new[-1].residual else "eval"
        yield Move(f"{path}.depth", how, mode) if held else Move(path, whole, mode)
        yield from (_projection(path, block) for block in new if block.projects)
    if not held:
        return
    block, source = held[0]
    if block.width > source.width:
        yield _widened(f"{path}.width", source.width, block.width)
    if block.inner > source.inner and "bottleneck" in BLOCKS[block.block].keys:
        yield _widened(f"{path}.bottleneck", source.inner, block.inner, "inner width ")
    if block.groups != source.groups:
        how = f"{source.groups} to {block.groups}: the old groups are blocks on the diagonal"
        yield Move(f"{path}.groups", how, "train")
    if block.residual and not source.residual:
        yield Move(f"{path}.residual", "off to on: the new shortcut, which projects, is 0", "train")
    if block.projects and source.residual and not source.projects:
        yield _projection(path, block)


def _widened(path: str, old: int, new: int, what: str = "") -> Move:
    how = f"{what}{old} to {new}: new channels, which nothing that was there reads"
    return Move(path, how, "train")


def _identity(block: Element) -> str:
    """How a block is the identity."""
    if not block.residual:
        return "copy their input, and their norms are undone"
    if block.preactivation:
        return "add 0 to their input, as their last convolution is 0"
    return "add 0 to their input, as the gain of their last norm is 0"


def _projection(path: str, block: Element) -> Move:
    """A shortcut that was the identity, or belongs to a new block, and now projects."""
    if block.norm_on_shortcut:
        return Move(f"{path}.width", "the shortcut projects to the same, its norm undone", "eval")
    return Move(f"{path}.width", "the shortcut projects to the same", "train")
