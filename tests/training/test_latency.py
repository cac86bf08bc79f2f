"""The latency of a network is the median of its own turns."""

import itertools

import torch

from nas.architecture import Architecture, Stage, Stem
from nas.training.latency import measure_latencies

NETWORKS = [Architecture(Stem(4), (Stage("basic", 1, width),)) for width in (4, 8)]


def test_networks_take_turns_and_the_median_counts():
    # turns of 1 s and 10 s, but for one of 1000 s
    seconds = [1, 10, 1000, 10, 1, 10]
    moments = itertools.accumulate([0, *(s for turn in seconds for s in (turn, 0))])
    times = measure_latencies(NETWORKS, (1, 8, 8), 10, repeats=3, clock=moments.__next__)
    assert times == [1000, 10_000]


def test_real_networks_take_some_time_and_leave_the_threads_as_they_were():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        times = measure_latencies(NETWORKS, (3, 16, 16), 7, batch=2, repeats=3)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert len(times) == 2 and all(0 < time < 60_000 for time in times)
