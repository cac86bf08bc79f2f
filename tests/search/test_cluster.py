"""A search on a Ray cluster of four nodes, on one machine, that come, go and break."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from clusters import RAY, SLOW, wait_for
from conftest import new_postgres_database
from ray.cluster_utils import Cluster

from nas.errors import ConfigError
from nas.search import cluster as ray_cluster
from nas.search.cluster import cluster
from nas.search.head import OPEN, Head
from nas.search.machine import Node
from nas.study.check import violations
from nas.study.reader import open_study


@pytest.fixture(scope="module")
def nodes():
    """A cluster and its four nodes; the driver joins the first one."""
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    others = [made.add_node(num_cpus=1, num_gpus=gpus) for gpus in (1, 0, 0)]
    yield made, [made.head_node, *others]
    made.shutdown()


@pytest.fixture
def folder(tmp_path) -> Path:
    """Where the objective is, and what it sees."""
    (tmp_path / "slow.py").write_text(SLOW)
    for name in ("full", "seen"):
        (tmp_path / name).mkdir()
    return tmp_path


def search(folder, address, storage, *arguments):
    """Begin a search of the synthetic objective, or another one, on all nodes."""
    command = ["search", "--gpus-per-trial", "0", "--address", address, *arguments]
    return subprocess.Popen(
        [sys.executable, "-m", "nas", *command],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "RAY_ADDRESS": "not:asked",
            "NAS_STORAGE": storage,
            "COLUMNS": "200",
            "PYTHONUNBUFFERED": "1",
        },
    )


def test_a_search_outlives_nodes_that_break_leave_and_come(nodes, postgres, folder):
    """It spreads over all, avoids the one that cannot train, and loses and counts nothing."""
    made, (head, broken, killed, drained) = nodes
    url = new_postgres_database(postgres)
    (folder / "full" / broken.node_id).touch()

    def seen():
        return {path.name for path in (folder / "seen").iterdir()}

    options = ["--objective", "slow:Slow", "--trials", "24", "--epochs", "6", "--scheduler", "none"]
    process = search(folder, made.address, url, *options, "--sampler", "random")
    wait_for(lambda: len(seen()) == 3)
    assert seen() == {head.node_id, killed.node_id, drained.node_id}
    made.remove_node(killed, allow_graceful=False)
    why = ["--reason=DRAIN_NODE_REASON_PREEMPTION", "--reason-message=spot"]
    node = [f"--node-id={drained.node_id}", "--deadline-remaining-seconds=1"]
    subprocess.run([*RAY, "drain-node", f"--address={made.address}", *node, *why], check=True)
    made.remove_node(drained, allow_graceful=False)  # as the cloud does
    came = made.add_node(num_cpus=1)
    wait_for(lambda: came.node_id in seen())
    said, wrong = process.communicate(timeout=300)
    assert (process.returncode, wrong) == (0, ""), said

    study = open_study(url, "resnext")
    assert violations(study) == []
    assert set(study.frame()["state"]) == {"COMPLETE"}
    assert len(study.frame()) == 24
    attempts = study.attempts()
    assert set(attempts["state"]) == {"complete", "interrupted"}
    reasons = attempts.loc[attempts["state"] == "interrupted", "reason"].str.split("\n").str[0]
    full = reasons.str.startswith("OSError: [Errno 28] No space left on device (attempt ")
    assert 2 <= full.sum() <= 4  # it had one place; what was on its way there came, too
    assert reasons[~full].str.startswith("its node went away").all()
    assert 1 <= (~full).sum() <= 2
    line = "gets no more trials: OSError: [Errno 28] No space left on device"
    assert said.count(line) == 1
    assert said.count("got no more trials: OSError: [Errno 28] No space left on device") == 1


def test_where_no_node_can_train_the_search_says_so_and_nothing_has_failed(nodes, postgres, folder):
    made, _ = nodes
    url = new_postgres_database(postgres)
    for node in (made.head_node, *made.worker_nodes):
        (folder / "full" / node.node_id).touch()
    options = ["--objective", "slow:Slow", "--trials", "9", "--max-failures", "0"]
    process = search(folder, made.address, url, *options)
    said, wrong = process.communicate(timeout=300)
    assert (process.returncode, wrong) == (1, ""), said
    (line,) = [one for one in said.splitlines() if one.startswith("Stopped: ")]
    assert line.startswith("Stopped: no node is left to train on: ")
    assert line.count("No space left on device") == len(made.worker_nodes) + 1
    study = open_study(url, "resnext")
    assert set(study.frame()["state"]) == {"WAITING"}
    assert violations(study) == []


def test_a_cluster_of_several_nodes_refuses_sqlite(nodes, tmp_path):
    address = nodes[0].address
    process = search(tmp_path, address, f"sqlite:///{tmp_path}/nas.db", "--objective=synthetic")
    said, wrong = process.communicate(timeout=100)
    assert (process.returncode, said) == (2, "")
    count = len(nodes[0].worker_nodes) + 1
    assert f"the Ray cluster at {address} has {count} nodes; use PostgreSQL" in wrong
    assert wrong.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_what_no_single_node_has_is_refused_nor_is_another_cluster_joined(nodes, monkeypatch):
    with cluster(nodes[0].address) as machine:
        assert machine.is_cluster
        assert set(machine.nodes) == {Node(1, 0), Node(1, 1)}
        assert machine.slots(1, 0) == len(machine.nodes)
        assert machine.slots(0.25, 0.25) == 4
        for asked in ((2, 0), (1, 2)):
            with pytest.raises(ConfigError, match=r"but the largest node of .* has 1 [CG]PU"):
                machine.slots(*asked)
        with cluster(nodes[0].address) as again:
            assert again == machine
        elsewhere = Head("203.0.113.7:1", OPEN, frozenset())
        monkeypatch.setattr(ray_cluster, "reached", lambda named: elsewhere)
        refused = r"address is '203.*', but this process is connected to the Ray at"
        with pytest.raises(ConfigError, match=refused), cluster(elsewhere.place):
            pass
