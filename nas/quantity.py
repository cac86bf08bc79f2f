"""Numbers as people read and write them, the same everywhere."""

import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

SUFFIXES = {"k": 10**3, "M": 10**6, "G": 10**9}
_ALSO = {"K": "k", "B": "G"}  # 500K, 7B parameters
# Text that is a number; in the syntax of JSON schemas, too. No more digits than an exact product
# of them is computed from in no time.
NUMBER = (
    r"[0-9]{1,18}(_[0-9]{1,18}){0,6}(\.[0-9]{0,18})?"
    f"([eE][+-]?[0-9]{{1,2}}| ?[{''.join([*SUFFIXES, *_ALSO])}])?"
)
# Units of short times and of memory, in seconds and bytes; read in small letters, too
SECONDS = {"us": Fraction(1, 10**6), "ms": Fraction(1, 10**3), "s": Fraction(1)}
BYTES = {
    "B": Fraction(1), "kB": Fraction(10**3), "MB": Fraction(10**6), "GB": Fraction(10**9),
    "KiB": Fraction(2**10), "MiB": Fraction(2**20), "GiB": Fraction(2**30),
}  # fmt: skip
_BEFORE_UNIT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{0,15})?) ?([a-z]{1,3})")


def plain(value: Any) -> Any:
    """What NumPy's numbers and arrays are in Python's own types; anything else as it is."""
    return value.tolist() if hasattr(value, "tolist") else value


def whole(value: object) -> int | None:
    """The whole number that ``value`` is, or None; true, false and text are none.

    >>> [whole(n) for n in (3, 3.0, 3.5, True, "3")]
    [3, 3, None, None, None]
    """
    value = plain(value)
    if type(value) is float and value.is_integer():
        return int(value)
    return value if type(value) is int else None


def read_number(text: str) -> int | float | None:
    """The number that is written there, or None: 60000000, 1_000, 20e6, 1.5M, 400k, 4G, -3.

    >>> [read_number(text) for text in ("20M", "20e6", "1_000", "0.5", "20 apples")]
    [20000000, 20000000, 1000, 0.5, None]
    """
    sign, digits = ("-", text.strip()[1:]) if text.strip().startswith("-") else ("", text.strip())
    if not re.fullmatch(NUMBER, digits):
        return None
    number, suffix = digits.replace(" ", ""), ""
    if number[-1].isalpha():
        number, suffix = number[:-1], _ALSO.get(number[-1], number[-1])
    exact = Fraction(sign + number) * SUFFIXES.get(suffix, 1)
    return exact.numerator if exact.denominator == 1 else float(exact)


def count(value: float) -> str:
    """Three significant digits and a suffix: 11,178,378 is "11.2M".

    >>> [count(n) for n in (950, 11_178_378, 999_950, 1.8e18)]
    ['950', '11.2M', '1.00M', '1.8e18']
    """
    if value >= 1e12:
        return f"{value:.1e}".replace("e+", "e")
    for suffix, limit in reversed(SUFFIXES.items()):
        scaled = value / limit
        if scaled >= 0.9995:
            digits = 2 if scaled < 9.995 else 1 if scaled < 99.95 else 0
            return f"{scaled:.{digits}f}{suffix}"
    return f"{value:.0f}"


def read_with_unit(text: str, units: Mapping[str, Fraction]) -> float | None:
    """The amount that is written there, in seconds of ``SECONDS`` or bytes of ``BYTES``; None of
    what is none, and of a number alone: it may mean any of the units.

    >>> [read_with_unit(text, SECONDS) for text in ("2ms", "1.5 s", "200us", "2", "2MB")]
    [0.002, 1.5, 0.0002, None, None]
    """
    found = _BEFORE_UNIT.fullmatch(text.strip().lower().replace("µ", "u"))
    known = {name.lower(): size for name, size in units.items()}
    if found is None or found[2] not in known:
        return None
    return float(Fraction(found[1].rstrip(".")) * known[found[2]])


def with_unit(value: float, units: Mapping[str, Fraction]) -> str:
    """Three digits, in the largest unit of thousands that the value has one of.

    >>> with_unit(0.00312, SECONDS), with_unit(64e6, BYTES), with_unit(0.5, BYTES)
    ('3.12 ms', '64 MB', '0.5 B')
    """
    decimal = [(name, size) for name, size in units.items() if "i" not in name]
    fits = [(name, size) for name, size in decimal if value >= 0.9995 * size]
    name, size = fits[-1] if fits else decimal[0]
    number = float(f"{value / float(size):.3g}")
    return f"{number:g} {name}"


def plural(number: float, noun: str, spelled: Callable[[float], str] = "{:,}".format) -> str:
    """So many of them, the number ``spelled`` as ``count`` does it, or with all of its digits.

    >>> [plural(n, "epoch") for n in (0, 1, 2000)]
    ['0 epochs', '1 epoch', '2,000 epochs']
    >>> [plural(2, noun) for noun in ("class", "box", "batch")]
    ['2 classes', '2 boxes', '2 batches']
    """
    many = "es" if noun.endswith(("s", "x", "tch")) else "s"  # epochs have a hard ch
    return f"{spelled(number)} {noun}{'' if number == 1 else many}"


def percent(fraction: float) -> str:
    """A fraction of 1 in percent, with the two digits that 10,000 images resolve."""
    return f"{100 * fraction:5.2f} %"


def format_duration(seconds: float) -> str:
    """As ``parse_duration`` reads it, in at most two units.

    >>> [format_duration(seconds) for seconds in (83, 0.25, 4000)]
    ['1m23s', '0.2s', '1h06m']
    """
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    if hours:
        return f"{hours}h{minutes:02d}m"
    if minutes:
        return f"{minutes}m{rest:02d}s"
    return f"{rest}s" if seconds >= 1 else f"{seconds:.1g}s"
