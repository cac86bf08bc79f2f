"""No network is trained twice in the same way, and a search ends where there are no more."""

import random

import optuna
import pytest
from optuna.distributions import IntDistribution
from optuna.trial import TrialState, create_trial
from small_studies import optuna_study
from sqlalchemy import text

from nas.errors import InfeasibleError
from nas.samplers import NAMES
from nas.search.tried import Tried, telling
from nas.space import SearchSpace
from nas.study.check import violations
from nas.study.reader import open_study

FOUR = {
    "name": "four",
    "stem": {"width": 8},
    "each_stage": {"block": "basic", "width": 8, "stride": 2, "depth": {"int": [1, 2]}},
    "stages": [{}, {}],
}


def trained(one):
    """(key, setting of the training) of each trial that has an attempt, by number."""
    query = "SELECT DISTINCT trial FROM nas_attempts ORDER BY trial"
    with one.store.engine.connect() as connection:
        numbers = list(connection.scalars(text(query)))
    found = [one.store.trials()[number] for number in numbers]
    return [(t.user_attrs["key"], t.params.get("training.peak_lr")) for t in found]


def good(one):
    return violations(open_study(one.config.storage, one.config.study), now=one.store.clock) == []


@pytest.mark.parametrize("scheduler", ["none", "asha"])
@pytest.mark.parametrize("sampler", NAMES)
def test_a_space_of_four_networks_is_trained_four_times(search, sampler, scheduler):
    one = search(space=FOUR, sampler=sampler, scheduler=scheduler, trials=12, study=sampler)
    one.run()
    assert len(set(trained(one))) == len(trained(one)) == 4
    # a random sample has its twelve draws; any other search has nothing to propose any more
    assert len(one.store.trials()) == (12 if sampler == "random" else 4)
    assert one.searcher.finished
    assert one.searcher.exhausted == "all 4 networks of four have been tried"
    assert good(one)
    again = search(space=FOUR, sampler=sampler, scheduler=scheduler, trials=12, study=sampler)
    assert again.searcher.finished  # before it is asked for anything


@pytest.mark.parametrize("sampler", NAMES)
def test_searched_hyper_parameters_multiply_what_there_is_to_try(search, sampler):
    space = {**FOUR, "training": {"peak_lr": {"choice": [0.1, 0.2]}}}
    one = search(space=space, sampler=sampler, scheduler="none", trials=40)
    one.run()
    assert len(set(trained(one))) == len(trained(one)) == 8
    assert (
        one.searcher.exhausted
        == "all 8 combinations of network and training of four have been tried"
    )


@pytest.mark.parametrize("sampler", NAMES)
def test_drivers_of_an_exhausted_space_train_nothing_twice(search, sampler):
    drivers = [search(space=FOUR, sampler=sampler, trials=12, owner=name) for name in "ab"]
    asked = [(driver, driver.searcher.next_job()) for _ in range(6) for driver in drivers]
    jobs = [(driver, job) for driver, job in asked if job is not None]
    assert len(jobs) == 4
    assert not any(driver.searcher.finished for driver in drivers)
    for driver, job in jobs:
        driver.train(job)
    for driver in drivers:
        driver.run()
        assert driver.searcher.finished
        assert len(driver.store.trials()) == (12 if sampler == "random" else 4)
    assert len(set(trained(drivers[0]))) == len(trained(drivers[0])) == 4
    assert good(drivers[0])


def test_a_random_draw_of_a_network_under_way_is_told_what_becomes_of_it(search):
    one = search(space=FOUR, sampler="random", scheduler="none", trials=12)
    jobs = [one.searcher.next_job() for _ in range(4)]
    assert one.searcher.next_job() is None
    waiting = [t for t in one.store.trials() if t.state == TrialState.WAITING]
    assert len(waiting) == 8
    one.searcher.fail(jobs[0], "out of memory", retry=False)
    for job in jobs[1:]:
        one.train(job)
    assert one.searcher.next_job() is None
    sources = {job.architecture.key: one.store.trials()[job.number] for job in jobs}
    for number in [trial.number for trial in waiting]:
        trial = one.store.trials()[number]
        source = sources[trial.user_attrs["key"]]
        assert (trial.state, trial.value) == (source.state, source.value)
        assert trial.intermediate_values == source.intermediate_values
        assert trial.user_attrs["source"] == source.number
        assert trial.user_attrs.get("reason") == source.user_attrs.get("reason")
    assert {t.state for t in one.store.trials()} == {TrialState.COMPLETE, TrialState.FAIL}
    assert good(one)


def test_a_network_whose_machine_died_is_drawn_and_trained_again(search):
    one = search(space=FOUR, sampler="random", scheduler="none", trials=12, max_failures=0)
    first = one.searcher.next_job()
    one.searcher.fail(first, "its process died", retry=True, lost=True)
    one.run()
    again = [key for key, _ in trained(one)].count(first.architecture.key)
    assert again == 2
    assert good(one)


def test_a_guided_search_is_at_an_end_though_a_machine_died(search):
    one = search(space=FOUR, sampler="tpe", scheduler="none", trials=12, max_failures=0)
    one.searcher.fail(one.searcher.next_job(), "its process died", retry=True, lost=True)
    one.run()
    assert one.searcher.finished
    assert len(one.store.trials()) == 4


def test_a_trial_that_was_enqueued_twice_is_trained_once(search):
    one = search(space=FOUR, sampler="tpe", scheduler="none", trials=3, study="s")
    study = optuna.load_study(study_name="s", storage=one.config.storage)
    for _ in range(3):
        study.enqueue_trial({"stages.0.depth": 1, "stages.1.depth": 2})
    one.run()
    assert len(trained(one)) == 1
    assert [t.user_attrs["policy"] for t in one.store.trials()] == ["enqueued", "reused", "reused"]
    assert good(one)


def test_a_draw_that_waits_goes_on_where_its_twin_was_interrupted(search):
    one = search(space=FOUR, sampler="random", scheduler="none", trials=12)
    job = one.searcher.next_job()
    one.train(job, epochs=2)
    while one.searcher.next_job() is not None:
        pass
    one.searcher.interrupt()
    other = search(space=FOUR, sampler="random", scheduler="none", trials=12)
    other.run()
    assert len(trained(other)) == 4
    assert good(other)


def test_a_trial_whose_driver_died_while_it_was_told_is_told(search):
    one = search(space=FOUR, sampler="random", scheduler="none", trials=6)
    jobs = [one.searcher.next_job() for _ in range(4)]
    assert one.searcher.next_job() is None
    trial = next(t for t in one.store.trials() if t.state == TrialState.WAITING)
    source = next(t for t in one.store.trials() if t.user_attrs["key"] == trial.user_attrs["key"])
    for name, value in {"policy": "reused", "source": source.number}.items():
        optuna_study(one.store)._storage.set_trial_user_attr(trial._trial_id, name, value)
    for job in jobs:
        one.train(job)
    other = search(space=FOUR, sampler="random", scheduler="none", trials=6)
    other.run()
    assert other.store.trials()[trial.number].value == other.store.trials()[source.number].value
    assert len(trained(other)) == 4
    assert good(other)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"order": {"depth": "nondecreasing"}},
        {"tie": ["depth"]},
        {"limits": {"macs": {"max": 500_000}}},
        {"each_stage": {"block": "bottleneck", "width": 8, "depth": {"int": [1, 2]}, "stride": 2,
                        "bottleneck": {"choice": [0.5, 1.0]}, "group_width": {"choice": [4, 8]}}},
        {"training": {"batch_size": {"int": [32, 96], "step": 32}}},
        {"stem": {"width": {"int": [8, 32], "step": 8, "log": True}}},
    ],
)  # fmt: skip
def test_the_distinct_settings_are_those_that_draws_find(change):
    space = SearchSpace.from_dict({**FOUR, **change})
    found = list(space.distinct_settings(4096))

    def training(setting):
        return space.architecture(setting).key, *space.training(setting).values()

    rng = random.Random(0)
    drawn = {training(space.sample_setting(rng)) for _ in range(1500)}
    assert len(found) == len({training(setting) for setting in found})
    assert {training(setting) for setting in found} == drawn


def test_a_space_too_large_or_continuous_is_not_enumerated():
    assert SearchSpace.load("resnext").distinct_settings(4096) is None
    continuous = {**FOUR, "training": {"peak_lr": {"float": [0.1, 0.5]}}}
    assert SearchSpace.from_dict(continuous).distinct_settings(4096) is None
    doubled = {**FOUR, "training": {"peak_lr": {"choice": [0.1, 0.2]}}}
    assert SearchSpace.from_dict(doubled).distinct_settings(7) is None
    assert len(list(SearchSpace.from_dict(doubled).distinct_settings(8))) == 8


# --- the index by itself ---

SPACE = SearchSpace.from_dict(FOUR)
COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL
RUNNING, WAITING = TrialState.RUNNING, TrialState.WAITING


def setting(first, second):
    return {"stages.0.depth": first, "stages.1.depth": second}


def trial(number, state, first, second, *, key=True, **attributes):
    params = setting(first, second)
    if key:
        attributes["key"] = SPACE.architecture(params).key
    found = create_trial(
        state=state,
        value=0.5 if state == COMPLETE else None,
        params=params,
        distributions={name: IntDistribution(1, 9) for name in params},
        user_attrs=attributes,
    )
    found.number = number
    return found


def numbers(trials):
    return [one.number for one in trials]


def test_a_training_is_a_network_and_its_searched_hyper_parameters():
    space = SearchSpace.from_dict({**FOUR, "training": {"peak_lr": {"choice": [0.1, 0.2]}}})
    tried = Tried(space)
    given = {**setting(1, 2), "training.peak_lr": 0.2}
    key = space.architecture(given).key
    assert tried.training(given) == (key, (0.2,))
    assert tried.training(given, "known") == ("known", (0.2,))
    assert Tried(SPACE).training(setting(1, 2)) == (SPACE.architecture(setting(1, 2)).key, ())
    limited = SearchSpace.from_dict({**FOUR, "limits": {"depth": {"max": 3}}})
    with pytest.raises(InfeasibleError):
        Tried(limited).training(setting(2, 2))


def test_trials_of_equal_networks_are_found_by_number_but_those_that_were_told():
    tried = Tried(SPACE)
    trials = [
        trial(0, COMPLETE, 1, 1), trial(1, RUNNING, 1, 2), trial(2, WAITING, 1, 1),
        trial(3, COMPLETE, 1, 1, source=0), trial(4, RUNNING, 1, 1, source=0),
    ]  # fmt: skip
    tried.update(trials)
    same = tried.training(setting(1, 1))
    assert same in tried and tried.training(setting(2, 2)) not in tried
    assert numbers(tried.equal(same, trials)) == [0, 2]
    assert numbers(tried.equal(tried.training(setting(2, 2)), trials)) == []
    assert numbers(tried.others(trials[2], trials)) == [0]
    assert numbers(tried.others(trials[0], trials)) == [2]
    assert numbers(tried.others(trials[1], trials)) == []
    assert numbers(tried.others(trials[3], trials)) == []  # it is told, and of no index
    assert numbers(tried.others(trials[4], trials)) == [0, 2]  # one that is being told is


def test_a_trial_is_looked_at_once_and_one_without_a_key_until_it_has_one():
    tried = Tried(SPACE)
    first = trial(0, RUNNING, 1, 1)
    enqueued, ended = trial(1, WAITING, 1, 2, key=False), trial(2, FAIL, 2, 1, key=False)
    tried.update([first, enqueued, ended])
    assert tried._unnamed == [1]
    assert tried.training(setting(1, 2)) not in tried
    adopted = trial(1, RUNNING, 1, 2)
    late = trial(2, FAIL, 2, 1)  # it had ended without a key, and is no more looked at
    tried.update([first, adopted, late, trial(3, RUNNING, 2, 2)])
    assert tried._unnamed == []
    assert tried.training(setting(1, 2)) in tried
    assert tried.training(setting(2, 1)) not in tried
    tried.update([first, adopted, late, trial(3, RUNNING, 2, 2)])
    assert tried._numbers[tried.training(setting(1, 1))] == [0]
    assert tried._numbers[tried.training(setting(2, 2))] == [3]


def test_a_trial_of_another_space_is_not_of_the_index():
    tried = Tried(SearchSpace.from_dict({**FOUR, "training": {"peak_lr": {"choice": [0.1, 0.2]}}}))
    tried.update([trial(0, COMPLETE, 1, 1)])  # without a learning rate
    assert tried._trainings == {}


@pytest.mark.parametrize(
    ("states", "told"),
    [
        ([FAIL, PRUNED, COMPLETE], 2), ([FAIL, PRUNED], 1), ([FAIL], 0), ([RUNNING, WAITING], None),
        ([], None), ([COMPLETE, COMPLETE], 0), ([PRUNED, FAIL, PRUNED], 0),
    ],
)  # fmt: skip
def test_of_results_of_one_training_that_which_says_most_is_told(states, told):
    trials = [trial(k, state, 1, 1, cause="trial") for k, state in enumerate(states)]
    found = telling(trials)
    assert (found and found.number) == told


@pytest.mark.parametrize("cause", [{}, {"cause": "machine"}])
def test_what_a_machine_did_tells_nothing(cause):
    assert telling([trial(0, FAIL, 1, 1, **cause)]) is None
    assert telling([trial(0, COMPLETE, 1, 1, **cause)]).number == 0
