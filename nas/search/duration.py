"""Durations as people write them: 90s, 10m, 1h30m."""

import re

from nas.errors import ConfigError

_UNITS = {"h": 3600, "m": 60, "s": 1}
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


def parse_duration(text: object) -> float:
    """Seconds of "10m", "1h30m" or "45s"; a number is refused, since it has no unit.

    Raises:
        ConfigError: anything else, and durations of nothing.
    """
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if not match or not any(match.groups()):
        raise ConfigError(f"{text!r} is no duration; accepted: 45s, 10m, 1h30m")
    seconds = sum(
        int(n) * _UNITS[u] for n, u in zip(match.groups(), _UNITS, strict=True) if n is not None
    )
    if seconds == 0:
        raise ConfigError(f"{text!r} is no time at all; it must be 1s or more")
    return float(seconds)


def format_duration(seconds: float) -> str:
    """The inverse, in at most two units: 83 is "1m23s"."""
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    if hours:
        return f"{hours}h{minutes:02d}m"
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"
