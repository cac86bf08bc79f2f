"""Bounds on a whole network, and which of them leaves nothing of a space."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from nas.architecture import Architecture
from nas.cost import cost
from nas.errors import ArchitectureError, SpaceError, choose
from nas.quantity import plural
from nas.space.file.fields import amount
from nas.space.file.schema import Bounds, LimitsPart
from nas.space.messages import shown

Band: TypeAlias = tuple[int | str | None, int | str | None]  # least and most, None for no bound


def tightened(own: LimitsPart, bands: Mapping[str, Band]) -> LimitsPart:
    """What is inside the ``own`` limits of a space and the ``bands``.

    Raises:
        SpaceError: nothing is, or a measure is unknown.
    """
    narrowed = {}
    for measure, band in bands.items():
        if measure not in LimitsPart.model_fields:
            accepted = choose(measure, LimitsPart.model_fields)
            raise SpaceError(f"limits: unknown measure {shown(measure)}; {accepted}")
        least, most = (None if end is None else amount(end) for end in band)
        if least is not None or most is not None:
            narrowed[measure] = _intersection(measure, getattr(own, measure), least, most)
    return own.model_copy(update=narrowed)


def _intersection(measure: str, own: Bounds | None, least: int | None, most: int | None) -> Bounds:
    given = f"{measure} from {_shown(least, 'any')} to {_shown(most, 'any')}"
    if least is not None and most is not None and least > most:
        raise SpaceError(f"{given}: the least is above the most")
    if own is not None:
        if own.min is not None and most is not None and most < own.min:
            raise SpaceError(f"{given} is below limits.{measure}.min {own.min:,} of the space")
        if own.max is not None and least is not None and least > own.max:
            raise SpaceError(f"{given} is above limits.{measure}.max {own.max:,} of the space")
        least = max((end for end in (own.min, least) if end is not None), default=None)
        most = min((end for end in (own.max, most) if end is not None), default=None)
    return Bounds.model_construct(min=least, max=most)


def _shown(end: int | None, otherwise: str) -> str:
    return otherwise if end is None else f"{end:,}"


@dataclass(frozen=True)
class Violation:
    """A rule that one network breaks: a bound with the measured value, or the image's size."""

    rule: str  # limits.macs.max, input_shape
    message: str
    value: float = 0
    said: str = ""  # the value as people read it; by default in digits


# What is wrong with a network, if anything is
Rule: TypeAlias = Callable[[Architecture], Violation | None]


@dataclass(frozen=True)
class Limits:
    """Bounds that every network of a space keeps, for images of ``input_shape``."""

    bounds: Mapping[str, Bounds]  # of depth, params, macs, activations
    input_shape: tuple[int, int, int]
    num_classes: int
    rule: Rule | None = None  # one beside them, which is no part of the space's file

    def violations(self, architecture: Architecture) -> Iterator[Violation]:
        """Everything that keeps the network out; nothing if it is inside."""
        try:
            measured = cost(architecture, self.input_shape, self.num_classes)
        except ArchitectureError as error:  # the strides leave no pixel of the image
            yield Violation("input_shape", str(error))
            return
        for measure, bounds in self.bounds.items():
            value = architecture.depth if measure == "depth" else getattr(measured, measure)
            if bounds.min is not None and value < bounds.min:
                yield _violation(f"limits.{measure}.min", bounds.min, value)
            if bounds.max is not None and value > bounds.max:
                yield _violation(f"limits.{measure}.max", bounds.max, value)
        if self.rule is not None and (broken := self.rule(architecture)) is not None:
            yield broken


def explain_emptiness(rejected: Sequence[Sequence[Violation]]) -> str:
    """Why no network was found: the rule in the way, and how near the networks came to it."""
    tries = plural(len(rejected), "sampled network")
    counts = Counter(violation.rule for broken in rejected for violation in broken)
    rule, count = counts.most_common(1)[0]
    if count < len(rejected):
        tally = ", ".join(f"{rule} rejects {count:,}" for rule, count in counts.most_common())
        return f"none of {tries} keeps all limits: {tally}"
    against = [violation for broken in rejected for violation in broken if violation.rule == rule]
    if rule == "input_shape":
        return f"{rule}: all of {tries} are too deep for the image, as in: {against[0].message}"
    nearest, word = min(against, key=lambda v: v.value), "smallest"
    if rule.endswith("min"):
        nearest, word = max(against, key=lambda v: v.value), "largest"
    bound = nearest.message.partition(" but ")[0]
    return f"{bound} but the {word} of {tries} has {nearest.said or f'{nearest.value:,}'}"


def _violation(rule: str, bound: int, value: int) -> Violation:
    return Violation(rule, f"{rule} is {bound:,} but this network has {value:,}", value)
