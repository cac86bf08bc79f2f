"""A network that was drawn repeatedly weighs more in estimates, and is one piece of evidence."""

from math import log, sqrt

import numpy as np
import pandas as pd
import pytest
from random_studies import study
from scipy import stats

from nas.analysis import best_values, compare, edf, effects, efficiency, populations
from nas.analysis.narrowing import proposals
from nas.analysis.population import networks
from nas.analysis.two_samples import Side, permutation_tests
from nas.space import SearchSpace

FOUR = [0, 1, 2, 3] * 3


def repeated(values, which, name="s", **columns):
    """One trial per entry of ``which``, told the result of that network."""
    which = np.asarray(which)
    policy = np.where(pd.Series(which).duplicated(), "reused", "random")
    keys = [f"{name}{k}" for k in which]
    return study(np.asarray(values)[which], name, key=keys, policy=policy, **columns)


A = repeated([0.1, 0.2, 0.3, 0.4], FOUR, "a")
B = repeated([0.15, 0.25, 0.35, 0.45], FOUR, "b")


def test_equal_networks_are_those_of_equal_keys_and_hyper_parameters():
    frame = study([0.1] * 5, key=["x", "y", "x", None, None])
    assert networks(frame).tolist() == [0, 1, 0, 2, 3]
    frame["training.peak_lr"] = [0.1, 0.1, 0.2, 0.1, 0.1]
    assert len(set(networks(frame))) == 5
    assert networks(frame.drop(columns="key")).tolist() == [0, 1, 2, 3, 4]


def test_a_comparison_names_networks_beside_draws_and_estimates_from_draws():
    found = compare(A, B)
    assert (found.n_a, found.n_b, found.networks_a, found.networks_b) == (12, 12, 4, 4)
    assert "(n = 12 + 12 draws of 4 + 4 networks, 3 epochs)" in found.verdict
    assert populations(A)["a"].title == "a (n = 12 draws of 4 networks, 3 epochs)"
    pairs = [(x < y) + (x == y) / 2 for x in 1 - A["val_accuracy"] for y in 1 - B["val_accuracy"]]
    assert found.a_better.value == pytest.approx(np.mean(pairs))


def test_drawing_each_network_again_changes_neither_intervals_nor_tests():
    one, many = (compare(A.head(4 * k), B.head(4 * k), draws=4000) for k in (2, 3))
    for measure in ("a_better", "median", "best"):
        assert getattr(one, measure) == pytest.approx(getattr(many, measure))
    assert (one.p, one.ks_p, one.detectable) == (many.p, many.ks_p, many.detectable)
    # by hand: of 70 ways to put 8 networks on two sides, Mann and Whitney's exact p
    exact = stats.mannwhitneyu([1, 3, 5, 7], [2, 4, 6, 8], method="exact").pvalue
    assert many.p == pytest.approx(exact, abs=0.03)


def test_permuted_networks_take_all_their_draws_along():
    """Two networks of each side, the first drawn three times: six ways, counted by hand."""
    a = Side(np.array([0.1, 0.1, 0.1, 0.2]), np.zeros(4, int), np.array([0, 0, 0, 1]), 1)
    b = Side(np.array([0.8, 0.9]), np.zeros(2, int), np.array([0, 1]), 1)
    found = permutation_tests(a, b, 4000, np.random.default_rng(0))
    # only the split as it is and its mirror reach |P − ½| = ½ and a gap of 1
    assert found["p"] == pytest.approx(2 / 6, abs=0.02)
    assert found["ks_p"] == pytest.approx(2 / 6, abs=0.02)
    assert found["a_dominates_p"] == pytest.approx(1 / 6, abs=0.02)
    assert found["ks"] == 1


def test_intervals_hold_a_difference_of_spaces_whose_networks_were_drawn_repeatedly():
    """Spaces of 12 networks of one distribution, drawn 48 times: draws are no evidence.

    Were each draw one, the interval of P(A better) would hold ½ in about 70 of 100.
    """
    rng, held, false = np.random.default_rng(0), 0, 0
    for seed in range(100):
        a, b = (
            repeated(rng.normal(0.3, 0.03, 12), rng.integers(12, size=48), name) for name in "ab"
        )
        found = compare(a, b, draws=300, seed=seed)
        held += found.a_better.low <= 0.5 <= found.a_better.high
        false += found.p < 0.05
    assert held >= 86
    assert false <= 10


def test_the_band_of_a_distribution_is_as_wide_as_its_networks_leave_it():
    found = edf(A, level=0.9)
    assert found["edf"].tolist() == pytest.approx([0.25, 0.5, 0.75, 1])
    margin = sqrt(log(2 / 0.1) / (2 * 4))
    assert found["low"].tolist() == pytest.approx(np.maximum(found["edf"] - margin, 0))
    assert (found["n"].unique(), found["networks"].unique()) == ([12], [4])
    # three draws of one network, one of another: n = 1 / (0.75² + 0.25²)
    uneven = edf(repeated([0.1, 0.2], [0, 0, 0, 1]), level=0.9)
    margin = sqrt(log(2 / 0.1) / 2 * (0.75**2 + 0.25**2))
    assert uneven["edf"].tolist() == [0.75, 1]
    assert uneven["low"].tolist() == pytest.approx(np.maximum(uneven["edf"] - margin, 0))


def test_networks_of_both_spaces_are_counted():
    both = compare(A, repeated([0.1, 0.2, 0.5, 0.6, 0.7], [0, 1, 2, 3, 4], "a").assign(study="b"))
    assert both.note == "2 networks with one result in both"
    assert compare(A, B).note == ""


def test_the_best_of_m_and_the_best_value_are_of_different_networks():
    width = np.array([8, 16, 32, 64])[FOUR]
    frame = repeated([0.1, 0.2, 0.3, 0.4], FOUR, width=width)
    once = study([0.1, 0.2, 0.3, 0.4], width=[8, 16, 32, 64])
    pd.testing.assert_frame_equal(efficiency(frame), efficiency(once))
    pd.testing.assert_frame_equal(best_values(frame, part=0.5), best_values(once, part=0.5))


def test_a_pair_of_the_same_two_networks_is_one_whatever_settings_made_them():
    """Two widths that the space adjusts to one network are no second pair."""
    frame = study(
        [0.2, 0.1] * 12, residual=[False, True] * 12, width=np.repeat(range(12), 2),
        key=[f"{k // 4}{flag}" for k in range(12) for flag in "ft"],
    )  # fmt: skip
    assert effects(frame, "residual", matching="exact")["pairs"].tolist() == [3]
    assert effects(frame, "residual", matching="cost", tolerance=9)["pairs"].tolist() == [3]
    assert effects(frame, "residual", matching="cost")["n"].tolist() == [6]


def test_evidence_for_a_smaller_space_counts_a_network_once():
    stage = {"block": "basic", "width": 8, "stride": 2, "depth": {"int": [1, 8]}}
    space = SearchSpace.from_dict({"name": "s", "stem": {"width": 8}, "stages": [stage, stage]})
    rng = np.random.default_rng(0)
    depths = {f"stages__{k}__depth": rng.integers(1, 9, 60) for k in (0, 1)}
    frame = study(rng.random(60), **depths)
    twice = pd.concat([frame, frame.assign(policy="reused")], ignore_index=True)
    found = [(one.change, one.evidence, one.p) for one in proposals(space, twice)]
    assert found == [(one.change, one.evidence, one.p) for one in proposals(space, frame)]
    assert found
