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
