"""A document with nothing left out: what a stage inherits, and rules that no stage can follow."""

import pytest

from nas.errors import SpaceError
from nas.space import SearchSpace


def space(*stages, **rest):
    return SearchSpace.from_dict(
        {"name": "x", "stem": {"width": 8}, "stages": list(stages), **rest}
    )


def refusal(*stages, **rest):
    with pytest.raises(SpaceError) as error:
        space(*stages, **rest)
    return str(error.value).removeprefix("space: ")


BASIC = {"block": "basic", "depth": 1, "width": 8}
WIDE = {"block": "bottleneck", "depth": 1, "width": 8}


def test_defaults_are_written_out_by_block():
    assert space(BASIC, WIDE).to_dict()["stages"] == [
        {"block": "basic", "depth": 1, "width": 8, "stride": 1, "residual": True},
        {
            "block": "bottleneck", "depth": 1, "width": 8, "stride": 1, "groups": 1,
            "bottleneck": 1.0, "residual": True,
        },
    ]  # fmt: skip
    grouped = space({**WIDE, "group_width": 4}).to_dict()["stages"][0]
    assert (grouped["group_width"], "groups" in grouped) == (4, False)
    assert list(space(WIDE).to_dict()["stages"][0]) == [
        "block", "depth", "width", "stride", "groups", "bottleneck", "residual"
    ]  # fmt: skip


def test_a_stage_takes_its_own_before_what_all_have_before_the_defaults():
    shared = {"block": "bottleneck", "depth": 2, "stride": 2, "group_width": 8, "bottleneck": 0.5}
    found = space(
        {"width": 8}, {"width": 16, "stride": 1, "groups": 2}, {"width": 8, "group_width": 4},
        {"width": 8, "block": "basic"}, each_stage=shared,
    ).to_dict()  # fmt: skip
    first, second, third, fourth = found["stages"]
    assert "each_stage" not in found
    assert (first["depth"], first["stride"], first["group_width"]) == (2, 2, 8)
    assert (second["stride"], second["groups"], "group_width" in second) == (1, 2, False)
    assert (third["group_width"], "groups" in third) == (4, False)
    assert {"bottleneck", "group_width", "groups"}.isdisjoint(fourth)
    both = space({"group_width": 4}, {}, each_stage={**WIDE, "groups": 2}).to_dict()["stages"]
    assert ["groups" in stage for stage in both] == [False, True]


@pytest.mark.parametrize(
    ("stages", "rest", "message"),
    [
        ([], {"stages": []}, "stages"),
        ([{"depth": 1, "width": 8}], {},
         "stages.0.block is missing; give it there or in each_stage"),
        ([BASIC, {"block": "basic", "width": 8}], {},
         "stages.1.depth is missing; give it there or in each_stage"),
        ([{"block": "basic", "depth": 8}], {},
         "stages.0.width is missing; give it there or in each_stage"),
        ([{**WIDE, "groups": 1, "group_width": 4}], {},
         "stages.0 has both groups and group_width; accepted: one of them"),
        ([WIDE], {"each_stage": {"groups": 1, "group_width": 4}},
         "each_stage has both groups and group_width; accepted: one of them"),
        ([BASIC, {**BASIC, "groups": 2}], {},
         "stages.1.groups: a basic block has none; leave it out"),
        ([{**BASIC, "group_width": 2}], {},
         "stages.0.group_width: a basic block has none; leave it out"),
        ([{**BASIC, "bottleneck": 2}], {},
         "stages.0.bottleneck: a basic block has none; leave it out"),
        ([BASIC], {"each_stage": {"bottleneck": 0.5}},
         "each_stage.bottleneck: no stage takes it; leave it out, or use a block that does: "
         "bottleneck"),
        ([BASIC], {"tie": ["width"]},
         "tie: width is fixed in all stages, so there is nothing to tie"),
        ([BASIC], {"tie": ["groups"]},
         "tie: no stage has groups; accepted: depth, width, stride, residual"),
        ([{**BASIC, "depth": {"int": [1, 2]}}, BASIC, {**BASIC, "depth": 2}], {"tie": ["depth"]},
         'tie: depth is {"int": [1, 2]} in stages.0 and 1 in stages.1; a tied key has one domain'),
        ([BASIC], {"order": {"groups": "nondecreasing"}},
         "order: no stage has groups; accepted: depth, width"),
        ([BASIC], {"adjust": "pycls"},
         "adjust: pycls makes widths divisible by group_width, which no stage has; leave adjust "
         "out"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_hold_is_said_at_its_place(stages, rest, message):
    assert refusal(*stages, **rest).startswith(message)


def test_ties_and_orders_may_be_of_stages_that_have_the_key():
    depth = {"depth": {"int": [1, 2]}}
    mixed = space({**WIDE, "bottleneck": {"choice": [0.5, 1]}, **depth}, {**BASIC, **depth},
                  {**WIDE, "bottleneck": {"choice": [0.5, 1]}, **depth},
                  tie=["bottleneck", "depth"])  # fmt: skip
    assert mixed.to_dict()["tie"] == ["depth", "bottleneck"]  # in the order of the keys
    assert list(mixed.parameters) == ["depth", "bottleneck"]
    adjusted = space({**WIDE, "group_width": 4}, BASIC, adjust="pycls")
    assert adjusted.to_dict()["adjust"] == "pycls"


def test_what_is_empty_says_nothing():
    found = space(BASIC, tie=[], order={}, limits={}, training={}).to_dict()
    assert {"tie", "order", "limits", "training", "each_stage"}.isdisjoint(found)


REGNET = {
    "depth": {"int": [4, 8]},
    "w_0": {"int": [8, 32], "step": 8},
    "w_a": {"float": [8, 16], "step": 1},
    "w_m": {"float": [2, 3], "step": 0.25},
    "group_width": {"choice": [4, 8]},
    "strides": [1, 2],
}


def regnet(**changes):
    rest = {key: changes.pop(key) for key in ("tie", "order", "adjust", "stages") if key in changes}
    return {"name": "x", "stem": {"width": 8}, "regnet": {**REGNET, **changes}, **rest}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stages": [BASIC]}, "stages and regnet cannot go together; accepted: one of them"),
        ({"tie": ["depth"]}, "tie and regnet cannot go together; accepted: one of them"),
        ({"order": {"width": "nondecreasing"}}, "order and regnet cannot go together"),
        ({"adjust": "pycls"}, "adjust and regnet cannot go together"),
        ({"w_m": {"float": [1, 3], "step": 0.5}}, "regnet.w_m: accepted are numbers above 1"),
        ({"bottleneck": 0.4}, "regnet.bottleneck: 0.4 is not 1, 2, 3, … or 1/2, 1/3, …"),
        ({"bottleneck": {"choice": [0.5, 1.5]}}, "regnet.bottleneck: 1.5 is not 1, 2, 3, …"),
    ],
)
def test_a_rule_of_widths_stands_alone_and_within_its_bounds(changes, message):
    with pytest.raises(SpaceError) as error:
        SearchSpace.from_dict(regnet(**changes))
    assert str(error.value).removeprefix("space: ").startswith(message)


@pytest.mark.parametrize("bottleneck", [1, 2, 0.5, 1 / 3, 0.25])
def test_whole_numbers_and_their_inverses_are_bottlenecks_of_a_rule(bottleneck):
    space = SearchSpace.from_dict(regnet(bottleneck=bottleneck, tie=[], order={}, w_m=1.5))
    assert space.to_dict()["regnet"]["bottleneck"] == bottleneck
