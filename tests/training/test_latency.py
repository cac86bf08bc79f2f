"""The latency of a network is the median of its own turns."""

import itertools

import pytest
import torch

from nas.architecture import Architecture, Stage, Stem
from nas.training import latency
from nas.training.latency import Latency, measure_latencies

NETWORKS = [Architecture(Stem(4), (Stage("basic", 1, width),)) for width in (4, 8)]


def test_networks_take_turns_and_the_median_counts():
    # a network's turns of 2 s, 1000 s and 1 s, between another one's of 10 s, 8 s and 30 s
    seconds = [2, 10, 1000, 8, 1, 30]
    moments = itertools.accumulate([0, *(s for turn in seconds for s in (turn, 0))])
    times = measure_latencies(NETWORKS, (1, 8, 8), 10, repeats=3, clock=moments.__next__)
    assert [time.milliseconds for time in times] == [2000, 10_000]
    assert [time.spread for time in times] == [499.5, 11]  # of 1, 2, 1000 and of 8, 10, 30 seconds


def test_real_networks_take_some_time_and_leave_the_threads_as_they_were():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        times = measure_latencies(NETWORKS, (3, 16, 16), 7, batch=2, repeats=3)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert len(times) == 2 and all(0 < time.milliseconds < 60_000 for time in times)


def test_networks_are_measured_as_a_server_runs_them(monkeypatch):
    calls = []
    built = latency.build

    def watched(architecture, in_channels, num_classes):
        network = built(architecture, in_channels, num_classes)
        network.register_forward_pre_hook(
            lambda network, inputs: calls.append(
                (
                    architecture.stages[0].width,
                    tuple(inputs[0].shape),
                    inputs[0].dtype,
                    network.training,
                    torch.is_inference_mode_enabled(),
                    torch.get_num_threads(),
                )
            )
        )
        network.register_forward_hook(lambda _, __, logits: calls.append(tuple(logits.shape)))
        return network

    monkeypatch.setattr(latency, "build", watched)
    torch.set_num_threads(2)
    measure_latencies(NETWORKS, (3, 16, 15), 7, batch=2, repeats=2)
    turns = [call[0] for call in calls if len(call) == 6]
    assert turns == [4] * 3 + [8] * 3 + [4, 8, 4, 8]  # warm, then in turns
    assert {call[1:] for call in calls if len(call) == 6} == {
        ((2, 3, 16, 15), torch.float32, False, True, 1)
    }
    assert {call for call in calls if len(call) == 2} == {(2, 7)}
    assert torch.get_num_threads() == 2


def test_a_measurement_that_fails_leaves_the_threads_as_they_were():
    torch.set_num_threads(2)
    with pytest.raises(RuntimeError):
        measure_latencies(NETWORKS, (3, 16, 16), 7, clock=lambda: 0.0, batch=-1)
    assert torch.get_num_threads() == 2


def test_one_image_is_measured_21_times_by_default():
    moments = itertools.count()
    times = measure_latencies(NETWORKS, (1, 8, 8), 10, clock=lambda: next(moments) / 100)
    assert [round(time.seconds, 9) for time in times] == [0.01, 0.01]
    assert next(moments) == 2 * 2 * 21


def test_what_takes_seconds_is_measured_five_times():
    moments = itertools.count()
    times = measure_latencies(NETWORKS[:1], (1, 8, 8), 10, clock=lambda: 2 * next(moments))
    assert times == [Latency(2.0, 0.0)]
    assert next(moments) == 2 * 5


def test_networks_and_images_are_on_the_device_that_is_asked_for(monkeypatch):
    cases = []
    monkeypatch.setattr(latency, "time_in_turns", lambda found, **_: cases.extend(found) or [])
    measure_latencies(NETWORKS, (1, 8, 8), 10, device="meta")
    assert {images.device.type for _, images in cases} == {"meta"}
    assert {next(network.parameters()).device.type for network, _ in cases} == {"meta"}
