import pytest
import torch

from nas.architecture import Architecture, Stage, Stem
from nas.errors import ConfigError
from nas.network import build
from nas.training import TrainingConfig, choose_device, resolve_numerics
from nas.training.numerics import fast_convolutions, forward, memory_format

TINY = Architecture(Stem(8, stride=2), (Stage("basic", 1, 8, stride=2),))
CPU = torch.device("cpu")


def test_a_device_that_is_not_here_is_refused_with_those_that_are():
    with pytest.raises(ConfigError, match=r"device 'cuda:99' is not here; .*accepted: .*cpu"):
        choose_device("cuda:99")


def test_the_cpu_can_be_asked_for():
    assert choose_device("cpu") == CPU


def test_auto_is_the_gpu_where_there_is_one():
    assert (choose_device("auto").type == "cuda") == torch.cuda.is_available()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("channels_last", ["on", "off"])
def test_explicit_numerics_stay(precision, channels_last):
    config = TrainingConfig(precision=precision, channels_last=channels_last, peak_lr=0.7)
    assert resolve_numerics(TINY, config, CPU) == config


@pytest.mark.parametrize(
    "asked",
    [{}, {"precision": "float32"}, {"precision": "bfloat16"}, {"channels_last": "on"}],
)
def test_auto_becomes_explicit_and_nothing_else_changes(asked):
    config = TrainingConfig(seed=3, **asked)
    resolved = resolve_numerics(TINY, config, CPU)
    assert resolved.precision in {"float32", "bfloat16"}
    assert resolved.channels_last in {"on", "off"}
    assert resolved.replace(precision="auto", channels_last="auto") == TrainingConfig(seed=3)
    assert asked.items() <= resolved.to_dict().items()


@pytest.mark.parametrize("channels_last", ["on", "off"])
def test_precision_and_layout_change_logits_by_rounding_alone(channels_last):
    model = build(TINY).eval()
    images = torch.randn(16, 1, 28, 28)
    exact = model(images)
    for precision, tolerance in (("float32", 1e-5), ("bfloat16", 0.05)):
        config = TrainingConfig(precision=precision, channels_last=channels_last)
        logits = forward(model, images, config)
        assert logits.dtype == torch.float32
        assert (logits - exact).abs().max() <= tolerance * exact.abs().max()


def test_the_processs_own_convolution_setting_returns():
    before = torch.backends.cudnn.benchmark
    with fast_convolutions():
        assert torch.backends.cudnn.benchmark
    assert torch.backends.cudnn.benchmark == before


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("channels_last", ["on", "off"])
def test_every_convolution_computes_in_the_layout_that_was_chosen(precision, channels_last):
    config = TrainingConfig(precision=precision, channels_last=channels_last)
    layout = memory_format(config)
    model = build(TINY).to(memory_format=layout)
    seen = []
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(
                lambda _, __, output: seen.append(output.is_contiguous(memory_format=layout))
            )
    nhwc = torch.randn(16, 28, 28, 1).permute(0, 3, 1, 2)
    for images in (nhwc, nhwc.clone(memory_format=torch.contiguous_format)):
        forward(model, images, config)
    assert len(seen) >= 6
    assert all(seen)
