"""Comparisons of spaces against SciPy, hand-computed cases and what their error rates promise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_studies import study
from scipy import stats

from nas.analysis import compare
from nas.analysis.two_samples import p_better, weighted_median
from nas.errors import AnalysisError

samples = st.lists(st.integers(1, 15).map(lambda k: k / 16), min_size=5, max_size=15)


def spaces(a, b, **different):
    return study(a, "a", **different), study(b, "b")


def drawn(shift=0.0, n=60, seed=0):
    rng = np.random.default_rng(seed)
    return spaces(rng.normal(0.3, 0.03, n).clip(0, 1), rng.normal(0.3 + shift, 0.03, n).clip(0, 1))


@pytest.mark.filterwarnings("ignore:ks_2samp. Exact calculation unsuccessful")  # of ties
@settings(max_examples=40)
@given(samples, samples)
def test_statistics_are_those_of_scipy_and_of_the_definition(a, b):
    found = compare(*spaces(a, b), draws=100)
    both = stats.ks_2samp(a, b)
    assert (found.ks, found.ks_p) == pytest.approx((both.statistic, both.pvalue))
    pairs = [(x < y) + (x == y) / 2 for x in a for y in b]
    assert found.a_better.value == pytest.approx(np.mean(pairs))
    u = stats.mannwhitneyu(a, b)
    assert found.a_better.value == pytest.approx(1 - u.statistic / len(a) / len(b))
    assert found.p == pytest.approx(u.pvalue, nan_ok=True)
    assert found.median.value == pytest.approx(np.median(b) - np.median(a))


@given(samples)
def test_a_weighted_median_of_equal_weights_is_the_median(values):
    values = np.array(values)
    weights = np.full(len(values), 1 / len(values))
    assert weighted_median(values, weights) == pytest.approx(np.median(values))


def test_weighted_statistics_are_those_of_the_repeated_sample():
    a, b = np.array([0.1, 0.3, 0.5]), np.array([0.2, 0.4])
    weights = np.array([1, 2, 3]) / 6
    repeated = np.repeat(a, [1, 2, 3])
    half, sixth = np.full(2, 1 / 2), np.full(6, 1 / 6)
    assert p_better(a, weights, b, half) == pytest.approx(p_better(repeated, sixth, b, half))
    assert weighted_median(a, weights) == pytest.approx(np.median(repeated))


def test_the_better_space_is_named_and_dominates():
    found = compare(*drawn(shift=0.05))
    assert found.dominance == "a"
    assert found.decide(0.005).outcome == "better"
    assert found.verdict.startswith("a is better than b: ")
    assert "n = 60 + 60, 3 epochs" in found.verdict
    other = compare(*reversed(drawn(shift=0.05)))
    assert other.dominance == "b"
    assert other.decide(0.005).outcome == "worse"
    assert other.verdict.startswith("a is better than b: ")
    assert found.cliffs_delta == pytest.approx(-other.cliffs_delta)


def test_curves_that_cross_dominate_neither():
    rng = np.random.default_rng(1)
    narrow, wide = rng.normal(0.3, 0.005, 80), rng.normal(0.3, 0.05, 80)
    assert compare(*spaces(narrow, wide)).dominance == "crossing"


def test_no_difference_is_no_proof_of_equality():
    few = compare(*drawn(n=8, seed=1))
    assert few.verdict.startswith("No difference between a and b was shown")
    assert "would be missed" in few.verdict
    assert few.decide(0.005).outcome == "undecided"
    many = compare(*drawn(n=800), draws=500)
    assert many.decide(0.01).outcome == "equal"
    assert many.detectable < few.detectable


def test_noninferior_is_weaker_than_better_and_than_equal():
    decision = compare(*drawn(shift=0.012, seed=3), draws=1000).decide(0.01)
    assert decision.noninferior
    assert decision.interval.low > -0.01


@pytest.mark.parametrize("shift", [0.01, -0.01])
def test_at_the_edge_of_the_margin_equality_is_claimed_at_most_at_its_error_rate(shift):
    claims = [
        compare(*drawn(shift, n=40, seed=seed), draws=300).decide(0.01, 0.05).outcome == "equal"
        for seed in range(60)
    ]
    assert np.mean(claims) <= 0.1


def test_of_equal_spaces_one_is_called_better_at_most_at_the_error_rate():
    found = [compare(*drawn(n=40, seed=seed), draws=300) for seed in range(100)]
    assert np.mean([one.p < 0.05 for one in found]) < 0.1
    assert np.mean([one.a_better.low <= 0.5 <= one.a_better.high for one in found]) > 0.88
    assert np.mean([one.median.low <= 0 <= one.median.high for one in found]) > 0.88


def test_at_equal_cost_a_space_that_was_only_larger_is_not_better():
    """The error depends on the MACs alone; a has more of the expensive networks."""
    rng = np.random.default_rng(0)
    large, small = rng.uniform(1, 9, 80) ** 0.5 * 1e6, rng.uniform(1, 3, 80) ** 2 * 1e6
    large, small = np.sort(large), np.sort(small) / 3

    def errors(macs):
        return 0.5 - 0.1 * macs / 3e6 + rng.normal(0, 0.002, len(macs))

    a = study(errors(large), "a", macs=large.astype(int))
    b = study(errors(small), "b", macs=small.astype(int))
    assert compare(a, b, draws=200).p < 0.001
    matched = compare(a, b, cost="macs", bins=8, draws=500)
    assert abs(matched.median.value) < abs(compare(a, b, draws=200).median.value) / 3
    assert "at equal macs" in compare(a, b, cost="macs", bins=4, draws=200).verdict


def test_in_one_bin_a_matched_comparison_is_the_plain_one():
    a, b = drawn(shift=0.01, n=20)
    b = b.assign(macs=a["macs"].to_numpy())
    plain, matched = compare(a, b), compare(a, b, cost="macs", bins=1)
    assert matched.a_better.value == pytest.approx(plain.a_better.value)
    assert matched.ks == pytest.approx(plain.ks)
    assert matched.median.value == pytest.approx(plain.median.value)
    assert matched.p == pytest.approx(plain.p, abs=0.03)  # permuted, not exact
    assert matched.ks_p == pytest.approx(plain.ks_p, abs=0.05)


def test_equal_seeds_give_equal_tables():
    assert compare(*drawn()).table().equals(compare(*drawn()).table())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"level": 2}, "level is 2"),
        ({"draws": 3}, "accepted: 100 or more"),
        ({"cost": "mac"}, "did you mean macs"),
        ({"cost": "macs", "bins": 0}, "bins is 0"),
        ({"stopped": "bound"}, "only edf can use"),
    ],
)
def test_options_that_cannot_be_are_refused(options, said):
    with pytest.raises(AnalysisError, match=said):
        compare(*drawn(), **options)


@pytest.mark.parametrize(
    "asked",
    [{"margin": 0}, {"margin": 1, "error_rate": 0.5}, {"margin": 1, "measure": "mean"}],
)
def test_a_decision_needs_a_margin_and_an_error_rate(asked):
    with pytest.raises(AnalysisError, match="accepted"):
        compare(*drawn(), draws=100).decide(**asked)


def test_too_few_networks_are_refused():
    with pytest.raises(AnalysisError, match="a has 3 different networks to compare; accepted: 4"):
        compare(*spaces([0.1] * 3, [0.2] * 9))
