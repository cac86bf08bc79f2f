"""How busy workers were: intervals that touch, overlap, or lie apart."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx

from nas.analysis.workers import UNPLACED, occupancy, spans

BEGUN = pd.Timestamp("2026-01-01", tz="UTC")


def attempts(*rows) -> pd.DataFrame:
    """Of (host, start, end) in seconds; an end of None still runs."""
    return pd.DataFrame(
        {
            "host": pd.Series([host for host, _, _ in rows], dtype="string"),
            "started": pd.to_datetime([at(start) for _, start, _ in rows], utc=True),
            "ended": pd.to_datetime(
                [None if end is None else at(end) for _, _, end in rows], utc=True
            ),
        }
    )


def at(seconds) -> pd.Timestamp:
    return BEGUN + pd.Timedelta(seconds=seconds)


def test_a_gap_between_two_attempts_is_idle_time():
    found = occupancy(spans(attempts(("a", 0, 4), ("a", 6, 10)), at(10)))
    assert found[["busy", "idle", "busy_share"]].iloc[0].tolist() == [8, 2, approx(0.8)]


def test_what_still_runs_is_busy_until_now():
    found = occupancy(spans(attempts(("a", 0, None)), at(7)))
    assert found["busy"].tolist() == [7]


def test_an_attempt_without_a_worker_has_its_own_row():
    found = occupancy(spans(attempts(("a", 0, 1), (None, 2, 3)), at(3)))
    assert found["worker"].tolist() == ["a", UNPLACED]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)), min_size=1, max_size=12))
def test_busy_seconds_are_those_in_which_something_ran(drawn):
    rows = [("a", start, start + length) for start, length in drawn]
    ran = {second for _, start, end in rows for second in range(start, end)}
    (found,) = occupancy(spans(attempts(*rows), at(100))).to_dict("records")
    assert found["busy"] == approx(len(ran))
    assert found["busy"] + found["idle"] == approx((found["last"] - found["first"]).total_seconds())


def test_no_attempts_have_no_workers():
    assert occupancy(spans(attempts(), at(0))).empty


def test_a_worker_without_a_gap_was_not_idle_for_less_than_no_time():
    rng = np.random.default_rng(0)
    for _ in range(50):  # floats add up to a little more than the whole in some of them
        ends = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(rng.random(9).cumsum(), "s")
        spans = pd.DataFrame({"worker": "w", "started": ends[:-1], "ended": ends[1:]})
        idle = occupancy(spans)["idle"].iloc[0]
        assert str(idle + 0.0)[0] != "-"
        assert 0 <= idle < 1e-9
