"""Brackets, and halving within each of them."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from ray.tune.schedulers import ASHAScheduler, TrialScheduler

from nas.stopping import find_stopper
from nas.stopping.hyperband import cycle, shares


class Trial:
    def __init__(self, number: int) -> None:
        self.trial_id = str(number)


def hyperband(epochs=10, reduction=3, grace=1):
    ways = ["maximize"]
    return find_stopper(
        "hyperband", grace=grace, reduction=reduction, epochs=epochs, directions=ways
    )


def test_brackets_share_the_epochs_and_alternate():
    assert shares(0, 3) == [1]
    assert shares(2, 3) == [9, 5, 3]
    assert shares(3, 2) == [8, 6, 4, 4]
    order = cycle([9, 5, 3])
    assert Counter(order) == {0: 9, 1: 5, 2: 3}
    assert set(order[:4]) == {0, 1, 2}


def test_the_bracket_of_a_trial_follows_from_its_number_and_the_last_one_has_no_rung():
    rule = hyperband()
    brackets = [rule.bracket(number) for number in range(200)]
    assert set(brackets) == {0, 1, 2, 3}
    again = hyperband()
    assert brackets == [again.bracket(number) for number in range(200)]
    for bracket, rungs in enumerate([[1, 3, 9], [3, 9], [9], []]):
        number = brackets.index(bracket)
        assert [epoch for epoch in range(1, 10) if rule.looks_at(number, epoch)] == rungs


@given(st.lists(st.lists(st.floats(0, 1, width=16), min_size=10, max_size=10), max_size=30))
@settings(max_examples=30)
def test_decisions_are_those_of_rays_asha_with_these_brackets(curves):
    rays = ASHAScheduler(
        metric="a", mode="max", time_attr="t", max_t=10, grace_period=1, reduction_factor=3,
        brackets=4,
    )  # fmt: skip
    rule = hyperband()
    trained = {}
    for number, curve in enumerate(curves):
        trial = Trial(number)
        rays.on_trial_add(None, trial)
        rays._trial_info[trial.trial_id] = rays._brackets[rule.bracket(number)]
        for epoch, value in enumerate(curve[:-1], 1):
            trained.setdefault(number, []).append(value)
            theirs = rays.on_trial_result(None, trial, {"a": value, "t": epoch})
            stops = rule.looks_at(number, epoch) and rule.reason(
                number, epoch, value, Known(trained)
            )
            assert bool(stops) == (theirs == TrialScheduler.STOP)
            if stops:
                break


class Known:
    def __init__(self, curves) -> None:
        self.curves = curves

    def at(self, epoch):
        return {n: curve[epoch - 1] for n, curve in self.curves.items() if len(curve) >= epoch}


def test_a_trial_is_compared_within_its_bracket_alone(known):
    rule = hyperband(epochs=4)
    numbers = {b: [n for n in range(60) if rule.bracket(n) == b] for b in (0, 1)}
    study = known({n: [0.9, 0.9, 0.9] for n in numbers[0]} | {numbers[1][0]: [0.1, 0.1, 0.1]})
    other = numbers[1][1]
    assert rule.reason(other, 3, 0.2, study) is None
    why = "not in the best 1/3 of 1 at epoch 3 in bracket 2 of 3"
    assert rule.reason(other, 3, 0.05, study) == why
