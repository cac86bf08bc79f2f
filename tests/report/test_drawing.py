"""A drawing is a well-formed picture that says what each stage is, and how a pair differs."""

from dataclasses import replace
from xml.etree import ElementTree

from hypothesis import given
from strategies import tasks

from nas.architecture import Architecture, Stage, Stem
from nas.report.drawing import COLOURS, MOST, draw, draw_pair

SVG = "{http://www.w3.org/2000/svg}"
NETWORK = Architecture(
    Stem(16),
    (
        Stage("bottleneck", 2, 24, groups=3, bottleneck=0.5),
        Stage("basic", 3, 64, stride=2, residual=False),
    ),
)


def texts(svg):
    return [element.text for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def slabs(svg, block):
    rects = ElementTree.fromstring(svg).iter(f"{SVG}rect")
    return sum(rect.get("fill") == COLOURS[block] for rect in rects)


def test_a_drawing_says_what_each_stage_is():
    written = texts(draw(NETWORK))
    for said in (
        "stem", "3×3 convolution", "width 16", "28×28 pixels", "stages.0", "2 blocks", "bottleneck",
        "width 24", "inner 12 (× 0.5)", "3 groups of 4", "residual", "stages.1", "3 blocks",
        "basic", "width 64", "stride 2", "no residual", "14×14 pixels", "head", "linear to 10",
    ):  # fmt: skip
        assert said in written


def test_each_block_is_a_slab_with_an_arc_where_it_is_residual():
    svg = draw(NETWORK)
    assert (slabs(svg, "bottleneck"), slabs(svg, "basic")) == (2, 3)
    paths = [path.attrib for path in ElementTree.fromstring(svg).iter(f"{SVG}path")]
    arcs = [path for path in paths if "Q" in path["d"]]
    assert ["stroke-dasharray" in arc for arc in arcs] == [True, False]  # 16 to 24, then 24 to 24


def test_a_deep_stage_says_how_much_of_it_is_drawn():
    svg = draw(replace(NETWORK, stages=(Stage("basic", 30, 16),)))
    assert slabs(svg, "basic") == MOST
    assert f"30 blocks ({MOST} drawn)" in texts(svg)


@given(tasks())
def test_every_network_can_be_drawn(task):
    architecture = task[0]
    written = texts(draw(*task))
    for number, stage in enumerate(architecture.stages):
        assert f"stages.{number}" in written
        assert f"width {stage.width}" in written


def test_a_network_differs_from_itself_in_nothing():
    assert not [text for text in texts(draw_pair(NETWORK, NETWORK)) if "≠" in text]


def test_of_a_pair_exactly_what_differs_is_marked():
    wide = replace(NETWORK.stages[0], width=48, groups=6)
    other = replace(NETWORK, stages=(wide, NETWORK.stages[1]))
    marked = [text for text in texts(draw_pair(NETWORK, other)) if "≠" in text]
    assert marked == [
        "≠ width 24", "≠ inner 12 (× 0.5)", "≠ 3 groups of 4",
        "≠ width 48", "≠ inner 24 (× 0.5)", "≠ 6 groups of 4",
    ]  # fmt: skip


def test_a_stage_that_one_has_alone_differs_in_all():
    short = replace(NETWORK, stages=NETWORK.stages[:1])
    marked = [text for text in texts(draw_pair(NETWORK, short)) if "≠" in text]
    assert {"≠ basic", "≠ width 64", "≠ no residual", "≠ 14×14 pixels"} <= set(marked)
    assert len(marked) == 6


def test_names_are_text_and_nothing_else():
    hostile = "<script>alert(1)</script>&'\""
    svg = draw_pair(NETWORK, NETWORK, names=(hostile, "b"))
    assert "<script" not in svg
    assert hostile in texts(svg)
