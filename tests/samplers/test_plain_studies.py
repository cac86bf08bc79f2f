"""Every sampler in a plain Optuna study: any distributions, constraints, enqueued trials."""

import warnings

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.trial import TrialState

from nas.errors import ConfigError
from nas.samplers import NAMES, OWN, make

DISTRIBUTIONS = {
    "depth": IntDistribution(1, 4),
    "width": CategoricalDistribution((8, 64, 16, 32)),
    "rate": FloatDistribution(1e-3, 1.0, log=True),
    "share": FloatDistribution(0, 1, step=0.25),
    "groups": IntDistribution(1, 64, log=True),
    "operation": CategoricalDistribution(("skip", "conv", None)),
    "residual": CategoricalDistribution((True, False)),
}


def value(params):
    size = params["depth"] + params["width"] / 16 + 2 * (params["operation"] == "conv")
    return size + params["residual"] - 3 * abs(params["share"] - 0.5) - params["groups"] / 32


def study_of(sampler, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return optuna.create_study(sampler=sampler, **options)


def run(study, trials):
    """Fixed distributions; every third trial is stopped after its first step."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(trials):
            trial = study.ask(DISTRIBUTIONS)
            found = value(trial.params)
            trial.set_constraint("groups", trial.params["groups"] - 40)
            trial.report(found - 1, 1)
            if trial.number % 3 == 2:
                study.tell(trial, state=TrialState.PRUNED)
                continue
            trial.report(found, 2)
            study.tell(trial, found)
    return [trial.params for trial in study.trials]


@pytest.mark.parametrize("name", NAMES)
def test_equal_seeds_propose_the_same_within_the_distributions(name):
    trials = 10 if name == "gp" else 14
    first = run(study_of(make(name, seed=3), direction="maximize"), trials)
    assert first == run(study_of(make(name, seed=3), direction="maximize"), trials)
    assert first != run(study_of(make(name, seed=4), direction="maximize"), trials)


@pytest.mark.parametrize("name", OWN)
def test_a_sampler_made_anew_goes_on_as_the_one_before_would_have(name):
    whole = run(study_of(make(name, seed=1), direction="maximize"), 16)
    part = study_of(make(name, seed=1), direction="maximize")
    run(part, 11)
    part.sampler = make(name, seed=1)
    assert run(part, 5) == whole


@pytest.mark.parametrize("name", OWN)
def test_several_objectives_of_knobs_that_are_asked_for_as_the_trial_goes(name):
    def objective(trial):
        width = trial.suggest_int("width", 8, 64, step=8)
        if width > 32:  # not of all trials
            trial.suggest_float("rate", 0.1, 1)
        depth = trial.suggest_int("depth", 1, 8)
        return width * depth / 512, float(width * width * depth)

    study = study_of(make(name, seed=0), directions=["maximize", "minimize"])
    study.optimize(objective, n_trials=14)
    assert {t.state for t in study.trials} == {TrialState.COMPLETE}
    assert len({(t.params["width"], t.params["depth"]) for t in study.trials}) > 10


@pytest.mark.parametrize("name", OWN)
def test_what_a_trial_was_enqueued_with_is_kept_and_the_rest_is_completed(name):
    study = study_of(make(name, seed=0), direction="maximize")
    run(study, 9)
    study.enqueue_trial({"width": 16, "residual": False})
    params = run(study, 1)[-1]
    assert (params["width"], params["residual"]) == (16, False)
    assert params.keys() == DISTRIBUTIONS.keys()


@pytest.mark.parametrize("name", OWN)
def test_trials_under_way_are_not_proposed_again(name):
    small = {"a": IntDistribution(0, 3), "b": CategoricalDistribution(("x", "y", "z"))}
    study = study_of(make(name, seed=0), direction="maximize")
    for _ in range(4):
        trial = study.ask(small)
        study.tell(trial, trial.params["a"])
    known = {tuple(trial.params.values()) for trial in study.trials}
    asked = [tuple(study.ask(small).params.values()) for _ in range(12 - len(known))]
    assert len(set(asked) | known) == 12
    again = study.ask(small)  # nothing is left: a draw, as of random sampling
    assert again.params["a"] in range(4)


def test_the_largest_are_proposed_in_the_order_of_their_knobs():
    small = {"a": IntDistribution(0, 2), "b": CategoricalDistribution((4, 1, 2))}
    study = study_of(make("largest"), direction="maximize")
    study.tell(study.ask(small), 0.0)  # the space is known from the first that ended
    sizes = []
    for _ in range(6):
        trial = study.ask(small)
        sizes.append(trial.params["a"] / 2 + (1, 2, 4).index(trial.params["b"]) / 2)
        study.tell(trial, 0.0)
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] >= 1.5


def test_a_name_that_is_none_is_refused_with_the_nearest():
    with pytest.raises(ConfigError) as refused:
        make("modle")
    assert str(refused.value) == (
        "sampler is 'modle'; did you mean model? accepted: " + ", ".join(NAMES)
    )
