"""Durations as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.errors import ConfigError
from nas.search.duration import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("45s", 45), ("10m", 600), ("1h30m", 5400), ("2h", 7200), ("1m5s", 65)]
)
def test_units_add_up(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "10", 10, "10 m", "m", "-5m", "0s", "1.5h", "10x", None, True, "5m1h", "inf"]
)
def test_anything_else_is_refused(text):
    with pytest.raises(ConfigError):
        parse_duration(text)


@given(st.integers(1, 10**6))
def test_a_printed_duration_is_right_to_its_last_unit(seconds):
    unit = 60 if seconds >= 3600 else 1
    assert abs(parse_duration(format_duration(seconds)) - seconds) <= unit


@pytest.mark.parametrize(
    ("seconds", "printed"),
    [
        (0, "0s"), (0.4, "0s"), (59.4, "59s"), (59.6, "1m00s"), (83, "1m23s"), (3599, "59m59s"),
        (3600, "1h00m"), (3725, "1h02m"), (90_000, "25h00m"),
    ],
)  # fmt: skip
def test_a_duration_is_printed_in_at_most_two_units(seconds, printed):
    assert format_duration(seconds) == printed
