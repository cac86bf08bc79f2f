"""Random pairs of architectures of which the larger one contains the smaller one, by its making."""

from dataclasses import replace

from hypothesis import strategies as st

from nas import Architecture, Stage, Stem
from nas.blocks import BLOCKS

MORE = st.sampled_from([0, 0, 1, 2, 5])  # channels


@st.composite
def pairs(draw, mode="train", most_width=6, most_stages=3, most_depth=3):
    """(smaller, larger), for images of 8 pixels a side or more; equal ones are among them."""
    preactivation, norm = draw(st.booleans()), draw(st.booleans())
    bias = draw(st.booleans())
    undone = mode == "eval" and not preactivation  # then norms can be undone
    passes = undone or not (preactivation or norm)  # a projection can be the identity
    kernels, pool = st.sampled_from([3, 7]), draw(st.booleans())
    stem = Stem(draw(st.integers(1, most_width)), draw(kernels), pool=pool)
    kernel = max(stem.kernel, draw(kernels))
    wide_stem = replace(stem, width=stem.width + draw(MORE), kernel=kernel)
    small, large = [], []
    width, wide = stem.width, wide_stem.width
    for _ in range(draw(st.integers(1, most_stages))):
        if draw(st.booleans()) and len(large) < 2:  # a stage that is new, of the identity
            stage = draw(stages(wide, residual=True, stride=1))
            large.append(replace(stage, depth=draw(st.integers(1, 2))))
        stride, residual = draw(st.sampled_from([1, 2])), draw(st.booleans())
        out = draw(st.sampled_from([width, draw(st.integers(1, most_width))]))
        stage = draw(stages(out, residual, stride))
        stage = replace(stage, depth=draw(st.integers(1, most_depth)))
        projects = stage.projects(width)
        wide_out = out + draw(MORE)
        if residual and not projects and not passes:
            wide_out = wide  # the shortcut stays the identity
        elif projects and stride == 1 and wide_out == wide:
            wide_out += 1  # and one that projects projects
        grown = draw(larger_stages(stage, wide_out))
        if not residual and stage.depth == 1 and (stride == 2 or wide_out != wide):
            grown = replace(grown, residual=draw(st.booleans()))
        if grown.residual or (undone and grown.inner_width >= out):
            grown = replace(grown, depth=grown.depth + draw(st.integers(0, 2)))
        small.append(stage)
        large.append(grown)
        width, wide = out, wide_out
    conventions = {"shortcut_norm": norm, "preactivation": preactivation}
    return (
        Architecture(stem, tuple(small), conv_bias=bias, **conventions),
        Architecture(wide_stem, tuple(large), conv_bias=bias or draw(st.booleans()), **conventions),
    )


@st.composite
def stages(draw, width, residual, stride):
    """A stage of one block of these sizes, of any kind that grows."""
    block = draw(st.sampled_from([name for name, spec in BLOCKS.items() if spec.grows]))
    keys = {"residual": residual} if "residual" in BLOCKS[block].keys else {}
    if "groups" in BLOCKS[block].keys:
        groups = draw(st.integers(1, 3))
        inner = groups * draw(st.integers(1, 3))
        keys |= {"groups": groups, "bottleneck": inner / width}
    return Stage(block, 1, width, stride, **keys)


@st.composite
def larger_stages(draw, stage, width):
    """The stage with so many channels, a larger inner width, and groups that hold its own."""
    if "groups" not in BLOCKS[stage.block].keys:
        return replace(stage, width=width)
    size = stage.inner_width // stage.groups
    groups = draw(st.integers(1, 4))
    in_each = -(-stage.groups // groups) + draw(st.integers(0, 1))
    inner = groups * (in_each * size + draw(st.integers(0, 2)))
    return replace(stage, width=width, groups=groups, bottleneck=inner / width)
