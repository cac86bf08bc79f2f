"""What a search runs on: cores within a quota, GPUs that may be seen, trials that fit."""

import pytest

from nas.errors import ConfigError
from nas.search.machine import Machine, cluster_address, within_quota


@pytest.mark.parametrize(
    ("limit", "cores"),
    [
        ("max 100000", 8),
        ("50000 100000", 1),  # below one CPU: one trial at a time, not none
        ("100000 100000", 1),
        ("350000 100000", 3),
        ("6400000 100000", 8),  # a quota above what there is
    ],
)
def test_a_quota_leaves_whole_cores_and_at_least_one(limit, cores):
    assert within_quota(8, limit) == cores


@pytest.mark.parametrize(
    ("visible", "gpus"), [("", 0), ("-1", 0), ("0", 1), ("0,3", 2), (" 1 , 2 ", 2), ("GPU-8a", 1)]
)
def test_gpus_are_those_that_cuda_visible_devices_names(visible, gpus, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert Machine.here().gpus == gpus


@pytest.mark.parametrize(
    ("cpus", "gpus", "slots"),
    [
        (1, 0, 16),
        (0.5, 0, 32),
        (3, 0, 5),
        (1, 1, 4),  # one GPU each
        (1, 0.25, 16),
        (1, 0.3, 12),  # three to a GPU: the rest of one is no use to a fourth
        (1, 0.6, 4),
        (1, 2, 2),
        (1, 3, 1),
        (8, 0.25, 2),
    ],
)
def test_trials_at_a_time_fit_on_cores_and_whole_on_a_gpu(cpus, gpus, slots):
    assert Machine(cpus=16, gpus=4).slots(cpus, gpus) == slots


@pytest.mark.parametrize(("cpus", "gpus", "said"), [(17, 0, "cpus-per-"), (1, 5, "gpus-per-")])
def test_a_trial_that_does_not_fit_is_refused(cpus, gpus, said):
    with pytest.raises(ConfigError, match=said):
        Machine(cpus=16, gpus=4).slots(cpus, gpus)
    assert Machine(cpus=16, gpus=4).slots(16, 4) == 1


@pytest.mark.parametrize(
    ("given", "address"), [("", None), (" ", None), ("local", None), ("h:1", "h:1")]
)
def test_a_cluster_is_joined_where_an_address_names_one(given, address, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", given)
    assert cluster_address() == address
