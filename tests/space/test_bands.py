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
