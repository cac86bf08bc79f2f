"""Our successive halving against Ray Tune's, and at its ends."""

from hypothesis import given, settings
from hypothesis import strategies as st
from ray.tune.schedulers import ASHAScheduler, TrialScheduler

from nas.stopping import find_stopper
from nas.stopping.halving import outranked, rungs, stops

BOTH = ["maximize", "minimize"]

accuracies = st.lists(st.floats(0, 1, width=32), min_size=1, max_size=40)


class Trial:
    def __init__(self, number: int) -> None:
        self.trial_id = str(number)


@given(accuracies, st.integers(2, 5))
def test_decisions_are_those_of_rays_asha(values, reduction):
    asha = ASHAScheduler(
        metric="a", mode="max", time_attr="t", max_t=100, grace_period=1, reduction_factor=reduction
    )
    seen = []
    for number, value in enumerate(values):
        trial = Trial(number)
        asha.on_trial_add(None, trial)
        theirs = asha.on_trial_result(None, trial, {"a": value, "t": 1})
        assert stops(value, seen, reduction) == (theirs == TrialScheduler.STOP)
        seen.append(value)


def test_rungs_lie_below_the_full_fidelity():
    assert rungs(1, 3, 10) == [1, 3, 9]
    assert rungs(1, 3, 9) == [1, 3]
    assert rungs(2, 2, 16) == [2, 4, 8]
    assert rungs(4, 2, 4) == []


def test_the_first_trial_at_a_rung_goes_on():
    assert not stops(0.0, [], 3)


def test_a_trial_at_the_bar_goes_on_and_one_below_it_does_not():
    earlier = [0.1, 0.2, 0.3, 0.4]  # the best third begins at 0.3, the best half at 0.25
    assert not stops(0.3, earlier, 3)
    assert stops(0.29, earlier, 3)
    assert not stops(0.25, earlier, 2)
    assert stops(0.24, earlier, 2)


def test_two_objectives_are_compared_by_their_non_dominated_rank():
    earlier = [[0.9, 4.0], [0.8, 2.0], [0.7, 4.0], [0.6, 3.0]]  # ranks 0, 0, 1, 1
    assert not outranked([0.1, 1.0], earlier, 2, BOTH)  # the cheapest of all
    assert not outranked([0.8, 2.0], earlier, 2, BOTH)
    assert outranked([0.75, 4.0], earlier, 2, BOTH)
    assert outranked([0.6, 4.0], earlier, 2, BOTH)
    assert not outranked([0.0, 9.0], [], 2, BOTH)


@given(accuracies, st.integers(2, 5), st.sampled_from(["maximize", "minimize"]))
@settings(max_examples=30)
def test_with_one_objective_the_ranks_are_the_values(values, reduction, direction):
    own, *earlier = values
    rows = [[value] for value in earlier]
    expected = stops(own, earlier, reduction, direction == "minimize")
    assert outranked([own], rows, reduction, [direction]) == expected


def test_a_trial_is_compared_with_the_others_at_its_rung_by_value_and_cost(known):
    costs = {0: (1.0,), 1: (2.0,), 2: (3.0,), 3: (3.0,)}
    study = known({0: [0.5], 1: [0.6], 2: [0.4], 4: [0.99]}, costs)
    single = find_stopper("asha", grace=1, reduction=2, epochs=4, directions=["maximize"])
    assert [single.looks_at(0, epoch) for epoch in (1, 2, 3)] == [True, True, False]
    assert single.reason(2, 1, 0.4, study) == "not in the best 1/2 of 3 at epoch 1"
    assert single.reason(0, 1, 0.5, study)
    both = find_stopper("asha", grace=1, reduction=2, epochs=4, directions=BOTH)
    assert both.reason(2, 1, 0.4, study) == "not in the best 1/2 of 2 at epoch 1"  # 4: cost unknown
    assert both.reason(1, 1, 0.6, study) is None
    assert both.reason(0, 1, 0.5, study) is None


def test_without_a_scheduler_there_is_no_rule():
    assert find_stopper("none", grace=1, reduction=2, epochs=4, directions=["maximize"]) is None
