"""A network is its parts: what they cost together, and what they are given."""

import random

import pytest
import torch

from nas import SearchSpace, cost, preset
from nas.network import build
from nas.search.parts import parts

NETWORKS = {
    "preactivation": (preset("d2l_resnet18"), (1, 96, 96)),
    "published": (preset("resnext50_32x4d"), (3, 64, 64)),
    **{
        f"{name}-{seed}": (SearchSpace.load(name).sample(seed), shape)
        for name, shape in [("resnext", (1, 28, 28)), ("anynetx_a_28", (1, 28, 28))]
        for seed in range(3)
    },
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_parts_of_a_network_cost_what_it_does(name):
    network, shape = NETWORKS[name]
    found = list(parts(network, shape, 7))
    total = cost(network, shape, 7)
    assert len(found) == network.depth + 2
    sizes = [sum(sizes) for sizes in zip(*(part.sizes() for part in found), strict=True)]
    assert sizes == [len(found), total.macs - sizes[2], sizes[2], total.activations, total.params]
    assert (sizes[2] > 0) == any(stage.groups > 1 for stage in network.stages)


@pytest.mark.parametrize("name", ["preactivation", "published", "resnext-0", "anynetx_a_28-1"])
def test_the_parts_one_after_the_other_are_the_network(name):
    network, shape = NETWORKS[name]
    whole = build(network, shape[0], 7).eval()
    modules = [whole.stem, *(block for stage in whole.stages for block in stage), whole.head]
    features = torch.randn(2, *shape)
    for part, theirs in zip(parts(network, shape, 7), modules, strict=True):
        assert tuple(features.shape[1:]) == part.input_shape
        ours = part.module().eval()
        ours.load_state_dict(
            theirs.state_dict()
            if part.kind != "block"
            else {f"block0.{key}": value for key, value in theirs.state_dict().items()}
        )
        with torch.inference_mode():
            expected = theirs(features)
            torch.testing.assert_close(ours(features), expected)
        features = expected


def test_parts_have_equal_names_where_they_are_equal_alone():
    space, rng = SearchSpace.load("resnext"), random.Random(0)
    found = set()
    for _ in range(50):
        network = space.architecture(space.sample_setting(rng))
        found.update(parts(network, space.input_shape, space.num_classes))
    names = {part.name for part in found}
    assert len(names) == len(found) > 100
    assert all(name.isprintable() for name in names)
