"""A search on a Ray cluster of two nodes, on one machine."""

import os
import subprocess
import sys

import pytest
from conftest import new_postgres_database
from ray.cluster_utils import Cluster

from nas.study.check import violations
from nas.study.reader import open_study


@pytest.fixture(scope="module")
def address():
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    cluster.add_node(num_cpus=1)
    yield cluster.address
    cluster.shutdown()


def search(folder, address, storage):
    arguments = ["search", "--objective", "synthetic", "--trials", "4"]
    return subprocess.run(
        [sys.executable, "-m", "nas", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "RAY_ADDRESS": address, "NAS_STORAGE": storage},
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
