"""Results that another program adds by Optuna's ``add_trial``: guidance, and no results of ours."""

import random

import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from nas.cli.app import main
from nas.report.caveats import caveats
from nas.study.check import violations
from nas.study.reader import open_study, studies

LEFT_OUT = "Left out, as another program added them: 2 trials."


def optuna_study(one):
    return optuna.load_study(study_name=one.config.study, storage=one.config.storage)


def read(one):
    return open_study(one.config.storage, one.config.study)


def broken(one):
    return violations(read(one), one.store.clock)


def trial_of(one, *values, seed=0, setting=None, state=TrialState.COMPLETE, **options):
    """A trial as another program makes it, of a network of the space."""
    setting = setting or one.space.sample_setting(random.Random(seed))
    return create_trial(
        state=state,
        values=values,
        params=setting,
        distributions={path: one.searcher.claims.sampler.distributions[path] for path in setting},
        **options,
    )


def key_of(one, trial):
    return one.space.architecture(trial.params).key


@pytest.mark.parametrize("sampler", ["model", "tpe"])
def test_an_added_result_guides_samplers_and_is_no_result(search, capsys, sampler):
    one = search(trials=12, scheduler="none", sampler=sampler)
    for _ in range(2):
        one.train(one.searcher.next_job())
    theirs = [
        trial_of(one, 0.999, seed=7, intermediate_values={100: 0.5}),
        # of another study of ours, as study.add_trials(other.trials) copies it
        trial_of(one, 0.998, seed=8, user_attrs={"key": "0" * 64, "policy": "random", "source": 0}),
    ]
    optuna_study(one).add_trials(theirs)
    # before a driver has looked at them: what says that it is ours has lost its attempts
    assert {line.partition(":")[0] for line in broken(one)} == {"trial 3"}
    one.run()
    assert broken(one) == []
    assert len(one.store.trials()) == 12
    found = read(one)
    frame = found.frame()
    keys = [key_of(one, trial) for trial in theirs]
    assert (frame.attrs["added"], set(frame["number"]) & {2, 3}) == ([2, 3], set())
    assert not set(frame["key"]) & set(keys)  # it is not proposed again
    assert found.best_trial.accuracy < 0.99
    assert studies(one.config.storage)["best_accuracy"].item() == found.best_trial.accuracy
    assert [found.architecture(number).key for number in (2, 3)] == keys
    shown = optuna_study(one).trials[3]
    assert (shown.user_attrs["key"], shown.user_attrs["policy"]) == (keys[1], "added")
    said = " ".join(caveats(found, frame, found.best()))
    assert main(["show", "resnext", "--storage", one.config.storage]) == 0
    assert LEFT_OUT in said
    assert LEFT_OUT in " ".join(capsys.readouterr().out.split())
    sampled = one.searcher.claims.sampler
    if sampler == "model":
        assert {2, 3} <= set(sampled._own._history.results)
        assert sampled._own._history.results[2].curve == {}
    again = search(trials=13, scheduler="none", sampler=sampler)
    again.run()
    assert broken(again) == []


def test_a_random_draw_of_an_added_network_is_trained(search):
    one = search(trials=3, scheduler="none", sampler="random")
    proposal = one.searcher.claims.sampler.propose(1, [])
    optuna_study(one).add_trial(trial_of(one, 0.9, setting=proposal.setting))
    one.run()
    frame = read(one).frame()
    assert frame["policy"].tolist() == ["random", "random"]
    assert frame["key"].tolist()[0] == proposal.architecture.key
    assert frame["attempts"].tolist() == [1, 1]
    assert broken(one) == []


def test_costs_of_an_added_result_are_those_of_its_network(search, caplog):
    one = search(trials=4, sampler="model", scheduler="none", minimize=["macs"])
    setting = one.space.sample_setting(random.Random(1))
    macs = one.space.cost(one.space.architecture(setting)).macs
    theirs = optuna_study(one)
    theirs.add_trial(trial_of(one, 0.9, float(macs), setting=setting))
    theirs.add_trial(trial_of(one, 0.9, 1.0, setting=setting))
    one.run()
    said = f"its macs is 1, its network's {macs}"
    assert f"trial 1 was added by another program and is left alone: {said}" in caplog.messages
    assert broken(one) == [f"trial 1: was added by another program and is no result: {said}"]
    assert 0 in one.searcher.claims.sampler._own._history.results
    assert 1 not in one.searcher.claims.sampler._own._history.results
    assert not set(read(one).front()["number"]) & {0, 1}


NO_RESULT = {
    "parameters of another space": (
        {"params": {"x": 1.5}, "distributions": {"x": FloatDistribution(0, 2)}, "value": 0.5},
        "its parameters are not those of the space: it lacks stages.0.depth, stages.0.width, "
        "stages.1.depth, stages.1.width and it has x",
    ),
    "a value out of its domain": (
        {"depth": 9, "value": 0.5},
        "stages.0.depth is 9; accepted: ",
    ),
    "no fraction": ({"value": 99.0}, "its accuracy is 99.0; accepted: a fraction of 1"),
    "no finite value": ({"value": float("inf")}, "its accuracy is inf; accepted: a fraction of 1"),
    "a trial that was stopped": (
        {"value": 0.5, "state": TrialState.PRUNED},
        "it is PRUNED; accepted: COMPLETE",
    ),
}


def test_what_is_no_result_of_the_space_is_left_alone_and_named(search, caplog):
    one = search(trials=12, scheduler="none")
    one.train(one.searcher.next_job())
    study = optuna_study(one)
    setting = one.space.sample_setting(random.Random(3))
    domains = {**one.searcher.claims.sampler.distributions, "stages.0.depth": IntDistribution(1, 9)}
    for options, _ in NO_RESULT.values():
        depth = options.pop("depth", setting["stages.0.depth"])
        params = {**setting, "stages.0.depth": depth}
        study.add_trial(create_trial(**{"params": params, "distributions": domains, **options}))
    for number in range(2, 4):
        one.train(one.searcher.next_job())
        said = [line for line in caplog.messages if "left alone" in line]
        assert len(said) == len(NO_RESULT), number
    one.run()
    problems = broken(one)
    assert len(problems) == len(NO_RESULT)
    for number, (_, reason) in enumerate(NO_RESULT.values(), start=1):
        alone = f"trial {number} was added by another program and is left alone: {reason}"
        assert any(line.startswith(alone) for line in said)
        checked = f"trial {number}: was added by another program and is no result: {reason}"
        assert problems[number - 1].startswith(checked)
        assert number not in one.searcher.claims.sampler._own._history.tried
    assert read(one).frame().attrs["added"] == [1, 2, 3, 4, 5]
    assert read(one).frame().attrs["distributions"].keys() == setting.keys()
