"""The Pareto front against its definition."""

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from nas.study.front import pareto_front

points = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=30)


@given(points)
def test_the_front_is_what_no_other_trial_beats(rows):
    trials = pd.DataFrame(rows, columns=["macs", "val_accuracy"])
    best = pareto_front(trials)
    kept = set(zip(best["macs"], best["val_accuracy"], strict=True))

    def beaten(macs, accuracy):
        return any(m <= macs and a >= accuracy and (m, a) != (macs, accuracy) for m, a in rows)

    assert kept == {row for row in rows if not beaten(*row)}
    assert len(best) == len(kept)
    assert best["macs"].is_monotonic_increasing
    assert best["val_accuracy"].is_monotonic_increasing


def test_of_no_trials_there_is_no_front():
    assert pareto_front(pd.DataFrame({"macs": [], "val_accuracy": []})).empty


def test_what_has_no_cost_or_no_accuracy_takes_no_part_and_of_equal_rows_the_first_stays():
    trials = pd.DataFrame(
        {
            "number": [7, 6, 5, 4, 3, 2, 1],
            "macs": [1, 2, 2, None, 1, 9, 3],
            "latency_ms": [5.0, 3.0, 3.0, 1.0, None, None, 4.0],
            "val_accuracy": [0.1, 0.5, 0.5, 0.9, None, 0.6, 0.5],
        }
    )
    assert pareto_front(trials)["number"].tolist() == [7, 6, 2]
    assert pareto_front(trials).index.tolist() == [0, 1, 5]
    assert pareto_front(trials, "latency_ms")["number"].tolist() == [4]


def test_an_accuracy_of_0_is_one():
    front = pareto_front(pd.DataFrame({"macs": [2, 1], "val_accuracy": [0.0, 0.0]}))
    assert front["macs"].tolist() == [1]
