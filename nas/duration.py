"""Durations as people write them: 90s, 10m, 1h30m, 1.5h, 2h30, 1d, 1:30:00; a number is seconds."""

import math
import re

from nas.errors import ConfigError
from nas.quantity import plain

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_WORDS = {
    **dict.fromkeys(("d", "day", "days"), "d"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
}
_NUMBER = r"[0-9]{1,15}(?:\.[0-9]{1,15})?(?:e[+-]?[0-9]{1,2})?"
_PART = re.compile(rf"\s*({_NUMBER})\s*([a-z]*)")
_CLOCK = re.compile(r"([0-9]{1,6}):([0-5][0-9]):([0-5][0-9])")
ACCEPTED = "accepted: 90 (seconds), 45s, 10m, 1h30m, 1.5h, 2h30, 1d, 1:30:00, or none for no limit"


def parse_duration(raw: object) -> float | None:
    """Seconds of a duration, a number of them or text; None of "none", which is no limit.

    A number behind a unit is of the next smaller one: 2h30 is two hours and a half.

    Raises:
        ConfigError: anything else, and durations of nothing.
    """
    value = plain(raw)
    if isinstance(value, str):
        text = value.strip().lower()
        if text == "none":
            return None
        seconds = _seconds(text)
    else:
        seconds = float(value) if type(value) in (int, float) and abs(value) < 1e300 else math.nan
    if not math.isfinite(seconds) or seconds < 0:
        raise ConfigError(f"{raw!r} is no duration; {ACCEPTED}")
    if seconds == 0:
        raise ConfigError(f"{raw!r} is no time at all; {ACCEPTED}")
    return seconds


def spelled(seconds: float) -> str:
    """As a person types it and ``parse_duration`` reads it.

    >>> [spelled(seconds) for seconds in (480.0, 5400, 86401, 0.25)]
    ['8m', '1h30m', '1d1s', '0.25s']
    """
    if seconds != int(seconds):
        return f"{seconds:.12g}s"
    left, parts = int(seconds), ""
    for unit, length in _UNITS.items():
        number, left = divmod(left, length)
        parts += f"{number}{unit}" if number else ""
    return parts


def _seconds(text: str) -> float:
    """Of "1h30m" or "1:30:00"; not a number where it is neither."""
    if clock := _CLOCK.fullmatch(text):  # 1:30 could be hours or minutes
        hours, minutes, seconds = map(int, clock.groups())
        return 3600.0 * hours + 60 * minutes + seconds
    units, total, end, last = list(_UNITS), 0.0, 0, ""
    while (part := _PART.match(text, end)) and end < len(text):
        number, word, end = part[1], part[2], part.end()
        left = units[units.index(last) + 1 :] if last else units
        unit = _WORDS.get(word, "") if word else "".join(left[:1]) if last else "s"
        more = end < len(text)
        if unit not in left or (more and not (word and number.isdigit())):
            return math.nan  # 5m1h, 10 5m, 1.5h30m
        total, last = total + float(number) * _UNITS[unit], unit
    return total if last and end == len(text) else math.nan
