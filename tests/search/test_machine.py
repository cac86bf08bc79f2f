"""What a machine has to search on, by its affinity, its quota, its GPUs; and what fits there."""

import os
import subprocess
from pathlib import Path

import pytest

from nas.errors import ConfigError
from nas.search import machine
from nas.search.machine import Machine, cluster_address


@pytest.fixture
def system(monkeypatch, tmp_path):
    """``system(cores=…, quota=…, visible=…)``: a machine that has these."""

    def make(cores=8, quota=None, visible=None):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
        file = tmp_path / "cpu.max"
        if quota is not None:
            file.write_text(f"{quota}\n")
        monkeypatch.setattr(
            machine, "Path", lambda path: file if path == "/sys/fs/cgroup/cpu.max" else Path(path)
        )
        if visible is None:
            monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        else:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        return Machine.here()

    return make


@pytest.mark.parametrize(
    ("quota", "cpus"),
    [
        (None, 8),
        ("max 100000", 8),
        ("400000 100000", 4),
        ("390000 100000", 3),  # whole cores
        ("50000 100000", 1),  # below one there is still one
        ("100000 100000", 1),
        ("200000 50000", 4),
        ("1600000 100000", 8),  # no more than there are
        ("nonsense", 8),
    ],
)
def test_cores_are_those_of_the_affinity_within_the_quota(system, quota, cpus):
    assert system(cores=8, quota=quota, visible="").cpus == cpus


def test_where_there_is_no_affinity_all_cores_count(system, monkeypatch):
    def missing(_):
        raise AttributeError

    system(visible="")
    monkeypatch.setattr(os, "sched_getaffinity", missing)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert Machine.here().cpus == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert Machine.here().cpus == 1


@pytest.mark.parametrize(
    ("visible", "gpus"),
    [("", 0), ("-1", 0), ("0", 1), ("0,1", 2), (" 2 , 5,", 2), ("GPU-8932f937,-1", 1), (" ", 0)],
)
def test_gpus_are_those_that_may_be_seen(system, visible, gpus):
    assert system(visible=visible).gpus == gpus


@pytest.mark.parametrize(
    ("script", "gpus"),
    [
        ("echo 'GPU 0: H100 (UUID: a)'; echo '  MIG 1g'; echo 'GPU 1: H100 (UUID: b)'", 2),
        ("echo 'No devices were found'", 0),
        ("echo 'GPU 0: dead'; exit 9", 0),
    ],
)
def test_gpus_are_counted_by_nvidias_own_program(system, monkeypatch, tmp_path, script, gpus):
    program = tmp_path / "nvidia-smi"
    program.write_text(f'#!/bin/sh\n[ "$*" = --list-gpus ] || exit 7\n{script}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert system().gpus == gpus


def test_a_machine_without_that_program_or_where_it_hangs_has_no_gpu(system, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert system().gpus == 0

    def hang(*_, timeout, **__):
        raise subprocess.TimeoutExpired("nvidia-smi", timeout)

    monkeypatch.setattr(machine.subprocess, "run", hang)
    assert system().gpus == 0


@pytest.mark.parametrize(
    ("has", "asked", "slots"),
    [
        ((8, 0), (1, 0), 8),
        ((8, 0), (3, 0), 2),
        ((8, 0), (0.5, 0), 16),
        ((8, 0), (8, 0), 1),
        ((64, 4), (1, 1), 4),  # a whole GPU each
        ((64, 4), (1, 0.5), 8),
        ((64, 4), (1, 0.6), 4),  # no share of one GPU comes from two
        ((64, 4), (1, 2), 2),
        ((64, 5), (1, 2), 2),
        ((64, 4), (1, 4), 1),
        ((3, 4), (1, 0.25), 3),
    ],
)
def test_as_many_trials_run_at_once_as_fit(has, asked, slots):
    assert Machine(*has).slots(*asked) == slots


def test_a_trial_that_does_not_fit_is_refused_with_what_there_is():
    with pytest.raises(
        ConfigError, match=r"^cpus-per-trial is 8\.5, but this machine \(8 CPUs, 1 GPU"
    ):
        Machine(8, 1).slots(8.5, 0)
    with pytest.raises(ConfigError, match=r"^gpus-per-trial is 2, but box \(8 CPUs, 1 GPU\) has"):
        Machine(8, 1, name="box").slots(1, 2)


def test_the_defaults_of_a_first_search():
    assert Machine(2, 0).defaults() == {
        "trials": 12, "epochs": 4, "train_images": 20_000, "time_budget": 420.0
    }  # fmt: skip
    assert Machine(2, 3).defaults() == {"trials": 192, "epochs": 8, "gpus_per_trial": 0.25}


@pytest.mark.parametrize(
    ("given", "address"), [("", None), (" ", None), ("local", None), ("h:1", "h:1")]
)
def test_a_cluster_is_joined_where_an_address_names_one(given, address, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", given)
    assert cluster_address() == address


def test_a_machine_is_said_with_what_it_has():
    assert str(Machine(1, 2)) == "this machine (1 CPU, 2 GPUs)"
    assert str(Machine(8, 1, "box")) == "box (8 CPUs, 1 GPU)"
    assert (Machine(1, 0).nodes, Machine(1, 0).name) == (1, "this machine")


def test_nvidias_program_has_ten_seconds_and_is_read_as_text(system, monkeypatch):
    asked = []

    def run(command, **options):
        asked.append((command, options))
        return subprocess.CompletedProcess(command, 0, "GPU 0: a\n", "")

    system()
    monkeypatch.setattr(machine.subprocess, "run", run)
    assert Machine.here().gpus == 1
    ((command, options),) = asked
    assert command == ["nvidia-smi", "--list-gpus"]
    assert options == {"capture_output": True, "text": True, "timeout": 10, "check": True}


def test_the_cores_of_this_very_process_are_asked_for(monkeypatch, system):
    system(visible="")
    asked = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: asked.append(pid) or {0, 1, 2})
    assert Machine.here().cpus == 3
    assert asked == [0]


def test_all_that_there_is_may_be_one_trial_s():
    assert Machine(4, 2).slots(4, 2) == 1
    with pytest.raises(ConfigError) as refused:
        Machine(4, 2).slots(4.25, 0)
    assert (
        str(refused.value) == "cpus-per-trial is 4.25, but this machine (4 CPUs, 2 GPUs) has fewer"
    )
    with pytest.raises(ConfigError) as refused:
        Machine(4, 2).slots(1, 3)
    assert str(refused.value) == "gpus-per-trial is 3, but this machine (4 CPUs, 2 GPUs) has fewer"


def test_an_address_is_taken_without_the_spaces_around_it(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", " h:1 ")
    assert cluster_address() == "h:1"
    monkeypatch.delenv("RAY_ADDRESS")
    assert cluster_address() is None
