"""The hypervolume by hand and by counting points."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_studies import study

from nas.analysis import hypervolume
from nas.errors import AnalysisError


def test_two_steps_by_hand():
    # accuracy 0.6 from 25 MACs on, 0.8 from 50 on; reference 0.5 at 100: (0.1·25 + 0.3·50) / 50
    frame = study([0.4, 0.2], macs=[25, 50])
    (row,) = hypervolume(frame, reference=(0.5, 100)).to_dict("records")
    assert row["hypervolume"] == pytest.approx((0.1 * 25 + 0.3 * 50) / (0.5 * 100))
    assert row["front"] == 2


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=8))
def test_it_is_the_share_of_points_that_the_front_dominates(points):
    frame = study([error / 10 for _, error in points], macs=[macs for macs, _ in points])
    (row,) = hypervolume(frame, reference=(0.0, 10.0)).to_dict("records")
    grid = [(m + 0.5, (e + 0.5) / 10) for m in range(10) for e in range(10)]  # cell by cell
    dominated = [any(macs < m and error / 10 < e for macs, error in points) for m, e in grid]
    assert row["hypervolume"] == pytest.approx(np.mean(dominated))


def test_studies_of_a_frame_share_one_reference_and_any_policy_counts():
    both = pd.concat([study([0.2, 0.5], "a", policy="guided"), study([0.3, 0.4], "b")])
    found = hypervolume(both, "params")
    assert found["accuracy"].unique() == pytest.approx([0.5])
    assert found["cost"].unique() == pytest.approx([20])
    assert found["n"].tolist() == [2, 2]


def test_stopped_trials_have_no_part():
    frame = study([0.4, 0.1], macs=[50, 10], state=["COMPLETE", "PRUNED"])
    assert hypervolume(frame, reference=(0.5, 100))["hypervolume"].tolist() == pytest.approx([0.1])


def test_nothing_inside_of_the_reference_is_nothing():
    assert hypervolume(study([0.4]), reference=(0.9, 10))["hypervolume"].tolist() == [0]


@pytest.mark.parametrize("reference", [(1, 10), (-0.1, 10), (0.5, 0)])
def test_a_reference_is_an_accuracy_and_a_cost(reference):
    with pytest.raises(AnalysisError, match="accepted"):
        hypervolume(study([0.4]), reference=reference)
