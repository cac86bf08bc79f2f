"""Bands of costs as a word."""

import pytest

from nas.errors import SpaceError
from nas.space import Bands


@pytest.mark.parametrize(
    ("text", "bounds", "canonical"),
    [
        ("macs=4M:8M", {"macs": (4_000_000, 8_000_000)}, "macs=4M:8M"),
        (" macs = 4000k : 8M ", {"macs": (4_000_000, 8_000_000)}, "macs=4M:8M"),
        (
            "macs=1.5M:,params=:500k",
            {"macs": (1_500_000, None), "params": (None, 500_000)},
            "macs=1500k:,params=:500k",
        ),
        ("depth=3:12", {"depth": (3, 12)}, "depth=3:12"),
    ],
)
def test_bands_are_read_and_written(text, bounds, canonical):
    bands = Bands.read(text)
    assert bands.by_measure == bounds
    assert str(bands) == canonical
    assert Bands.read(canonical) == bands


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no band; accepted: measure=least:most"),
        ("macs", "is no band"),
        ("macs=4M", "is no band"),
        ("macs=:", "is no band"),
        ("mac=4M:8M", "did you mean macs?"),
        ("macs=4M:8M,macs=1M:", "macs occurs twice"),
        ("macs=8M:4M", "macs: 8M is above 4M"),
        ("macs=4X:8M", "is not a count"),
        ("macs=-4M:8M", "is not a count"),
    ],
)
def test_what_is_no_band_is_refused(text, message):
    with pytest.raises(SpaceError) as caught:
        Bands.read(text)
    assert message in str(caught.value)


NO_BAND = "is no band; accepted: measure=least:most, such as macs=4M:8M or params=:500k"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("macs", f'"macs" {NO_BAND}'),
        ("macs=4M:8M, params", f'" params" {NO_BAND}'),
        ("mac=4M:8M", '"mac"; did you mean macs? accepted: depth, params, macs, activations'),
        ("x=4M:8M", '"x"; accepted: depth, params, macs, activations'),
        ("macs=8M:4M", "macs: 8M is above 4M"),
    ],
)  # fmt: skip
def test_a_refusal_is_whole(text, message):
    with pytest.raises(SpaceError) as caught:
        Bands.read(text)
    assert str(caught.value) == message


def test_equal_ends_are_a_band_and_each_number_is_written_as_short_as_it_is_exact():
    assert Bands.read("macs=4M:4M").by_measure == {"macs": (4_000_000, 4_000_000)}
    assert Bands.read("macs=0:").by_measure == {"macs": (0, None)}
    numbers = {"macs": (0, 999), "params": (1000, 1001), "activations": (10**9, 10**6)}
    assert str(Bands(numbers)) == "macs=0:999,params=1k:1001,activations=1G:1M"
    assert str(Bands({"macs": (None, 2_000_000_000)})) == "macs=:2G"
