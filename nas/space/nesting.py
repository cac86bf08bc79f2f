"""Which knobs of a space give nested classes of networks, as far as random networks tell."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nas.architecture import Architecture
from nas.nested.elements import Mode
from nas.nested.order import contains
from nas.space.domains import Domain, Setting, Value, options

NETWORKS = 50  # in each of which every knob is moved by one step


@dataclass(frozen=True, slots=True)
class KnobNesting:
    """What became of the steps of one knob, all else being equal."""

    steps: int
    """From one value of the knob to the next, between different networks of the space."""
    contained: int
    """Of them, those to a network that contains the other one."""
    upwards: bool
    """Whether it is the larger value that contains the smaller one."""
    reason: str
    """Why the first step that is not among those is not; empty if all are."""

    @property
    def always(self) -> bool:
        """Whether the knob gives nested classes."""
        return self.contained == self.steps > 0

    @property
    def never(self) -> bool:
        """Whether no step of it leads to a network that contains the other one."""
        return self.contained == 0

    @property
    def verdict(self) -> str:
        """In a few words."""
        if not self.steps:
            return "no two networks differ in it alone"
        if self.never:
            return "no"
        part = "yes" if self.always else f"in {self.contained} of {self.steps} steps"
        return f"{part}, {'larger contain smaller' if self.upwards else 'smaller contain larger'}"

    def __str__(self) -> str:
        return f"{self.verdict}; not where {self.reason}" if self.reason else self.verdict


@dataclass(frozen=True, slots=True)
class Nesting:
    """The knobs of a space, by path; true if all of them give nested classes."""

    knobs: Mapping[str, KnobNesting]

    def __bool__(self) -> bool:
        return all(knob.always for knob in self.knobs.values())

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why steps are not among the contained: each reason once, where it is met first."""
        found: dict[str, str] = {}
        for knob in self.knobs.values():
            found.setdefault(knob.reason.partition(": ")[2], knob.reason)
        return tuple(filter(None, found.values()))

    def __str__(self) -> str:
        return "\n".join(f"{path}: {knob}" for path, knob in self.knobs.items())


def nesting_of(
    domains: Mapping[str, Domain],
    draw: Callable[[random.Random], Setting],
    network: Callable[[Setting], Architecture | None],
    mode: Mode,
) -> Nesting:
    """How the networks of a space are ordered along each of ``domains``.

    Args:
        domains: the searched knobs of the architecture, by path.
        draw: a random setting of the space.
        network: that of a setting; None where the space has none.
        mode: as ``nas.contains`` takes it.
    """
    rng = random.Random(0)
    steps: dict[str, list[tuple[str, str]]] = {path: [] for path in domains}
    for _ in range(NETWORKS):
        setting = {path: value for path, value in draw(rng).items() if path in domains}
        here = network(setting)
        for path, domain in domains.items():
            value, above = _next(domain, setting[path], rng)
            there = network({**setting, path: value})
            if here is None or there is None or here.key == there.key:
                continue
            low, high = (here, there) if above else (there, here)
            steps[path].append((contains(high, low, mode).reason, contains(low, high, mode).reason))
    return Nesting({path: _judged(reasons) for path, reasons in steps.items()})


def _next(domain: Domain, value: Value, rng: random.Random) -> tuple[Value, bool]:
    """The value above or below, and whether it is above."""
    values = list(options(domain))
    place = values.index(value)
    near = [place + step for step in (-1, 1) if 0 <= place + step < len(values)] or [place]
    chosen = rng.choice(near)
    return values[chosen], chosen > place


def _judged(steps: list[tuple[str, str]]) -> KnobNesting:
    """By the direction in which more steps are contained, upwards if both are equal."""
    upwards, downwards = ([reasons[way] for reasons in steps] for way in (0, 1))
    up = upwards.count("") >= downwards.count("")
    reasons = upwards if up else downwards
    first = next(filter(None, reasons), "")
    return KnobNesting(len(reasons), reasons.count(""), up, first)
