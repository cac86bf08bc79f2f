"""Which architectures contain which, and the words of the answer."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nested_pairs import pairs
from strategies import architectures

import nas
from nas import Architecture, SearchSpace, Stage, Stem
from nas.errors import ArchitectureError
from nas.nested.elements import packed
from nas.nested.order import MOST_BLOCKS


def network(*stages, stem=None, **conventions):
    return Architecture(stem or Stem(8), stages, **conventions)


BASIC = network(Stage("basic", 2, 16, stride=2))
RESNEXT = network(Stage("bottleneck", 1, 16, 2, groups=4, bottleneck=0.5))


def changed(architecture, number=0, **keys):
    stages = list(architecture.stages)
    stages[number] = replace(stages[number], **keys)
    return replace(architecture, stages=tuple(stages))


# --- what is contained, and by which moves ---


@pytest.mark.parametrize(
    ("larger", "smaller", "paths"),
    [
        (BASIC, BASIC, []),
        (changed(BASIC, depth=5), BASIC, ["stages.0.depth"]),
        (changed(BASIC, width=17), BASIC, ["stages.0.width"]),
        (replace(BASIC, stem=Stem(9)), BASIC, ["stem.width"]),
        (replace(BASIC, stem=Stem(8, kernel=7)), BASIC, ["stem.kernel"]),
        (replace(BASIC, conv_bias=True), BASIC, ["conv_bias"]),
        (changed(RESNEXT, bottleneck=1.0), RESNEXT, ["stages.0.bottleneck"]),
        (changed(RESNEXT, groups=2), RESNEXT, ["stages.0.groups"]),
        (changed(RESNEXT, groups=8, bottleneck=1.0), RESNEXT,
         ["stages.0.bottleneck", "stages.0.groups"]),
        (RESNEXT, changed(RESNEXT, residual=False), ["stages.0.residual"]),
        (network(*BASIC.stages, Stage("bottleneck", 2, 16)), BASIC, ["stages.1"]),
        (network(Stage("basic", 1, 8), *BASIC.stages), BASIC, ["stages.0"]),
    ],
)  # fmt: skip
def test_a_knob_that_grows_is_a_move_of_its_own(larger, smaller, paths):
    answer = nas.contains(larger, smaller)
    assert answer and answer.mode == "train" and answer.reason == ""
    assert [move.path for move in answer.moves] == paths
    assert len(answer.blocks) == larger.depth
    assert [block for block in answer.blocks if block is not None] == [*range(smaller.depth)]


ONE = network(Stage("basic", 1, 8))  # its shortcut is the identity, behind a stem of 8 channels
NEW = "new channels, which nothing that was there reads"
ALONE = ", in eval mode alone"


@pytest.mark.parametrize(
    ("larger", "smaller", "proof"),
    [
        (changed(ONE, width=9), ONE,
         [f"stages.0.width: 8 to 9: {NEW}",
          f"stages.0.width: the shortcut projects to the same, its norm undone{ALONE}"]),
        (changed(replace(ONE, shortcut_norm=False), width=9), ONE,
         [f"stages.0.width: 8 to 9: {NEW}", "stages.0.width: the shortcut projects to the same"]),
        (changed(ONE, residual=False, depth=2), changed(ONE, residual=False),
         ["stages.0.depth: 1 to 2: the new blocks copy their input, and their norms are undone"
          f"{ALONE}"]),
        (changed(replace(ONE, preactivation=True), depth=3), replace(ONE, preactivation=True),
         ["stages.0.depth: 1 to 3: the new blocks add 0 to their input, as their last convolution "
          "is 0"]),
        (network(*ONE.stages, Stage("basic", 2, 9)), ONE,
         ["stages.1: a new stage: its blocks add 0 to their input, as the gain of their last norm "
          "is 0", f"stages.1.width: the shortcut projects to the same, its norm undone{ALONE}"]),
    ],
)  # fmt: skip
def test_a_proof_says_of_each_move_in_which_mode_it_is_exact(larger, smaller, proof):
    answer = nas.contains(larger, smaller, "eval")
    assert str(answer).splitlines() == proof
    assert answer.mode == ("eval" if ALONE in str(answer) else "train")
    assert bool(nas.contains(larger, smaller)) == (answer.mode == "train")


@settings(max_examples=200)
@given(pairs())
def test_what_is_made_larger_contains_what_it_was_made_of(pair):
    smaller, larger = pair
    answer = nas.contains(larger, smaller)
    assert answer, answer.reason
    assert answer.mode == "train"
    assert bool(answer.moves) == (larger != smaller) or larger.key == smaller.key


@settings(max_examples=200)
@given(pairs("eval"))
def test_with_running_statistics_more_is_contained(pair):
    smaller, larger = pair
    in_eval, in_train = nas.contains(larger, smaller, "eval"), nas.contains(larger, smaller)
    assert in_eval, in_eval.reason
    assert bool(in_train) == (in_eval.mode == "train")
    if not in_train:
        assert in_train.reason.endswith(" (contained in eval mode alone)")


@given(architectures())
def test_a_network_contains_itself(architecture):
    answer = nas.contains(architecture, architecture)
    assert answer and str(answer) == "the same network"


TINY_STAGES = st.builds(
    Stage,
    st.just("bottleneck"),
    st.integers(1, 2),
    st.integers(1, 2),
    st.integers(1, 2),
    bottleneck=st.sampled_from([2.0, 4.0]),
    groups=st.integers(1, 2),
    residual=st.sampled_from([True, True, False]),
)
TINY = st.builds(
    Architecture,
    st.builds(Stem, st.integers(1, 2)),
    st.lists(TINY_STAGES, min_size=1, max_size=2),
    shortcut_norm=st.booleans(),
)


@settings(max_examples=500)
@given(TINY, TINY, TINY, st.sampled_from(["train", "eval"]))
def test_containing_is_an_order(one, other, third, mode):
    """Among networks so alike that many contain each other."""
    if nas.contains(one, other, mode) and nas.contains(other, one, mode):
        assert nas.cost(one) == nas.cost(other)
    if nas.contains(one, other, mode) and nas.contains(other, third, mode):
        assert nas.contains(one, third, mode)


@settings(max_examples=100)
@given(pairs())
def test_the_larger_network_costs_no_less(pair):
    smaller, larger = (nas.cost(one) for one in pair)
    assert larger.params >= smaller.params and larger.macs >= smaller.macs


# --- what is not, and why ---


@pytest.mark.parametrize(
    ("larger", "smaller", "reason"),
    [
        (BASIC, changed(BASIC, depth=3), "stages.0.depth: 2, below the smaller one's 3"),
        (BASIC, changed(BASIC, width=17), "stages.0.width: 16, below the smaller one's 17"),
        (BASIC, changed(BASIC, stride=1), "stages.0.stride: 2, and 1 in the smaller one"),
        (BASIC, replace(BASIC, stem=Stem(9)), "stem.width: 8, below the smaller one's 9"),
        (BASIC, replace(BASIC, stem=Stem(8, 7)), "stem.kernel: 3, below the smaller one's 7"),
        (BASIC, replace(BASIC, stem=Stem(8, pool=True)), "stem.pool: false, and true in the"),
        (BASIC, replace(BASIC, conv_bias=True), "conv_bias: it is false, and the smaller one's"),
        (BASIC, replace(BASIC, preactivation=True), "preactivation: one has it and the other"),
        (BASIC, replace(BASIC, shortcut_norm=False), "stages.0.shortcut_norm: one has a norm on"),
        (BASIC, RESNEXT, "stages.0.block: basic, and bottleneck in the smaller one"),
        (BASIC, network(*BASIC.stages, Stage("basic", 1, 32, 2)), "stages: 1, below the smaller"),
        (network(Stage("bottleneck", 3, 8, bottleneck=0.5)),  # one stage may hold two
         network(Stage("bottleneck", 1, 8, bottleneck=0.5), Stage("bottleneck", 1, 8)),
         "stages.0.bottleneck: the inner width is 4, below the smaller one's 8"),
        (network(Stage("bottleneck", 1, 8), Stage("basic", 1, 8), Stage("bottleneck", 1, 8)),
         network(Stage("basic", 1, 8, residual=False)),  # the bottlenecks can be the identity
         "stages.1.residual: it is on, and a shortcut that is the identity cannot be 0"),
        (network(Stage("bottleneck", 1, 8), Stage("basic", 3, 16, 2), stem=Stem(9)),
         network(Stage("basic", 1, 16, 2), Stage("basic", 2, 16)),  # another block is none
         "stages.0.width: its shortcut is a projection behind which a norm stands"),
        (RESNEXT, changed(RESNEXT, bottleneck=1.0), "stages.0.bottleneck: the inner width is 8,"),
        (changed(RESNEXT, groups=8), RESNEXT, "stages.0.groups: 8 groups of 1 channels"),
        (changed(RESNEXT, residual=False), RESNEXT, "stages.0.residual: it is off, and such a"),
        (BASIC, changed(BASIC, residual=False), "stages.0.residual: it is on, and a"),
        (network(*BASIC.stages, Stage("basic", 1, 16, 2)), BASIC, "stages.1.stride: is 2, and"),
        (network(Stage("basic", 1, 16)), network(Stage("basic", 1, 8), stem=Stem(8)),
         "stages.0.width: its shortcut is a projection behind which a norm stands"),
        (network(Stage("basic", 1, 16), stem=Stem(16)), network(Stage("basic", 1, 16)),
         "stages.0.width: its shortcut is the identity, and that of the smaller one projects"),
    ],
)  # fmt: skip
def test_what_is_not_contained_names_the_knob(larger, smaller, reason):
    answer = nas.contains(larger, smaller)
    assert not answer and answer.moves == () and answer.blocks == ()
    assert answer.reason.startswith(reason), answer.reason
    assert str(answer) == answer.reason


@pytest.mark.parametrize("block", ["basic", "bottleneck"])
@pytest.mark.parametrize("preactivation", [False, True])
def test_deeper_plain_networks_do_not_contain_the_shallower(block, preactivation):
    smaller = network(Stage(block, 1, 8, residual=False), preactivation=preactivation)
    answer = nas.contains(changed(smaller, depth=2), smaller)
    assert not answer
    assert answer.reason.startswith(
        "stages.0.depth: a block without a shortcut is not the identity"
    )
    # with running statistics norms can be undone, behind ReLUs that cut nothing off
    assert bool(nas.contains(changed(smaller, depth=2), smaller, "eval")) != preactivation


def test_a_plain_bottleneck_is_the_identity_of_no_more_channels_than_it_has_inside():
    smaller = network(Stage("bottleneck", 1, 8, bottleneck=0.5, residual=False))
    answer = nas.contains(changed(smaller, depth=2), smaller, "eval")
    assert "not the identity of 8 channels where its inner width is 4" in answer.reason


def test_a_mode_there_is_not_is_refused():
    with pytest.raises(ArchitectureError, match=r"mode is 'both'; .*accepted: train, eval"):
        nas.contains(BASIC, BASIC, "both")


def test_networks_of_many_blocks_are_not_compared():
    deep = changed(BASIC, depth=MOST_BLOCKS + 1)
    assert nas.contains(deep, BASIC).reason == "depth: networks of up to 1,000 blocks are compared"


# --- groups ---


@given(*[st.integers(1, 6)] * 4)
def test_groups_lie_whole_in_those_that_hold_them(small_size, small_groups, size, groups):
    places = packed(small_size * small_groups, small_groups, size * groups, groups)
    if places is None:
        assert (size // small_size) * groups < small_groups
        return
    assert len(set(places)) == small_size * small_groups and max(places) < size * groups
    for start in range(0, len(places), small_size):
        assert len({place // size for place in places[start : start + small_size]}) == 1


# --- spaces ---


def test_every_knob_of_a_residual_space_with_strides_is_nested():
    nesting = SearchSpace.load("resnext_b").is_nested()
    assert nesting
    assert all(knob.always for knob in nesting.knobs.values())
    downwards = {path for path, knob in nesting.knobs.items() if not knob.upwards}
    assert downwards == {path for path in nesting.knobs if path.endswith("groups")}


def test_a_space_that_may_be_plain_is_nested_in_its_widths_alone():
    space = SearchSpace.load("resnet_vs_plain")
    nesting = space.is_nested()
    assert not nesting and nesting.knobs.keys() == space.parameters.keys()
    widths = {path for path in nesting.knobs if path.endswith("width")}
    assert {path for path, knob in nesting.knobs.items() if knob.always} == widths
    assert nesting.knobs["residual"].never
    depth = nesting.knobs["stages.0.depth"]
    assert 0 < depth.contained < depth.steps
    share = f"in {depth.contained} of {depth.steps} steps, larger contain smaller"
    assert str(depth).startswith(f"{share}; not where stages.0.depth: a block without a shortcut")
    assert [reason.partition(":")[0] for reason in nesting.reasons] == [
        "stages.0.residual", "stages.0.depth"
    ]  # fmt: skip
    assert space.is_nested("eval").knobs["stages.0.depth"].always


def test_fewer_groups_contain_more():
    stage = {"block": "bottleneck", "depth": 1, "width": 16, "stride": 2}
    document = {
        "name": "grouped",
        "stem": {"width": 8},
        "stages": [stage | {"groups": {"choice": [1, 2, 4]}}],
        "training": {"peak_lr": {"float": [0.1, 0.5]}},
    }
    nesting = SearchSpace.from_dict(document).is_nested()
    assert str(nesting) == "stages.0.groups: yes, smaller contain larger"


def test_a_knob_that_changes_no_network_alone_is_said_to():
    stage = {"block": "basic", "depth": {"choice": [2]}, "width": 8}
    space = SearchSpace.from_dict({"name": "one", "stem": {"width": 8}, "stages": [stage]})
    nesting = space.is_nested()
    assert str(nesting) == "stages.0.depth: no two networks differ in it alone" and not nesting
