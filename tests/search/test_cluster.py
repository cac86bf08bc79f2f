"""A search on a Ray cluster of two nodes, on one machine."""

import os
import subprocess
import sys

import pytest
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
def address():
    two = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    two.add_node(num_cpus=1, num_gpus=1)
    yield two.address
    two.shutdown()


def search(folder, address, storage):
    arguments = ["search", "--objective", "synthetic", "--trials", "4", "--gpus-per-trial", "0"]
    arguments += ["--address", address]
    return subprocess.run(
        [sys.executable, "-m", "nas", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "RAY_ADDRESS": "not:asked", "NAS_STORAGE": storage},
        timeout=300,
    )


def test_a_cluster_runs_a_search_on_postgresql(address, postgres, tmp_path):
    url = new_postgres_database(postgres)
    done = search(tmp_path, address, url)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    study = open_study(url, "resnext")
    assert len(study.frame()) == 4
    assert violations(study) == []


def test_a_cluster_of_several_nodes_refuses_sqlite(address, tmp_path):
    done = search(tmp_path, address, f"sqlite:///{tmp_path}/nas.db")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"the Ray cluster at {address} has 2 nodes; use PostgreSQL" in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_what_no_single_node_has_is_refused_nor_is_another_cluster_joined(address, monkeypatch):
    with cluster(address) as machine:
        assert sorted(machine.nodes, key=lambda node: node.gpus) == [Node(1, 0), Node(1, 1)]
        assert (machine.slots(1, 0), machine.slots(0.25, 0.25)) == (2, 4)
        for asked in ((2, 0), (1, 2)):
            with pytest.raises(ConfigError, match=r"but the largest node of .* has 1 [CG]PU"):
                machine.slots(*asked)
        with cluster(address) as again:
            assert again == machine
        elsewhere = Head("203.0.113.7:1", OPEN, frozenset())
        monkeypatch.setattr(ray_cluster, "reached", lambda named: elsewhere)
        refused = r"address is '203.*', but this process is connected to the Ray at"
        with pytest.raises(ConfigError, match=refused), cluster(elsewhere.place):
            pass
