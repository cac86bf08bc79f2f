"""Predictions from whole curves, and who is stopped by them."""

import numpy as np
import pytest
from scipy import stats

from nas.stopping import find_stopper
from nas.stopping.extrapolation import SURE, chance_below

NOW = [0.60, 0.66, 0.70, 0.75, 0.80]
AT_END = [0.72, 0.75, 0.79, 0.85, 0.88]


def curves_rule(directions=("maximize",), grace=1, epochs=4):
    return find_stopper("curves", grace=grace, reduction=3, epochs=epochs, directions=directions)


def test_the_chance_is_that_of_a_regression_with_its_prediction_interval():
    for value in (0.3, 0.65, 0.79, 0.9):
        fit = stats.linregress(NOW, AT_END)
        middle, n = np.mean(NOW), len(NOW)
        residual = np.array(AT_END) - fit.intercept - fit.slope * np.array(NOW)
        spread = ((np.array(NOW) - middle) ** 2).sum()
        error = np.sqrt(
            (residual**2).sum() / (n - 2) * (1 + 1 / n + (value - middle) ** 2 / spread)
        )
        expected = stats.t(n - 2).cdf((0.88 - fit.intercept - fit.slope * value) / error)
        assert chance_below(value, 0.88, NOW, AT_END) == pytest.approx(expected)


def test_what_is_far_from_all_that_is_known_is_uncertain():
    near = chance_below(0.7, 0.9, [0.69, 0.70, 0.71, 0.70], [0.85, 0.86, 0.87, 0.85])
    far = chance_below(0.3, 0.9, [0.69, 0.70, 0.71, 0.70], [0.85, 0.86, 0.87, 0.85])
    assert near > SURE > far


def test_without_any_error_a_prediction_is_certain():
    line = [value / 2 + 0.5 for value in NOW]
    assert chance_below(0.75, 0.9, [0.5] * 4, [0.75] * 4) == 0  # as known: all gain 0.25
    assert chance_below(0.5, 0.9, [0.5] * 4, [0.75] * 4) == 1
    assert chance_below(0.7, 0.85, NOW, line) == pytest.approx(0.5, abs=0.5)


def test_from_enough_whole_curves_on_the_curves_alone_decide(known):
    rule = curves_rule()
    whole = {n: [a, a + 0.05, a + 0.1, b] for n, (a, b) in enumerate(zip(NOW, AT_END, strict=True))}
    three = known({n: whole[n] for n in range(3)} | {9: [0.5], 8: [0.69], 7: [0.72]})
    assert rule.reason(9, 1, 0.5, three) == "not in the best 1/3 of 5 at epoch 1"
    assert rule.reason(9, 2, 0.5, three) is None  # no rung
    five = known(whole | {9: [0.5], 8: [0.79]})
    assert rule.reason(8, 1, 0.79, five) is None  # in its best third, but not the best at all
    assert rule.reason(9, 1, 0.5, five).startswith("below the best of 5 with a probability of ")
    assert rule.reason(9, 2, 0.55, five)
    assert curves_rule(grace=2).looks_at(9, 2)
    assert not curves_rule(grace=2).looks_at(9, 1)


def test_less_is_better_where_the_study_minimizes(known):
    curves = {n: [-a, -a, -a, -b] for n, (a, b) in enumerate(zip(NOW, AT_END, strict=True))}
    rule = curves_rule(["minimize"])
    assert rule.reason(9, 1, -0.5, known(curves | {9: [-0.5]}))
    assert rule.reason(9, 1, -0.79, known(curves | {9: [-0.79]})) is None


def test_with_costs_the_bar_is_the_best_that_costs_no_more(known):
    rule = curves_rule(["maximize", "minimize"])
    curves = {n: [a, a, a, b] for n, (a, b) in enumerate(zip(NOW, AT_END, strict=True))}
    costs = {n: (n + 1.0,) for n in range(5)} | {8: (0.5,), 9: (1.5,)}
    study = known(curves | {8: [0.5], 9: [0.62]}, costs)
    assert rule.reason(8, 1, 0.2, study) is None  # nothing is as cheap
    assert rule.reason(9, 1, 0.62, study) is None  # of its cost there is 0.72 at the end
    study.costs[9] = (9.0,)
    assert rule.reason(9, 1, 0.62, study)


def test_a_study_ends_with_its_best_trained_in_full(play):
    rng = np.random.default_rng(0)
    ends = rng.uniform(0.6, 0.9, 60)
    curves = [[end * part + rng.normal(0, 0.002) for part in (0.8, 0.9, 0.95, 1)] for end in ends]
    trained = play(curves_rule(), curves)
    assert trained[int(np.argmax([curve[-1] for curve in curves]))] == 4
    assert sum(trained) < 120  # half of all
