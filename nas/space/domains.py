"""What one parameter of a design space may be: a choice, whole numbers, real numbers.

Domains are frozen, valid from birth, and draw the same values on every machine: the only source
of randomness is ``random.Random.random``, whose stream Python guarantees.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import accumulate
from typing import Any, TypeAlias

from nas.errors import SpaceError
from nas.quantity import plain, whole

Value: TypeAlias = bool | int | float | str
Setting: TypeAlias = dict[str, Value]

MAX_VALUES = 10_000  # of a discrete domain: counting a space walks through them


def below(rng: random.Random, n: int) -> int:
    """A whole number of [0, n), however large n is; one call of ``rng.random``."""
    return _part(rng.random(), n)


@dataclass(frozen=True)
class Choice:
    """One of ``values``, each equally likely. Their order has no meaning: they are kept sorted."""

    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        if not len(self.values):
            raise SpaceError("the choice is empty; give one value or more")
        object.__setattr__(self, "values", tuple(map(plain, self.values)))
        if len({_kind(value) for value in self.values}) > 1:
            raise SpaceError(f"the choice mixes kinds of values: {listed(self.values)}")
        object.__setattr__(self, "values", tuple(sorted(self.values)))
        for value, following in zip(self.values, self.values[1:], strict=False):
            if value == following:  # 1 and 1.0 are one value
                raise SpaceError(f"the choice has {listed([value])} twice")
        _check_count(len(self.values))

    @property
    def count(self) -> int:
        """How many values there are."""
        return len(self.values)

    @property
    def weights(self) -> tuple[int, ...]:
        """How likely each value is, as whole numbers."""
        return (1,) * len(self.values)

    def sample(self, rng: random.Random) -> Value:
        """One value, drawn with one call of ``rng.random``."""
        return self.at(rng.random())

    def at(self, share: float) -> Value:
        """The value that ``share``, a number of [0, 1), of all draws do not go beyond."""
        return self.values[_part(share, len(self.values))]

    def find(self, value: object) -> Value | None:
        """The value of this domain that ``value`` equals, or None."""
        value = plain(value)
        for own in self.values:
            if own == value and _kind(own) == _kind(value):
                return own
        return None

    def contains(self, value: object) -> bool:
        """Whether ``value`` is one of the values; 1 and 1.0 are the same, 1 and True are not."""
        return self.find(value) is not None

    def to_dict(self) -> dict[str, Any]:
        """As in a space file."""
        return {"choice": list(self.values)}

    def __str__(self) -> str:
        return listed(self.values)


@dataclass(frozen=True)
class IntRange:
    """low, low + step, …, high. With ``log``, a value v is drawn with a weight of 1/v."""

    low: int
    high: int
    step: int = 1
    log: bool = False

    def __post_init__(self) -> None:
        _check_range(self.low, self.high, self.step, self.log)
        _check_count(len(range(self.low, self.high + 1, self.step)))
        _check_fit(self.low, self.high, self.step)

    @cached_property
    def values(self) -> tuple[int, ...]:
        """All of them, increasing."""
        return tuple(range(self.low, self.high + 1, self.step))

    @property
    def count(self) -> int:
        """How many values there are."""
        return len(self.values)

    @cached_property
    def weights(self) -> tuple[int, ...]:
        """How likely each value is, as whole numbers."""
        return tuple(self.low * 2**64 // value if self.log else 1 for value in self.values)

    def sample(self, rng: random.Random) -> int:
        """One value, drawn with one call of ``rng.random``."""
        return self.at(rng.random())

    def at(self, share: float) -> int:
        """The value that ``share``, a number of [0, 1), of all draws do not go beyond."""
        return self.values[bisect_right(self._rungs, _part(share, self._rungs[-1]))]

    def find(self, value: object) -> int | None:
        """The value of this domain that ``value`` equals, or None."""
        number = whole(value)
        return number if number is not None and number in self._range else None

    def contains(self, value: object) -> bool:
        """Whether ``value`` is a whole number of the range, on a step."""
        return self.find(value) is not None

    def to_dict(self) -> dict[str, Any]:
        """As in a space file, without what is at its default."""
        return {"int": [self.low, self.high]} | _written(self.step, 1, self.log)

    def __str__(self) -> str:
        steps = f" in steps of {self.step}" if self.step != 1 else ""
        return f"whole numbers from {self.low} to {self.high}{steps}"

    @property
    def _range(self) -> range:
        return range(self.low, self.high + 1, self.step)

    @cached_property
    def _rungs(self) -> list[int]:
        return list(accumulate(self.weights))


@dataclass(frozen=True)
class FloatRange:
    """The numbers of [low, high], uniform, or log-uniform with ``log``; with a ``step``, only
    low, low + step, …, high, a value v with a weight of 1/v if ``log``. Continuous draws are
    rounded to 12 significant digits."""

    low: float
    high: float
    step: float | None = None
    log: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "low", float(self.low))
        object.__setattr__(self, "high", float(self.high))
        _check_range(self.low, self.high, self.step, self.log)
        if self.step is not None:
            object.__setattr__(self, "step", float(self.step))
            _check_count(int((_exact(self.high) - _exact(self.low)) // _exact(self.step)) + 1)
            _check_fit(self.low, self.high, self.step)

    @cached_property
    def values(self) -> tuple[float, ...] | None:
        """All of them, increasing; None when the range is continuous."""
        if self.step is None:
            return None
        low, step = _exact(self.low), _exact(self.step)
        count = int((_exact(self.high) - low) / step) + 1
        return tuple(float(low + i * step) for i in range(count))

    @property
    def count(self) -> int | None:
        """How many values there are; None when the range is continuous."""
        return None if self.values is None else len(self.values)

    @cached_property
    def weights(self) -> tuple[int, ...] | None:
        """How likely each value is, as whole numbers; None when the range is continuous."""
        if self.values is None or not self.log:
            return None if self.values is None else (1,) * len(self.values)
        return tuple(int(_exact(self.low) * 2**64 / _exact(value)) for value in self.values)

    def sample(self, rng: random.Random) -> float:
        """One value, drawn with one call of ``rng.random``."""
        return self.at(rng.random())

    def at(self, share: float) -> float:
        """The value that ``share``, a number of [0, 1), of all draws do not go beyond."""
        if self.values is not None:
            return self.values[bisect_right(self._rungs, _part(share, self._rungs[-1]))]
        if self.log:
            value = self.low * (self.high / self.low) ** share
        else:
            value = self.low + (self.high - self.low) * share
        # pow may differ in its last bit between machines; twelve digits do not
        return min(max(float(f"{value:.12g}"), self.low), self.high)

    def find(self, value: object) -> float | None:
        """The value of this domain that ``value`` equals, or None.

        On a step, a rounding error is forgiven: 0.1 + 0.2 is 0.3.
        """
        value = plain(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        slack = 1e-9 * (self.step or 0)
        if not self.low - slack <= value <= self.high + slack:  # no number, or too large for one
            return None
        if self.values is None or self.step is None:
            return float(value)
        near = min(self.values, key=lambda own: abs(own - value))
        return near if abs(near - value) <= slack else None

    def contains(self, value: object) -> bool:
        """Whether ``value`` is a number of the range, on a step if there is one."""
        return self.find(value) is not None

    def to_dict(self) -> dict[str, Any]:
        """As in a space file, without what is at its default."""
        return {"float": [self.low, self.high]} | _written(self.step, None, self.log)

    @cached_property
    def _rungs(self) -> list[int]:
        return list(accumulate(self.weights or ()))

    def __str__(self) -> str:
        steps = f" in steps of {self.step}" if self.step is not None else ""
        return f"numbers from {self.low} to {self.high}{steps}"


Domain: TypeAlias = Choice | IntRange | FloatRange
Knob: TypeAlias = Value | Domain  # a plain value is fixed


def options(knob: Knob) -> Mapping[Value, int]:
    """Each value of a discrete domain, or the fixed one, with its weight."""
    if not isinstance(knob, Domain):
        return {knob: 1}
    assert knob.values is not None and knob.weights is not None, "a continuous domain"
    return dict(zip(knob.values, knob.weights, strict=True))


def ends(domain: Domain) -> tuple[Value, Value]:
    """The lowest and the highest value."""
    if isinstance(domain, FloatRange) and domain.values is None:
        return domain.low, domain.high
    assert domain.values is not None
    return domain.values[0], domain.values[-1]


def listed(values: Iterable[Value], most: int = 12) -> str:
    """The values as a space file spells them, the first ``most`` of them."""
    words = [str(v).lower() if isinstance(v, bool) else str(v) for v in values]
    return ", ".join(words[:most] + ["…"] * (len(words) > most))


def _part(share: float, n: int) -> int:
    """``share`` of [0, 1) as a whole number of [0, n), however large n is."""
    return int(share * 2**53) * n >> 53


def _kind(value: object) -> type:
    return float if type(value) is int else type(value)


def _exact(number: float) -> Fraction:
    """The decimal that was written, 1/10 and not 0.1000000000000000055."""
    return Fraction(repr(number))


def _check_count(count: int) -> None:
    if count > MAX_VALUES:
        raise SpaceError(f"has more than {MAX_VALUES:,} values; a larger step leaves fewer")


def _check_range(low: float, high: float, step: float | None, log: bool) -> None:
    if any(type(n) is float and not math.isfinite(n) for n in (low, high, step)):
        raise SpaceError(f"low {low}, high {high} and step {step} must be finite")
    if low > high:
        raise SpaceError(f"low {low} is above high {high}; write [{high}, {low}]")
    if step is not None and step <= 0:
        raise SpaceError(f"step is {step}; it must be above 0")
    if log and low <= 0:
        raise SpaceError(f"log needs low above 0, and low is {low}")


def _check_fit(low: float, high: float, step: float) -> None:
    exact = _exact(low), _exact(high), _exact(step)
    rest = (exact[1] - exact[0]) % exact[2]
    if rest:
        under = exact[1] - rest
        number = type(low)
        raise SpaceError(
            f"steps of {step} from {low} do not reach high {high}; "
            f"the nearest are {number(under)} and {number(under + exact[2])}"
        )


def _written(step: float | None, default: float | None, log: bool) -> dict[str, Any]:
    return ({} if step == default else {"step": step}) | ({"log": True} if log else {})
