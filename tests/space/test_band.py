"""Draws under narrow limits: their distribution against full enumeration, and what they refuse."""

import random
from collections import Counter
from fractions import Fraction
from itertools import pairwise, product
from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from nas import cost
from nas.errors import InfeasibleError, SpaceError
from nas.space import SearchSpace, available

# Each has the rules of one kind, few enough settings to enumerate, and parameters on a log scale.
ADJUSTED = {
    "stem": {"width": {"choice": [8, 12]}},
    "each_stage": {
        "block": "bottleneck",
        "depth": {"int": [1, 3], "log": True},
        "width": {"int": [8, 32], "step": 8, "log": True},
        "bottleneck": {"choice": [0.5, 1]},
        "group_width": {"choice": [4, 12]},
    },
    "stages": [{}, {"stride": 2}, {"stride": 2}],
    "tie": ["bottleneck", "group_width"],
    "order": {"width": "nondecreasing", "depth": "nondecreasing"},
    "adjust": "pycls",
}
FREE = {
    "stem": {"width": 8, "pool": {"choice": [True, False]}},
    "each_stage": {
        "block": "basic",
        "depth": {"int": [1, 3]},
        "width": {"choice": [8, 12, 16]},
        "stride": {"choice": [1, 2]},
        "residual": {"choice": [True, False]},
    },
    "stages": [{}, {}],
    "order": {"depth": "nonincreasing"},
    "conv_bias": True,
}
MIXED = {
    "stem": {"width": 16},
    "each_stage": {
        "depth": {"int": [1, 4], "log": True},
        "width": {"choice": [8, 16, 24]},
        "group_width": {"choice": [4, 8]},
        "bottleneck": {"choice": [0.5, 1]},
    },
    "stages": [{"block": "bottleneck"}, {"block": "basic"}, {"block": "bottleneck", "stride": 2}],
    "tie": ["bottleneck"],
    "order": {"group_width": "nonincreasing", "width": "nondecreasing"},
    "preactivation": True,
}
SPACES = {"adjusted": ADJUSTED, "free": FREE, "mixed": MIXED}


def space_of(description, **limits):
    return SearchSpace.from_dict({"name": "small", **description, "limits": limits})


def weights_and_amounts(space, measure):
    """The weight and the amount of each setting, by enumeration."""
    domains = space.parameters
    for row in product(*(zip(d.values, d.weights, strict=True) for d in domains.values())):
        setting = {path: value for path, (value, _) in zip(domains, row, strict=True)}
        try:
            architecture = space.architecture(setting)
        except InfeasibleError:
            continue
        measured = cost(architecture, space.input_shape, space.num_classes)
        amount = architecture.depth if measure == "depth" else getattr(measured, measure)
        whole = prod(sum(domain.weights) for domain in domains.values())
        yield setting, Fraction(prod(weight for _, weight in row), whole), amount


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("measure", ["macs", "params", "activations"])
def test_draws_in_a_narrow_band_have_the_distribution_of_an_enumeration(name, measure):
    free = space_of(SPACES[name])
    everything = sorted(weights_and_amounts(free, measure), key=lambda one: one[2])
    middle = len(everything) // 3
    least, most = everything[middle][2], everything[middle + len(everything) // 40][2]
    inside = [(s, weight) for s, weight, amount in everything if least <= amount <= most]
    assert len(inside) > 8
    space = space_of(SPACES[name], **{measure: {"min": least, "max": most}})
    assert space.sampler == "exact"
    rng, draws = random.Random(1), 40 * len(inside)
    drawn = Counter(tuple(space.sample_setting(rng).values()) for _ in range(draws))
    assert set(drawn) <= {tuple(setting.values()) for setting, _ in inside}
    whole = sum(weight for _, weight in inside)
    expected = [float(draws * weight / whole) for _, weight in inside]
    observed = [drawn[tuple(setting.values())] for setting, _ in inside]
    assert chisquare(observed, expected).pvalue > 1e-4


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(sorted(SPACES)), st.data())
def test_the_mass_of_a_band_is_that_of_an_enumeration(name, data):
    space = space_of(SPACES[name])
    everything = ENUMERATED[name]
    depths = [depth for _, _, depth in everything]
    least = data.draw(st.integers(min(depths), max(depths)))
    most = data.draw(st.integers(least, max(depths)))
    narrow = space._cost_graph(space._body.sequences, "depth")
    assert narrow.extremes() == (min(depths), max(depths))
    # depths are counted one by one, so that nothing is rounded
    part = narrow.band(least, most).mass / narrow.band(0, max(depths)).mass
    weight = sum(w for _, w, depth in everything if least <= depth <= most)
    assert part == pytest.approx(float(weight / sum(w for _, w, _ in everything)), rel=1e-12)


ENUMERATED = {name: list(weights_and_amounts(space_of(SPACES[name]), "depth")) for name in SPACES}


@pytest.mark.parametrize("name", ["anynetx_a", "anynetx_d_28", "resnext_b"])
def test_draws_in_a_narrow_band_keep_every_rule(name):
    least, most = (3_900_000, 4_000_000) if name.endswith("_28") else (380 * 10**6, 400 * 10**6)
    space = SearchSpace.load(name).with_limits({"macs": (least, most), "depth": (None, 20)})
    assert space.sampler == "exact"
    rng = random.Random(0)
    for _ in range(100):
        setting = space.sample_setting(rng)
        assert list(setting) == list(space.parameters)
        architecture = space.architecture(setting)  # refuses what breaks a rule
        assert least <= cost(architecture, space.input_shape, space.num_classes).macs <= most
        assert architecture.depth <= 20


def test_equal_spaces_draw_alike():
    limits = {"macs": ("7M", "7200k")}
    spaces = [SearchSpace.load("anynetx_c_28").with_limits(limits) for _ in range(2)]
    assert spaces[0].sampler == "exact"
    assert [spaces[0].sample(seed) for seed in range(5)] == [
        spaces[1].sample(seed) for seed in range(5)
    ]


@pytest.mark.parametrize("name", [name for name in available() if name.startswith("res")])
def test_a_space_with_room_inside_its_limits_is_sampled_by_rejection(name):
    assert SearchSpace.load(name).sampler == "rejection"


def test_a_space_too_large_for_arrays_is_sampled_by_rejection():
    wide = {"block": "basic", "depth": {"int": [1, 64]}, "width": {"int": [1, 5000]}}
    space = SearchSpace.from_dict(
        {
            "name": "large",
            "stem": {"width": 8},
            "stages": [wide],
            "limits": {"params": {"min": "1G", "max": "1100M"}},
        }
    )
    assert space.sampler == "rejection"
    assert 10**9 <= cost(space.sample(0)).params <= 1.1 * 10**9


def test_an_empty_gap_is_proven_and_its_neighbours_are_named():
    space = space_of(ADJUSTED)
    amounts = sorted({amount for _, _, amount in weights_and_amounts(space, "params")})
    low, high = max(pairwise(amounts), key=lambda two: two[1] - two[0])
    space = space_of(ADJUSTED, params={"min": low + 1, "max": high - 1})
    with pytest.raises(SpaceError, match=f"small: .*params.*({low:,}|{high:,})") as error:
        space.sample(0)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("measure", ["params", "macs", "activations", "depth"])
def test_limits_out_of_reach_are_told_with_the_nearest_network(measure):
    amounts = [amount for *_, amount in weights_and_amounts(space_of(MIXED), measure)]
    for bounds, said in (
        ({"max": min(amounts) - 1}, f"the smallest network has {min(amounts):,}"),
        ({"min": max(amounts) + 1}, f"the largest network has {max(amounts):,}"),
    ):
        with pytest.raises(SpaceError, match=said):
            space_of(MIXED, **{measure: bounds}).sample(0)
