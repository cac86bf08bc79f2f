"""What a machine has to search on, by its affinity, its quota, its GPUs; and what fits there."""

import os
import subprocess
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.errors import ConfigError
from nas.search import machine
from nas.search.machine import Address, Machine, Node, check_address, cluster_address


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


@pytest.mark.parametrize("said", ["", " ", "local", "h:1", " h:1 ", None])
def test_a_cluster_is_joined_where_the_option_or_ray_address_names_one(said, monkeypatch):
    if said is None:
        monkeypatch.delenv("RAY_ADDRESS", raising=False)
    else:
        monkeypatch.setenv("RAY_ADDRESS", said)
    named = Address("h:1", "RAY_ADDRESS") if said and "h" in said else None
    assert cluster_address() == named
    assert cluster_address("auto") == Address("auto", "address")  # the option goes first
    assert cluster_address("local") is None
    assert str(Address("h:1", "RAY_ADDRESS")) == "RAY_ADDRESS is 'h:1'"


@pytest.mark.parametrize("text", ["", "  ", "a b:1", "a\n:1", "\x1b[2J"])
def test_what_can_be_no_address_is_refused(text):
    assert check_address(" h:1 ") == "h:1"
    with pytest.raises(ConfigError, match="is no address; accepted: auto, local, or host:port"):
        check_address(text)


def test_a_machine_is_said_with_what_it_has():
    assert str(Machine(1, 2)) == "this machine (1 CPU, 2 GPUs)"
    assert str(Machine(8, 1, "box")) == "box (8 CPUs, 1 GPU)"
    assert (Machine(1, 0).nodes, Machine(1, 0).name) == ((), "this machine")
    assert str(Machine.of([Node(2, 0), Node(6, 1)], "both")) == "both (8 CPUs, 1 GPU, 2 nodes)"
    assert Machine.of([Node(2, 0)], "it") == Machine(2, 0, "it", (Node(2, 0),))


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


@pytest.mark.parametrize(
    ("nodes", "asked", "slots"),
    [
        ([(2, 0), (2, 0)], (1, 0), 4),
        ([(3, 0), (3, 0)], (2, 0), 2),  # what is left on two nodes is no trial's
        ([(0, 0), (4, 1)], (1, 0), 4),
        ([(8, 0), (2, 2)], (1, 0.25), 2),
        ([(8, 4), (1, 4)], (2, 0.5), 4),
        ([(8, 3), (8, 3)], (1, 2), 2),
        ([(1, 1), (1, 1)], (0.1, 0.1), 20),
    ],
)
def test_a_trial_runs_on_one_node(nodes, asked, slots):
    assert Machine.of([Node(*node) for node in nodes], "it").slots(*asked) == slots


@given(
    nodes=st.lists(st.tuples(st.integers(0, 64), st.integers(0, 8)), min_size=1, max_size=8),
    cpus=st.sampled_from([0.1, 0.25, 0.5, 1, 2, 3, 7]),
    gpus=st.sampled_from([0, 0.1, 0.25, 0.3, 0.5, 1]),
)
def test_slots_are_what_placing_one_trial_after_another_finds(nodes, cpus, gpus):
    placed = 0
    for has, cards in nodes:
        left, shares = Fraction(has), [Fraction(1)] * cards
        while left >= Fraction(str(cpus)):
            if gpus:
                card = max(range(len(shares)), key=shares.__getitem__, default=None)
                if card is None or shares[card] < Fraction(str(gpus)):
                    break
                shares[card] -= Fraction(str(gpus))
            left -= Fraction(str(cpus))
            placed += 1
    machine = Machine.of([Node(*node) for node in nodes], "it")
    try:
        assert machine.slots(cpus, gpus) == placed
    except ConfigError:
        assert placed == 0


@pytest.mark.parametrize(
    ("nodes", "asked", "said"),
    [
        (
            [(2, 0), (2, 0)],
            (3, 0),
            "cpus-per-trial is 3, but the largest node of it (4 CPUs, 0 GPUs, 2 nodes) has 2 CPUs, "
            "and a trial runs on one node",
        ),
        (
            [(4, 1), (4, 1)],
            (1, 2),
            "gpus-per-trial is 2, but the largest node of it (8 CPUs, 2 GPUs, 2 nodes) has 1 GPU, "
            "and a trial runs on one node",
        ),
        (
            [(8, 0), (1, 1)],
            (2, 1),
            "cpus-per-trial is 2 and gpus-per-trial 1, but the nodes of it (9 CPUs, 1 GPU, 2 "
            "nodes) with so many GPUs have at most 1 CPU",
        ),
    ],
)
def test_what_no_node_has_is_refused_with_what_the_largest_one_has(nodes, asked, said):
    with pytest.raises(ConfigError) as refused:
        Machine.of([Node(*node) for node in nodes], "it").slots(*asked)
    assert str(refused.value) == said
