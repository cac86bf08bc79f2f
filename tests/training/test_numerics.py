from collections import Counter

import pytest
import torch

from nas.architecture import Architecture, Stage, Stem
from nas.errors import ConfigError
from nas.network import build
from nas.training import TrainingConfig, choose_device, numerics, resolve_numerics
from nas.training.numerics import fast_convolutions, forward, memory_format

TINY = Architecture(Stem(8, stride=2), (Stage("basic", 1, 8, stride=2),))
CPU = torch.device("cpu")


def test_a_device_that_is_not_here_is_refused_with_those_that_are():
    with pytest.raises(ConfigError, match=r"device 'cuda:99' is not here; .*accepted: .*cpu"):
        choose_device("cuda:99")


def test_a_device_that_is_misspelt_is_suggested(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ConfigError, match=r"device 'cuda:' is not here; did you mean cuda:0\?"):
        choose_device("cuda:")


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


@pytest.mark.parametrize(
    ("gpus", "mps", "auto", "accepted"),
    [
        (2, True, "cuda:0", "cuda:0, cuda:1, mps, cpu"),
        (0, True, "mps", "mps, cpu"),
        (1, False, "cuda:0", "cuda:0, cpu"),
        (0, False, "cpu", "cpu"),
    ],
)
def test_the_devices_of_a_machine_are_chosen_in_order(monkeypatch, gpus, mps, auto, accepted):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert choose_device() == choose_device("auto") == torch.device(auto)
    for name in accepted.split(", "):
        assert choose_device(name) == torch.device(name)
    if gpus:
        assert choose_device("cuda") == torch.device("cuda:0")
    for name in ("cuda:2", "" if gpus else "cuda", "mps:1", "CPU"):
        with pytest.raises(ConfigError, match=f"accepted: {accepted}"):
            choose_device(name)


AUTO = TrainingConfig()


@pytest.mark.parametrize("before", [True, False])
def test_the_processs_own_convolution_setting_returns_after_an_error(before, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", before)
    with pytest.raises(KeyError), fast_convolutions():
        assert torch.backends.cudnn.benchmark
        raise KeyError
    assert torch.backends.cudnn.benchmark == before


@pytest.mark.parametrize(
    ("device", "bfloat16", "asked", "precision", "layout"),
    [
        ("cuda", True, {}, "bfloat16", "on"),
        ("cuda", False, {}, "float32", "on"),
        ("cuda", True, {"precision": "float32"}, "float32", "on"),
        ("cuda", False, {"precision": "bfloat16"}, "bfloat16", "on"),
        ("cuda", True, {"channels_last": "off"}, "bfloat16", "off"),
        ("mps", True, {}, "float32", "off"),
        ("mps", True, {"precision": "bfloat16", "channels_last": "on"}, "bfloat16", "on"),
    ],
)
def test_on_other_devices_numerics_are_a_rule(
    monkeypatch, device, bfloat16, asked, precision, layout
):
    questions = []
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda **how: questions.append(how) or bfloat16
    )
    resolved = resolve_numerics(TINY, AUTO.replace(**asked), torch.device(device))
    assert resolved == AUTO.replace(precision=precision, channels_last=layout)
    assert questions == ([{"including_emulation": False}] if device == "cuda" else [])


COMBINATIONS = [("float32", "off"), ("float32", "on"), ("bfloat16", "off"), ("bfloat16", "on")]


@pytest.mark.parametrize(
    ("seconds", "chosen", "steps"),
    [
        # a first step, then three more each
        ([[5, 4, 1, 4], [5, 3, 3, 3], [5, 9, 2, 9], [5, 4, 4, 4]], 1, [4, 4, 4, 4]),
        # one that takes 2.5 times as long as the shortest may still turn out the best
        ([[2, 9, 9, 9], [5, 1, 1, 1], [5, 9, 9, 9], [5, 9, 9, 9]], 1, [4, 4, 4, 4]),
        # one that takes longer is out, and the numbers of the others stay theirs
        ([[6, 0, 0, 0], [2, 3, 3, 3], [6, 0, 0, 0], [2, 2, 2, 2]], 3, [1, 4, 1, 4]),
        ([[1, 7, 7, 7], [1, 7, 7, 7], [1, 7, 7, 7], [1, 7, 7, 7]], 0, [4, 4, 4, 4]),
    ],
)
def test_on_a_cpu_the_shortest_median_step_is_chosen(monkeypatch, seconds, chosen, steps):
    taken = Counter()

    def stepped(architecture, config, input_shape, num_classes):
        combination = COMBINATIONS.index((config.precision, config.channels_last))
        assert (architecture, input_shape, num_classes) == (TINY, (1, 28, 28), 10)
        return lambda: taken.update([combination]) or combination

    def timed(step):
        combination = step()
        return seconds[combination][taken[combination] - 1]

    monkeypatch.setattr(numerics, "_step", stepped)
    monkeypatch.setattr(numerics, "_seconds", timed)
    resolved = resolve_numerics(TINY, AUTO, CPU)
    assert (resolved.precision, resolved.channels_last) == COMBINATIONS[chosen]
    assert [taken[number] for number in range(4)] == steps


def test_a_timed_step_is_a_forward_and_backward_pass_in_those_numerics(monkeypatch):
    passes = []
    real = numerics.forward

    def watched(model, images, config):
        logits = real(model, images, config)
        logits.register_hook(lambda gradient: passes.append((model, images, config, gradient)))
        return logits

    monkeypatch.setattr(numerics, "forward", watched)
    config = AUTO.replace(precision="bfloat16", channels_last="on")
    before = torch.get_rng_state()
    step = numerics._step(TINY, config, (1, 28, 28), 10)
    assert torch.equal(torch.get_rng_state(), before)
    assert numerics._seconds(step) > 0
    [(model, images, used, gradient)] = passes
    assert used == config
    assert images.shape == (32, 1, 28, 28)
    assert gradient.shape == (32, 10)
    assert 0.5 < images.std() < 2
    assert all(weight.grad is None for weight in model.parameters())  # nothing adds up
    assert model.stem.conv.weight.is_contiguous(memory_format=torch.channels_last)


def test_a_step_is_timed_by_the_clock(monkeypatch):
    moments = iter([3.0, 5.5])
    monkeypatch.setattr(numerics.time, "perf_counter", moments.__next__)
    assert numerics._seconds(lambda: None) == 2.5


@pytest.mark.parametrize(("layout", "strides"), [("on", (24, 1, 8, 2)), ("off", (24, 12, 4, 1))])
def test_images_are_laid_out_by_their_strides(layout, strides):
    images = torch.arange(72.0).reshape(3, 2, 3, 4)
    laid_out = numerics._laid_out(images, AUTO.replace(channels_last=layout))
    assert laid_out.stride() == strides
    assert torch.equal(laid_out, images)
    one_channel = numerics._laid_out(images[:, :1], AUTO.replace(channels_last=layout))
    assert one_channel.stride() == ((12, 1, 4, 1) if layout == "on" else (12, 12, 4, 1))
    assert torch.equal(one_channel, images[:, :1])
