"""What a comparison claims, number by number: by hand, by enumeration, by other implementations."""

from dataclasses import replace
from itertools import combinations, product
from math import sqrt

import numpy as np
import pytest
from random_studies import study
from scipy import stats

from nas.analysis import compare
from nas.analysis.comparison import Estimate
from nas.analysis.two_samples import (
    Side,
    p_better,
    permutation_tests,
    scipy_tests,
    weighted_median,
)

RNG = np.random.default_rng(5)
X, Y = RNG.normal(0.30, 0.03, 48), RNG.normal(0.31, 0.03, 60)
A, B = study(X, "a"), study(Y, "b")
FOUND = compare(A, B, draws=100)


def of(draws, value=0.0, **changes):
    """A comparison whose bootstrap gave exactly these differences of medians."""
    return replace(FOUND, median=Estimate(value, 0, 0), median_draws=np.asarray(draws), **changes)


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95])
def test_intervals_are_those_of_another_bootstrap_at_the_level_that_is_asked(level):
    ends, rng = [(1 - level) / 2, (1 + level) / 2], np.random.default_rng(9)
    a, b = (rng.choice(values, (6000, len(values))) for values in (X, Y))
    found = compare(A, B, level=level, draws=6000)
    u = stats.mannwhitneyu(b, a, axis=1, method="asymptotic").statistic / (len(X) * len(Y))
    low, high = np.quantile(u, ends)
    assert found.a_better[1:] == pytest.approx((low, high), abs=0.06 * (high - low))
    low, high = np.quantile(np.median(b, axis=1) - np.median(a, axis=1), ends)
    assert found.median[1:] == pytest.approx((low, high), abs=0.09 * (high - low))
    assert found.median_draws.shape == found.best_draws.shape == (6000,)


def test_the_best_of_m_is_of_a_quarter_of_the_smaller_sample_with_its_interval():
    found = compare(A, B, level=0.8, draws=4000)
    assert found.m == 12
    rng = np.random.default_rng(9)

    def best(values):
        ordered, n = np.sort(values), len(values)
        share = (np.arange(n, 0, -1) / n) ** 12 - (np.arange(n - 1, -1, -1) / n) ** 12
        return ordered @ share

    assert found.best.value == pytest.approx(best(Y) - best(X))
    drawn = [best(rng.choice(Y, 60)) - best(rng.choice(X, 48)) for _ in range(4000)]
    low, high = np.quantile(drawn, [0.1, 0.9])
    assert found.best[1:] == pytest.approx((low, high), abs=0.07 * (high - low))
    assert compare(A.head(7), B, draws=100).m == 1


def test_tests_are_two_sided_and_dominance_one_sided_as_scipy_has_them():
    assert FOUND.p == pytest.approx(stats.mannwhitneyu(X, Y).pvalue)
    # F_a above F_b: a has more networks of low error
    assert FOUND.a_dominates_p == pytest.approx(stats.ks_2samp(X, Y, alternative="greater").pvalue)
    assert FOUND.b_dominates_p == pytest.approx(stats.ks_2samp(X, Y, alternative="less").pvalue)
    assert FOUND.a_dominates_p < FOUND.b_dominates_p


@pytest.mark.parametrize(
    ("a", "b", "level", "expected"),
    [
        (0.04, 0.5, 0.95, "a"), (0.06, 0.5, 0.95, "none"), (0.06, 0.5, 0.9, "a"),
        (0.5, 0.04, 0.95, "b"), (0.04, 0.04, 0.95, "crossing"),
    ],
)  # fmt: skip
def test_a_dominance_is_shown_below_one_minus_the_level(a, b, level, expected):
    found = replace(FOUND, a_dominates_p=a, b_dominates_p=b, level=level)
    assert found.dominance == expected


def test_the_detectable_difference_is_that_of_noether_s_formula():
    found = replace(FOUND, networks_a=50, networks_b=50, level=0.95)
    # 0.5 + (1.959964 + 0.841621) / sqrt(12 · ¼ · 100)
    assert found.detectable == pytest.approx(0.66175, abs=1e-5)
    # shares 0.2 and 0.8 of 100, at 90 %: 0.5 + (1.644854 + 0.841621) / sqrt(12 · 0.16 · 100)
    found = replace(FOUND, networks_a=20, networks_b=80, level=0.9)
    assert found.detectable == pytest.approx(0.67945, abs=1e-5)
    assert replace(FOUND, networks_a=2, networks_b=2).detectable == 1


# a uniform grid from low to high: its quantile q is low + q · (high − low)
@pytest.mark.parametrize(
    ("low", "high", "outcome", "noninferior"),
    [
        (-0.009, 0.009, "equal", True),
        (-0.009, 0.012, "undecided", True),  # its upper bound is beyond the margin
        (-0.012, 0.009, "undecided", False),
        (0.001, 0.009, "equal", True),  # within the margin, though above 0
        (0.001, 0.02, "better", True),
        (-0.02, -0.001, "worse", False),
        (-0.009, -0.001, "equal", True),
        (-0.03, 0.03, "undecided", False),  # though its estimate is 0
    ],
)
def test_a_decision_is_of_the_bounds_and_not_of_the_estimate(low, high, outcome, noninferior):
    # so that the quantiles 0.05 and 0.95 are low and high
    step = (high - low) / 18
    found = of(np.linspace(low - step, high + step, 2001)).decide(0.01, 0.05)
    assert found.interval == pytest.approx((0, low, high))
    assert (found.outcome, found.noninferior) == (outcome, noninferior)
    assert (found.margin, found.error_rate, found.measure) == (0.01, 0.05, "median")


def test_a_decision_holds_with_one_minus_two_error_rates_and_is_of_its_measure():
    grid = np.linspace(0, 1, 1001)
    found = of(grid, best_draws=1 - grid / 2, best=Estimate(0.7, 0, 0))
    assert found.decide(0.1, 0.2).interval == pytest.approx((0, 0.2, 0.8))
    assert found.decide(0.1, 0.2, "best").interval == pytest.approx((0.7, 0.6, 0.9))


def test_a_margin_is_claimed_as_often_as_its_error_rate_says():
    """Differences whose truth is the margin itself: equal or noninferior in 10 of 100."""
    rng = np.random.default_rng(0)
    truth, spread = -0.01, 0.002
    estimates = rng.normal(truth, spread, 4000)
    normal = stats.norm.ppf((np.arange(400) + 0.5) / 400) * spread
    claims = [of(estimate + normal).decide(0.01, 0.1) for estimate in estimates[:1500]]
    assert np.mean([one.noninferior for one in claims]) == pytest.approx(0.1, abs=0.025)
    assert np.mean([one.outcome == "equal" for one in claims]) == pytest.approx(0.1, abs=0.025)


def test_a_verdict_has_the_numbers_as_seen_from_the_better_space():
    numbers = {
        "a_better": Estimate(0.3, 0.2, 0.45), "median": Estimate(-0.02, -0.03, -0.01), "p": 0.01,
        "a_dominates_p": 0.5, "b_dominates_p": 0.01,
    }  # fmt: skip
    said = replace(FOUND, **numbers).verdict
    assert said.startswith("b is better than a: a network of it is the better one with probability")
    assert "probability 0.70 [0.55, 0.80], p = 0.01" in said
    assert "+2.00 points higher [+1.00, +3.00]" in said
    crossing = replace(FOUND, **numbers | {"a_dominates_p": 0.01}).verdict
    assert crossing.startswith("b is better than a (in part of the range it is worse): ")
    unsure = replace(FOUND, **numbers | {"p": 0.0501}).verdict
    assert "probability 0.30 [0.20, 0.45], p = 0.05" in unsure
    assert unsure.startswith("No difference between a and b was shown")
    assert "p = below 0.0001" in replace(FOUND, **numbers | {"p": 0.00009}).verdict


def test_a_table_has_each_measure_with_its_interval_and_p():
    found = replace(
        FOUND, a_better=Estimate(0.6, 0.5, 0.8), p=0.1, median=Estimate(1, 2, 3), m=7,
        best=Estimate(4, 5, 6), ks=0.7, ks_p=0.2, a_dominates_p=0.3, b_dominates_p=0.4,
    )  # fmt: skip
    table = found.table()
    assert list(table.columns) == ["a", "b", "measure", "value", "low", "high", "p"]
    rows = {row.measure: (row.value, row.low, row.high, row.p) for row in table.itertuples()}
    nan = float("nan")
    expected = {
        "P(A better)": (0.6, 0.5, 0.8, 0.1), "Cliff's delta": (0.2, 0.0, 0.6, 0.1),
        "difference of medians": (1, 2, 3, nan), "difference of the best of 7": (4, 5, 6, nan),
        "Kolmogorov–Smirnov": (0.7, nan, nan, 0.2), "A dominates": (nan, nan, nan, 0.3),
        "B dominates": (nan, nan, nan, 0.4),
    }  # fmt: skip
    assert rows.keys() == expected.keys()
    for measure, numbers in expected.items():
        assert rows[measure] == pytest.approx(numbers, nan_ok=True), measure


# --- at matched cost ---


def matched(errors_a, errors_b):
    """Sides of two bins: the first half of each sample is in bin 0."""
    return [
        Side(
            np.array(errors),
            (np.arange(len(errors)) >= len(errors) // 2).astype(np.intp),
            np.arange(len(errors)),
            2,
        )
        for errors in (errors_a, errors_b)
    ]


def by_definition(x, wx, y, wy):
    at = np.unique([*x, *y])
    gaps = [sum(wx[x <= e]) - sum(wy[y <= e]) for e in at]
    better = sum(
        v * w * ((e < f) + (e == f) / 2)
        for e, v in zip(x, wx, strict=True)
        for f, w in zip(y, wy, strict=True)
    )
    return max(gaps), -min(gaps), abs(better - 0.5)


def test_permutations_stay_within_the_bins_and_are_those_of_an_enumeration():
    a, b = matched([0.1, 0.25, 0.3, 0.4], [0.2, 0.35, 0.3, 0.6, 0.7])
    errors, place = np.r_[a.errors, b.errors], np.r_[a.place, b.place]
    sizes = [int((a.place == k).sum()) for k in (0, 1)]

    def measures(chosen):
        x = np.isin(np.arange(len(errors)), chosen)
        weights = [
            np.array([1 / (2 * ((place == place[i]) & side).sum()) for i in np.flatnonzero(side)])
            for side in (x, ~x)
        ]
        return by_definition(errors[x], weights[0], errors[~x], weights[1])

    inside = [np.flatnonzero(place == k) for k in (0, 1)]
    splits = product(*(combinations(i, n) for i, n in zip(inside, sizes, strict=True)))
    null = np.array([measures([*first, *second]) for first, second in splits])
    above, below, effect = measures(range(len(a.errors)))
    found = permutation_tests(a, b, 4000, np.random.default_rng(0))
    assert found["ks"] == pytest.approx(max(above, below))
    expected = {
        "a_dominates_p": null[:, 0] >= above - 1e-9, "b_dominates_p": null[:, 1] >= below - 1e-9,
        "ks_p": null[:, :2].max(axis=1) >= max(above, below) - 1e-9,
        "p": null[:, 2] >= effect - 1e-9,
    }  # fmt: skip
    for name, hits in expected.items():
        assert found[name] == pytest.approx(hits.mean(), abs=0.03), name


def test_what_is_drawn_anew_keeps_the_weight_of_each_bin():
    a, _ = matched([0.1, 0.2, 0.3, 0.4, 0.5], [0.1])
    drawn = a.resampled(4000, np.random.default_rng(0))
    assert drawn[:, :2].sum(axis=1) == pytest.approx(np.full(4000, 0.5))
    assert drawn.sum(axis=1) == pytest.approx(np.ones(4000))
    assert drawn.mean(axis=0) == pytest.approx(a.weights, abs=0.01)
    # n draws of n: a network's share of its bin of 3 varies by (1/3 · 2/3) / 3
    assert (2 * drawn[:, 2]).std() == pytest.approx(sqrt(2 / 27), rel=0.05)


def test_a_network_outside_of_the_shared_costs_is_left_out_and_said():
    a = study([0.1, 0.2, 0.3, 0.4, 0.9], "a", macs=[10, 20, 30, 40, 99])
    b = study([0.2, 0.3, 0.4, 0.5], "b", macs=[10, 20, 30, 40])
    found = compare(a, b, cost="macs", bins=1, draws=100)
    assert (found.n_a, found.n_b) == (4, 4)
    assert found.note == "1 network outside of the shared range of macs left out"
    assert found.median.value == pytest.approx(0.1)


def test_a_side_knows_its_networks_and_weights():
    side = Side(np.array([0.1, 0.2, 0.3]), np.array([0, 0, 1]), np.array([7, 7, 9]), 2)
    assert side.distinct == 2
    assert side.weights == pytest.approx([0.25, 0.25, 0.5])
    drawn = side.resampled(50, np.random.default_rng(0))
    assert drawn.shape == (50, 3)
    assert drawn == pytest.approx(np.tile([0.25, 0.25, 0.5], (50, 1)))  # one network in each bin


def test_draws_of_networks_are_those_of_the_generator():
    side = Side(np.arange(4) / 10, np.zeros(4, dtype=np.intp), np.array([0, 1, 1, 2]), 1)
    found = side.resampled(30, np.random.default_rng(5))
    chosen = np.random.default_rng(5).integers(3, size=(30, 3))
    for weights, networks in zip(found, chosen, strict=True):
        times = np.bincount(networks, minlength=3)[[0, 1, 1, 2]]
        assert weights == pytest.approx(times / times.sum())


def test_tests_of_two_samples_are_scipys_by_name():
    found = scipy_tests(X, Y)
    both = stats.ks_2samp(X, Y)
    assert (found["ks"], found["ks_p"]) == (both.statistic, both.pvalue)
    assert found["a_dominates_p"] == stats.ks_2samp(X, Y, alternative="greater").pvalue
    assert found["b_dominates_p"] == stats.ks_2samp(X, Y, alternative="less").pvalue
    assert found["p"] == stats.mannwhitneyu(X, Y).pvalue
    assert {type(value) for value in found.values()} == {float}


def sides(a, b):
    return [
        Side(np.asarray(e, float), np.zeros(len(e), dtype=np.intp), np.arange(len(e)), 1)
        for e in (a, b)
    ]


@pytest.mark.parametrize("draws", [19, 200, 201, 400])
def test_a_p_value_counts_what_is_seen_as_one_of_the_draws(draws):
    """Of 40 + 40 that lie apart no permutation is as extreme; of equal ones each is."""
    apart = permutation_tests(
        *sides(np.arange(40), 100 + np.arange(40)), draws, np.random.default_rng(0)
    )
    assert apart["ks"] == pytest.approx(1)
    assert [apart[name] for name in ("p", "ks_p", "a_dominates_p")] == [1 / (1 + draws)] * 3
    assert apart["b_dominates_p"] == 1
    equal = permutation_tests(*sides([0.5] * 6, [0.5] * 6), draws, np.random.default_rng(0))
    assert equal == {"ks": 0, "ks_p": 1, "a_dominates_p": 1, "b_dominates_p": 1, "p": 1}


def test_a_network_changes_sides_with_all_of_its_draws():
    """One network of three draws against one of three: two permutations, both as extreme."""
    errors = [np.full(3, 0.1), np.full(3, 0.9)]
    a, b = (Side(e, np.zeros(3, dtype=np.intp), np.zeros(3, dtype=np.intp), 1) for e in errors)
    found = permutation_tests(a, b, 400, np.random.default_rng(0))
    assert found["p"] == 1
    assert found["ks_p"] == 1
    assert found["a_dominates_p"] == pytest.approx(0.5, abs=0.1)


def test_weighted_measures_by_hand_for_several_weights_at_once():
    a, b = np.array([0.3, 0.1]), np.array([0.2, 0.3])
    weights_a = np.array([[0.5, 0.5], [1, 0]])
    weights_b = np.array([[0.5, 0.5], [0, 1]])
    # pairs: 0.3 loses to 0.2 and ties 0.3; 0.1 beats both
    assert p_better(a, weights_a, b, weights_b) == pytest.approx(
        [0.5 * (0 + 0.5 * 0.5) + 0.5 * 1, 0.5]
    )
    values = np.array([0.4, 0.1, 0.2, 0.3])
    weights = np.array([[0.25] * 4, [0.1, 0.6, 0.2, 0.1], [0.5, 0, 0, 0.5]])
    assert weighted_median(values, weights) == pytest.approx([0.25, 0.1, 0.35])
