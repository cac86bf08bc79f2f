import copy
import io
import pickle
from dataclasses import replace

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import tasks
from torch import nn
from torch.nn import functional as F

import nas
from nas.architecture import Architecture, Stage, Stem
from nas.blocks import takers
from nas.errors import ArchitectureError
from nas.presets import PRESETS

RESNEXT = Architecture(
    Stem(16),
    tuple(Stage("bottleneck", 2, width, stride, 4) for width, stride in [(16, 1), (32, 2)]),
)


def positive(network):
    """All parameters above 0, as are then all activations of a positive image: no relu cuts."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.1 + torch.rand(parameter.shape, generator=generator))
    return network.eval()


# --- against torchvision, weights copied over ---


@pytest.fixture(params=["resnet18", "resnet50", "resnext50_32x4d"], scope="module")
def torchvisions(request):
    """One of their networks, norms away from 1 and 0, which would hide a mistake; and ours."""
    torch.manual_seed(0)
    theirs = getattr(torchvision.models, request.param)(weights=None, num_classes=10)
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
    with torch.no_grad():
        for _ in range(5):
            theirs(torch.randn(8, 3, 64, 64))  # for running statistics as training leaves them
    network = nas.build(nas.preset(request.param), in_channels=3, num_classes=10)
    network.load_state_dict({ours(key): value for key, value in theirs.state_dict().items()})
    return theirs, network


def ours(name):
    """Our name of theirs: layer2.0.downsample.1 is stages.1.block0.shortcut.norm."""
    if not name.startswith("layer"):
        part, *rest = name.split(".")
        part = {"conv1": "stem.conv", "bn1": "stem.norm", "fc": "head.linear"}[part]
        return ".".join([part, *rest])
    layer, block, module, *rest = name.replace("downsample.", "downsample").split(".")
    module = {"downsample0": "shortcut.conv", "downsample1": "shortcut.norm"}.get(
        module, module.replace("bn", "norm")
    )
    return ".".join([f"stages.{int(layer[-1]) - 1}.block{block}", module, *rest])


def test_torchvisions_weights_give_torchvisions_logits(torchvisions):
    theirs, network = torchvisions
    images = torch.randn(4, 3, 64, 64)
    with torch.no_grad():
        expected = theirs.eval()(images)
        logits = network.eval()(images)
    assert expected.std() > 0.01
    assert (logits - expected).abs().max() <= 1e-5


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
def test_torchvisions_weights_give_torchvisions_gradients(torchvisions, training):
    # in double precision, as 50 norms over few pixels amplify the last bit of a float32
    theirs, network = (copy.deepcopy(module).double().train(training) for module in torchvisions)
    images, labels = torch.randn(2, 3, 64, 64, dtype=torch.double), torch.tensor([3, 1])
    for module in (theirs, network):
        F.cross_entropy(module(images), labels).backward()
    expected = {ours(key): parameter.grad for key, parameter in theirs.named_parameters()}
    gradients = {key: parameter.grad for key, parameter in network.named_parameters()}
    torch.testing.assert_close(gradients, expected)
    statistics = {ours(key): buffer for key, buffer in theirs.named_buffers()}
    torch.testing.assert_close(dict(network.named_buffers()), statistics)


# --- for every architecture ---


@settings(deadline=None, max_examples=40)
@given(tasks())
def test_images_become_one_row_of_logits_each(task):
    architecture, input_shape, classes = task
    network = nas.build(architecture, input_shape[0], classes)
    logits = network(torch.randn(3, *input_shape))
    assert logits.shape == (3, classes)
    assert logits.isfinite().all()


@settings(deadline=None, max_examples=40)
@given(tasks())
def test_the_gradient_reaches_every_parameter(task):
    architecture, input_shape, classes = task
    network = positive(nas.build(architecture, input_shape[0], classes))
    network(torch.rand(2, *input_shape)).sum().backward()
    assert [name for name, p in network.named_parameters() if not (p.grad > 0).any()] == []


@settings(deadline=None, max_examples=40)
@given(tasks())
def test_a_batch_in_eval_mode_equals_its_images_one_by_one(task):
    architecture, input_shape, classes = task
    network = nas.build(architecture, input_shape[0], classes).double()
    images = torch.randn(3, *input_shape, dtype=torch.double)
    network(images)  # moves the running statistics
    network.eval()
    singles = torch.cat([network(image[None]) for image in images])
    torch.testing.assert_close(network(images), singles)


@settings(deadline=None, max_examples=40)
@given(tasks(), st.data())
def test_a_stage_with_and_without_residual_differ(task, data):
    architecture, input_shape, classes = task
    number = data.draw(st.integers(0, len(architecture.stages) - 1))
    logits = []
    for residual in (True, False):
        stages = list(architecture.stages)
        stages[number] = replace(stages[number], residual=residual)
        variant = replace(architecture, stages=tuple(stages))
        network = nas.build(variant, input_shape[0], classes).double()
        for parameter in network.parameters():
            nn.init.constant_(parameter, 0.5)
        images = torch.ones(1, *input_shape, dtype=torch.double)
        logits.append(network.eval()(images))
    assert (logits[0] > logits[1]).all()  # all is positive, and the shortcut adds to it


@settings(deadline=None, max_examples=50)
@given(tasks())
def test_printing_has_one_line_per_part(task):
    architecture, input_shape, classes = task
    network = nas.build(architecture, input_shape[0], classes)
    first, *lines = repr(network).splitlines()
    assert first == f"Network of {sum(p.numel() for p in network.parameters()):,} parameters"
    assert [line.strip() for line in lines] == str(architecture).splitlines()
    assert max(map(len, lines)) <= 80


def test_d2ls_resnet18_prints_its_stages():
    assert (
        repr(nas.build(nas.preset("d2l_resnet18")))
        == """\
Network of 11,178,378 parameters
  stem: 7×7 to 64, stride 2, max-pool
  stages.0: 2 × basic 64
  stages.1: 2 × basic 128, stride 2
  stages.2: 2 × basic 256, stride 2
  stages.3: 2 × basic 512, stride 2
  biases, no norm on shortcuts"""
    )


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_builds_to_its_published_size(name):
    with torch.device("meta"):
        network = nas.build(nas.preset(name), in_channels=3, num_classes=100)
    params = sum(parameter.numel() for parameter in network.parameters())
    assert params == nas.cost(nas.preset(name), (3, 224, 224), 100).params


@pytest.mark.parametrize("name", ["in_channels", "num_classes"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True])
def test_a_size_that_is_none_is_refused(name, value):
    with pytest.raises(ArchitectureError, match=f"build: {name} is {value}"):
        nas.build(RESNEXT, **{name: value})


# --- memory layout and precision ---


@pytest.mark.parametrize("preactivation", [False, True])
def test_channels_last_changes_the_layout_and_not_the_result(preactivation):
    network = nas.build(replace(RESNEXT, preactivation=preactivation)).double()
    images = torch.randn(4, 1, 28, 28, dtype=torch.double)
    expected = network(images)
    network.to(memory_format=torch.channels_last)
    images = images.contiguous(memory_format=torch.channels_last)
    features = network.stages(network.stem(images))
    assert features.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(network(images), expected)


@pytest.mark.parametrize("preactivation", [False, True])
def test_bfloat16_autocast_trains_with_gradients_near_those_of_float32(preactivation):
    torch.manual_seed(0)
    network = nas.build(replace(RESNEXT, preactivation=preactivation))
    images, labels = torch.randn(64, 1, 28, 28), torch.arange(64) % 10
    gradients = []
    for enabled in (False, True):
        network.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            logits = network(images)
            loss = F.cross_entropy(logits.float(), labels)
        assert logits.dtype == (torch.bfloat16 if enabled else torch.float32)
        loss.backward()
        gradients.append(torch.cat([p.grad.flatten() for p in network.parameters()]))
    assert F.cosine_similarity(*gradients, dim=0) > 0.98


# --- names and initial weights ---


def test_parameters_are_named_by_the_paths_of_the_description():
    architecture = Architecture(Stem(2), (Stage("basic", 1, 2), Stage("bottleneck", 2, 4, 2)))
    names = [name for name, _ in nas.build(architecture).named_parameters()]
    stem = ["stem.conv.weight", "stem.norm.weight", "stem.norm.bias"]
    basic = [f"stages.0.block0.{name}" for name in layers(2)]
    projecting = [f"stages.1.block0.{name}" for name in [*layers(3), *SHORTCUT]]
    last = [f"stages.1.block1.{name}" for name in layers(3)]
    assert names == [*stem, *basic, *projecting, *last, "head.linear.weight", "head.linear.bias"]


SHORTCUT = ["shortcut.conv.weight", "shortcut.norm.weight", "shortcut.norm.bias"]


def layers(count):
    for number in range(1, count + 1):
        yield from (f"conv{number}.weight", f"norm{number}.weight", f"norm{number}.bias")


def test_the_same_seed_builds_the_same_network():
    states = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        states.append(nas.build(RESNEXT).state_dict())
    first, same, other = states
    torch.testing.assert_close(first, same, rtol=0, atol=0)
    assert not torch.equal(first["stem.conv.weight"], other["stem.conv.weight"])


def test_convolutions_begin_with_hes_variance():
    torch.manual_seed(0)
    network = nas.build(Architecture(Stem(64), (Stage("bottleneck", 1, 256, groups=2),)))
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            spread = (2 / (module.out_channels * module.kernel_size[0] ** 2)) ** 0.5
            assert module.weight.std().item() == pytest.approx(spread, rel=0.1)


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("preactivation", [False, True])
@pytest.mark.parametrize("block", takers("residual"))
def test_residual_blocks_with_preactivation_begin_as_the_identity(block, preactivation, residual):
    stage = Stage(block, 3, 8, residual=residual)
    network = nas.build(Architecture(Stem(8), (stage,), preactivation=preactivation))
    x = torch.rand(2, 8, 5, 5)
    assert torch.equal(network.stages(x), x) == (preactivation and residual)


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("preactivation", [False, True])
@pytest.mark.parametrize("block", takers("residual"))
def test_at_birth_the_image_reaches_the_logits(block, preactivation, residual):
    torch.manual_seed(0)
    stages = tuple(Stage(block, 2, width, 2, residual=residual) for width in (8, 16))
    network = nas.build(Architecture(Stem(8), stages, preactivation=preactivation))
    logits = network.train()(torch.randn(8, 1, 28, 28))
    assert logits.std(0).min() > 1e-3


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("preactivation", [False, True])
@pytest.mark.parametrize("shortcut_norm", [False, True])
@pytest.mark.parametrize("residual", [False, True])
def test_a_network_that_was_scripted_copied_or_pickled_computes_the_same(
    preactivation, shortcut_norm, residual
):
    stages = [
        Stage("basic", 2, 8, residual=residual),
        Stage("bottleneck", 2, 12, 2, 2, 0.5, residual=residual),
    ]
    architecture = Architecture(
        Stem(8, pool=True), stages, preactivation=preactivation, shortcut_norm=shortcut_norm
    )
    network, images = nas.build(architecture).eval(), torch.randn(2, 1, 16, 16)
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(network), file)
    file.seek(0)
    scripted = torch.jit.load(file)
    for same in (scripted, copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert torch.equal(same(images), network(images))
        assert list(same.state_dict()) == list(network.state_dict())


def test_a_network_that_was_exported_computes_the_same():
    network, images = nas.build(RESNEXT).eval(), torch.randn(2, 1, 16, 16)
    exported = torch.export.export(network, (images,)).module()
    assert torch.allclose(exported(images), network(images), atol=1e-6)


def test_only_a_shortcut_that_projects_has_a_state():
    projecting = {"conv.weight", "norm.weight", "norm.bias", "norm.running_mean"}
    projecting |= {"norm.running_var", "norm.num_batches_tracked"}
    state = nas.build(RESNEXT).state_dict()
    assert {k.partition("shortcut.")[2] for k in state if "shortcut" in k} == projecting
    assert {k[: k.index("shortcut")] for k in state if "shortcut" in k} == {"stages.1.block0."}
