"""Bounds on a whole network, and which of them leaves nothing of a space."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nas.architecture import Architecture
from nas.cost import cost
from nas.errors import ArchitectureError
from nas.space.schema import Bounds


@dataclass(frozen=True)
class Violation:
    """A rule that one network breaks: a bound with the measured value, or the image's size."""

    rule: str  # limits.macs.max, input_shape
    message: str
    value: int = 0


@dataclass(frozen=True)
class Limits:
    """Bounds that every network of a space keeps, for images of ``input_shape``."""

    bounds: Mapping[str, Bounds]  # of depth, params, macs, activations
    input_shape: tuple[int, int, int]
    num_classes: int

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


def explain_emptiness(rejected: Sequence[Sequence[Violation]]) -> str:
    """Why no network was found: the rule in the way, and how near the networks came to it."""
    tries = f"{len(rejected):,} sampled networks"
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
    return f"{bound} but the {word} of {tries} has {nearest.value:,}"


def _violation(rule: str, bound: int, value: int) -> Violation:
    return Violation(rule, f"{rule} is {bound:,} but this network has {value:,}", value)
