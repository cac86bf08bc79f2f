"""What is proposed, before anything is trained."""

import hashlib
import random
from collections import Counter

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial
from scipy.stats.qmc import Sobol

from nas.errors import ConfigError, InfeasibleError
from nas.search import sampling
from nas.search.mirror import Axis, distribution
from nas.search.sampling import POINT, Sampler, check_flip, things
from nas.space import Choice, FloatRange, IntRange, SearchSpace


def space(**more):
    return SearchSpace.from_dict(
        {
            "name": "pairs",
            "stem": {"width": 8},
            "each_stage": {"block": "basic", "residual": {"choice": [True, False]}},
            "stages": [
                {"depth": {"int": [1, 4]}, "width": {"choice": [8, 16]}, "stride": 2},
                {"depth": {"int": [1, 4]}, "width": {"choice": [16, 32]}, "stride": 2},
            ],
            "tie": ["residual"],
            **more,
        }
    )


@pytest.mark.parametrize("flip", ["residual", "stages.0.depth"])
def test_two_settings_of_a_pair_differ_in_the_flipped_knob_alone(flip):
    one = space(limits={"macs": {"max": 3_000_000}})
    sampler = Sampler(one, "random", seed=0, flip=flip)
    for k in range(30):
        drawn, flipped = sampler.propose(2 * k, []), sampler.propose(2 * k + 1, [])
        assert (drawn.policy, flipped.policy) == ("random", "flipped")
        different = {key for key in drawn.setting if drawn.setting[key] != flipped.setting[key]}
        assert different == {flip}
        for proposal in (drawn, flipped):
            one.architecture(proposal.setting)  # feasible


def test_a_flip_goes_to_every_other_value():
    sampler = Sampler(space(), "random", seed=0, flip="stages.0.depth")
    flips = Counter(
        tuple(sampler.propose(2 * k + side, []).setting["stages.0.depth"] for side in (0, 1))
        for k in range(400)
    )
    assert set(flips) == {(a, b) for a in range(1, 5) for b in range(1, 5) if a != b}


def test_streams_of_one_seed_draw_different_settings():
    draws = [
        [Sampler(space(), "random", 0, stream=stream).propose(n, []).setting for n in range(20)]
        for stream in (None, "a", "b", "a")
    ]
    assert draws[1] == draws[3]
    assert draws[0] != draws[1] != draws[2]


@pytest.mark.parametrize(
    ("sampler", "flip", "message"),
    [
        ("tpe", "residual", "flip pairs random settings, but sampler is tpe"),
        ("random", "residul", "did you mean residual?"),
        ("random", "training.peak_lr", "accepted: a knob with two values or more"),
    ],
)
def test_a_knob_that_cannot_be_flipped_is_refused(sampler, flip, message):
    with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
        check_flip(space(training={"peak_lr": {"float": [0.1, 0.5]}}), sampler, flip)


def test_a_space_without_pairs_says_so():
    never = {"order": {"depth": "nonincreasing"}, "limits": {"depth": {"min": 8}}}
    with pytest.raises(
        ConfigError, match=r"none was feasible with another value of stages\.0\.depth"
    ):
        Sampler(space(**never), "random", 0, flip="stages.0.depth").propose(0, [])


def test_steps_on_a_log_scale_are_evenly_spaced_for_optuna():
    assert distribution(IntRange(8, 64, step=8, log=True)) == IntDistribution(8, 64, step=8)
    assert distribution(IntRange(1, 64, log=True)) == IntDistribution(1, 64, log=True)
    rates = FloatRange(0.5, 2.0, step=0.5, log=True)
    assert distribution(rates) == FloatDistribution(0.5, 2.0, step=0.5)


def test_a_seed_proposes_the_same_settings_for_ever():
    """A search that goes on elsewhere, or in a later version, draws what it would have drawn."""

    def drawn(number, **options):
        return list(Sampler(space(), "random", 0, **options).propose(number, []).setting.values())

    assert [drawn(0), drawn(1)] == [[False, 4, 16, 1, 16], [False, 3, 8, 4, 32]]
    assert drawn(0, stream="a") == [True, 4, 8, 2, 32]
    paired = [drawn(number, flip="residual") for number in (0, 1)]
    assert paired == [[False, 4, 16, 1, 16], [True, 4, 16, 1, 16]]


def test_a_value_stands_in_the_middle_of_its_share_of_the_draws():
    axis = Axis(IntRange(8, 24, step=8, log=True))  # weights of 6, 3 and 2
    assert [axis.place(value) for value in (8, 16, 24)] == pytest.approx(
        [3 / 11, 7.5 / 11, 10 / 11]
    )
    assert [axis.value(place) for place in (0.0, 0.54, 0.55, 0.81, 0.82, 1.0)] == [
        8, 8, 16, 16, 24, 24
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("domain", "optunas"),
    [
        (IntRange(1, 9, step=2), IntDistribution(1, 9, step=2)),
        (FloatRange(0.5, 2, step=0.5), FloatDistribution(0.5, 2, step=0.5)),
        (FloatRange(0.5, 2, log=True), FloatDistribution(0.5, 2, log=True)),
        (Choice((8, 16)), CategoricalDistribution((8, 16))),
    ],
)
def test_a_domain_is_optunas_distribution_of_the_same_values(domain, optunas):
    assert distribution(domain) == optunas


# --- by hand, from the seed on ---

FOUR = SearchSpace.from_dict(
    {
        "name": "four",
        "stem": {"width": 8},
        "each_stage": {"block": "basic", "width": 8, "stride": 2, "depth": {"int": [1, 2]}},
        "stages": [{}, {}],
    }
)


def rng(seed, number):
    """That of a trial: the first four bytes of SHA-256 of seed/number."""
    digest = hashlib.sha256(f"{seed}/{number}".encode()).digest()
    return random.Random(int.from_bytes(digest[:4], "big"))


def told(sampler, proposal, number, state=TrialState.COMPLETE, space_=FOUR, **attributes):
    found = create_trial(
        state=state,
        value=0.5 if state == TrialState.COMPLETE else None,
        params=proposal.setting,
        distributions=sampler.distributions,
        user_attrs={"key": space_.architecture(proposal.setting).key, **attributes},
        system_attrs=dict(proposal.system_attrs),
    )
    found.number = number
    return found


def test_the_limits_of_a_search_for_what_is_new():
    assert (sampling.REFUSED, sampling.PAIRS, sampling.ENUMERATED, sampling.DRAWS) == (
        200, 1000, 4096, 1000
    )  # fmt: skip
    assert POINT == "nas:point"


@pytest.mark.parametrize("stream", [None, "a"])
def test_a_random_proposal_is_the_space_s_own_draw(stream):
    sampler = Sampler(space(), "random", 7, stream=stream)
    assert sampler.repeats
    seed = "7/a" if stream else "7"
    for number in (0, 5):
        found = sampler.propose(number, [])
        assert found.setting == space().sample_setting(rng(seed, number))
        assert (found.policy, found.system_attrs) == ("random", {})


def test_pairs_are_a_draw_and_it_with_another_value():
    sampler = Sampler(space(), "random", 7, flip="residual")
    draw = space().sample_setting(rng("7", 4))
    assert sampler.propose(4, []).setting == draw
    assert sampler.propose(5, []).setting == {**draw, "residual": not draw["residual"]}


def test_flips_that_are_infeasible_are_drawn_again_so_often():
    never = space(limits={"depth": {"min": 8}})
    with pytest.raises(ConfigError) as refused:
        Sampler(never, "random", 0, flip="stages.0.depth").propose(0, [])
    assert str(refused.value) == (
        "flip: of 1,000 random settings of pairs, none was feasible with another value of "
        "stages.0.depth; widen the limits"
    )


def test_a_flip_is_of_a_knob_of_the_space_that_has_two_values():
    for flip in ("depth", "stem.width"):
        with pytest.raises(ConfigError) as refused:
            check_flip(space(), "random", flip)
        assert str(refused.value).startswith(f"flip is '{flip}'; ")
    one = space(each_stage={"block": "basic", "residual": {"choice": [True]}})
    with pytest.raises(ConfigError, match=r"^flip: residual is .*; accepted: a knob with two"):
        check_flip(one, "random", "residual")


def test_two_values_can_be_flipped_and_samplers_are_named():
    check_flip(space(), "random", "residual")
    with pytest.raises(ConfigError) as refused:
        check_flip(space(), "qmc", "residual")
    assert str(refused.value) == (
        "flip pairs random settings, but sampler is qmc; accepted: random"
    )
    rates = space(training={"peak_lr": {"float": [0.1, 0.5]}})
    with pytest.raises(ConfigError) as refused:
        check_flip(rates, "random", "training.peak_lr")
    assert str(refused.value) == (
        f"flip: training.peak_lr is {rates.parameters['training.peak_lr']}; accepted: a knob with "
        "two values or more"
    )


def seed_of_points(seed):
    return int.from_bytes(hashlib.sha256(f"{seed}/-1".encode()).digest()[:4], "big")


def test_quasi_random_proposals_are_the_points_of_sobol_s_sequence():
    large = SearchSpace.load("resnext")
    sampler, trials = Sampler(large, "qmc", 3), []
    assert not sampler.repeats
    points = Sobol(len(large.parameters), scramble=True, seed=seed_of_points(3)).random(16)
    settings = [
        {
            path: domain.at(float(share))
            for (path, domain), share in zip(large.parameters.items(), point, strict=True)
        }
        for point in points
    ]
    for number in range(5):
        found = sampler.propose(number, trials)
        point = found.system_attrs[POINT]
        assert found.policy == "quasi_random"
        assert found.setting == settings[point]
        assert point >= number  # those that are infeasible are left out
        assert all(not is_feasible(large, one) for one in settings[last(trials) + 1 : point])
        trials.append(told(sampler, found, number, space_=large))
    # another driver goes on where the study is, and one whose proposal was not written repeats it
    again = Sampler(large, "qmc", 3)
    assert again.propose(5, trials) == sampler.propose(5, trials)
    assert sampler.propose(5, trials) == again.propose(5, trials)
    fresh = Sampler(large, "qmc", 3)
    assert fresh.propose(0, []).setting == fresh.propose(0, []).setting == trials[0].params


def last(trials):
    return trials[-1].system_attrs[POINT] if trials else -1


def is_feasible(space_, setting):
    try:
        space_.architecture(setting)
    except InfeasibleError:
        return False
    return True


def test_a_sequence_that_finds_nothing_new_goes_on_behind_what_was_refused(monkeypatch):
    """Three of four are tried: a point that gives the last one, or a draw after so many points."""
    monkeypatch.setattr(sampling, "REFUSED", 3)
    sampler, trials = Sampler(FOUR, "qmc", 0), []
    points = []
    for number in range(4):
        found = sampler.propose(number, trials)
        points.append(found.system_attrs[POINT])
        trials.append(told(sampler, found, number))
    assert points == sorted(set(points))
    assert len({tuple(t.params.values()) for t in trials}) == 4
    assert sampler.propose(4, trials) is None
    one, known = Sampler(FOUR, "qmc", 0), trials[0].params
    monkeypatch.setattr(one, "_is_new", lambda setting: False)
    monkeypatch.setattr(one, "_untried", lambda number, policy: sampling._Choice(known, policy))
    found = one.propose(0, [])
    assert (found.policy, found.system_attrs) == ("quasi_random", {POINT: 2})
    trials = [told(sampler, sampling._Choice(known, "", {POINT: 2}), 0)]
    assert one.propose(1, trials).system_attrs == {POINT: 5}


def test_a_guided_sampler_draws_at_random_until_eight_have_a_result():
    large = SearchSpace.load("resnext")
    sampler, trials = Sampler(large, "tpe", 3), []
    states = [TrialState.COMPLETE, TrialState.PRUNED] * 4
    extra = [TrialState.FAIL, TrialState.RUNNING]
    for number, state in enumerate([*extra, *states]):
        found = sampler.propose(number, trials)
        assert found.policy == "random"
        assert found.setting == large.sample_setting(rng("3", number))
        trials.append(told(sampler, found, number, state, large))
    assert sampler.propose(10, trials).policy == "guided"
    assert Sampler(large, "tpe", 3).propose(9, trials[:9]).policy == "random"


def test_after_the_first_draw_what_is_left_is_chosen_and_is_no_random_sample():
    sampler, trials = Sampler(FOUR, "tpe", 0), []
    policies = []
    for number in range(4):
        found = sampler.propose(number, trials)
        policies.append(found.policy)
        first = FOUR.sample_setting(rng("0", number))
        fresh = sampler.tried.training(first) not in sampler.tried
        assert (found.policy == "random") == fresh
        assert (found.setting == first) == fresh
        trials.append(told(sampler, found, number))
    assert sampler.propose(4, trials) is None
    assert sampler.exhausted(trials) == "all 4 networks of four have been tried"
    assert sampler.exhausted(trials[:3]) is not None  # a trial that was seen is not forgotten
    assert Sampler(FOUR, "tpe", 0).exhausted(trials[:3]) is None


def test_a_large_space_is_exhausted_when_a_thousand_draws_found_nothing_new(monkeypatch):
    large = SearchSpace.load("resnext")
    sampler, asked = Sampler(large, "tpe", 0), []
    monkeypatch.setattr(sampler, "_is_new", lambda setting: asked.append(setting))
    assert sampler.exhausted([]) == (
        "1,000 random draws of resnext in a row gave no network that has not been tried"
    )
    assert len(asked) == 1000
    draws = rng("0", 0)
    assert asked == [large.sample_setting(draws) for _ in range(1000)]


def test_things_to_try_are_networks_or_their_trainings():
    assert things(FOUR, 1) == "1 network"
    assert things(FOUR, 4096) == "4,096 networks"
    trained = SearchSpace.from_dict(
        {**FOUR.to_dict(), "training": {"peak_lr": {"choice": [0.1, 0.2]}}}
    )
    assert things(trained, 1) == "1 combination of network and training"
    assert things(trained, 8) == "8 combinations of network and training"
