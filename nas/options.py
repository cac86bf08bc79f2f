"""Types of options: numbers read in one way, whoever takes them (20, 1k, 1e3, 1_000)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from nas.quantity import plain, read_number, whole

_EXPECTED = {
    "int_type": "a whole number, such as 20, 1k or 1e3",
    "float_type": "a number",
    "string_type": "text; a number or a date in a file needs quotes to be text",
    "dict_type": "a mapping, such as {peak_lr: 0.2}",
    "list_type": "a list",
}


def number(value: object) -> object:
    """A number that is given as text or NumPy's is Python's; anything else stays as it is."""
    value = plain(value)
    read = read_number(value) if isinstance(value, str) else None
    value = value if read is None else read
    exact = whole(value)
    return value if exact is None else exact


Whole = Annotated[int, BeforeValidator(number), Field(strict=True)]
Real = Annotated[float, BeforeValidator(number), Field(strict=True)]


def mismatch(error: Mapping[str, Any]) -> str:
    """What pydantic found wrong with a value, as ``0; it must be greater than or equal to 1``."""
    beyond = error["type"].startswith(("greater", "less"))
    found = repr(number(error["input"]) if beyond else error["input"])
    found = found if len(found) <= 60 else f"{found[:59]}…"
    expected = _EXPECTED.get(error["type"]) or error["msg"].removeprefix("Input should be ")
    return f"{found}; it must be {expected}"
