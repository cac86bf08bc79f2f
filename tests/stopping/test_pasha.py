"""The top rung, and who goes on above it."""

import pytest

from nas.stopping import find_stopper
from nas.stopping.pasha import RANKED, agree, noise


def pasha(directions=("maximize",), reduction=2, epochs=16):
    return find_stopper("pasha", grace=1, reduction=reduction, epochs=epochs, directions=directions)


def test_noise_is_what_pairs_differ_by_that_changed_places_twice():
    assert noise([]) == noise([[0.5, 0.6]]) == 0
    assert noise([[0.1, 0.2], [0.3, 0.1]]) == 0  # once is no noise
    crossing = [[0.5, 0.7, 0.8], [0.6, 0.6, 0.9]]
    assert noise(crossing) == pytest.approx(0.1)
    assert noise([*crossing, [0.0, 0.0, 0.0]]) == pytest.approx(0.1)
    assert noise([[0.5, 0.5, 0.5], [0.6, 0.5, 0.6]]) == 0  # a tie is no change of places


def test_rankings_agree_where_what_changed_places_is_equal_within_the_noise():
    assert agree([], [], 0)
    assert agree([0.1], [0.9], 0)
    assert agree([0.1, 0.2, 0.3], [0.3, 0.4, 0.5], 0)
    assert not agree([0.1, 0.2, 0.3], [0.3, 0.5, 0.4], 0)
    assert agree([0.1, 0.2, 0.25], [0.3, 0.5, 0.4], 0.051)


def test_the_top_rung_is_the_second_until_the_ranking_changes_there(known):
    rule = pasha()
    assert rule.rungs == (1, 2, 4, 8)
    assert rule.top(known({})) == (2, 0)
    same = {0: [0.5, 0.6], 1: [0.4, 0.5]}
    assert rule.top(known(same)) == (2, 0)
    changed = {0: [0.5, 0.5], 1: [0.4, 0.6]}
    assert rule.top(known(changed)) == (4, 0)
    # each pair changes places once
    further = {0: [0.5, 0.5, 0.5, 0.6], 1: [0.4, 0.6, 0.6, 0.7], 2: [0.35, 0.55, 0.55, 0.75]}
    assert rule.top(known(further)) == (8, 0)
    longer = {n: [*curve, *curve[-1:] * 4] for n, curve in further.items()}
    assert rule.top(known(longer | {3: [0.1] * 7 + [0.9]})) == (None, 0)


def test_at_the_top_rung_the_best_goes_on_and_the_others_are_stopped(known):
    rule = pasha()
    study = known({0: [0.5, 0.6], 1: [0.48, 0.59], 2: [0.1, 0.2], 3: [0.1, 0.2]})
    why = "not the best of 3 at epoch 2, and the top rung is epoch 2"
    assert rule.reason(1, 2, 0.59, study) == why
    assert rule.reason(1, 1, 0.48, study) is None
    assert rule.reason(0, 2, 0.6, study) is None
    assert rule.reason(2, 1, 0.1, study) == "not in the best 1/2 of 3 at epoch 1"
    further = known({0: [0.5, 0.6, 0.6, 0.7], 1: [0.48, 0.59, 0.6, 0.69], 2: [0.4, 0.5, 0.5, 0.3]})
    assert "best of 2 at epoch 4, and the top rung is epoch 2" in rule.reason(1, 4, 0.69, further)


def test_what_is_the_best_within_the_noise_goes_on_too(known):
    rule = pasha()
    crossing = {0: [0.5, 0.69, 0.69, 0.8], 1: [0.6, 0.65, 0.71, 0.78], 2: [0.4, 0.7, 0.65, 0.79]}
    assert rule.top(known(crossing)) == (4, pytest.approx(0.018))  # 0.01, 0.01, 0.02 apart
    assert rule.reason(2, 4, 0.79, known(crossing)) is None


def test_less_is_better_where_the_study_minimizes(known):
    rule = pasha(["minimize"])
    study = known({0: [0.5, 0.4], 1: [0.6, 0.41], 2: [0.9, 0.8], 3: [0.9, 0.8]})
    assert rule.top(study) == (2, 0)
    assert rule.reason(0, 2, 0.4, study) is None
    assert rule.reason(1, 2, 0.41, study)


def test_with_costs_the_best_of_no_more_cost_is_the_bar(known):
    rule = pasha(["maximize", "minimize"])
    curves = {0: [0.5, 0.6], 1: [0.4, 0.5], 2: [0.3, 0.4], 3: [0.2, 0.3]}
    study = known(curves, {0: (4.0,), 1: (3.0,), 2: (4.0,), 3: (5.0,)})
    assert rule.reason(1, 2, 0.5, study) is None  # the best that costs so little
    assert rule.reason(2, 2, 0.4, study)


def test_only_the_best_of_a_rung_are_ranked(known):
    curves = {n: [0.9 - n / 1000, 0.95 - n / 1000] for n in range(RANKED)}
    poor = {RANKED: [0.2, 0.1], RANKED + 1: [0.1, 0.2]}
    assert pasha().top(known(curves | poor))[0] == 2
    assert pasha().top(known(poor))[0] == 4


def test_a_study_ends_with_its_best_trained_in_full(play):
    gains = [0.0, 0.1, 0.15, 0.2] + [0.2 + 0.01 * epoch for epoch in range(12)]
    curves = [[start / 100 + gain for gain in gains] for start in (20, 35, 10, 50, 45, 30, 48)]
    trained = play(pasha(), curves)
    assert trained[3] == 16  # the best of all
    assert trained[0] == 16  # the first one
    assert sum(epochs == 16 for epochs in trained) == 3
    assert max(epochs for epochs in trained if epochs < 16) <= 2
