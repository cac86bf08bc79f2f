"""Networks grow into larger ones that compute the same, and every new part of those can learn."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nested_pairs import pairs
from torch import nn
from torch.nn import functional as F
from trainings import one_thread as one_thread

import nas
from nas import Architecture, Stage, Stem
from nas.errors import ArchitectureError
from nas.nested.growth import Embedding

SEEDS = st.integers(0, 2**31 - 1)
RESNET = nas.preset("resnet20")
SHALLOW = Architecture(Stem(8), (Stage("basic", 1, 16, 2),))
DEEP = Architecture(Stem(12), (Stage("basic", 3, 24, 2), Stage("bottleneck", 1, 24)))


def images(count=8, side=12, dtype=torch.float64):
    """(N, 2, side, side)."""
    return torch.randn(count, 2, side, side, dtype=dtype)


def trained(architecture, seed, dtype=torch.float64):
    """A network of three classes as training leaves it: norms away from a gain of 1 and a bias of
    0, statistics that are those of what passes."""
    torch.manual_seed(seed)
    network = nas.build(architecture, 2, 3).to(dtype)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
        elif isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.normal_(module.bias, std=0.3)
    with torch.no_grad():
        for _ in range(20):
            network(images(dtype=dtype))
    return network


def difference(one, other, batch):
    """The largest between the logits of two networks."""
    with torch.no_grad():
        return (one(batch) - other(batch)).abs().max().item()


def check_exact(smaller, larger, seed, mode="train"):
    """The same logits in double precision, to rounding, and in float32 to 1e-5."""
    small = trained(smaller, seed)
    large = nas.grow(small, larger, mode)
    assert large.architecture == larger and large.training
    batch = images()
    for training in (False, True) if mode == "train" else (False,):
        assert difference(small.train(training), large.train(training), batch) <= 1e-10
    singles = trained(smaller, seed, torch.float32).eval()
    assert difference(singles, nas.grow(singles, larger, mode), images(dtype=torch.float32)) <= 1e-5


@settings(max_examples=40)
@given(pairs(), SEEDS)
def test_the_logits_stay_the_same_in_train_and_eval_mode(pair, seed):
    check_exact(*pair, seed)


@settings(max_examples=40)
@given(pairs("eval"), SEEDS)
def test_with_norms_undone_the_logits_stay_the_same_in_eval_mode(pair, seed):
    check_exact(*pair, seed, "eval")


@pytest.mark.slow
@settings(max_examples=500)
@given(pairs(most_width=16, most_depth=5), SEEDS)
def test_the_logits_of_500_pairs_stay_the_same(pair, seed):
    check_exact(*pair, seed)


@pytest.mark.slow
@settings(max_examples=500)
@given(pairs("eval", most_width=16, most_depth=5), SEEDS)
def test_the_logits_of_500_pairs_stay_the_same_with_norms_undone(pair, seed):
    check_exact(*pair, seed, "eval")


@pytest.mark.parametrize("preactivation", [False, True])
def test_a_deep_network_that_doubles_in_depth_and_width_computes_the_same(preactivation):
    small = replace(nas.preset("resnet56"), preactivation=preactivation)
    stages = [replace(one, depth=18, width=2 * one.width) for one in small.stages]
    check_exact(small, replace(small, stem=Stem(32, kernel=7), stages=tuple(stages)), 0)


@settings(max_examples=20)
@given(pairs(), SEEDS)
def test_batches_move_the_old_statistics_as_before(pair, seed):
    smaller, larger = pair
    small = trained(smaller, seed)
    large = nas.grow(small, larger)
    embedding = Embedding(large, small)
    batch = images()
    for network in (small, large):
        network.train()(batch)
    read = deepcopy(small)
    embedding.read(large.state_dict(), read.state_dict())
    torch.testing.assert_close(read.state_dict(), small.state_dict())


# --- what is new learns ---


def new_numbers(larger, smaller):
    """For each of the larger network's parameters, which of its numbers the smaller one has not."""
    states = [dict(deepcopy(network).named_parameters()) for network in (larger, smaller)]
    with torch.no_grad():
        for state, mark in zip(states, (0, 2), strict=True):
            for parameter in state.values():
                parameter.fill_(mark)
        Embedding(larger, smaller).carry(*states)
    return {name: parameter != 2 for name, parameter in states[0].items()}


@settings(max_examples=40)
@given(pairs(), SEEDS)
def test_after_one_step_gradients_reach_all_that_is_new(pair, seed):
    """In eval mode, with weights above 0, so that no ReLU cuts; kernels at small images as one."""
    torch.manual_seed(seed)
    small, large = (nas.build(one, 2, 3).double().eval() for one in pair)
    for network in (small, large):
        for parameter in network.parameters():
            fan_in = parameter[0].numel()
            nn.init.uniform_(parameter, 0.5 / fan_in, 1.5 / fan_in)
    embedding = Embedding(large, small)
    embedding.write(large.state_dict(), small.state_dict())
    new, batch = new_numbers(large, small), images().abs()
    toward = torch.rand(8, 3, dtype=torch.float64)
    optimizer = torch.optim.SGD(large.parameters())
    for _ in range(2):
        optimizer.zero_grad()
        (large(batch) * toward).sum().backward()
        most = max(parameter.grad.abs().max().item() for parameter in large.parameters())
        optimizer.param_groups[0]["lr"] = 1e-3 / most  # a step that turns no sign but that of a 0
        optimizer.step()
    for name, parameter in large.named_parameters():
        reached, wanted = parameter.grad != 0, new[name]
        if parameter.dim() == 4:  # (outputs, inputs, kernel, kernel)
            reached, wanted = reached.flatten(2).any(2), wanted.flatten(2).any(2)
        assert (reached | ~wanted).all(), name


@pytest.mark.parametrize("preactivation", [False, True])
def test_a_grown_network_learns_in_train_mode_and_its_new_parts_move(preactivation):
    torch.manual_seed(0)
    small = nas.build(replace(SHALLOW, preactivation=preactivation), 2, 3)
    large = nas.grow(small, replace(DEEP, preactivation=preactivation))
    before = deepcopy(large)
    new = new_numbers(large, small)
    batch, labels = images(dtype=torch.float32), torch.arange(8) % 3
    optimizer = torch.optim.SGD(large.parameters(), 0.05)
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        loss = F.cross_entropy(large(batch), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    for (name, now), then in zip(large.named_parameters(), before.parameters(), strict=True):
        if new[name].any():
            assert (now != then)[new[name]].any(), name


# --- and back ---


@settings(max_examples=30)
@given(pairs(), SEEDS)
def test_what_has_grown_shrinks_to_what_it_was(pair, seed):
    smaller, larger = pair
    small = trained(smaller, seed)
    again = nas.shrink(nas.grow(small, larger), smaller)
    assert again.architecture == smaller
    assert all(torch.equal(a, b) for a, b in zip(again.state_dict().values(),
               small.state_dict().values(), strict=True))  # fmt: skip


def test_a_network_whose_new_parts_were_trained_does_not_shrink():
    large = nas.grow(nas.build(SHALLOW), DEEP)
    with torch.no_grad():
        large.head.linear.weight[0, -1] = 1
    with pytest.raises(ArchitectureError, match=r"does not shrink: head\.linear\.weight lets"):
        nas.shrink(large, SHALLOW)


def test_what_is_not_contained_does_not_grow():
    with pytest.raises(ArchitectureError, match=r"cannot grow: stem\.width: 8, below the smaller"):
        nas.grow(nas.build(DEEP), SHALLOW)


def test_what_is_not_contained_is_not_what_a_network_shrinks_to():
    with pytest.raises(ArchitectureError, match=r"does not shrink: it .* stem\.width: 8, below"):
        nas.shrink(nas.build(SHALLOW), DEEP)


def test_what_is_no_network_of_nas_is_refused():
    with pytest.raises(ArchitectureError, match=r"network is a Linear; accepted: what nas\.build"):
        nas.grow(nn.Linear(2, 3), SHALLOW)


def test_the_network_that_grows_stays_as_it_is_and_the_new_one_in_its_mode():
    small = nas.build(SHALLOW, 3, 7).double().eval()
    before = deepcopy(small.state_dict())
    large = nas.grow(small, DEEP)
    assert not large.training and large.stem.conv.in_channels == 3
    assert large.head.linear.weight.dtype == torch.float64 and len(large.head.linear.bias) == 7
    with torch.no_grad():
        large.stem.conv.weight.fill_(0)
    assert all(torch.equal(value, before[name]) for name, value in small.state_dict().items())
