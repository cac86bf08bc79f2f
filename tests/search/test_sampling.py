"""What is proposed, before anything is trained."""

from collections import Counter

import pytest
from optuna.distributions import FloatDistribution, IntDistribution

from nas.errors import ConfigError
from nas.search.mirror import distribution
from nas.search.sampling import Sampler, check_flip
from nas.space import FloatRange, IntRange, SearchSpace


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
