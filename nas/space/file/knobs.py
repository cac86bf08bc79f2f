"""What one key of a space file may hold: a plain value, which is fixed, or a domain of them.

width: 64                      {choice: [32, 64]}     {int: [16, 64], step: 16}
bottleneck: 0.5                {choice: [0.5, 1]}     {float: [0.25, 1], step: 0.25}
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

from nas.architecture import LARGEST, STEM_KERNELS
from nas.errors import SpaceError, choose
from nas.quantity import plain, whole
from nas.space.domains import MAX_VALUES, Choice, Domain, FloatRange, IntRange, Knob, Value
from nas.space.messages import shown
from nas.training.config import TrainingConfig


@dataclass(frozen=True)
class Kind:
    """The values that a key may have, fixed or searched.

    ``read`` and ``value`` raise a SpaceError that says what was found and what is accepted.
    """

    noun: str
    accepts: Callable[[Any], bool]
    schema: Mapping[str, Any]  # JSON schema of one value
    ranges: tuple[str, ...] = ()  # beside choice: int, float
    fixed: bool = True  # whether a plain value is accepted
    continuous: bool = False  # whether a float range may do without a step

    def read(self, raw: object) -> Knob:
        """A plain value or a domain, as it stands in a file."""
        if not isinstance(raw, Mapping):
            if self.fixed and self.accepts(plain(raw)):
                return self.value(raw)
            raise SpaceError(f"{shown(raw)} is not {self._either}")
        given = [form for form in self._forms if form in raw]
        if not given:
            key = next(iter(raw), None)
            raise SpaceError(f"{shown(raw)} is no domain; {choose(key, self._forms)}")
        if len(given) > 1:
            raise SpaceError(f"{' and '.join(given)} cannot go together; accepted: one of them")
        form, content = given[0], plain(raw[given[0]])
        extras = () if form == "choice" else ("step", "log")
        for key in raw:
            if key != form and key not in extras:
                raise SpaceError(f"unknown key {shown(key)}; {choose(key, (form, *extras))}")
        if form == "choice":
            if not isinstance(content, list | tuple | range):
                raise SpaceError(f"choice: {shown(content)} is not a list of values")
            # one too many is enough for a choice to be refused
            return Choice(tuple(self.value(one) for one in content[: MAX_VALUES + 1]))
        if not isinstance(content, list | tuple) or len(content) != 2:
            raise SpaceError(f"{form}: {shown(content)} is not [low, high]")
        low, high = (self.value(end) for end in content)
        return self._range(form, low, high, raw)

    def value(self, raw: object) -> Value:
        """``raw``, if it is one of the values; no domain."""
        value = plain(raw)
        if not self.accepts(value):
            raise SpaceError(f"{shown(value)} is not {self.noun}")
        assert isinstance(value, bool | int | float | str)
        if "float" in self.ranges:
            return float(value)
        return int(value) if type(value) is float else value  # 64.0 is 64

    @property
    def json_schema(self) -> dict[str, Any]:
        """Of a fixed value or a domain, for editors."""
        one = dict(self.schema)
        either = [one] if self.fixed else []
        for form in self._forms:
            most = {} if form == "choice" else {"maxItems": 2}
            content = {"type": "array", "items": one, "minItems": 1 if form == "choice" else 2}
            step = {"type": "integer" if form == "int" else "number", "exclusiveMinimum": 0}
            extras = {} if form == "choice" else {"step": step, "log": {"type": "boolean"}}
            either.append(
                {
                    "type": "object",
                    "properties": {form: content | most, **extras},
                    "required": [form],
                    "additionalProperties": False,
                }
            )
        return {"anyOf": either}

    def _range(self, form: str, low: Any, high: Any, raw: Mapping[Any, Any]) -> Domain:
        log, step = plain(raw.get("log", False)), plain(raw.get("step"))
        if type(log) is not bool:
            raise SpaceError(f"log: {shown(log)} is not true or false")
        if "step" in raw and not (_is_whole(step) if form == "int" else _is_number(step)):
            what = "a whole number" if form == "int" else "a number"
            raise SpaceError(f"step: {shown(step)} is not {what} above 0")
        if form == "int":
            return IntRange(low, high, 1 if step is None else int(step), log)
        domain = FloatRange(low, high, step, log)
        if domain.count is None and not self.continuous:
            raise SpaceError(f"{shown(raw)} has no step; give one, such as step: 0.25, or a choice")
        return domain

    @property
    def _forms(self) -> tuple[str, ...]:
        return ("choice", *self.ranges)

    @property
    def _either(self) -> str:
        domains = ["{choice: […]}", *(f"{{{form}: [low, high]}}" for form in self.ranges)]
        return (f"{self.noun}, nor " if self.fixed else "") + " or ".join(domains)


def _is_whole(raw: object) -> TypeGuard[int]:
    return whole(raw) is not None


def _is_number(raw: object) -> TypeGuard[float]:
    return type(raw) in (int, float)


def _whole(low: int) -> Kind:
    return Kind(
        f"a whole number from {low} to {LARGEST:,}",
        lambda raw: _is_whole(raw) and low <= raw <= LARGEST,
        {"type": "integer", "minimum": low, "maximum": LARGEST},
        ranges=("int",),
    )


SIZE = _whole(1)
KERNEL = Kind(
    " or ".join(map(str, STEM_KERNELS)),
    lambda raw: _is_whole(raw) and raw in STEM_KERNELS,
    {"enum": list(STEM_KERNELS)},
)
FLAG = Kind("true or false", lambda raw: type(raw) is bool, {"type": "boolean"})
MULTIPLIER = Kind(
    "a number above 0",
    lambda raw: _is_number(raw) and 0 < raw <= LARGEST,
    {"type": "number", "exclusiveMinimum": 0, "maximum": LARGEST},
    ranges=("float",),
)


def hyper_parameter(name: str) -> Kind:
    """A field of TrainingConfig, within the bounds that it has there.

    It is here only to be searched: a fixed one is the study's to give.
    """
    field = TrainingConfig.model_json_schema()["properties"][name]
    schema = {key: value for key, value in field.items() if key == "type" or key in _BOUNDS}
    if schema["type"] == "boolean":
        return replace(FLAG, fixed=False)
    whole = schema["type"] == "integer"
    bounds = [(_BOUNDS[key], schema[key]) for key in _BOUNDS if key in schema]
    limits = " and ".join(words.format(f"{bound:,}") for (words, _), bound in bounds)
    is_kind = _is_whole if whole else _is_number
    return Kind(
        f"a {'whole ' if whole else ''}number {limits}",
        lambda raw: is_kind(raw) and all(holds(raw, bound) for (_, holds), bound in bounds),
        schema,
        ranges=("int",) if whole else ("float",),
        fixed=False,
        continuous=True,
    )


def unbounded(kind: Kind) -> Kind:
    """``kind`` as spaces had it that are stored in studies of an earlier version."""
    is_kind = _is_whole if kind.ranges == ("int",) else _is_number
    return replace(kind, accepts=lambda raw: is_kind(raw) and 0 <= raw <= LARGEST)


# Keywords of JSON schema, in the order in which an interval is read.
_BOUNDS: Mapping[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "minimum": ("of {} or more", operator.ge),
    "exclusiveMinimum": ("above {}", operator.gt),
    "maximum": ("{} at most", operator.le),
    "exclusiveMaximum": ("below {}", operator.lt),
}
