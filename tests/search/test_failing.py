"""Whether the nearest trial that ended is one that failed by itself."""

import pytest
from optuna.distributions import IntDistribution
from optuna.trial import TrialState, create_trial

from nas.search.failing import Failing
from nas.space import SearchSpace
from nas.study.store import OWN_FAILURE

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
    known.update([trial(COMPLETE, 4), trial(FAIL, 16, cause=OWN_FAILURE)])
    assert [known.expects(setting(depth)) for depth in (1, 4, 6, 11, 16)] == [
        False, False, False, True, True
    ]  # fmt: skip


def test_hyper_parameters_count_on_their_own_scale(known):
    """On a logarithmic scale 128 is as far from 32 as from 512; a tie expects no failure."""
    known.update([trial(PRUNED, 4, 32), trial(FAIL, 4, 512, cause=OWN_FAILURE)])
    assert [known.expects(setting(4, batch)) for batch in (32, 96, 128, 160, 512)] == [
        False, False, False, True, True
    ]  # fmt: skip


def test_what_a_machine_did_or_another_trial_had_says_nothing(known):
    known.update([trial(COMPLETE, 1), trial(FAIL, 16, cause="machine"), trial(FAIL, 16)])
    assert not known.expects(setting(16))
    known = Failing(SPACE)
    told = trial(COMPLETE, 16, source=0)
    known.update([trial(COMPLETE, 1), trial(FAIL, 14, cause=OWN_FAILURE), told])
    assert known.expects(setting(16))


@pytest.mark.parametrize("state", [WAITS, RUNS])
def test_a_trial_is_counted_once_it_ends(known, state):
    first = trial(COMPLETE, 1)
    known.update([first, trial(state, 16)])
    assert not known.expects(setting(16))
    known.update([first, trial(FAIL, 16, cause=OWN_FAILURE)])
    assert known.expects(setting(16))
    known.update([first, trial(COMPLETE, 16), trial(COMPLETE, 15)])  # an end is the last word
    assert known.expects(setting(16)) and not known.expects(setting(15))


def test_a_trial_of_no_network_of_the_space_is_nowhere_near(known):
    foreign = trial(FAIL, 16, cause=OWN_FAILURE)
    foreign.params = {"another": 1}
    known.update([trial(COMPLETE, 1), foreign])
    assert not known.expects(setting(16))
