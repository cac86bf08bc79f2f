"""Durations as people write them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.errors import ConfigError
from nas.search.duration import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("45s", 45), ("10m", 600), ("1h30m", 5400), ("2h", 7200), ("1m5s", 65), ("1h5s", 3605),
        ("90", 90), (90, 90), (0.5, 0.5), (np.int64(90), 90), ("1d", 86400), ("1d12h", 129600),
        ("1.5h", 5400), ("2h30", 9000), ("1m30", 90), ("1d12", 129600), ("1h 30m", 5400),
        ("1:30:00", 5400), ("0:00:07", 7), ("10 min", 600), ("2 hours 5 minutes", 7500),
        ("1e3s", 1000), (" 5m ", 300), ("2H", 7200),
    ],
)  # fmt: skip
def test_units_add_up_and_a_number_is_seconds(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["none", "None", " none "])
def test_none_is_no_limit(text):
    assert parse_duration(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "", "m", "-5m", "0s", 0, -1, "10x", None, True, "5m1h", "5h5h", "inf", float("inf"),
        float("nan"), "1:30", "1:60:00", "1.5h30m", "10 5m", "10s5", "h30", "1h30m10s5", [1], {},
        10**400,
    ],
)  # fmt: skip
def test_anything_else_is_refused(text):
    with pytest.raises(ConfigError, match="accepted: 90"):
        parse_duration(text)


@given(st.integers(1, 10**6) | st.floats(1e-6, 1))
def test_a_printed_duration_is_right_to_its_last_unit(seconds):
    unit = 60 if seconds >= 3600 else 1 if seconds >= 1 else seconds / 2
    assert abs(parse_duration(format_duration(seconds)) - seconds) <= unit


@pytest.mark.parametrize(
    ("seconds", "printed"),
    [
        (0, "0s"), (0.4, "0.4s"), (59.4, "59s"), (59.6, "1m00s"), (83, "1m23s"), (3599, "59m59s"),
        (3600, "1h00m"), (3725, "1h02m"), (90_000, "25h00m"),
    ],
)  # fmt: skip
def test_a_duration_is_printed_in_at_most_two_units(seconds, printed):
    assert format_duration(seconds) == printed
