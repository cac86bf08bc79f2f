"""The expected improvement of a front, against areas that are computed otherwise."""

import numpy as np
import pytest

from nas.samplers.budgets import area_improvement, as_costs, budgets
from nas.study.front import dominated


def by_chance(mean, deviation, cost, known, known_costs, worst, most):
    """The mean gain in hypervolume over draws of the candidate's value."""
    rng = np.random.default_rng(0)
    front = np.column_stack([known_costs, -known])
    reference = np.array([*np.atleast_1d(most), -worst])

    def area(points):
        return dominated((points - least) / (reference - least))

    least = np.array([*known_costs.min(axis=0) - 5, -known.max() - 5])
    whole = np.prod(reference - least)
    draws = np.maximum(rng.normal(mean, deviation, 4000), worst)
    before = area(front)
    gains = [area(np.vstack([front, [*np.atleast_1d(cost), -draw]])) - before for draw in draws]
    return np.mean(gains) * whole


KNOWN = np.array([0.0, 1.0, 2.0, 1.5])
COSTS = np.array([[0.0], [2.0], [5.0], [4.0]])


@pytest.mark.parametrize(
    ("mean", "deviation", "cost"),
    [(1.5, 0.3, 1.0), (0.5, 1.0, 3.0), (2.5, 0.1, 4.5), (-1.0, 0.2, 0.5)],
)
def test_area_improvement_of_one_cost_is_that_of_the_hypervolume(mean, deviation, cost):
    at = budgets(np.array([[0.0], [8.0]]), 0)
    found = area_improvement(
        np.array([mean]), np.array([deviation]), np.array([[cost]]), KNOWN, COSTS, at
    )
    expected = by_chance(mean, deviation, cost, KNOWN, COSTS, 0.0, 8.0) / 8  # a mean over budgets
    assert found[0] == pytest.approx(expected, rel=0.05, abs=1e-3)


def test_area_improvement_of_several_costs_counts_budgets_that_are_kept_in_all():
    known, costs = np.array([0.0, 1.0]), np.array([[0.0, 0.0], [1.0, 3.0]])
    at = np.array([[0.5, 0.5], [1.5, 2.5], [1.5, 3.5], [0.5, 3.5]])
    found = area_improvement(
        np.array([2.0]), np.array([1e-9]), np.array([[1.0, 2.0]]), known, costs, at
    )
    assert found[0] == pytest.approx((2.0 + 1.0) / 4)  # within the second and the third budget


def test_costs_that_differ_by_a_factor_of_ten_are_logarithms():
    values = np.array([[-1.0, -5.0, 1.0], [-11.0, -6.0, -2.0]])
    assert as_costs(values) == pytest.approx(np.array([[0.0, 5.0, -1.0], [np.log(11), 6.0, 2.0]]))
