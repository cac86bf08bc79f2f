"""RegNet's rule against its transcription from pycls, the published networks, and enumeration."""

import random
from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from nas import cost, preset
from nas.errors import InfeasibleError, SpaceError
from nas.space import SearchSpace


def space_of(**rule):
    return SearchSpace.from_dict(
        {"name": "small", "input_shape": [1, 600, 600], "stem": {"width": 8}, "regnet": rule}
    )


SMALL = {
    "depth": {"int": [2, 12], "log": True},
    "w_0": {"int": [8, 32], "step": 8, "log": True},
    "w_a": {"float": [4, 24], "step": 4},
    "w_m": {"choice": [1.5, 1.69, 2, 2.25]},  # 1.5² is 2.25, so there are ties
    "group_width": {"choice": [4, 16]},
    "strides": [1, 2, 2],
}


def published(depth, w_0, w_a, w_m):
    """generate_regnet of pycls, transcribed: widths and depths of stages, and how many at most."""
    widths = np.arange(depth) * w_a + w_0
    # two digits less than a double has: pycls leaves ties to rounding errors
    steps = np.round(np.round(np.log(widths / w_0) / np.log(w_m), 12))
    rounded = np.round(np.divide(w_0 * np.power(w_m, steps), 8)) * 8
    found, depths = np.unique(rounded.astype(int), return_counts=True)
    return found.tolist(), depths.tolist(), int(steps.max()) + 1


def enumerated(space):
    domains = space.parameters
    for row in product(*(domain.values for domain in domains.values())):
        setting = dict(zip(domains, row, strict=True))
        try:
            yield setting, space.architecture(setting)
        except InfeasibleError:
            continue


@pytest.mark.parametrize(
    ("name", "point", "params", "macs"),
    [
        ("regnetx_200mf", (13, 24, 36.44, 2.49, 8), 2_684_792, 199_040_872),
        ("regnetx_400mf", (22, 24, 24.48, 2.54, 16), 5_157_512, 397_678_568),
    ],
)
def test_the_published_networks_come_out_to_the_unit(name, point, params, macs):
    space = SearchSpace.load("regnetx")
    keys = ("depth", "w_0", "w_a", "w_m", "group_width")
    architecture = space.architecture(dict(zip(keys, point, strict=True)) | {"bottleneck": 1})
    assert architecture.key == preset(name).key
    measured = cost(architecture, (3, 224, 224), 1000)
    assert (measured.params, measured.macs) == (params, macs)
    found = space.find(architecture)
    assert space.architecture(found).key == architecture.key


@settings(max_examples=100, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 12),
    st.integers(1, 400),
    st.integers(150, 300),
)
def test_a_plan_is_the_published_one_or_infeasible(depth, eighths, tenths, hundredths):
    w_0, w_a, w_m = 8 * eighths, tenths / 10, hundredths / 100
    rule = {"depth": depth, "w_0": w_0, "w_a": w_a, "w_m": w_m, "group_width": 8}
    widths, depths, most = published(depth, w_0, w_a, w_m)
    if len(widths) == most and 1 < most < 9:
        stages = space_of(**rule, strides=[2] * most).sample(0).stages
        assert [(stage.width, stage.depth) for stage in stages] == list(
            zip(widths, depths, strict=True)
        )
        assert all(stage.inner_width // stage.groups == 8 for stage in stages)
    for stages in {2, 4} - {most if len(widths) == most else 0}:
        with pytest.raises(SpaceError, match="regnet: no setting has a plan of"):
            space_of(**rule, strides=[2] * stages)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"strides": [2, 2]},
        {"strides": [2, 2, 2, 2], "depth": {"int": [4, 20]}},
        {"depth": 7},
        {"w_m": {"float": [1.1, 3], "step": 0.1}, "w_a": {"float": [5, 60], "step": 5}},
    ],
    ids=str,
)
def test_the_size_is_that_of_an_enumeration(changes):
    space = space_of(**SMALL | changes)
    assert space.size() == sum(1 for _ in enumerated(space)) > 0


def test_every_plan_that_counts_is_as_likely_as_its_weight():
    space = space_of(**SMALL)
    weights = {
        path: dict(zip(d.values, d.weights, strict=True)) for path, d in space.parameters.items()
    }
    inside = [setting for setting, _ in enumerated(space)]
    weight = [np.prod([float(weights[path][v]) for path, v in s.items()]) for s in inside]
    rng, draws = random.Random(0), 15 * len(inside)
    drawn = Counter(tuple(space.sample_setting(rng).values()) for _ in range(draws))
    assert set(drawn) <= {tuple(setting.values()) for setting in inside}
    observed = [drawn[tuple(setting.values())] for setting in inside]
    assert chisquare(observed, draws * np.array(weight) / sum(weight)).pvalue > 1e-4


def test_a_space_contains_the_networks_of_its_settings_and_no_others():
    space = space_of(**SMALL)
    networks = {architecture.key: architecture for _, architecture in enumerated(space)}
    for architecture in random.Random(0).sample(list(networks.values()), 60):
        assert space.architecture(space.find(architecture)).key == architecture.key
    wider = space_of(**SMALL | {"depth": {"int": [2, 16]}, "w_0": {"int": [8, 64], "step": 8}})
    others = [architecture for _, architecture in enumerated(wider)]
    for architecture in random.Random(1).sample(others, 60):
        assert space.contains(architecture) == (architecture.key in networks)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"w_m": 1}, "regnet.w_m: accepted are numbers above 1"),
        ({"bottleneck": 0.75}, "regnet.bottleneck: 0.75 is not 1, 2, 3"),
        ({"strides": [2, 1]}, "a stage after the first has a stride of 2 or more"),
        ({"strides": [2]}, "for two stages or more"),
        ({"depth": 2}, "regnet: no setting has a plan of 3 stages"),
        ({"w_b": 2}, 'regnet: unknown key "w_b"; did you mean w_'),
    ],
)
def test_a_rule_with_a_mistake_is_refused(changes, said):
    with pytest.raises(SpaceError, match=said):
        space_of(**SMALL | changes)


@pytest.mark.parametrize("key", ["stages", "each_stage", "tie", "order", "adjust"])
def test_a_rule_and_stages_cannot_go_together(key):
    value = {
        "stages": [{}],
        "each_stage": {"depth": 2},
        "tie": ["depth"],
        "order": {"depth": "nondecreasing"},
        "adjust": "pycls",
    }[key]
    with pytest.raises(SpaceError, match=f"{key} and regnet cannot go together"):
        SearchSpace.from_dict({"name": "x", "stem": {"width": 8}, "regnet": SMALL, key: value})


def test_limits_and_lineage_hold_for_a_rule_too():
    space = SearchSpace.load("regnetx_28").with_limits({"macs": ("4M", "8M")})
    assert space.sampler == "rejection"
    for architecture in map(space.sample, range(20)):
        assert 4e6 <= cost(architecture).macs <= 8e6
        assert architecture.depth <= 24
