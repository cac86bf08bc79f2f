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


def test_a_frame_has_each_number_by_name_and_macs_are_the_default():
    frame = study([0.4, 0.2], macs=[25, 50])
    found = hypervolume(frame, reference=(0.5, 100))
    assert list(found) == ["study", "hypervolume", "accuracy", "cost", "front", "n"]
    assert found.iloc[0].tolist()[0] == "s"
    assert found.iloc[0].tolist()[2:] == [0.5, 100, 2, 2]
    assert found.equals(hypervolume(frame, "macs", reference=(0.5, 100), epochs=3))


def test_what_is_at_the_reference_counts_for_nothing():
    at_the_floor = study([0.5, 0.2], macs=[25, 50])
    (row,) = hypervolume(at_the_floor, reference=(0.5, 100)).to_dict("records")
    assert (row["front"], row["hypervolume"]) == (1, pytest.approx(0.3 * 50 / 50))
    at_the_limit = study([0.4, 0.2], macs=[25, 100])
    (row,) = hypervolume(at_the_limit, reference=(0.5, 100)).to_dict("records")
    assert (row["front"], row["hypervolume"]) == (1, pytest.approx(0.1 * 75 / 50))


def test_the_worst_accuracy_and_the_highest_cost_of_all_are_the_reference():
    a, b = study([0.4, 0.2], "a", macs=[10, 20]), study([0.6, 0.3], "b", macs=[40, 30])
    found = hypervolume(pd.concat([a, b]))
    assert found[["accuracy", "cost"]].to_numpy().tolist() == [[0.4, 40]] * 2
    # a: 0.6 from 10, 0.8 from 20; b: 0.7 from 30
    expected = [(0.2 * 10 + 0.4 * 20) / (0.6 * 40), 0.3 * 10 / (0.6 * 40)]
    assert found["hypervolume"].tolist() == pytest.approx(expected)


@pytest.mark.parametrize("reference", [(1, 10), (-0.1, 10), (0.5, 0)])
def test_a_refused_reference_is_said_with_an_example(reference):
    with pytest.raises(AnalysisError) as refused:
        hypervolume(study([0.4]), "params", reference=reference)
    assert str(refused.value) == (
        f"reference is {reference}; accepted: (accuracy, params), as (0.8, 50e6)"
    )
    assert len(hypervolume(study([0.4]), reference=(0, 0.5))) == 1


def test_trials_of_other_epochs_are_left_out_where_epochs_are_named():
    frame = study([0.4, 0.2], macs=[25, 50], epochs=[3, 7])
    assert hypervolume(frame, reference=(0.5, 100), epochs=3)["n"].tolist() == [1]
    with pytest.raises(AnalysisError, match="unequal epochs"):
        hypervolume(frame)
