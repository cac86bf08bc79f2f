"""A drawing is a well-formed picture that says what each stage is, and how a pair differs."""

from dataclasses import replace
from xml.etree import ElementTree

from hypothesis import given
from strategies import tasks

from nas.architecture import Architecture, Stage, Stem
from nas.blocks import BLOCKS
from nas.report.drawing import MOST, draw, draw_pair

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
    return sum(rect.get("fill") == BLOCKS[block].colour for rect in rects)


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


# --- where things stand, in pixels ---


def shapes(svg, kind):
    """The attributes of each element of a kind, as they are written, in their order."""
    return [element.attrib for element in ElementTree.fromstring(svg).iter(f"{SVG}{kind}")]


def slab(x, y, width, height, fill):
    size = {"x": x, "y": y, "width": width, "height": height, "rx": "2"}
    line = {"stroke": "currentColor", "stroke-width": "0.8"}
    return size | {"fill": fill, "fill-opacity": "0.75"} | line


def test_each_slab_stands_in_the_middle_of_its_column():
    """Thickness 4 + 2·log2(width), height 14 + 100·(size / largest), columns of 150 from 12 on.

    The middle is at 130 / 2 + 16 = 81; a column's slabs have 138 pixels, half a slab between two.
    """
    grey, orange, blue = "#949494", "#de8f05", "#0173b2"
    # 4 + 2·log2(24) = 13.1699: two of them and a half between are 2.5 · 13.1699 = 32.92 wide
    assert shapes(draw(NETWORK), "rect") == [
        slab("75", "24", "12", "114", grey),  # 12 + (138 - 12) / 2
        slab("214.538", "24", "13.1699", "114", orange),  # 162 + (138 - 32.92) / 2
        slab("234.292", "24", "13.1699", "114", orange),
        slab("349", "49", "16", "64", blue),  # 14 of 28 pixels: 14 + 50 = 64
        slab("373", "49", "16", "64", blue),
        slab("397", "49", "16", "64", blue),
        slab("525.678", "72.2143", "10.6439", "17.5714", grey),  # 1 of 28 pixels; 10 classes
    ]


def test_arrows_lead_from_part_to_part_and_cuts_and_arcs_stand_at_their_slabs():
    line = {"fill": "none", "stroke": "currentColor"}
    cut = {"stroke": "currentColor", "stroke-width": "0.8"}
    arc = {"fill": "none", "stroke": "currentColor", "stroke-width": "1.2"}
    assert shapes(draw(NETWORK), "path") == [
        {"d": "M148 81H164m-5 -4l5 4l-5 4"} | line,
        # two cuts make three groups: 24 + 114 / 3 and 24 + 2 · 114 / 3
        {"d": "M214.538 62h13.1699M214.538 100h13.1699"} | cut,
        # a quarter of a slab to both sides; dashed, as 16 channels become 24
        {"d": "M211.245 30V22Q221.123 8 231 22V30", "stroke-dasharray": "3 2"} | arc,
        {"d": "M234.292 62h13.1699M234.292 100h13.1699"} | cut,
        {"d": "M231 30V22Q240.877 8 250.755 22V30"} | arc,
        {"d": "M298 81H314m-5 -4l5 4l-5 4"} | line,
        {"d": "M448 81H464m-5 -4l5 4l-5 4"} | line,
    ]


def placed(svg):
    """(x, y, text) of each text but the legend's, and whether it is bold."""
    return [
        (element.get("x"), element.get("y"), element.text, element.get("font-weight") == "bold")
        for element in ElementTree.fromstring(svg).iter(f"{SVG}text")
        if element.get("text-anchor") == "middle"
    ]


def test_names_and_facts_stand_in_rows_below_their_part():
    """The name at 130 + 3·16 = 178; then depth, block, width, bottleneck, groups, stride,
    residual and resolution, 16 pixels apart, and a place of its own for each."""
    assert placed(draw(NETWORK)) == [
        ("81", "178", "stem", True),
        ("81", "194", "3×3 convolution", False),
        ("81", "226", "width 16", False),
        ("81", "274", "stride 1", False),
        ("81", "306", "28×28 pixels", False),
        ("231", "178", "stages.0", True),
        ("231", "194", "2 blocks", False),
        ("231", "210", "bottleneck", False),
        ("231", "226", "width 24", False),
        ("231", "242", "inner 12 (× 0.5)", False),
        ("231", "258", "3 groups of 4", False),
        ("231", "274", "stride 1", False),
        ("231", "290", "residual", False),
        ("231", "306", "28×28 pixels", False),
        ("381", "178", "stages.1", True),
        ("381", "194", "3 blocks", False),
        ("381", "210", "basic", False),
        ("381", "226", "width 64", False),
        ("381", "274", "stride 2", False),
        ("381", "290", "no residual", False),
        ("381", "306", "14×14 pixels", False),
        ("531", "178", "head", True),
        ("531", "194", "global average pool", False),
        ("531", "210", "linear to 10", False),
    ]


def test_a_drawing_has_room_for_its_columns_its_rows_and_its_legend():
    svg = ElementTree.fromstring(draw(NETWORK))
    size = {"width": "624", "height": "370", "viewBox": "0 0 624 370"}  # 24 + 4·150; 322 + 3·16
    font = {"font-size": "12", "font-family": "system-ui, sans-serif"}
    assert svg.attrib == {"role": "img", **size, **font}
    assert svg.find(f"{SVG}title").text == str(NETWORK)
    *_, first, second = svg.iter(f"{SVG}text")
    small = {"x": "12", "fill": "currentColor", "font-size": "11", "opacity": "0.8"}
    assert (first.attrib, first.text) == (
        small | {"y": "338"},
        "height: resolution · thickness: width, on a log scale · cuts: groups",
    )
    assert (second.attrib, second.text) == (
        small | {"y": "354"},
        "arc: residual connection, dashed where it is a 1×1 convolution",
    )
    one = replace(NETWORK, stages=NETWORK.stages[:1])
    assert ElementTree.fromstring(draw(one)).get("width") == "520"  # of the legend


def test_what_nobody_counts_is_drawn_eight_times_at_most_in_the_room_there_is():
    many = replace(NETWORK, stages=(Stage("bottleneck", 9, 1024, groups=64),))
    drawn = [
        rect for rect in shapes(draw(many), "rect") if rect["fill"] == BLOCKS["bottleneck"].colour
    ]
    # 150 - 36 pixels for eight slabs and a half between two: 114 / 12
    assert [rect["width"] for rect in drawn] == ["9.5"] * 8
    assert drawn[0]["x"] == "176.375"  # 162 + (138 - 11.5 · 9.5) / 2
    cuts = [path["d"] for path in shapes(draw(many), "path") if "h" in path["d"]]
    assert [cut.count("h") for cut in cuts] == [7] * 8  # cuts: eight groups
    assert "9 blocks (8 drawn)" in texts(draw(many))
    eight = replace(NETWORK, stages=(Stage("basic", 8, 16),))
    assert "8 blocks" in texts(draw(eight))
    assert "1 group" in texts(draw(replace(NETWORK, stages=(Stage("bottleneck", 1, 16),))))


def test_the_cuts_of_a_low_slab_are_five_pixels_apart():
    """2 of 28 pixels: 14 + 100 / 14 = 21.14 pixels hold four groups of at least 5."""
    low = Architecture(Stem(16, stride=14), (Stage("bottleneck", 1, 32, groups=8),))
    svg = draw(low)
    assert [rect["height"] for rect in shapes(svg, "rect")] == ["114", "114", "64"]
    first = Stage("basic", 1, 16)
    low = Architecture(Stem(16), (first, Stage("bottleneck", 1, 32, stride=14, groups=8)))
    (cut,) = [path["d"] for path in shapes(draw(low), "path") if "h" in path["d"]]
    assert cut.count("h") == 3


def test_a_stem_says_its_kernel_pool_and_stride_and_an_image_its_height_first():
    pooled = replace(NETWORK, stem=Stem(16, kernel=7, stride=2, pool=True))
    svg = draw(pooled, (3, 64, 32), 100)
    written = [text for x, _, text, _ in placed(svg) if x == "81"]
    assert written == [
        "stem", "7×7 convolution", "3×3 max-pool", "width 16", "stride 2", "16×8 pixels"
    ]  # fmt: skip
    assert "linear to 100" in texts(svg)
    assert draw(NETWORK) == draw(NETWORK, (1, 28, 28), 10)
    # heights decide: 16 of 16 pixels of the stem, then 16 and 8
    assert [rect["height"] for rect in shapes(svg, "rect")][:4] == ["114", "114", "114", "64"]


def test_a_pair_stands_one_below_the_other_on_one_scale():
    """Each 322 + 32 pixels, of which 24 are above its slabs for its name."""
    half = replace(NETWORK, stem=Stem(16, stride=2))
    svg = draw_pair(NETWORK, half)
    root = ElementTree.fromstring(svg)
    assert (root.get("width"), root.get("height")) == ("624", "756")  # 2 · 354 + 48
    assert root.find(f"{SVG}title").text == f"first\n{NETWORK}\n\nsecond\n{half}"
    names = [text for text in root.iter(f"{SVG}text") if text.get("font-size") == "14"]
    bold = {"fill": "currentColor", "font-weight": "bold", "font-size": "14", "x": "12"}
    assert [(name.attrib, name.text) for name in names] == [
        (bold | {"y": "16"}, "first"),
        (bold | {"y": "370"}, "second"),
    ]
    stems = [rect for rect in shapes(svg, "rect") if rect["x"] == "75"]
    assert [(stem["y"], stem["height"]) for stem in stems] == [("48", "114"), ("427", "64")]
    marks = [rect for rect in shapes(svg, "rect") if rect["fill"] == "#d55e00"]
    mark = {"width": "138", "height": "15", "rx": "3", "fill": "#d55e00", "fill-opacity": "0.2"}
    # of stem and stages: strides and sizes; 178 + 24 + 6·16 − 12 is that of the first stride
    assert marks[0] == {"x": "12", "y": "286"} | mark
    assert [(m["x"], m["y"]) for m in marks] == [
        ("12", "286"), ("12", "318"), ("162", "318"), ("312", "318"),
        ("12", "640"), ("12", "672"), ("162", "672"), ("312", "672"),
    ]  # fmt: skip
    smaller = replace(NETWORK, stages=NETWORK.stages[:1])
    widths = {ElementTree.fromstring(draw_pair(*two)).get("width")
              for two in ((NETWORK, smaller), (smaller, NETWORK))}  # fmt: skip
    assert widths == {"624"}
    assert draw_pair(NETWORK, half) == draw_pair(
        NETWORK, half, (1, 28, 28), 10, ("first", "second")
    )
    assert "linear to 7" in texts(draw_pair(NETWORK, half, (1, 32, 32), 7))


def test_what_one_alone_has_is_marked_in_both_and_said_to_be_none_in_the_other():
    grouped = replace(NETWORK, stages=(Stage("bottleneck", 2, 24), NETWORK.stages[1]))
    basic = replace(NETWORK, stages=(Stage("basic", 2, 24), NETWORK.stages[1]))
    marked = [text for text in texts(draw_pair(grouped, basic)) if "≠" in text]
    assert marked == [
        "≠ bottleneck",
        "≠ inner 24 (× 1)",
        "≠ 1 group",
        "≠ basic",
        "≠ none",
        "≠ none",
    ]
