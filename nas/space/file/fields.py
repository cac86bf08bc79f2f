"""What a key of a space file may hold: pydantic types with one-line complaints."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import ValidationInfo
from pydantic_core import PydanticCustomError, core_schema

from nas.blocks import BLOCKS
from nas.errors import SpaceError, choose
from nas.quantity import NUMBER, plain, read_number, whole
from nas.space.counting import DIRECTIONS
from nas.space.domains import Knob
from nas.space.file.knobs import FLAG, KERNEL, MULTIPLIER, SIZE, hyper_parameter, unbounded
from nas.space.messages import shown

INNER_KEYS = ("groups", "group_width", "bottleneck")  # of the convolutions inside a block
STAGE_KEYS = ("depth", "width", "stride", *INNER_KEYS, "residual")
ADJUSTMENTS = ("pycls",)  # published rules that make widths and groups compatible
MOST = 10**18  # of anything that is counted; it fits into 64 bits


def amount(raw: object) -> int:
    """How many, of parameters or operations: 60000000, or 60M, 1.5M, 400k, 4G, 20e6, 1_000.

    Raises:
        SpaceError: it is no such number.
    """
    raw = plain(raw)
    number = whole(read_number(raw) if isinstance(raw, str) else raw)
    if number is not None and 0 <= number <= MOST:
        return number
    raise SpaceError(
        f"{shown(raw)} is not a count; accepted: a whole number such as 60000000, 400k, 1.5M, 4G"
    )


def _block(raw: object) -> str:
    if isinstance(raw, Mapping):
        raise SpaceError(
            f"{shown(raw)} is a domain, but the block of a stage is fixed; "
            f"accepted: {', '.join(BLOCKS)} (write one space for each)"
        )
    return _word(raw, tuple(BLOCKS))


def _tied(raw: object) -> tuple[str, ...]:
    if not isinstance(raw, list | tuple):
        raise SpaceError(f"{shown(raw)} is not a list of keys; accepted: {', '.join(STAGE_KEYS)}")
    for place, word in enumerate(raw):
        if _word(word, STAGE_KEYS) in raw[:place]:
            raise SpaceError(f"{word} occurs twice")
    return tuple(raw)


def _word(raw: object, accepted: tuple[str, ...]) -> str:
    if isinstance(raw, str) and raw in accepted:
        return raw
    raise SpaceError(f"{shown(raw)} is unknown; {choose(raw, accepted)}")


def _shape(raw: object) -> tuple[int, ...]:
    if not isinstance(raw, list | tuple) or len(raw) != 3:
        raise SpaceError(f"{shown(raw)} is not [channels, height, width]")
    return tuple(int(SIZE.value(one)) for one in raw)


def _strides(raw: object) -> tuple[int, ...]:
    if not isinstance(raw, list | tuple) or len(raw) < 2:
        raise SpaceError(f"{shown(raw)} is not a list of strides, for two stages or more")
    strides = tuple(int(SIZE.value(one)) for one in raw)
    if 1 in strides[1:]:
        raise SpaceError(f"{shown(raw)}: a stage after the first has a stride of 2 or more")
    return strides


def _text(raw: object) -> str:
    if not isinstance(raw, str):
        raise SpaceError(f"{shown(raw)} is not text; put it in quotes")
    return " ".join(raw.split())


def _name(raw: object) -> str:
    if not _text(raw):
        raise SpaceError(f"{shown(raw)} is empty; a space has a name")
    return _text(raw)


def _adjustment(raw: object) -> str:
    return _word(raw, ADJUSTMENTS)


def _digest(raw: object) -> str:
    if isinstance(raw, str) and re.fullmatch("[0-9a-f]{64}", raw):
        return raw
    raise SpaceError(f"{shown(raw)} is no hash of a space; accepted: 64 digits of 0-9 and a-f")


def _direction(raw: object) -> str:
    if isinstance(raw, str) and raw in DIRECTIONS:
        return raw
    # without the nearest word: for increasing that would be nonincreasing, the opposite
    raise SpaceError(f"{shown(raw)} is unknown; accepted: {', '.join(DIRECTIONS)}")


@dataclass(frozen=True)
class _Checked:
    """Tells pydantic to read a field with ``read``, and editors what it accepts."""

    read: Callable[[Any], Any]
    schema: Mapping[str, Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self._validate)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        return dict(self.schema)

    def _validate(self, raw: Any) -> Any:
        try:
            return self.read(plain(raw))
        except SpaceError as error:  # pydantic adds the path
            raise mistake(str(error)) from None


@dataclass(frozen=True)
class _Searched(_Checked):
    """Reads one of a stored space with ``read_stored``."""

    read_stored: Callable[[Any], Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(self._validate_either)

    def _validate_either(self, raw: Any, info: Any) -> Any:
        stored = replace(self, read=self.read_stored)
        return (stored if is_stored(info) else self)._validate(raw)


def is_stored(info: ValidationInfo) -> bool:
    """Whether a document is read that a study has stored: an earlier version may have written it,
    which knew no bounds of hyper-parameters."""
    return info.context == STORED


STORED = "stored"  # pydantic's context of such a document


def searched(name: str) -> _Checked:
    """How the domain of a hyper-parameter is read: within the bounds of TrainingConfig."""
    kind = hyper_parameter(name)
    if not kind.ranges:
        return _Checked(kind.read, kind.json_schema)
    return _Searched(kind.read, kind.json_schema, unbounded(kind).read)


def mistake(message: str) -> PydanticCustomError:
    """What a pydantic validator raises: ``message`` as it is."""
    return PydanticCustomError("space", "{message}", {"message": message})


Size = Annotated[Knob | None, _Checked(SIZE.read, SIZE.json_schema)]
Kernel = Annotated[Knob | None, _Checked(KERNEL.read, KERNEL.json_schema)]
Flag = Annotated[Knob | None, _Checked(FLAG.read, FLAG.json_schema)]
Multiplier = Annotated[Knob | None, _Checked(MULTIPLIER.read, MULTIPLIER.json_schema)]
Block = Annotated[str | None, _Checked(_block, {"enum": [*BLOCKS]})]
Direction = Annotated[str | None, _Checked(_direction, {"enum": [*DIRECTIONS]})]
Adjustment = Annotated[str | None, _Checked(_adjustment, {"enum": [*ADJUSTMENTS]})]
Name = Annotated[str, _Checked(_name, {"type": "string", "minLength": 1})]
Digest = Annotated[str, _Checked(_digest, {"type": "string", "pattern": "^[0-9a-f]{64}$"})]
Text = Annotated[str, _Checked(_text, {"type": "string"})]
Shape = Annotated[
    tuple[int, int, int],
    _Checked(_shape, {"type": "array", "items": dict(SIZE.schema), "minItems": 3, "maxItems": 3}),
]
Strides = Annotated[
    tuple[int, ...],
    _Checked(_strides, {"type": "array", "items": dict(SIZE.schema), "minItems": 2}),
]
Tied = Annotated[
    tuple[str, ...],
    _Checked(
        _tied,
        {"type": "array", "items": {"enum": [*STAGE_KEYS]}, "uniqueItems": True},
    ),
]
FixedSize = Annotated[int, _Checked(SIZE.value, SIZE.schema)]
FixedFlag = Annotated[bool, _Checked(FLAG.value, FLAG.schema)]
Amount = Annotated[
    int | None,
    _Checked(
        amount,
        {
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {"type": "string", "pattern": f"^{NUMBER}$"},
            ]
        },
    ),
]
