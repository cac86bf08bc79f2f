"""Random architectures, small enough that a test builds hundreds of them."""

from math import prod

from hypothesis import reject
from hypothesis import strategies as st

from nas import Architecture, Stage, Stem
from nas.blocks import BLOCKS
from nas.errors import ArchitectureError

WIDTHS = st.integers(1, 12)
STRIDES = st.integers(1, 3)

stems = st.builds(
    Stem, width=WIDTHS, kernel=st.sampled_from([3, 7]), stride=STRIDES, pool=st.booleans()
)


@st.composite
def stages(draw, max_depth=3):
    """A stage of any registered block, with values for the keys that it takes."""
    block = draw(st.sampled_from([*BLOCKS]))
    keys = BLOCKS[block].keys
    groups = draw(st.integers(1, 4)) if "groups" in keys else 1
    if "bottleneck" in keys:
        width, inner = draw(WIDTHS), groups * draw(st.integers(1, 4))
    else:
        width = inner = groups * draw(st.integers(1, 12 // groups))
    values = {"groups": groups, "bottleneck": inner / width, "residual": draw(st.booleans())}
    try:
        return Stage(
            block,
            depth=draw(st.integers(1, max_depth)),
            width=width,
            stride=draw(STRIDES),
            **{key: values[key] for key in keys},
        )
    except ArchitectureError:  # of the block's own check
        reject()


@st.composite
def architectures(draw, max_stages=3, max_depth=3):
    return Architecture(
        draw(stems),
        tuple(draw(st.lists(stages(max_depth), min_size=1, max_size=max_stages))),
        conv_bias=draw(st.booleans()),
        shortcut_norm=draw(st.booleans()),
        preactivation=draw(st.booleans()),
    )


@st.composite
def input_shapes(draw, architecture):
    """(channels, height, width) that the architecture's strides leave a pixel of."""
    strides = [architecture.stem.stride, *(stage.stride for stage in architecture.stages)]
    smallest = prod(strides) * (2 if architecture.stem.pool else 1)
    sides = st.integers(smallest, smallest + 7)
    return draw(st.integers(1, 3)), draw(sides), draw(sides)


@st.composite
def tasks(draw):
    """An architecture, the shape of its images, and a number of classes."""
    architecture = draw(architectures())
    return architecture, draw(input_shapes(architecture)), draw(st.integers(1, 12))
