"""Our successive halving against Ray Tune's, and at its ends."""

from hypothesis import given
from hypothesis import strategies as st
from ray.tune.schedulers import ASHAScheduler, TrialScheduler

from nas.search.halving import rungs, stops

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
