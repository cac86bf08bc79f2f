"""The planner: the published formula, and whether planned samples find what they should."""

import numpy as np
import pytest
from random_studies import study
from scipy import stats

from nas.analysis import compare, models_for, models_needed
from nas.analysis.planner import simulated_power
from nas.errors import AnalysisError


def pilots(shift, n=40, seed=0):
    rng = np.random.default_rng(seed)
    return (
        study(rng.normal(0.3, 0.03, n), "a"),
        study(rng.normal(0.3 + shift, 0.03, n), "b"),
    )


def test_the_formula_by_hand():
    # (1.959964 + 0.841621)² / (6 · 0.2²) = 32.70
    assert models_for(0.7).models == 33
    assert models_for(0.3).models == 33
    assert models_for(0.7, power=0.95).models == 55  # (1.959964 + 1.644854)² / 0.24 = 54.1


def test_as_many_as_planned_find_the_difference_as_often_as_planned():
    """Fresh samples of normal errors whose P(A better) is 0.7."""
    rng, n = np.random.default_rng(0), models_for(0.7).models
    shift = np.sqrt(2) * stats.norm.ppf(0.7)
    a, b = rng.normal(0, 1, (2000, n)), rng.normal(shift, 1, (2000, n))
    found = stats.mannwhitneyu(a, b, axis=1).pvalue < 0.05
    assert np.mean(found) == pytest.approx(0.8, abs=0.04)


def test_simulation_and_formula_agree_on_shifted_spaces():
    plan = models_needed(*pilots(0.02), simulations=500)
    formula = models_for(plan.a_better).models
    assert plan.models == pytest.approx(formula, rel=0.25)
    assert plan.fewest <= plan.models
    assert "pilots of 40 and 40" in plan.assumptions


def test_pilots_that_do_not_differ_for_sure_set_no_upper_end():
    plan = models_needed(*pilots(0.008, n=20), simulations=200)
    assert plan.most is None
    sure = models_needed(*pilots(0.03), simulations=200)
    assert sure.most >= sure.models >= sure.fewest


def test_without_a_difference_the_power_is_the_error_rate():
    errors = np.random.default_rng(0).random(50)
    assert simulated_power(errors, errors, 40, 0.05, 2000, 0) == pytest.approx(0.05, abs=0.02)


def test_equal_pilots_need_no_number():
    a, _ = pilots(0)
    with pytest.raises(AnalysisError, match="not even 10,000"):
        models_needed(a, a.assign(study="b"), simulations=100)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"a_better": 0.5}, "not 0.5"),
        ({"a_better": 0.7, "power": 1}, "power is 1"),
        ({"a_better": 0.7, "power": 0.01}, "error_rate < power"),
    ],
)
def test_what_cannot_be_planned_is_refused(asked, said):
    with pytest.raises(AnalysisError, match=said):
        models_for(**asked)


def test_a_plan_is_the_smallest_number_that_has_the_power_and_its_ends_are_by_formula():
    a, b = pilots(0.03)
    plan = models_needed(a, b, power=0.9, error_rate=0.1, simulations=400)
    errors = [1 - frame["val_accuracy"].to_numpy() for frame in (a, b)]
    assert simulated_power(*errors, plan.models, 0.1, 400, 0) >= 0.9
    assert simulated_power(*errors, plan.models - 1, 0.1, 400, 0) < 0.9
    found = compare(a, b)
    far, near = sorted((found.a_better.low, found.a_better.high))[::-1]
    ends = [models_for(end, power=0.9, error_rate=0.1).models for end in (far, near)]
    assert (plan.fewest, plan.most) == (min(plan.models, ends[0]), max(plan.models, ends[1]))
    assert (plan.power, plan.error_rate, plan.a_better) == (0.9, 0.1, found.a_better.value)


def test_power_is_that_of_the_normal_approximation():
    """Mann and Whitney's test of shifted normal samples, by Noether's formula turned around."""
    rng = np.random.default_rng(1)
    a, b = rng.normal(0, 1, 4000), rng.normal(np.sqrt(2) * stats.norm.ppf(0.65), 1, 4000)
    found = simulated_power(a, b, 60, 0.05, 2000, 0)
    expected = stats.norm.cdf(np.sqrt(6 * 60) * 0.15 - stats.norm.ppf(0.975))
    assert found == pytest.approx(expected, abs=0.04)
    assert simulated_power(a, b, 60, 0.2, 2000, 0) > found + 0.08


def test_the_smallest_plan_is_five():
    assert models_for(0.999).models == 6  # 7.8489 / (6 · 0.499²) = 5.25
    assert models_for(0.999, power=0.3).models == 5
    separate = study(np.linspace(0.1, 0.2, 20), "a"), study(np.linspace(0.5, 0.6, 20), "b")
    assert models_needed(*separate, simulations=100).models == 5
    with pytest.raises(AnalysisError, match="simulations is 99"):
        models_needed(*separate, simulations=99)
