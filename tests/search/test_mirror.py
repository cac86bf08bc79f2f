"""What guided and quasi-random samplers see: the space's own weights, and what failed by itself."""

import random
from collections import Counter
from statistics import fmean

import pytest
from optuna.trial import TrialState, create_trial
from scipy.stats import chisquare

from nas.cost import cost
from nas.search.mirror import WORST, Axis, Mirror
from nas.search.sampling import Sampler
from nas.search.synthetic import accuracy
from nas.space import Choice, FloatRange, IntRange, SearchSpace

ONE_KNOB = {
    "name": "one",
    "stem": {"width": 8},
    "stages": [
        {
            "block": "basic",
            "depth": 1,
            "stride": 2,
            "width": {"int": [8, 256], "step": 8, "log": True},
        }
    ],
    # so that no two trials are the same
    "training": {"peak_lr": {"float": [0.05, 0.5], "log": True}},
}
WIDTH = "stages.0.width"


def play(space, sampler, trials, fails=lambda architecture: None):
    """A search without database or training; ``fails`` gives the cause of a failure or None."""
    told = []
    for number in range(trials):
        proposal = sampler.propose(number, told)
        architecture = space.architecture(proposal.setting)
        cause = fails(architecture)
        attributes = {"key": architecture.key, "policy": proposal.policy}
        trial = create_trial(
            state=TrialState.FAIL if cause else TrialState.COMPLETE,
            value=None if cause else accuracy(architecture, 1, 1),
            params=proposal.setting,
            distributions=sampler.distributions,
            user_attrs=attributes | ({"cause": cause} if cause else {}),
            system_attrs=dict(proposal.system_attrs),
        )
        trial.number = number
        told.append(trial)
    return told


def test_quasi_random_widths_have_the_weights_of_the_spaces_own_draws():
    space = SearchSpace.from_dict(ONE_KNOB)
    trials = play(space, Sampler(space, "qmc", 3), 256)
    widths = [trial.params[WIDTH] for trial in trials]
    domain = space.parameters[WIDTH]
    expected = [256 * weight / sum(domain.weights) for weight in domain.weights]
    assert 24 <= sorted(widths)[128] <= 40  # evenly over the steps, it would be 128
    assert all(abs(widths.count(v) - e) <= 3 for v, e in zip(domain.values, expected, strict=True))
    assert {trial.user_attrs["policy"] for trial in trials} == {"quasi_random"}


@pytest.mark.parametrize("name", ["nsga2", "tpe"])
@pytest.mark.parametrize(
    ("path", "domain"),
    [
        ("stem.width", {"int": [8, 64], "step": 8, "log": True}),
        ("stem.width", {"int": [1, 8], "log": True}),
        ("stem.width", {"int": [8, 64], "step": 8}),
        ("stem.width", {"choice": [8, 16, 32, 64]}),
        ("training.peak_lr", {"float": [0.125, 1.0], "step": 0.125, "log": True}),
    ],
)
def test_a_guided_sampler_without_results_draws_with_the_spaces_weights(name, path, domain):
    part, key = path.split(".")
    space = SearchSpace.from_dict({**ONE_KNOB, part: {key: domain}})
    domain = space.parameters[path]
    mirror = Mirror(space, name)
    drawn = Counter(mirror.ask(n, n, lambda _: True, 1)[0][path] for n in range(500))
    assert set(drawn) <= set(domain.values)
    share = 500 / sum(domain.weights)
    counts, expected = zip(
        *((drawn[v], w * share) for v, w in zip(domain.values, domain.weights, strict=True)),
        strict=True,
    )
    assert chisquare(counts, expected).pvalue > 1e-4


@pytest.mark.parametrize(
    "domain",
    [
        IntRange(8, 64, step=8, log=True),
        IntRange(1, 64, log=True),
        FloatRange(0.5, 4.0, step=0.5, log=True),
        FloatRange(0.5, 4.0, step=0.5),
        IntRange(8, 64, step=8),
        Choice((True, False)),
    ],
    ids=str,
)
def test_each_value_has_a_place_of_its_own_and_comes_back(domain):
    axis = Axis(domain)
    places = [axis.place(value) for value in domain.values]
    assert len(set(places)) == len(domain.values)
    assert [axis.value(place) for place in places] == list(domain.values)
    rng = random.Random(0)
    assert all(axis.distribution._contains(axis.distribution.to_internal_repr(p)) for p in places)
    assert domain.contains(axis.value(axis.place(domain.sample(rng))))


def test_the_end_of_an_axis_is_a_value():
    assert Axis(IntRange(8, 64, step=8, log=True)).value(1.0) == 64


def test_a_failure_is_a_result_in_the_mirror_only_where_the_trial_caused_it():
    space = SearchSpace.from_dict(ONE_KNOB)
    causes = ["trial", "machine", None]
    trials = play(space, Sampler(space, "random", 0), 6)
    for trial, cause in zip(trials, causes, strict=False):
        trial.state, trial.values = TrialState.FAIL, None
        trial.user_attrs |= {"cause": cause} if cause else {}
    mirror = Mirror(space, "tpe")
    mirror.update(trials)
    seen = mirror._study.get_trials()
    assert [t.state.name for t in seen] == ["COMPLETE", "FAIL", "FAIL"] + ["COMPLETE"] * 3
    assert [t.value for t in seen[:1]] == [WORST]
    assert min(t.value for t in seen[3:]) > WORST


SPACE = SearchSpace.load("resnet_vs_plain")
_RNG = random.Random(0)
MACS = sorted(cost(SPACE.architecture(SPACE.sample_setting(_RNG))).macs for _ in range(200))[140]


def too_large(architecture):
    """The 30 % largest networks run out of memory."""
    return "trial" if cost(architecture).macs > MACS else None


def failing(sampler, seed, cause="trial"):
    def fails(architecture):
        return cause if too_large(architecture) else None

    trials = play(SPACE, Sampler(SPACE, sampler, seed), 64, fails)
    proposed = [t for t in trials if t.user_attrs["policy"] == "guided"] or trials
    return fmean(t.state == TrialState.FAIL for t in proposed)


def test_a_guided_sampler_learns_where_trials_fail_by_themselves():
    by_themselves = fmean(failing(name, seed) for name in ("tpe", "nsga2") for seed in (0, 1))
    random_ones = fmean(failing("random", seed) for seed in (0, 1))
    assert by_themselves < 0.2 < 0.25 < random_ones


def test_a_guided_sampler_learns_nothing_from_machines_that_die():
    assert failing("tpe", 0, "machine") > 0.3
