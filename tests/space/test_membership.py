"""From a network back to a setting: by runs of blocks, whatever stages they were written in."""

from nas.architecture import Architecture, Stage, Stem
from nas.space import SearchSpace


def space(*stages, **rest):
    return SearchSpace.from_dict(
        {"name": "x", "stem": {"width": 8}, "stages": list(stages), **rest}
    )


def network(*stages):
    return Architecture(Stem(8), stages)


BASIC = {"block": "basic", "width": 8, "depth": {"int": [1, 3]}}
TWO = space(BASIC, {**BASIC, "width": {"choice": [8, 16]}})


def test_a_run_of_equal_blocks_is_shared_among_the_stages():
    for depth in range(1, 8):
        inside = 2 <= depth <= 6  # one to three in each of two stages
        assert TWO.contains(network(Stage("basic", depth, 8))) == inside
    assert TWO.contains(network(Stage("basic", 3, 8), Stage("basic", 3, 16)))
    assert not TWO.contains(network(Stage("basic", 4, 8), Stage("basic", 3, 16)))
    assert not TWO.contains(network(Stage("basic", 3, 16), Stage("basic", 3, 8)))
    assert not TWO.contains(
        network(Stage("basic", 1, 8), Stage("basic", 1, 16), Stage("basic", 1, 8))
    )


def test_a_stage_begins_with_its_own_stride_and_goes_on_with_one():
    strided = space({**BASIC, "stride": 2}, {**BASIC, "stride": 2})
    assert strided.contains(network(Stage("basic", 2, 8, stride=2), Stage("basic", 3, 8, stride=2)))
    assert not strided.contains(network(Stage("basic", 2, 8, stride=2), Stage("basic", 3, 8)))
    assert not strided.contains(
        network(Stage("basic", 4, 8, stride=2), Stage("basic", 1, 8, stride=2))
    )
    # each block of a stride of its own is a stage
    one = {**BASIC, "stride": 2, "depth": 1}
    assert space(one, one).contains(network(*[Stage("basic", 1, 8, stride=2)] * 2))


def test_block_residual_and_inner_width_are_those_of_the_space():
    plain = space({**BASIC, "residual": {"choice": [True, False]}})
    for residual in (True, False):
        assert plain.contains(network(Stage("basic", 2, 8, residual=residual)))
    assert not space(BASIC).contains(network(Stage("basic", 2, 8, residual=False)))
    assert not space(BASIC).contains(network(Stage("bottleneck", 2, 8)))
    wide = space(
        {"block": "bottleneck", "depth": 1, "width": 4, "bottleneck": {"choice": [0.5, 2]}}
    )
    for bottleneck in (0.5, 0.55, 2):  # of width 4, 0.55 and 0.5 are the same inner width
        assert wide.contains(network(Stage("bottleneck", 1, 4, bottleneck=bottleneck)))
    assert not wide.contains(network(Stage("bottleneck", 1, 4, bottleneck=1)))
    grouped = space({"block": "bottleneck", "depth": 1, "width": 16, "groups": {"choice": [1, 4]}})
    assert grouped.contains(network(Stage("bottleneck", 1, 16, groups=4)))
    assert not grouped.contains(network(Stage("bottleneck", 1, 16, groups=2)))


def test_ties_and_orders_hold_of_the_stages_that_a_network_can_be_written_in():
    tied = space(BASIC, {**BASIC, "width": 16}, tie=["depth"])
    assert tied.contains(network(Stage("basic", 2, 8), Stage("basic", 2, 16)))
    assert not tied.contains(network(Stage("basic", 2, 8), Stage("basic", 1, 16)))
    same = space(BASIC, BASIC, tie=["depth"])
    assert [same.contains(network(Stage("basic", n, 8))) for n in range(1, 8)] == [
        False, True, False, True, False, True, False
    ]  # fmt: skip
    rising = space(BASIC, {**BASIC, "width": 16}, order={"depth": "nondecreasing"})
    assert rising.contains(network(Stage("basic", 2, 8), Stage("basic", 3, 16)))
    assert not rising.contains(network(Stage("basic", 3, 8), Stage("basic", 2, 16)))


def test_many_equal_stages_are_searched_in_no_time():
    """Six stages of 1 to 30 blocks in all ways: without what was in vain, a matter of hours."""
    many = space(*[{**BASIC, "depth": {"int": [1, 30]}}] * 6)
    assert many.contains(network(Stage("basic", 180, 8)))
    assert not many.contains(network(Stage("basic", 181, 8)))
