import json
import math
import random
from collections import Counter
from copy import deepcopy
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import architectures

from nas import Architecture, cost
from nas.blocks import BLOCKS
from nas.errors import InfeasibleError, SpaceError
from nas.space import Choice, FloatRange, IntRange, SearchSpace

# The example of the design: every feature in one small file.
DESIGN = {
    "name": "resnext",
    "stem": {"kernel": 3, "stride": 1, "width": 16},
    "each_stage": {
        "block": "bottleneck",
        "depth": {"int": [1, 4]},
        "bottleneck": {"choice": [0.5, 1.0, 2.0]},
        "group_width": {"choice": [4, 8, 16]},
        "residual": {"choice": [True, False]},
    },
    "stages": [
        {"width": {"choice": [16, 32, 64]}, "stride": 1},
        {"width": {"choice": [32, 64, 128]}, "stride": 2},
        {"width": {"choice": [64, 128, 256]}, "stride": 2},
    ],
    "tie": ["bottleneck"],
    "order": {"width": "nondecreasing"},
    "limits": {"macs": {"max": "60M"}, "params": {"max": "2M"}},
    "training": {"peak_lr": {"float": [0.02, 0.5], "log": True}},
}


def design(**changes):
    return SearchSpace.from_dict(deepcopy(DESIGN) | changes)


def basic(*stages, **rest):
    """A space of basic blocks, depth 1 and width 8 where a stage says nothing."""
    shared = {"block": "basic", "depth": 1, "width": 8}
    return SearchSpace.from_dict(
        {"name": "basic", "stem": {"width": 8}, "each_stage": shared, "stages": stages, **rest}
    )


def enumerate_settings(space):
    """Every combination of values, feasible or not."""
    domains = {p: d for p, d in space.parameters.items() if not p.startswith("training.")}
    for row in product(*(domain.values for domain in domains.values())):
        yield dict(zip(domains, row, strict=True))


def feasible(space):
    """The networks of all feasible settings, one for each setting."""
    for setting in enumerate_settings(space):
        try:
            yield setting, space.architecture(setting)
        except InfeasibleError:
            continue


# --- parameters and networks ---


def test_parameters_are_the_paths_of_what_is_searched():
    space = design(stem={"width": {"choice": [8, 16]}})
    assert list(space.parameters) == [
        "stem.width",
        "bottleneck",
        *(f"stages.{i}.{key}" for i in range(3) for key in STAGE),
        "training.peak_lr",
    ]
    assert space.parameters["bottleneck"] == Choice((0.5, 1.0, 2.0))
    assert space.parameters["stages.2.depth"] == IntRange(1, 4)
    assert space.parameters["training.peak_lr"] == FloatRange(0.02, 0.5, log=True)


STAGE = ("depth", "width", "group_width", "residual")
SETTING = {
    "bottleneck": 0.5,
    **{f"stages.0.{key}": value for key, value in zip(STAGE, (1, 16, 4, True), strict=True)},
    **{f"stages.1.{key}": value for key, value in zip(STAGE, (2, 32, 16, False), strict=True)},
    **{f"stages.2.{key}": value for key, value in zip(STAGE, (1, 64, 16, True), strict=True)},
    "training.peak_lr": 0.1,
}
LARGE = {f"stages.{i}.{key}": value for i in (0, 1) for key, value in (("width", 64), ("depth", 4))}


def test_a_setting_stands_for_one_network():
    architecture = design().architecture(SETTING)
    assert architecture == Architecture.from_dict(
        {
            "stem": {"width": 16},
            "stages": [
                {"block": "bottleneck", "depth": 1, "width": 16, "groups": 2, "bottleneck": 0.5},
                {"block": "bottleneck", "depth": 2, "width": 32, "stride": 2, "groups": 1,
                 "bottleneck": 0.5, "residual": False},
                {"block": "bottleneck", "depth": 1, "width": 64, "stride": 2, "groups": 2,
                 "bottleneck": 0.5},
            ],
        }
    )  # fmt: skip
    assert design().training(SETTING) == {"peak_lr": 0.1}


def test_the_training_may_be_left_out_of_an_architecture_and_the_other_way_round():
    space = design()
    without = {path: value for path, value in SETTING.items() if path != "training.peak_lr"}
    assert space.architecture(without) == space.architecture(SETTING)
    assert space.training({"training.peak_lr": 0.1}) == {"peak_lr": 0.1}


def test_what_holds_for_all_networks_of_a_space_is_in_each():
    space = basic({}, conv_bias=True, shortcut_norm=False, preactivation=True)
    architecture = space.sample(0)
    assert architecture.conv_bias and architecture.preactivation and not architecture.shortcut_norm


def test_a_group_width_above_the_inner_width_means_one_group():
    space = SearchSpace.from_dict(
        {
            "name": "wide groups",
            "stem": {"width": 8},
            "stages": [{"block": "bottleneck", "depth": 1, "width": 8, "group_width": 32}],
        }
    )
    assert space.sample(0).stages[0].groups == 1


@pytest.mark.parametrize(
    ("changes", "kind", "expected"),
    [
        ({"stages.0.width": 33}, SpaceError, "stages.0.width is 33; accepted: 16, 32, 64"),
        ({"stages.0.width": True}, SpaceError, "stages.0.width is true"),
        ({"stages.0.depth": 5}, SpaceError, "whole numbers from 1 to 4"),
        ({"stages.0.residual": 1}, SpaceError, "stages.0.residual is 1; accepted: false, true"),
        ({"stages.0.widht": 16}, SpaceError, "did you mean stages.0.width?"),
        (
            {"stages.0.width": 64},
            InfeasibleError,
            "order.width is nondecreasing, but stages.0.width is 64 and stages.1.width is 32",
        ),
        (
            LARGE | {"bottleneck": 2},
            InfeasibleError,
            "limits.macs.max is 60,000,000 but this network has 97,153,930",
        ),
    ],
)
def test_a_setting_outside_the_space_is_refused(changes, kind, expected):
    with pytest.raises(kind) as error:
        design().architecture(SETTING | changes)
    assert type(error.value) is kind
    assert expected in str(error.value)


def test_a_missing_parameter_is_named_with_its_domain():
    for use, path in (("architecture", "bottleneck"), ("training", "training.peak_lr")):
        with pytest.raises(SpaceError, match=f"^{path} is missing from the setting; accepted: "):
            getattr(design(), use)({p: v for p, v in SETTING.items() if p != path})


def test_an_indivisible_width_is_infeasible_and_not_rounded():
    space = SearchSpace.from_dict(
        {
            "name": "groups",
            "stem": {"width": 8},
            "stages": [
                {
                    "block": "bottleneck",
                    "depth": 1,
                    "width": {"choice": [8, 12]},
                    "group_width": {"choice": [4, 8]},
                }
            ],
        }
    )
    assert space.size() == 3
    with pytest.raises(
        InfeasibleError,
        match=r"stages.0: inner width 12 \(width 12 × bottleneck 1.0\) is not divisible by "
        "group_width 8",
    ):
        space.architecture({"stages.0.width": 12, "stages.0.group_width": 8})


# --- what a stage inherits ---


def test_a_stage_overrides_what_each_stage_says():
    space = basic({"depth": 3}, {"width": {"choice": [8, 16]}})
    assert [stage.depth for stage in space.sample(0).stages] == [3, 1]
    assert list(space.parameters) == ["stages.1.width"]


def test_a_stages_groups_replace_the_group_width_of_each_stage():
    space = design(stages=[{"width": 64, "stride": 1, "groups": 4}, {"width": 64}])
    assert "stages.0.group_width" not in space.parameters
    assert "stages.1.group_width" in space.parameters
    assert space.sample(0).stages[0].groups == 4


def test_a_basic_stage_inherits_no_bottleneck():
    space = design(stages=[{"block": "basic", "width": 64}, {"width": 64}])
    assert space.sample(0).stages[0].block == "basic"
    assert "stages.0.group_width" not in space.parameters


# --- the canonical form ---


def test_the_canonical_form_is_plain_json_and_comes_back():
    space = design()
    text = json.dumps(space.to_dict())
    assert SearchSpace.from_dict(json.loads(text)) == space
    assert SearchSpace.from_dict(json.loads(text)).to_dict() == space.to_dict()
    assert space.to_dict()["limits"]["macs"] == {"max": 60_000_000}


def test_the_hash_is_that_of_what_is_searched():
    written_out = deepcopy(DESIGN)
    shared = written_out.pop("each_stage")
    written_out["stages"] = [shared | stage for stage in written_out["stages"]]
    written_out["stem"] = {"width": 16}
    written_out["limits"]["macs"] = {"max": 60_000_000}
    written_out["stages"][0]["width"] = {"choice": [64, 32, 16]}
    assert SearchSpace.from_dict(written_out).hash == design().hash
    assert design(name="another", description="words").hash == design().hash
    assert len({design(), SearchSpace.from_dict(written_out)}) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"tie": []},
        {"order": {}},
        {"limits": {}},
        {"training": {}},
        {"classes": 100},
        {"input_shape": [3, 32, 32]},
        {"preactivation": True},
        {"adjust": "pycls"},
        {"stem": {"width": 8}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_another_set_has_another_hash(changes):
    assert design(**changes).hash != design().hash
    assert design(**changes) != design()


def test_the_hash_is_the_same_on_every_machine():
    assert design().hash == "7ad72aacdb4ee99bd2b1eadae2e36074a2c22887d817e95ddebbdd8e41acc8b8"


# --- drawing ---


def test_a_seed_gives_the_same_networks_on_every_machine():
    space = design()
    assert [space.sample(seed).key[:16] for seed in (0, 1, 2)] == [
        "58f382bb54e8cb9e", "7eddcf33c68521cf", "f2b7eed9f68fb142",
    ]  # fmt: skip
    assert [space.sample(seed) for seed in range(9)] == [space.sample(seed) for seed in range(9)]


@pytest.mark.parametrize("seed", [-1, True, 1.5, "1"])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(SpaceError, match="accepted: a whole number of 0 or more"):
        design().sample(seed)


def test_every_feasible_setting_is_equally_likely():
    space = SearchSpace.from_dict(
        {
            "name": "small",
            "stem": {"width": {"choice": [4, 8]}},
            "each_stage": {
                "block": "bottleneck",
                "depth": {"int": [1, 2]},
                "width": {"choice": [8, 12, 16]},
                "bottleneck": {"choice": [0.5, 1]},
                "group_width": {"choice": [4, 8]},
            },
            "stages": [{}, {"stride": 2}],
            "tie": ["bottleneck"],
            "order": {"width": "nondecreasing", "depth": "nonincreasing"},
            "limits": {"params": {"min": 1000, "max": 2200}},
        }
    )
    inside = {tuple(setting.values()) for setting, _ in feasible(space)}
    assert 50 < len(inside) < space.size()  # the limits leave some out
    rng, draws = random.Random(0), 60 * len(inside)
    drawn = Counter(tuple(space.sample_setting(rng).values()) for _ in range(draws))
    assert set(drawn) == inside
    assert all(abs(count - 60) < 5 * math.sqrt(60) for count in drawn.values())


def test_a_tied_log_parameter_is_weighted_once():
    width = {"int": [1, 4], "log": True}
    space = basic({"width": width}, {"width": width}, {"width": width}, tie=["width"])
    rng, draws = random.Random(0), 25_000
    counts = Counter(space.sample_setting(rng)["width"] for _ in range(draws))
    for width in (1, 2, 3, 4):
        expected = draws * (1 / width) / (1 + 1 / 2 + 1 / 3 + 1 / 4)
        assert abs(counts[width] - expected) < 5 * math.sqrt(expected)
    assert space.size() == 4


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (
            {"macs": {"max": 1000}},
            "limits.macs.max is 1,000 but the smallest network has [0-9,]{7,}",
        ),
        (
            {"params": {"min": "1G"}},
            "limits.params.min is 1,000,000,000 but the largest network has [0-9,]{9,}",
        ),
        (
            {"depth": {"min": 13}},
            "limits.depth.min is 13 but the largest network has 12",
        ),
        (
            {"params": {"max": "30k"}, "macs": {"min": "50M"}},
            "among networks with params of 0 to 30,000, limits.macs.min is 50,000,000 but the "
            "largest of 2,000 sampled networks has [0-9,]{9,}",
        ),
    ],
    ids=["max", "min", "depth", "both"],
)
def test_a_space_that_its_limits_empty_says_which_and_how_far(limits, expected):
    space = design(limits=limits)
    with pytest.raises(SpaceError, match=f"^resnext: {expected}$"):
        space.sample(0)


def test_strides_that_leave_no_image_are_named():
    space = basic(*[{"stride": 2}] * 6)
    with pytest.raises(SpaceError, match=r"input_shape: .* stages.5 \(stride 2\) shrinks its 1×1"):
        space.sample(0)
    with pytest.raises(InfeasibleError, match=r"stages.5 \(stride 2\) shrinks its 1×1"):
        space.architecture({})


def test_limits_hold_for_the_images_of_the_space():
    small = basic({"width": {"choice": [8, 64]}}, limits={"macs": {"max": "2M"}})
    large = basic(
        {"width": {"choice": [8, 64]}},
        limits={"macs": {"max": "60M"}},
        input_shape=[3, 56, 56],
        classes=7,
    )
    assert {small.sample(seed).stages[0].width for seed in range(20)} == {8}
    assert {large.sample(seed).stages[0].width for seed in range(20)} == {8}
    measured = cost(large.sample(0), (3, 56, 56), 7)
    with pytest.raises(SpaceError, match=f"the smallest .* has {measured.macs:,}$"):
        large.with_limits({"macs": (None, measured.macs - 1)}).sample(0)


# --- tighter limits ---


def test_limits_only_tighten():
    space = design().with_limits({"params": (None, 100_000), "macs": (None, 10**12)})
    assert space.to_dict()["limits"] == {
        "params": {"max": 100_000},
        "macs": {"max": 60_000_000},
    }
    assert all(cost(space.sample(seed)).params <= 100_000 for seed in range(50))
    assert design().with_limits({}) == design()
    assert design().with_limits({"macs": (None, None), "depth": (None, None)}) == design()
    assert design().with_limits({"params": (None, 100_000)}).hash != design().hash


def test_a_band_is_of_any_measure_and_lies_inside_the_spaces_own():
    space = design().with_limits({"macs": ("4M", "8M"), "depth": (5, None)})
    assert space.to_dict()["limits"]["macs"] == {"min": 4_000_000, "max": 8_000_000}
    assert space.to_dict()["limits"]["depth"] == {"min": 5}
    for architecture in map(space.sample, range(30)):
        assert 4e6 <= cost(architecture).macs <= 8e6
        assert architecture.depth >= 5
    tighter = space.with_limits({"macs": ("1M", "6M")})
    assert tighter.to_dict()["limits"]["macs"] == {"min": 4_000_000, "max": 6_000_000}
    assert space.with_limits({"macs": ("4M", "8M")}) == space


@pytest.mark.parametrize(
    ("bands", "expected"),
    [
        ({"macs": (None, 1000)}, "macs from any to 1,000 is below limits.macs.min 5,000,000"),
        ({"macs": ("1G", None)}, "macs from 1,000,000,000 to any is above limits.macs.max 60,0"),
        ({"macs": (8, 4)}, "macs from 8 to 4: the least is above the most"),
        ({"mac": (4, 8)}, 'limits: unknown measure "mac"; did you mean macs\\? accepted: depth'),
        ({"params": ("4X", None)}, '"4X" is not a count'),
    ],
)
def test_a_band_that_leaves_nothing_is_refused(bands, expected):
    with pytest.raises(SpaceError, match=expected):
        design(limits={"macs": {"min": "5M", "max": "60M"}}).with_limits(bands)


# --- lineage ---


def test_the_lineage_of_a_space_is_kept_and_is_no_part_of_its_hash():
    parent = {"name": "wider", "hash": design(tie=[]).hash, "evidence": "a tie costs nothing"}
    child = design(parent=parent)
    assert child.hash == design().hash
    assert child.parent == parent
    assert SearchSpace.from_dict(json.loads(json.dumps(child.to_dict()))).parent == parent
    assert design().parent is None


# --- widths that pycls adjusts ---


def published_adjustment(width, b, group_width):
    """adjust_block_compatibility of pycls for one stage, transcribed; b is the multiplier."""
    v = int(max(1, width * b))
    g = int(min(group_width, v))
    m = np.lcm(g, int(b)) if b > 1 else g
    v = max(m, int(round(v / m) * m))
    width = int(v / b)
    assert width * b % g == 0
    return width, v, v // g


@given(st.integers(1, 1100), st.sampled_from([0.125, 0.25, 0.5, 1, 2, 3, 4]), st.integers(1, 64))
def test_widths_are_adjusted_as_published(width, bottleneck, group_width):
    stage = {"block": "bottleneck", "depth": 1, "width": width, "bottleneck": bottleneck}
    space = SearchSpace.from_dict(
        {
            "name": "adjusted",
            "stem": {"width": 8},
            "stages": [stage | {"group_width": group_width}],
            "adjust": "pycls",
        }
    )
    built = space.architecture({}).stages[0]
    expected = published_adjustment(width, bottleneck, group_width)
    assert (built.width, built.inner_width, built.groups) == expected


def test_most_draws_of_anynetx_are_adjusted():
    space, rng = SearchSpace.load("anynetx_a"), random.Random(0)
    settings = [space.sample_setting(rng) for _ in range(300)]
    drawn = [[setting[f"stages.{i}.width"] for i in range(4)] for setting in settings]
    built = [[one.width for one in space.architecture(setting).stages] for setting in settings]
    changed = sum(widths != others for widths, others in zip(drawn, built, strict=True))
    assert 0.5 * len(settings) < changed < 0.75 * len(settings)  # 62 % in the published sampler


def test_a_network_is_found_under_its_adjusted_widths():
    space = SearchSpace.load("anynetx_e")
    setting = space.sample_setting(random.Random(1))
    architecture = space.architecture(setting)
    again = space.find(architecture)
    assert space.architecture(again).key == architecture.key
    odd = replace(architecture.stages[0], width=4, groups=1)
    assert not space.contains(replace(architecture, stages=(odd, *architecture.stages[1:])))


def test_a_multiplier_that_leaves_no_whole_width_is_infeasible():
    stage = {"block": "bottleneck", "depth": 1, "width": 8, "bottleneck": 0.75, "group_width": 5}
    description = {"name": "x", "stem": {"width": 8}, "stages": [stage], "adjust": "pycls"}
    with pytest.raises(SpaceError, match=r"no width has an inner width of 5 with bottleneck 0\.75"):
        SearchSpace.from_dict(description)


# --- size and membership, against enumeration ---


@st.composite
def small_spaces(draw):
    """Descriptions of spaces with few settings, every rule possible."""
    sizes = st.lists(st.sampled_from([2, 3, 4, 6, 8]), min_size=1, max_size=2, unique=True)
    depths = st.lists(st.integers(1, 3), min_size=1, max_size=2, unique=True)
    multipliers = st.lists(st.sampled_from([0.5, 1, 1.5]), min_size=1, max_size=2, unique=True)
    grouping = draw(st.sampled_from(["groups", "group_width"]))

    def knob(values):
        return draw(values.map(lambda v: v[0] if len(v) == 1 else {"choice": v}))

    def stage(block):
        keys = {"block": block, "depth": knob(depths), "width": knob(sizes)}
        if draw(st.booleans()):
            keys["stride"] = {"choice": [1, 2]}
        taken = BLOCKS[block].keys
        if "residual" in taken and draw(st.booleans()):
            keys["residual"] = {"choice": [True, False]}
        if "bottleneck" in taken:
            keys["bottleneck"] = knob(multipliers)
        if "groups" in taken:
            keys[grouping] = knob(sizes)
        return keys

    blocks = draw(st.lists(st.sampled_from([*BLOCKS]), min_size=1, max_size=2))
    first = stage(blocks[0])
    stages = [first]
    for block in blocks[1:]:
        same = block == blocks[0] and draw(st.booleans())
        stages.append(dict(first) if same else stage(block))
    ordered = st.sampled_from(["depth", "width"])
    directions = st.sampled_from(["nondecreasing", "nonincreasing"])
    description = {
        "name": "small",
        "stem": {"width": draw(st.sampled_from([2, 4, {"choice": [2, 4]}]))},
        "stages": stages,
        "order": draw(st.dictionaries(ordered, directions)),
        "preactivation": draw(st.booleans()),
        "shortcut_norm": draw(st.booleans()),
    }
    tied = [
        key
        for key in ("depth", "width", "bottleneck", grouping)
        if isinstance(first.get(key), dict) and all(s.get(key) == first[key] for s in stages)
    ]
    return description | {"tie": [key for key in tied if draw(st.booleans())]}


def load_or_none(description):
    """The space, or None where its rules leave no setting."""
    try:
        return SearchSpace.from_dict(description)
    except SpaceError as error:
        assert "no setting" in str(error)
        return None


@settings(max_examples=120, deadline=None)
@given(small_spaces())
def test_the_size_is_that_of_an_enumeration(description):
    space = load_or_none(description)
    assert (space.size() if space else 0) == brute_force_size(description)


def brute_force_size(description):
    """Settings counted by the words of the rules alone, without any code of the space's."""
    stages, tie = description["stages"], description["tie"]

    def values(knob):
        return knob["choice"] if isinstance(knob, dict) else [knob]

    count = 0
    rows = [
        [dict(zip(stage, row, strict=True)) for row in product(*map(values, stage.values()))]
        for stage in stages
    ]
    for network in product(*rows):
        fits = all(len({stage[key] for stage in network if key in stage}) == 1 for key in tie)
        for key, word in description["order"].items():
            run = [stage[key] for stage in network]
            fits &= run == sorted(run, reverse=word == "nonincreasing")
        for stage in network:
            inner = round(stage["width"] * stage.get("bottleneck", 1))
            if "group_width" in stage:
                width = stage["group_width"]
                fits &= inner > 0 and (inner <= width or inner % width == 0)
            else:
                fits &= inner > 0 and inner % stage.get("groups", 1) == 0
        count += fits
    return count * len(values(description["stem"]["width"]))


@settings(max_examples=60, deadline=None)
@given(small_spaces(), st.randoms(use_true_random=False))
def test_a_space_contains_exactly_the_networks_of_its_settings(description, rng):
    space = load_or_none(description)
    if space is None:
        return
    networks = {architecture.key: architecture for _, architecture in feasible(space)}
    for architecture in rng.sample(list(networks.values()), min(15, len(networks))):
        assert space.contains(architecture)
        assert space.architecture(space.find(architecture)).key == architecture.key
    # the same stages without ties and orders, or of the other kind of network
    for changes in ({"tie": [], "order": {}}, {"preactivation": True}, {"shortcut_norm": True}):
        wider = load_or_none(description | changes)
        others = list(feasible(wider)) if wider else []
        for _, architecture in rng.sample(others, min(15, len(others))):
            assert space.contains(architecture) == (architecture.key in networks)


@settings(max_examples=100, deadline=None)
@given(architectures())
def test_the_space_of_one_network_contains_it(architecture):
    description = architecture.to_dict()
    for stage in description["stages"]:
        for key in BLOCKS[stage["block"]].lacks:
            del stage[key]
    space = SearchSpace.from_dict({"name": "one", "input_shape": [1, 999, 999], **description})
    assert space.size() == 1
    assert space.sample(0) == architecture
    assert space.contains(architecture)


def test_a_network_written_in_other_stages_is_contained():
    space = basic({"depth": {"int": [1, 3]}}, {"depth": {"int": [1, 3]}})
    block = {"block": "basic", "width": 8}
    for depths in ([6], [1, 5], [2, 2, 2]):
        stages = [block | {"depth": depth} for depth in depths]
        one = Architecture.from_dict({"stem": {"width": 8}, "stages": stages})
        assert space.contains(one)
    seven = Architecture.from_dict({"stem": {"width": 8}, "stages": [block | {"depth": 7}]})
    assert not space.contains(seven)


def test_a_tie_is_kept_where_one_stage_alone_would_take_another_value():
    # the inner width of 4 is 2 for every multiplier, that of 20 tells them apart
    space = SearchSpace.from_dict(
        {
            "name": "aliases",
            "stem": {"width": 8},
            "each_stage": {
                "block": "bottleneck",
                "depth": 1,
                "bottleneck": {"choice": [0.5, 0.55, 0.6]},
            },
            "stages": [{"width": 4}, {"width": 20}],
            "tie": ["bottleneck"],
        }
    )
    for bottleneck in (0.5, 0.55, 0.6):
        architecture = space.architecture({"bottleneck": bottleneck})
        assert space.find(architecture) == {"bottleneck": bottleneck}


@pytest.mark.parametrize(
    ("depths", "order", "blocks", "expected"),
    [
        ([[1, 2], [1, 2]], "nonincreasing", 3, [2, 1]),
        ([[1, 2], [2, 3], [2]], "nondecreasing", 6, [2, 2, 2]),
        ([[1, 2], [2, 3], [2, 5]], "nonincreasing", 6, [2, 2, 2]),
    ],
)
def test_an_order_decides_how_equal_blocks_are_shared_out(depths, order, blocks, expected):
    space = basic(*({"depth": {"choice": values}} for values in depths), order={"depth": order})
    stage = {"block": "basic", "width": 8, "depth": blocks}
    found = space.find(Architecture.from_dict({"stem": {"width": 8}, "stages": [stage]}))
    assert list(found.values()) == expected


def test_a_network_at_a_limit_is_inside_it():
    drawn = design(limits={}).sample(0)
    measured = cost(drawn).macs
    for limits, inside in (
        ({"max": measured}, True),
        ({"max": measured - 1}, False),
        ({"min": measured}, True),
        ({"min": measured + 1}, False),
    ):
        assert design(limits={"macs": limits}).contains(drawn) == inside


def test_a_network_outside_the_limits_is_not_contained():
    space, free = design(), design(limits={})
    drawn = [free.sample(seed) for seed in range(200)]
    inside = [one for one in drawn if cost(one).macs <= 60e6 and cost(one).params <= 2e6]
    assert 0 < len(inside) < len(drawn)
    assert [one for one in drawn if space.contains(one)] == inside


def test_a_large_space_is_counted_and_searched_at_once():
    # AnyNetX_D of "Designing Network Design Spaces": 128 widths, 16 depths, 4 stages
    space = SearchSpace.from_dict(
        {
            "name": "anynetx_d",
            "input_shape": [3, 224, 224],
            "stem": {"stride": 2, "width": 32},
            "each_stage": {
                "block": "bottleneck",
                "stride": 2,
                "depth": {"int": [1, 16]},
                "width": {"int": [8, 1024], "step": 8},
                "bottleneck": {"choice": [1, 0.5, 0.25]},
                "group_width": {"choice": [1, 2, 4, 8, 16, 32]},
            },
            "stages": [{}, {}, {}, {}],
            "tie": ["bottleneck", "group_width"],
            "order": {"width": "nondecreasing"},
        }
    )
    # for each b and group width g: widths that g divides, or whose inner width is at most g
    count = 0
    for b in (1, 0.5, 0.25):
        for g in (1, 2, 4, 8, 16, 32):
            inner = [width * b for width in range(8, 1025, 8)]
            n = sum(one <= g or one % g == 0 for one in inner)
            count += math.comb(n + 3, 4) * 16**4
    assert space.size() == count
    assert space.contains(space.sample(0))


# --- spaces and the images of a data set ---

IMAGES = {
    "name": "of images",
    "stem": {"width": 4},
    "stages": [{"block": "basic", "depth": 1, "width": {"choice": [4, 8]}, "stride": 2}],
}


def test_what_a_space_leaves_out_is_the_data_sets():
    space = SearchSpace.from_dict(IMAGES)
    assert space.says_images == (False, False)
    of_digits = space.for_images((1, 8, 8), 12, "digits")
    assert (of_digits.input_shape, of_digits.num_classes) == ((1, 8, 8), 12)
    assert of_digits.hash != space.hash
    assert of_digits.says_images == (True, True)  # from now on
    assert space.for_images((1, 28, 28), 10, "Fashion-MNIST") is space
    assert space.with_limits({"macs": (None, "1M")}).says_images == (False, False)


def test_what_a_space_says_of_its_images_is_binding():
    space = SearchSpace.from_dict({**IMAGES, "input_shape": [3, 32, 32]})
    assert space.says_images == (True, False)
    assert space.for_images((3, 32, 32), 100, "CIFAR-100").num_classes == 100
    with pytest.raises(SpaceError) as refused:
        space.for_images((1, 8, 8), 10, "Digits")
    assert str(refused.value) == (
        "of images says input_shape: [3, 32, 32], but Digits has [1, 8, 8]; accepted: that, or a "
        "space file without input_shape"
    )
    stored = SearchSpace.from_dict(SearchSpace.from_dict(IMAGES).to_dict())
    assert stored.says_images == (True, True)
    with pytest.raises(SpaceError, match="of images says classes: 10, but CIFAR-100 has 100"):
        stored.for_images((1, 28, 28), 100, "CIFAR-100")


def test_a_network_that_no_setting_gives_is_refused_with_the_first_part_that_differs():
    stage = {"block": "basic", "depth": {"int": [1, 2]}, "width": 8}
    space = SearchSpace.from_dict({"name": "x", "stem": {"width": 8}, "stages": [stage]})
    network = space.sample(0)
    assert space.locate(network) == {"stages.0.depth": network.stages[0].depth}
    stem = replace(network.stem, kernel=7, stride=2)
    for other, said in (
        (replace(network, stem=stem), "its stem.kernel is 7, not 3"),
        (replace(network, conv_bias=True), "its conv_bias is true, not false"),
        (replace(network, stages=network.stages * 2), "no setting of x has its stages"),
    ):
        with pytest.raises(SpaceError) as refused:
            space.locate(other)
        assert str(refused.value) == said
