"""Whether the nearest trial that ended is one that failed by itself."""

import math

import numpy as np
import pytest
from optuna.distributions import IntDistribution
from optuna.trial import TrialState, create_trial

from nas.causes import OWN
from nas.cost import cost
from nas.search.failing import Failing
from nas.space import SearchSpace

SPACE = SearchSpace.from_dict(
    {
        "name": "s",
        "input_shape": [1, 28, 28],
        "classes": 10,
        "stem": {"width": 8},
        "stages": [{"block": "basic", "depth": {"int": [1, 16]}, "width": 8}],
        "training": {"batch_size": {"int": [32, 512], "step": 32, "log": True}},
    }
)
DOMAINS = {
    "stages.0.depth": IntDistribution(1, 16),
    "training.batch_size": IntDistribution(32, 512, step=32),
}
WAITS, RUNS = TrialState.WAITING, TrialState.RUNNING
COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL


def setting(depth, batch=32):
    return {"stages.0.depth": depth, "training.batch_size": batch}


def trial(state, depth, batch=32, **attributes):
    return create_trial(
        state=state,
        value=0.5 if state == COMPLETE else None,
        params=setting(depth, batch),
        distributions=DOMAINS,
        user_attrs=attributes,
    )


@pytest.fixture
def known():
    return Failing(SPACE)


def test_without_a_failure_nothing_is_expected(known):
    assert not known.expects(setting(1))
    known.update([trial(COMPLETE, 1)])
    assert not known.expects(setting(16))


def test_the_nearest_that_ended_decides_on_a_logarithm_of_costs(known):
    known.update([trial(COMPLETE, 4), trial(FAIL, 16, cause=OWN)])
    assert [known.expects(setting(depth)) for depth in (1, 4, 6, 11, 16)] == [
        False, False, False, True, True
    ]  # fmt: skip


def test_hyper_parameters_count_on_their_own_scale(known):
    """On a logarithmic scale 128 is as far from 32 as from 512; a tie expects no failure."""
    known.update([trial(PRUNED, 4, 32), trial(FAIL, 4, 512, cause=OWN)])
    assert [known.expects(setting(4, batch)) for batch in (32, 96, 128, 160, 512)] == [
        False, False, False, True, True
    ]  # fmt: skip


def test_what_a_machine_did_or_another_trial_had_says_nothing(known):
    known.update([trial(COMPLETE, 1), trial(FAIL, 16, cause="machine"), trial(FAIL, 16)])
    assert not known.expects(setting(16))
    known = Failing(SPACE)
    told = trial(COMPLETE, 16, source=0)
    known.update([trial(COMPLETE, 1), trial(FAIL, 14, cause=OWN), told])
    assert known.expects(setting(16))


@pytest.mark.parametrize("state", [WAITS, RUNS])
def test_a_trial_is_counted_once_it_ends(known, state):
    first = trial(COMPLETE, 1)
    known.update([first, trial(state, 16)])
    assert not known.expects(setting(16))
    known.update([first, trial(FAIL, 16, cause=OWN)])
    assert known.expects(setting(16))
    known.update([first, trial(COMPLETE, 16), trial(COMPLETE, 15)])  # an end is the last word
    assert known.expects(setting(16)) and not known.expects(setting(15))


def test_a_trial_of_no_network_of_the_space_is_nowhere_near(known):
    foreign = trial(FAIL, 16, cause=OWN)
    foreign.params = {"another": 1}
    known.update([trial(COMPLETE, 1), foreign])
    assert not known.expects(setting(16))


# --- where a setting stands ---


def scaled(domain, *values):
    space = SearchSpace.from_dict({**SPACE.to_dict(), "training": {"peak_lr": domain}})
    return [
        float(Failing(space)._point({"stages.0.depth": 2, "training.peak_lr": value})[-1])
        for value in values
    ]


def test_a_point_is_the_logarithms_of_three_costs_and_each_hyper_parameter():
    found = cost(SPACE.architecture(setting(3)), (1, 28, 28), 10)
    costs = [math.log(n) for n in (found.params, found.macs, found.activations)]
    place = math.log(128 / 32) / math.log(512 / 32)
    assert Failing(SPACE)._point(setting(3, 128)) == pytest.approx([*costs, place])
    wide = SearchSpace.from_dict({**SPACE.to_dict(), "input_shape": [3, 64, 64], "classes": 7})
    found = cost(wide.architecture(setting(3)), (3, 64, 64), 7)
    costs = [math.log(n) for n in (found.params, found.macs, found.activations)]
    assert Failing(wide)._point(setting(3)) == pytest.approx([*costs, 0])


def test_a_hyper_parameter_stands_between_0_and_1_on_its_own_scale():
    assert scaled({"float": [0.1, 0.5]}, 0.1, 0.2, 0.5) == pytest.approx([0, 0.25, 1])
    assert scaled({"float": [0.1, 0.4], "log": True}, 0.1, 0.2, 0.4) == pytest.approx([0, 0.5, 1])
    # choices in the order of their values
    assert scaled({"choice": [0.4, 0.1, 0.2, 0.3]}, 0.4, 0.1, 0.3) == pytest.approx([0.75, 0, 0.5])
    assert scaled({"float": [0.2, 0.2]}, 0.2) == [0]


def test_distances_are_sums_over_costs_and_hyper_parameters():
    """By hand: a failure at one side and a success at the other, nearest in the sum."""
    known = Failing(SPACE)
    known.update([trial(COMPLETE, 2, 512), trial(FAIL, 16, 32, cause=OWN)])
    ok, bad = known._point(setting(2, 512)), known._point(setting(16, 32))
    for depth in range(1, 17):
        for batch in (32, 96, 256, 512):
            here = known._point(setting(depth, batch))
            expected = np.abs(bad - here).sum() < np.abs(ok - here).sum()
            assert known.expects(setting(depth, batch)) == expected


def test_failures_alone_make_every_proposal_one():
    known = Failing(SPACE)
    known.update([trial(FAIL, 16, cause=OWN)])
    assert known.expects(setting(1, 512)) is True


def test_points_are_computed_once_and_those_of_no_network_are_far_away():
    known = Failing(SPACE)
    trials = [trial(FAIL, 16, cause=OWN), trial(PRUNED, 1)]
    known.update(trials)
    known.expects(setting(1))
    assert [len(known._points[failed]) for failed in (True, False)] == [1, 1]
    foreign = trial(COMPLETE, 1)
    foreign.params = {"another": 1}
    known.update([*trials, foreign, trial(COMPLETE, 2)])
    assert not known.expects(setting(2))
    assert known._points[False].shape == (3, 4)
    assert np.isinf(known._points[False][1]).all()
    assert known._points[False][2] == pytest.approx(known._point(setting(2)))
