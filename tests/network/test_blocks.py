"""d2l's blocks, in every combination of options, against a few lines of plain convolutions."""

from itertools import product

import pytest
import torch
from torch.nn import functional as F

from nas.architecture import Stage
from nas.blocks import BLOCKS, takers
from nas.errors import ArchitectureError
from nas.network import Block, block_class

FLAGS = (False, True)
IN_WIDTH = 8
CONVENTIONS = [
    {"conv_bias": bias, "shortcut_norm": norm, "preactivation": preactivation}
    for bias, norm, preactivation in product(FLAGS, FLAGS, FLAGS)
]
STAGES = [
    *(
        Stage("basic", 1, width, stride, residual=residual)
        for width, stride, residual in product([8, 12], [1, 2, 3], FLAGS)
    ),
    *(
        Stage("bottleneck", 1, width, stride, groups, bottleneck, residual)
        for width, stride, groups, bottleneck, residual in product(
            [8, 12], [1, 2], [1, 2, 4], [0.5, 1.0, 2.0], FLAGS
        )
        if round(width * bottleneck) % groups == 0
    ),
]


def randomised(block):
    """The block with no parameter or statistic left at 0 or 1, which would hide a mistake."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in block.state_dict().items():
            if tensor.is_floating_point():
                low = 0.5 if name.endswith(("norm.weight", "running_var")) else -0.5
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + low)
    return block


def expected(state, x, stage, conv_bias, shortcut_norm, preactivation, training):
    """The equations of d2l section 8.6, and of He et al. 2016, on the block's state."""

    def bn(name, x):
        if training:
            mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
        else:
            mean, var = state[f"{name}.running_mean"], state[f"{name}.running_var"]
        scale = state[f"{name}.weight"] / (var + 1e-5).sqrt()
        return (x - mean[:, None, None]) * scale[:, None, None] + state[f"{name}.bias"][
            :, None, None
        ]

    def conv(name, x, stride=1, groups=1):
        weight = state[f"{name}.weight"]
        bias = state[f"{name}.bias"] if conv_bias else None
        return F.conv2d(x, weight, bias, stride, weight.shape[2] // 2, groups=groups)

    layers = [{"stride": stage.stride}, {}]
    if stage.block == "bottleneck":
        layers = [{}, {"stride": stage.stride, "groups": stage.groups}, {}]
    f = x
    for number, options in enumerate(layers, start=1):
        if preactivation:
            f = bn(f"norm{number}", f).clamp(min=0)
            if number == 1:
                activated = f
            f = conv(f"conv{number}", f, **options)
        else:
            f = bn(f"norm{number}", conv(f"conv{number}", f, **options))
            if number < len(layers):
                f = f.clamp(min=0)
    if not stage.residual:
        shortcut = 0
    elif stage.stride == 1 and stage.width == IN_WIDTH:
        shortcut = x
    else:
        shortcut = conv("shortcut.conv", activated if preactivation else x, stage.stride)
        if shortcut_norm and not preactivation:
            shortcut = bn("shortcut.norm", shortcut)
    y = f + shortcut
    return y if preactivation else y.clamp(min=0)


@pytest.mark.parametrize("training", FLAGS, ids=["eval", "train"])
@pytest.mark.parametrize("conventions", CONVENTIONS, ids=lambda c: "-".join(k for k in c if c[k]))
def test_every_block_computes_its_equation(conventions, training):
    for stage in STAGES:
        block = randomised(block_class(stage.block)(IN_WIDTH, stage, **conventions)).double()
        state = {name: tensor.clone() for name, tensor in block.state_dict().items()}
        x = torch.randn(3, IN_WIDTH, 7, 6, dtype=torch.double)
        y = block.train(training)(x)
        assert y.shape == (3, stage.width, -(-7 // stage.stride), -(-6 // stage.stride))
        torch.testing.assert_close(y, expected(state, x, stage, **conventions, training=training))
        assert block.shortcut.projects == any("shortcut.conv" in name for name in state)


@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_has_a_torch_module(block):
    assert issubclass(block_class(block), Block)


def test_a_block_that_there_is_not_has_no_torch_module():
    with pytest.raises(ArchitectureError, match="unknown block 'basik'; did you mean basic"):
        block_class("basik")


@pytest.mark.parametrize("preactivation", FLAGS)
@pytest.mark.parametrize("block", takers("residual"))
@pytest.mark.parametrize(("width", "stride"), [(8, 1), (8, 2), (12, 1)])
def test_a_block_that_begins_as_its_shortcut_learns_from_the_first_step(
    block, width, stride, preactivation
):
    stage = Stage(block, 1, width, stride)
    block_type = block_class(block)
    module = randomised(block_type(IN_WIDTH, stage, preactivation=preactivation, conv_bias=True))
    module.zero_init_residual()
    x = torch.rand(4, IN_WIDTH, 6, 6)
    a = module.norm1(x).relu() if preactivation else x
    skipped = module.shortcut(torch.zeros(()), a if module.shortcut.projects else x)
    y = module(x)
    torch.testing.assert_close(y, skipped if preactivation else skipped.relu())

    zeroed = [parameter for parameter in module.parameters() if not parameter.any()]
    assert len(zeroed) == 2  # weight and bias
    (y - torch.rand_like(y)).square().sum().backward()
    assert all(parameter.grad.any() for parameter in zeroed)
