import json
from dataclasses import FrozenInstanceError, replace
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import architectures, input_shapes

from nas import Architecture, NasError, Stage, Stem, build, cost
from nas.errors import ArchitectureError

DESCRIPTION = {
    "stem": {"kernel": 3, "width": 16, "stride": 1, "pool": False},
    "stages": [
        {
            "block": "bottleneck",
            "depth": 2,
            "width": 64,
            "stride": 1,
            "groups": 8,
            "bottleneck": 0.5,
            "residual": True,
        },
        {"block": "basic", "depth": 2, "width": 128, "stride": 2, "residual": True},
    ],
    "conv_bias": False,
    "shortcut_norm": True,
    "preactivation": False,
}


def described(path, value):
    """A copy of DESCRIPTION with the value at a path such as ``stages.0.width`` replaced."""
    copy = json.loads(json.dumps(DESCRIPTION))
    *parents, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    part = copy
    for step in parents:
        part = part[step]
    part[last] = value
    return copy


# --- plain data ---


@given(architectures())
def test_a_dict_and_back_is_the_same_architecture(architecture):
    through_json = json.loads(json.dumps(architecture.to_dict()))
    assert Architecture.from_dict(through_json) == architecture


def test_defaults_need_not_be_written():
    short = {"stem": {"width": 16}, "stages": [{"block": "basic", "depth": 1, "width": 16}]}
    architecture = Architecture.from_dict(short)
    assert architecture == Architecture(Stem(16), (Stage("basic", 1, 16),))
    assert architecture.to_dict()["stages"][0]["groups"] == 1


def test_from_dict_leaves_its_argument_as_it_was():
    description = described("conv_bias", True)
    Architecture.from_dict(description)
    assert description == described("conv_bias", True)


@pytest.mark.parametrize("part", ["architecture", "stem", "stage"])
def test_every_part_is_frozen_and_hashable(part):
    architecture = Architecture.from_dict(DESCRIPTION)
    frozen = {"architecture": architecture, "stem": architecture.stem}.get(
        part, architecture.stages[0]
    )
    hash(frozen)
    field = next(iter(frozen.__dataclass_fields__))
    with pytest.raises(FrozenInstanceError):
        setattr(frozen, field, getattr(frozen, field))


# --- what is no network is refused, by name ---

REFUSED = [
    ("stages.0.gruops", 4, "stages.0: unknown key 'gruops'; did you mean groups?"),
    ("stem.padding", 1, "stem: unknown key 'padding'"),
    ("dropout", 0.1, "architecture: unknown key 'dropout'"),
    ("stages.1.depth", 0, "stages.1: depth is 0"),
    ("stages.1.depth", -1, "stages.1: depth is -1"),
    ("stages.1.depth", 2.5, "stages.1: depth is 2.5, not a whole number"),
    ("stages.1.depth", True, "stages.1: depth is True, not a whole number"),
    ("stages.1.depth", "2", "stages.1: depth is '2', not a whole number"),
    ("stages.1.depth", None, "stages.1: depth is None, not a whole number"),
    ("stages.0.width", 10**400, "stages.0: width is 1000"),
    ("stages.0.stride", 0, "stages.0: stride is 0"),
    ("stages.0.groups", 0, "stages.0: groups is 0"),
    ("stages.0.groups", 5, "stages.0: inner width 32 is not divisible by groups 5"),
    ("stages.0.groups", 64, "stages.0: inner width 32 is not divisible by groups 64"),
    ("stages.0.bottleneck", 0, "stages.0: bottleneck is 0"),
    ("stages.0.bottleneck", -0.5, "stages.0: bottleneck is -0.5"),
    ("stages.0.bottleneck", float("nan"), "stages.0: bottleneck is nan"),
    ("stages.0.bottleneck", float("inf"), "stages.0: bottleneck is inf"),
    ("stages.0.bottleneck", 1e300, "stages.0: bottleneck is 1e+300"),
    ("stages.0.bottleneck", True, "stages.0: bottleneck is True, not a number"),
    ("stages.0.bottleneck", "half", "stages.0: bottleneck is 'half', not a number"),
    ("stages.0.bottleneck", 0.001, "stages.0: inner width round(64 × 0.001) is below 1"),
    ("stages.0.residual", 1, "stages.0: residual is 1; accepted: true, false"),
    ("stages.0.block", "botleneck", "stages.0: unknown block 'botleneck'; did you mean bottleneck"),
    ("stages.0.block", ["basic"], "stages.0: unknown block ['basic']"),
    ("stages.1.groups", 2, "stages.1: a basic block has no groups"),
    ("stages.1.bottleneck", 0.5, "stages.1: a basic block has no groups and no bottleneck"),
    ("stem.kernel", 5, "stem: kernel is 5; accepted: 3, 7"),
    ("stem.kernel", True, "stem: kernel is True; accepted: 3, 7"),
    ("stem.pool", "yes", "stem: pool is 'yes'; accepted: true, false"),
    ("stem.width", False, "stem: width is False, not a whole number"),
    ("preactivation", 0, "architecture: preactivation is 0; accepted: true, false"),
    ("stem", 16, "stem is 16, not a mapping"),
    ("stages", [], "an architecture has at least one stage"),
    ("stages", 4, "stages is 4, not a list of stages"),
    ("stages", "basic", "stages is 'basic', not a list of stages"),
    ("stages", {"block": "basic"}, "stages is {'block': 'basic'}, not a list of stages"),
    ("stages.1", "basic", "stages.1: stage is 'basic', not a mapping"),
]


@pytest.mark.parametrize(("path", "value", "message"), REFUSED)
def test_what_is_no_network_is_refused_by_name_and_in_one_line(path, value, message):
    with pytest.raises(ArchitectureError) as refusal:
        Architecture.from_dict(described(path, value))
    assert str(refusal.value).startswith(message)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("missing", ["stem", "stages"])
def test_a_missing_part_is_named(missing):
    short = {key: value for key, value in DESCRIPTION.items() if key != missing}
    with pytest.raises(ArchitectureError, match=f"architecture: {missing} is missing"):
        Architecture.from_dict(short)


def test_parts_of_another_type_are_refused():
    with pytest.raises(ArchitectureError, match="not a Stem"):
        Architecture({"width": 16}, (Stage("basic", 1, 16),))
    with pytest.raises(ArchitectureError, match="not a Stage"):
        Architecture(Stem(16), ({"block": "basic"},))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
PATHS = ["stem", "stages", "stages.0", "stages.1", "conv_bias"] + [
    f"{part}.{key}"
    for part, keys in {
        "stem": DESCRIPTION["stem"],
        "stages.0": DESCRIPTION["stages"][0],
    }.items()
    for key in keys
]


@given(st.sampled_from(PATHS), JSON)
def test_any_value_anywhere_is_either_a_network_or_a_nas_error(path, value):
    try:
        architecture = Architecture.from_dict(described(path, value))
    except NasError:
        return
    assert Architecture.from_dict(architecture.to_dict()) == architecture
    assert len(architecture.key) == 64


# --- the image on its way ---


@given(st.data())
def test_each_stride_divides_the_image_rounding_up(data):
    architecture = data.draw(architectures())
    shape = data.draw(input_shapes(architecture))
    sizes = architecture.resolutions(shape)
    assert len(sizes) == 1 + len(architecture.stages)
    for stage, before, after in zip(architecture.stages, sizes, sizes[1:], strict=False):
        for side_before, side_after in zip(before, after, strict=True):
            assert (side_after - 1) * stage.stride < side_before <= side_after * stage.stride


@pytest.mark.parametrize(
    ("part", "architecture"),
    [
        ("stem", Architecture(Stem(4, stride=5), (Stage("basic", 1, 4),))),
        ("stem.pool", Architecture(Stem(4, stride=4, pool=True), (Stage("basic", 1, 4),))),
        ("stages.0", Architecture(Stem(4), (Stage("basic", 1, 4, 5), Stage("basic", 1, 4)))),
        ("stages.1", Architecture(Stem(4), (Stage("basic", 1, 4, 4), Stage("basic", 1, 4, 2)))),
    ],
)
def test_the_part_that_shrinks_the_image_below_a_pixel_is_named(part, architecture):
    with pytest.raises(ArchitectureError, match=rf"^{part} \(stride \d\) .* below 1 pixel$"):
        architecture.resolutions((1, 4, 9))


@pytest.mark.parametrize("shape", [(28, 28), (1, 28, 28, 1), (0, 28, 28), (1, 28.5, 28), ()])
def test_a_shape_of_no_image_is_refused(shape):
    with pytest.raises(ArchitectureError, match=r"^input: "):
        Architecture.from_dict(DESCRIPTION).resolutions(shape)


# --- identity ---


@given(architectures())
def test_the_key_survives_a_dict(architecture):
    assert Architecture.from_dict(architecture.to_dict()).key == architecture.key


def test_the_key_of_a_network_is_the_same_for_ever():
    # studies are resumed by key: a change here orphans every stored result
    assert Architecture.from_dict(DESCRIPTION).key == (
        "fe6979c27ea2265b1595b20d9820d7914b0df4e3e088182122875a34d49edfbc"
    )


@given(architectures(), st.data())
def test_a_stage_split_in_two_is_the_same_network(architecture, data):
    number = data.draw(st.integers(0, len(architecture.stages) - 1))
    stage = architecture.stages[number]
    assume(stage.depth > 1)
    first = data.draw(st.integers(1, stage.depth - 1))
    halves = (replace(stage, depth=first), replace(stage, depth=stage.depth - first, stride=1))
    stages = architecture.stages[:number] + halves + architecture.stages[number + 1 :]
    assert replace(architecture, stages=stages).key == architecture.key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (described("stages.0.bottleneck", 1), described("stages.0.bottleneck", 1.0)),
        (described("stages.0.bottleneck", 0.5), described("stages.0.bottleneck", 0.501)),
        (DESCRIPTION, described("stages.1.groups", 1)),
        (DESCRIPTION, dict(reversed(DESCRIPTION.items()))),
    ],
)
def test_two_descriptions_of_one_network_have_one_key(one, other):
    assert Architecture.from_dict(one).key == Architecture.from_dict(other).key


def test_the_norm_of_a_shortcut_counts_only_where_a_shortcut_projects():
    same = Architecture(Stem(8), (Stage("basic", 1, 8),))
    wider = Architecture(Stem(8), (Stage("basic", 1, 9),))
    plain = Architecture(Stem(8), (Stage("basic", 1, 9, residual=False),))
    for architecture, counts in [(same, False), (wider, True), (plain, False)]:
        without = replace(architecture, shortcut_norm=False)
        assert (without.key != architecture.key) is counts
        before = replace(architecture, preactivation=True)
        assert replace(before, shortcut_norm=False).key == before.key


def built(architecture):
    """The blocks in a row, whatever stage they stand in, as torch describes them."""
    network = build(architecture)
    blocks = [block for stage in network.stages for block in stage]
    kinds = [(block.preactivation, block.shortcut.residual) for block in blocks]
    return repr((network.stem, blocks, kinds, network.head))


def test_keys_are_equal_exactly_when_the_built_networks_are():
    """All 1,088 architectures of one or two stages over a few values, many of them one network."""
    stages = [
        Stage("bottleneck", depth, width, stride, residual=residual)
        for depth, width, stride, residual in product([1, 2], [2, 4], [1, 2], [False, True])
    ]
    key_of, network_of = {}, {}
    for stage, rest, norm, preactivation in product(
        stages, [(), *((stage,) for stage in stages)], [False, True], [False, True]
    ):
        conventions = {"shortcut_norm": norm, "preactivation": preactivation}
        architecture = Architecture(Stem(2), (stage, *rest), **conventions)
        with torch.device("meta"):
            network = built(architecture)
        assert key_of.setdefault(network, architecture.key) == architecture.key
        assert network_of.setdefault(architecture.key, network) == network
    assert len(key_of) < 1088


CHANGES = {
    "stem.width": 17,
    "stem.kernel": 7,
    "stem.stride": 2,
    "stem.pool": True,
    "stages.0.block": "basic",
    "stages.0.depth": 3,
    "stages.0.width": 32,
    "stages.0.stride": 2,
    "stages.0.groups": 4,
    "stages.0.bottleneck": 0.25,
    "stages.0.residual": False,
    "conv_bias": True,
    "shortcut_norm": False,
    "preactivation": True,
}


@pytest.mark.parametrize("path", CHANGES)
def test_every_knob_changes_the_key(path):
    changed = described(path, CHANGES[path])
    if path == "stages.0.block":  # a basic block has neither
        del changed["stages"][0]["groups"], changed["stages"][0]["bottleneck"]
    assert Architecture.from_dict(changed).key != Architecture.from_dict(DESCRIPTION).key


def test_no_knob_is_left_out_above():
    knobs = {f"stem.{key}" for key in DESCRIPTION["stem"]}
    knobs |= {f"stages.0.{key}" for key in DESCRIPTION["stages"][0]}
    knobs |= DESCRIPTION.keys() - {"stem", "stages"}
    assert knobs == CHANGES.keys()
    assert Architecture.from_dict(DESCRIPTION).to_dict().keys() == DESCRIPTION.keys()


# --- printing ---


@given(architectures())
def test_an_architecture_prints_one_line_per_part(architecture):
    lines = str(architecture).splitlines()
    assert len(lines) - len(architecture.stages) in (1, 2)  # the stem, and conventions if any
    for number, stage in enumerate(architecture.stages):
        assert lines[1 + number].startswith(f"stages.{number}: {stage.depth} × {stage.block}")


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (Stem(16), "3×3 to 16"),
        (Stem(64, kernel=7, stride=2, pool=True), "7×7 to 64, stride 2, max-pool"),
        (Stage("basic", 2, 64), "2 × basic 64"),
        (Stage("basic", 1, 64, 2, residual=False), "1 × basic 64, stride 2, no residual"),
        (Stage("bottleneck", 3, 8), "3 × bottleneck 8, inner 8"),
        (
            Stage("bottleneck", 3, 256, 2, groups=32, bottleneck=0.5),
            "3 × bottleneck 256, inner 128 in 32 groups, stride 2",
        ),
        (Stage("bottleneck", 1, 8, groups=2), "1 × bottleneck 8, inner 8 in 2 groups"),
    ],
)
def test_a_part_prints_what_differs_from_its_default_and_no_more(part, text):
    assert str(part) == text


def test_conventions_other_than_the_default_are_printed():
    d2l = Architecture(Stem(8), (Stage("basic", 1, 8),), conv_bias=True, shortcut_norm=False)
    assert str(d2l).endswith("biases, no norm on shortcuts")
    assert str(replace(d2l, preactivation=True)).endswith("preactivation")


def test_numpys_numbers_and_whole_floats_are_what_they_mean():
    description = {
        "stem": {"width": np.int64(8), "kernel": 3.0, "pool": np.True_},
        "stages": [
            {"block": "bottleneck", "depth": 2.0, "width": np.int32(8), "groups": np.uint8(2),
             "bottleneck": np.float32(0.5), "residual": np.False_},
        ],
    }  # fmt: skip
    same = Architecture(
        Stem(8, pool=True), [Stage("bottleneck", 2, 8, groups=2, bottleneck=0.5, residual=False)]
    )
    network = Architecture.from_dict(description)
    assert network == same
    assert json.dumps(network.to_dict()) == json.dumps(same.to_dict())
    shape = tuple(np.array([1, 28, 28]))
    assert network.resolutions(shape) == same.resolutions((1, 28, 28))
    large = replace(network, stages=[replace(network.stages[0], width=10**6, depth=10**6)])
    assert cost(large, shape, np.int64(10)) == cost(large, (1, 28, 28), 10)  # above 64 bits
