"""What guided and quasi-random samplers see: the space's own weights, and what failed by itself."""

import math
import random
import sys
from collections import Counter
from statistics import fmean

import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import TrialState, create_trial
from scipy.stats import chisquare

from nas.cost import cost
from nas.errors import ConfigError
from nas.objectives.synthetic import accuracy
from nas.samplers import make
from nas.search.mirror import WORST, Axis, Mirror, find_sampler
from nas.search.sampling import Sampler
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


def as_proposed(setting):
    return setting


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
    mirror = Mirror(space, find_sampler(name))
    drawn = Counter(mirror.ask(n, n, as_proposed)[0][path] for n in range(500))
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
    mirror = Mirror(space, find_sampler("tpe"))
    mirror.update(trials)
    seen = mirror._study.get_trials()
    assert [t.state.name for t in seen] == ["COMPLETE", "FAIL", "FAIL"] + ["COMPLETE"] * 3
    assert [t.value for t in seen[:1]] == [WORST["maximize"]]
    assert min(t.value for t in seen[3:]) > WORST["maximize"]


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


# --- what stands in the mirror ---

SMALL = SearchSpace.from_dict(ONE_KNOB)


def one(number, state, **changes):
    """A trial of the study, of a width of 8·(number + 1)."""
    params = {WIDTH: 8 * (number + 1), "training.peak_lr": 0.1} | changes.pop("params", {})
    sampler = Sampler(SMALL, "random", 0)
    finished = state == TrialState.COMPLETE
    found = create_trial(
        state=state,
        value=changes.pop("value", 0.5) if finished else None,
        params=params,
        distributions=sampler.distributions,
        **changes,
    )
    found.number = number
    return found


def seen(mirror):
    return [
        (t.state.name, t.value, dict(t.intermediate_values)) for t in mirror._study.get_trials()
    ]


RUNNING, COMPLETE = TrialState.RUNNING, TrialState.COMPLETE
PRUNED, FAIL, WAITING = TrialState.PRUNED, TrialState.FAIL, TrialState.WAITING


def test_samplers_are_optunas_with_eight_random_trials_first():
    tpe, genetic = make("tpe", 5), make("nsga2", 5)
    assert (tpe._n_startup_trials, tpe._multivariate) == (8, True)
    assert genetic._population_size == 8
    draws = [make("tpe", seed)._rng.rng.random() for seed in (5, 5, 6)]
    assert draws[0] == draws[1] != draws[2]
    draws = [make("nsga2", seed)._rng.rng.random() for seed in (5, 5, 6)]
    assert draws[0] == draws[1] != draws[2]


def test_a_mirror_maximises_and_follows_each_trial_to_its_end():
    mirror = Mirror(SMALL, find_sampler("tpe"))
    assert mirror._study.direction.name == "MAXIMIZE"
    first = [one(0, RUNNING), one(1, WAITING), one(2, PRUNED, intermediate_values={1: 0.2})]
    mirror.update(first)
    assert seen(mirror) == [
        ("RUNNING", None, {}), ("RUNNING", None, {}), ("PRUNED", None, {1: 0.2})
    ]  # fmt: skip
    ended = [
        one(0, COMPLETE, value=0.7, intermediate_values={1: 0.4, 2: 0.7}),
        one(1, FAIL, user_attrs={"cause": "trial"}),
        first[2],
    ]
    mirror.update(ended)
    assert seen(mirror)[:2] == [
        ("COMPLETE", 0.7, {1: 0.4, 2: 0.7}),
        ("COMPLETE", WORST["maximize"], {}),
    ]
    mirror.update(ended)  # nothing is new
    assert len(seen(mirror)) == 3
    assert {"maximize": -math.inf, "minimize": math.inf} == WORST


def test_a_trial_that_failed_by_itself_is_worst_in_every_objective():
    mirror = Mirror(SMALL, find_sampler("nsga2"), ("maximize", "minimize"))
    two = create_trial(
        state=COMPLETE,
        values=[0.7, 3e6],
        params={WIDTH: 8, "training.peak_lr": 0.1},
        distributions=Sampler(SMALL, "random", 0).distributions,
    )
    two.number = 0
    mirror.update([two, one(1, FAIL, user_attrs={"cause": "trial"})])
    assert [t.values for t in mirror._study.get_trials()] == [[0.7, 3e6], [-math.inf, math.inf]]
    assert [d.name for d in mirror._study.directions] == ["MAXIMIZE", "MINIMIZE"]


def test_a_trial_stands_at_its_places_with_what_the_sampler_noted():
    mirror = Mirror(SMALL, find_sampler("nsga2"))
    mirror.update([one(0, COMPLETE, system_attrs={"nsga2:generation": 3})])
    (there,) = mirror._study.get_trials()
    assert there.params == {
        WIDTH: Axis(SMALL.parameters[WIDTH]).place(8), "training.peak_lr": 0.1
    }  # fmt: skip
    assert there.system_attrs == {"nsga2:generation": 3}
    assert there.distributions[WIDTH].high == 1


@pytest.mark.parametrize(
    "params", [{"more": 1}, {WIDTH: 7}, {"training.peak_lr": 0.9}], ids=["more", "step", "range"]
)
def test_a_trial_of_no_setting_of_the_space_is_left_out_once_it_ended(params):
    foreign = one(0, COMPLETE)
    foreign.params = {**foreign.params, **params}
    mirror = Mirror(SMALL, find_sampler("tpe"))
    mirror.update([foreign, one(1, COMPLETE)])
    assert len(seen(mirror)) == 1
    assert mirror._unnamed == []


def test_a_trial_without_values_is_taken_when_it_has_them():
    empty = create_trial(state=WAITING)
    empty.number = 0
    mirror = Mirror(SMALL, find_sampler("tpe"))
    mirror.update([empty])
    assert (seen(mirror), mirror._unnamed) == ([], [0])
    mirror.update([one(0, RUNNING)])
    assert seen(mirror) == [("RUNNING", None, {})]
    mirror.update([one(0, COMPLETE, value=0.3)])
    assert seen(mirror) == [("COMPLETE", 0.3, {})]


def test_a_proposal_that_something_else_is_taken_for_leaves_a_failure():
    mirror = Mirror(SMALL, find_sampler("tpe"))
    assert mirror.ask(0, 1, lambda setting: None) is None
    assert seen(mirror) == [("FAIL", None, {})]
    other = {WIDTH: 8, "training.peak_lr": 0.5}
    assert mirror.ask(0, 1, lambda setting: other) == (other, {})
    assert [state for state, *_ in seen(mirror)] == ["FAIL"] * 2
    mirror.update([one(0, RUNNING, params=other)])  # what was written is seen
    assert [state for state, *_ in seen(mirror)] == ["FAIL"] * 2 + ["RUNNING"]


def test_numbers_of_a_choice_are_positions_in_the_mirror():
    axis = Axis(Choice((8, 64, 16)))
    assert axis.distribution == IntDistribution(0, 2)
    assert [axis.place(value) for value in (8, 16, 64)] == [0, 1, 2]
    assert [axis.value(place) for place in (0, 1, 2)] == [8, 16, 64]
    assert Axis(Choice((True, False))).distribution == CategoricalDistribution((False, True))


def test_a_proposal_becomes_the_trial_that_was_written_or_fails():
    mirror = Mirror(SMALL, find_sampler("tpe"))
    setting, _ = mirror.ask(0, 1, as_proposed)
    mirror.update([one(0, RUNNING, params=setting)])
    assert [state for state, *_ in seen(mirror)] == ["RUNNING"]  # no second one of it
    mirror.update([one(0, COMPLETE, params=setting, value=0.4)])
    assert seen(mirror) == [("COMPLETE", 0.4, {})]
    mirror.ask(1, 2, as_proposed)
    mirror.update([one(0, COMPLETE, params=setting, value=0.4)])  # it could not be written
    assert [state for state, *_ in seen(mirror)] == ["COMPLETE", "FAIL"]
    third, _ = mirror.ask(1, 3, as_proposed)
    different = {**third, WIDTH: 8 if third[WIDTH] != 8 else 16}
    mirror.update([one(0, COMPLETE, params=setting, value=0.4), one(1, RUNNING, params=different)])
    assert [state for state, *_ in seen(mirror)] == ["COMPLETE", "FAIL", "FAIL", "RUNNING"]


def test_proposals_depend_on_their_seed():
    def asked(seed):
        return Mirror(SMALL, find_sampler("tpe")).ask(0, seed, as_proposed)[0]

    assert asked(1) == asked(1) != asked(2)


# --- samplers of one's own ---


def test_a_sampler_of_a_module_in_the_current_folder_proposes(tmp_path, monkeypatch):
    (tmp_path / "my_samplers.py").write_text(
        "from optuna.samplers import RandomSampler\n"
        "def reversed_seed(seed):\n"
        "    return RandomSampler(seed=-seed % 2**32)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    mirror = Mirror(SMALL, find_sampler("my_samplers:reversed_seed"))
    same = Mirror(SMALL, find_sampler("optuna.samplers:RandomSampler"))
    for number in range(5):
        proposed = mirror.ask(number, number + 1, as_proposed)
        assert proposed == same.ask(number, 2**32 - number - 1, as_proposed)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such:thing", "sampler is 'no_such:thing', but there is no module no_such, "),
        (
            "optuna.samplers:Random",
            "sampler is 'optuna.samplers:Random', but optuna",
        ),
        ("math:sqrt", "sampler math:sqrt cannot be made with a seed: TypeError: "),
        (
            "builtins:dict",
            "sampler builtins:dict makes {'seed': 0}, no optuna.samplers.",
        ),
    ],
)
def test_what_makes_no_sampler_is_refused_in_one_line(name, message):
    with pytest.raises(ConfigError) as refused:
        find_sampler(name)
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["random", "qmc", "model", "largest"])
def test_what_is_no_learning_sampler_of_optunas_has_no_mirror(name):
    assert find_sampler(name) is None
