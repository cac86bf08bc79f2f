"""The best of m: against the definition, by enumeration, and for known distributions."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_studies import study

from nas.analysis import efficiency
from nas.analysis.efficiency import expected_best
from nas.errors import AnalysisError

errors = st.lists(st.integers(0, 9).map(lambda k: k / 16), min_size=1, max_size=5)


@given(errors, st.integers(1, 3))
def test_the_expected_best_is_the_mean_over_all_draws(values, m):
    mean = np.mean([min(draw) for draw in product(values, repeat=m)])
    assert expected_best(np.array(values), m) == pytest.approx(mean)


@given(st.lists(st.integers(0, 9).map(lambda k: k / 16), min_size=1, max_size=40))
def test_sizes_are_powers_of_two_split_into_whole_draws(values):
    found = efficiency(study(values))
    assert list(found["m"]) == [2**p for p in range(10) if 2**p <= len(values)]
    assert list(found["draws"]) == [len(values) // m for m in found["m"]]
    assert found["error"].iloc[0] == pytest.approx(np.mean(values))


def test_the_best_of_all_is_the_best():
    found = efficiency(study([0.3, 0.1, 0.2]), sizes=[1, 3])
    assert found["error"].tolist() == pytest.approx([0.2, 0.1])
    assert found["stderr"].iloc[0] == pytest.approx(0.1 / np.sqrt(3))
    assert np.isnan(found["stderr"].iloc[1])


def test_of_uniform_errors_the_best_of_m_is_one_in_m_plus_one():
    found = efficiency(study(np.random.default_rng(0).random(4000)), sizes=[1, 3, 7, 15])
    for row in found.itertuples():
        assert row.low - row.stderr < 1 / (row.m + 1) < row.high + row.stderr


@pytest.mark.parametrize("size", [0, 9])
def test_no_more_can_be_drawn_than_there_are(size):
    with pytest.raises(AnalysisError, match="accepted: 1 to 3"):
        efficiency(study([0.1, 0.2, 0.3]), sizes=[size])


def test_the_standard_error_and_its_two_are_those_of_the_draws():
    errors = np.arange(20) / 20
    (row,) = efficiency(study(errors), sizes=[3], seed=7).to_dict("records")
    draws = np.random.default_rng(7).permutation(errors)[:18].reshape(6, 3).min(axis=1)
    assert (row["draws"], row["n"], row["m"]) == (6, 20, 3)
    assert row["error"] == pytest.approx(draws.mean())
    assert row["stderr"] == pytest.approx(draws.std(ddof=1) / np.sqrt(6))
    assert row["high"] - row["error"] == pytest.approx(2 * row["stderr"])
    assert row["error"] - row["low"] == pytest.approx(2 * row["stderr"])


def test_a_weighted_expected_best_is_the_mean_over_weighted_draws():
    values, weights = np.array([0.3, 0.1, 0.2]), np.array([0.5, 0.2, 0.3])
    mean = sum(
        weights[i] * weights[j] * min(values[i], values[j]) for i, j in product(range(3), repeat=2)
    )
    both = np.array([weights, [1, 0, 0]])
    assert expected_best(values, 2, both) == pytest.approx([mean, 0.3])


def test_a_frame_has_each_number_by_name_of_different_networks():
    errors = np.array([0.5, 0.1, 0.3, 0.2])
    frame = study(np.repeat(errors, 2), key=np.repeat(list("abcd"), 2))
    found = efficiency(frame)
    assert list(found) == ["study", "m", "draws", "error", "stderr", "low", "high", "n"]
    assert found.equals(efficiency(frame, seed=0))
    assert not efficiency(frame, seed=2).equals(found)
    assert found["n"].tolist() == [4, 4, 4]
    both = efficiency(pd.concat([frame.assign(study="b"), frame]), sizes=[2, 1])
    assert list(zip(both["study"], both["m"], strict=True)) == [
        ("b", 2), ("b", 1), ("s", 2), ("s", 1)
    ]  # fmt: skip


def test_a_size_that_cannot_be_is_refused_with_why():
    with pytest.raises(AnalysisError) as refused:
        efficiency(study([0.1]), sizes=[2])
    assert str(refused.value) == "m is 2; accepted: 1 to 1, as s has 1 network"
