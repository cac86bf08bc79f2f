"""What results say: stopped trials, failures, constraints, and the model that is fitted to them."""

import random
from datetime import datetime

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from nas.samplers.candidates import Distributions, Scale
from nas.samplers.curves import estimates
from nas.samplers.history import History
from nas.samplers.model import ModelSampler, _point, _settled
from nas.samplers.surrogate import Process, as_gaussian, expected_improvement
from nas.samplers.targets import crowding, fronts, targets

SPACE = {"x": FloatDistribution(0, 1), "k": IntDistribution(1, 4)}


def told(number, x, state=TrialState.COMPLETE, value=None, k=1, **more):
    trial = create_trial(
        state=state, value=value, params={"x": x, "k": k}, distributions=SPACE, **more
    )
    trial.number = number
    trial.datetime_complete = datetime(2026, 1, 1, second=number)
    return trial


def history(trials, direction=StudyDirection.MAXIMIZE):
    found = History(Distributions(SPACE), [direction])
    found.update(trials, len(trials))
    return found


def test_a_stopped_trial_is_expected_where_others_went_from_there():
    starts = np.linspace(0.1, 0.8, 8)
    curves = [{1: v, 2: v + 0.1} for v in starts]
    finals = [0.5 * v + 0.5 for v in starts]
    found, spread = estimates([*curves, {1: 0.3}, {}], [*finals, None, None])
    assert found[8] == pytest.approx(0.65)
    assert spread[8] == pytest.approx(0, abs=1e-12)
    assert np.isnan(found[9])


def test_the_way_from_the_first_step_is_known_from_what_was_stopped_later_too():
    complete = [({1: v, 3: v + 0.2, 8: v + 0.3}, v + 0.3) for v in (0.5, 0.6)]
    later = [({1: v, 3: v + 0.2}, None) for v in (0.2, 0.3, 0.4)]
    curves, finals = zip(*complete, *later, ({1: 0.1}, None), strict=True)
    found, spread = estimates(curves, finals)
    assert found[2:] == pytest.approx([0.5, 0.6, 0.7, 0.4])
    assert spread[:2] == pytest.approx([0, 0])


def test_noise_of_the_way_is_the_variance_of_an_estimate():
    rng = np.random.default_rng(0)
    starts = rng.uniform(size=200)
    finals = starts + rng.normal(0, 0.1, 200)
    _, spread = estimates([{1: v} for v in starts] + [{1: 0.5}], [*finals, None])
    assert spread[-1] == pytest.approx(0.01, rel=0.3)


def test_results_are_in_the_order_of_their_ends_whenever_they_were_read():
    trials = [told(0, 0.1, value=1.0), told(1, 0.2, TrialState.RUNNING), told(2, 0.3, value=2.0)]
    found = history(trials)
    assert [one.number for one in found.first(9)] == [0, 2]
    assert list(found.running) == [1]
    trials[1] = told(1, 0.2, value=3.0)
    found.update(trials, 3)
    assert [one.number for one in found.first(9)] == [0, 1, 2]
    assert not found.running


def test_less_is_better_where_the_study_minimizes():
    found = history([told(0, 0.1, value=1.0), told(1, 0.2, value=2.0)], StudyDirection.MINIMIZE)
    values, _ = targets(found.first(2), 1)
    assert values[0] > values[1]


def test_a_failure_is_a_result_only_where_the_trial_caused_it():
    own = {"user_attrs": {"cause": "trial"}}
    trials = [
        told(0, 0.1, value=1.0),
        told(1, 0.2, value=2.0),
        told(2, 0.3, TrialState.FAIL, **own),
        told(3, 0.4, TrialState.FAIL),
        told(4, 0.5, TrialState.PRUNED),  # stopped before it had a value
    ]
    found = history(trials)
    assert [one.number for one in found.first(9)] == [0, 1, 2]
    assert targets(found.first(3), 1)[0][:, 0].tolist() == [1.0, 2.0, 1.0]
    assert len(found.keys) == 5


def test_what_breaks_a_constraint_is_below_the_worst_by_how_much():
    trials = [
        told(0, 0.1, value=1.0),
        told(1, 0.2, value=9.0, system_attrs={"constraints:a": 2.0, "constraints:b": -1.0}),
        told(2, 0.3, value=8.0, system_attrs={"constraints:a": 1.0}),
    ]
    values, _ = targets(history(trials).first(3), 1)
    assert values[0, 0] > values[2, 0] > values[1, 0]


def test_fronts_and_crowding_of_four_points():
    values = np.array([[1.0, 4.0], [2.0, 3.0], [4.0, 1.0], [1.0, 3.0], [0.0, 0.0]])
    assert fronts(values).tolist() == [0, 0, 0, 1, 2]
    found = crowding(values, fronts(values))
    assert np.isinf(found[[0, 2]]).all()
    assert found[1] == pytest.approx(2.0)


def test_a_process_knows_what_it_was_told_and_is_less_sure_elsewhere():
    rng = np.random.default_rng(1)
    features = rng.uniform(-1, 1, (40, 3))
    values = features[:, 0] * 2 + np.sin(3 * features[:, 1])
    process = Process(features, values, np.zeros(40))
    means, deviations = process.predict(features)
    assert np.abs(means - values).max() < 0.2
    assert process.predict(features[:1] + 5)[1][0] > 3 * deviations.max()
    unsure = Process(features, values, np.full(40, 9.0), process.hyper)
    assert np.abs(unsure.predict(features)[0] - values).mean() > np.abs(means - values).mean()


def test_improvement_is_expected_of_what_is_better_or_unsure():
    gains = expected_improvement(np.array([0.0, 1.0, 0.0]), np.array([0.1, 0.1, 1.0]), 0.5)
    assert gains[1] == pytest.approx(0.5, abs=1e-3)
    assert gains[0] < 1e-6 < gains[2]
    assert as_gaussian([3.0, 3.0, 0.0])[0] == as_gaussian([3.0, 3.0, 0.0])[1] > 0


def test_fits_are_at_numbers_of_results_that_a_study_passes_whatever_it_was_read_at():
    assert [_point(n) for n in (3, 99, 101, 205, 10_000)] == [3, 99, 100, 204, 9984]
    assert len({_point(n) for n in range(1000, 2000)}) < 80
    for n in (5, 50, 777, 5000):
        assert _settled(n) <= _point(n)
        assert _settled(_settled(n)) == _settled(n)


@pytest.mark.parametrize(
    "distribution",
    [
        IntDistribution(1, 64, log=True),
        IntDistribution(2, 10, step=4),
        FloatDistribution(0.1, 10, log=True),
        FloatDistribution(0, 1, step=0.25),
        CategoricalDistribution((8, 64, 16)),
        CategoricalDistribution(("a", None, True)),
    ],
    ids=str,
)
def test_mutations_are_other_values_of_the_distribution_and_near_where_there_is_an_order(
    distribution,
):
    scale, rng = Scale(distribution), random.Random(0)
    for _ in range(50):
        value = scale.draw(rng)
        moved = scale.mutate(value, rng)
        assert distribution._contains(distribution.to_internal_repr(moved))
        if scale.count is not None and scale.count <= 3:
            assert moved != value
    if scale.ordered:
        start = scale.value(0.5)
        far = [abs(scale.place(scale.mutate(start, rng)) - scale.place(start)) for _ in range(200)]
        assert np.mean(far) < 0.55


def test_a_model_finds_the_top_of_a_hill():
    sampler, trials = ModelSampler(0, Distributions(SPACE)), []
    for number in range(30):
        found = sampler.propose(trials, [StudyDirection.MAXIMIZE], number)
        params = found.candidate.params if found else {"x": random.Random(number).random(), "k": 2}
        value = -((params["x"] - 0.3) ** 2) - 0.1 * abs(params["k"] - 3)
        trials.append(told(number, params["x"], value=value, k=params["k"]))
    assert max(trial.value for trial in trials) > -1e-3
