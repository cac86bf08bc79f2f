"""What holds for the specification of every block, and what a new one may be."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import stages

from nas import SearchSpace, Stage, cost
from nas.architecture import Architecture, Stem
from nas.blocks import BLOCKS, NEUTRAL, BlockSpec
from nas.errors import ArchitectureError, SpaceError
from nas.report.drawing import draw
from nas.space.file.schema import json_schema


def _halves(stage, in_width, in_pixels, pixels):
    return [(in_width * stage.width // 2, in_width, stage.width, pixels)]


def _even(stage):
    return None if stage.width % 2 == 0 else f"width {stage.width} is odd"


THIRD = BlockSpec(
    name="third",
    layers="half a 1×1",
    keys={"bottleneck": 6.0},
    convolutions=_halves,
    module="nas.network.third:Third",
    colour="#123456",
    check=_even,
)


@pytest.fixture
def third(monkeypatch):
    """A third block for one test: even widths, a default of its own, no groups, not residual."""
    monkeypatch.setitem(BLOCKS, "third", THIRD)


# --- every block of the registry ---


def test_blocks_are_found_by_their_names():
    assert {name: spec.name for name, spec in BLOCKS.items()} == {name: name for name in BLOCKS}
    assert list(BLOCKS) == sorted(BLOCKS) and {"basic", "bottleneck"} <= BLOCKS.keys()


def test_no_two_blocks_are_drawn_in_one_colour():
    assert len({spec.colour.lower() for spec in BLOCKS.values()}) == len(BLOCKS)


@given(stages(), st.integers(1, 3), st.integers(1, 50))
def test_convolutions_of_a_block_are_linear_in_the_width_of_its_input(stage, step, start):
    convolutions = BLOCKS[stage.block].convolutions
    behind = [convolutions(stage, start + step * i, 64, 16) for i in range(4)]
    for rows in zip(*behind, strict=True):
        for numbers in zip(*rows, strict=True):
            assert len({after - before for before, after in pairwise(numbers)}) == 1


@given(stages())
def test_a_stage_that_says_nothing_has_what_its_block_says(stage):
    spec = BLOCKS[stage.block]
    try:
        short = Stage(stage.block, 1, stage.width)
    except ArchitectureError:  # a width that the block's own groups do not divide
        return
    for key, neutral in NEUTRAL.items():
        assert getattr(short, key) == spec.keys.get(key, neutral)


@pytest.mark.parametrize("block", BLOCKS)
def test_editors_of_space_files_are_told_of_every_block(block):
    told = json_schema()["$defs"]["StagePart"]["properties"]["block"]
    assert block in told["enum"]
    assert f"{block}: {BLOCKS[block].layers}" in told["description"]


def test_a_key_that_no_stage_has_is_refused_in_a_specification():
    with pytest.raises(AssertionError, match="keys are groups, bottleneck, residual"):
        replace(THIRD, keys={"kernel": 3})


# --- a third block ---


@pytest.mark.parametrize("block", ["third", "Basic", None, 3, ["basic"], {}])
def test_a_block_that_is_not_registered_is_refused(block):
    with pytest.raises(ArchitectureError, match=r"^unknown block .*accepted: basic, bottleneck"):
        Stage(block, 1, 8)


def test_a_third_block_has_its_own_defaults_cost_words_and_colour(third):
    stage = Stage("third", 3, 8)
    assert (stage.groups, stage.bottleneck, stage.residual) == (1, 6.0, False)
    assert str(stage) == "3 × third 8, inner 48"
    network = Architecture(Stem(4), (stage,))
    inner = 4 * 8 // 2 + 2 * 8 + 2 * (8 * 8 // 2 + 2 * 8)
    assert cost(network).params == (9 * 4 + 2 * 4) + inner + (8 + 1) * 10
    drawn = draw(network)
    assert (
        "inner 48 (× 6)" in drawn
        and "residual<" not in drawn
        and "group" not in drawn.split("</title>")[1].split("height: resolution")[0]
    )
    assert drawn.count("fill='#123456'") == 3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"width": 7}, "width 7 is odd"),
        (
            {"groups": 2},
            "a third block has no groups and no residual; leave groups out, or use a block that "
            "takes it: bottleneck",
        ),
        ({"residual": True}, "a third block has no groups and no residual; leave residual out"),
        ({"bottleneck": None}, "bottleneck is None, not a number"),
    ],
)
def test_what_a_third_block_cannot_be_is_refused(third, values, message):
    with pytest.raises(ArchitectureError, match=f"^stage: {message}"):
        Stage(**{"block": "third", "depth": 1, "width": 8} | values)


def space(**keys):
    stage = {"block": "third", "depth": {"int": [1, 2]}, "width": {"int": [5, 8]}}
    return SearchSpace.from_dict(
        {"name": "a", "stem": {"width": 4}, "stages": [stage | keys, stage]}
    )


def test_a_space_has_only_what_a_third_block_can_be(third):
    assert space().size() == (2 * 2) ** 2  # width 6 or 8, depth 1 or 2
    assert space().sample(0).stages[0].bottleneck == 6.0
    for seed in range(20):
        network = space().sample(seed)
        assert space().architecture(space().find(network)).key == network.key


@pytest.mark.parametrize("key", ["groups", "group_width", "residual"])
def test_a_key_that_a_third_block_does_not_take_is_refused_in_a_space_file(third, key):
    value = key == "residual" or 2
    with pytest.raises(SpaceError, match=rf"stages\.0\.{key}: a third block has none"):
        space(**{key: value})


def test_a_third_block_inherits_no_key_that_it_does_not_take(third):
    each = {"groups": 2, "residual": True, "depth": 1, "width": 8}
    described = {"name": "a", "stem": {"width": 4}, "each_stage": each}
    both = SearchSpace.from_dict(
        described | {"stages": [{"block": "third"}, {"block": "bottleneck"}]}
    )
    assert [(s.groups, s.residual) for s in both.sample(0).stages] == [(1, False), (2, True)]
    with pytest.raises(
        SpaceError, match=r"each_stage\.groups: no stage takes it.* that does: bottleneck$"
    ):
        SearchSpace.from_dict(described | {"stages": [{"block": "third"}, {"block": "basic"}]})


def test_bands_of_a_third_block_hold_the_networks_within_them_alone(third):
    limited = SearchSpace.from_dict(
        {
            "name": "a",
            "stem": {"width": {"int": [1, 32]}},
            "stages": [{"block": "third", "depth": {"int": [1, 32]}, "width": {"int": [2, 128]}}]
            * 4,
            "limits": {"params": {"min": 70_000, "max": 70_500}},
        }
    )
    for seed in range(10):
        assert 70_000 <= cost(limited.sample(seed)).params <= 70_500
