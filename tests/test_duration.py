"""Durations as people write them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.duration import parse_duration, spelled
from nas.errors import ConfigError
from nas.quantity import format_duration


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


@given(st.integers(1, 10**9) | st.integers(1, 10**9).map(lambda n: n / 1000))
def test_a_duration_in_a_command_is_exact(seconds):
    assert parse_duration(spelled(seconds)) == seconds


@pytest.mark.parametrize(
    ("seconds", "printed"),
    [
        (0, "0s"), (0.4, "0.4s"), (59.4, "59s"), (59.6, "1m00s"), (83, "1m23s"), (3599, "59m59s"),
        (3600, "1h00m"), (3725, "1h02m"), (90_000, "25h00m"),
    ],
)  # fmt: skip
def test_a_duration_is_printed_in_at_most_two_units(seconds, printed):
    assert format_duration(seconds) == printed


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("d day days", 86400), ("h hr hrs hour hours", 3600), ("m min mins minute minutes", 60),
        ("s sec secs second seconds", 1),
    ],
)  # fmt: skip
def test_a_unit_has_its_usual_names(words, seconds):
    for word in words.split():
        assert parse_duration(f"2{word}") == parse_duration(f"2 {word}") == 2 * seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1:02:03", 3723), ("100:00:00", 360_000), ("0:59:59", 3599), ("1d2h3m4s", 93_784),
        ("1m1.5s", 61.5), ("1.5e2m", 9000), ("1e-2h", 36), ("1e+2s", 100), (9e299, 9e299),
    ],
)  # fmt: skip
def test_all_parts_count_with_their_units(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["1:2:03", "1:02:60", "24:00", "1s5", "1:30:00s", "5 5", "1h1h", "1m1d", "1e300h",
             1e300, "1" * 16, "2.5h30", "h", "1hh", "1h,5m", "1:30:00 h"],
)  # fmt: skip
def test_what_could_mean_two_things_or_none_is_refused_whole(text):
    with pytest.raises(ConfigError) as refused:
        parse_duration(text)
    assert str(refused.value) == (
        f"{text!r} is no duration; accepted: 90 (seconds), 45s, 10m, 1h30m, 1.5h, 2h30, 1d, "
        "1:30:00, or none for no limit"
    )


@pytest.mark.parametrize("nothing", [0, "0s", "0h0m", 0.0])
def test_no_time_at_all_is_said_to_be_none(nothing):
    with pytest.raises(ConfigError) as refused:
        parse_duration(nothing)
    assert str(refused.value).startswith(f"{nothing!r} is no time at all; accepted: 90 (seconds)")


@pytest.mark.parametrize(
    ("seconds", "printed"), [(0.999, "1s"), (1, "1s"), (9.6, "10s"), (60, "1m00s"), (0.03, "0.03s")]
)
def test_below_a_second_one_digit_is_printed(seconds, printed):
    assert format_duration(seconds) == printed
