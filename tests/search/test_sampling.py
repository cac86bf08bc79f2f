"""What is proposed, before anything is trained."""

from collections import Counter

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from nas.errors import ConfigError
from nas.search.mirror import Axis, distribution
from nas.search.sampling import Sampler, check_flip
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
