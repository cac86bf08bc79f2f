"""What nodes are asked before a search, on a real cluster of two, one of which sees other files."""

import os
import subprocess
import time
from pathlib import Path

import pytest
import ray
from clusters import RAY, folder_of_ray, start_head
from conftest import new_postgres_database

from nas.cli.app import main
from nas.errors import ConfigError, StorageError
from nas.search import doctor
from nas.search.doctor import examine
from nas.search.joining import machine
from nas.search.machine import Machine
from nas.search.plan import prepare
from nas.search.probe import Report, look, version_of
from nas.study.reader import studies


@pytest.fixture(scope="module")
def two_nodes():
    """``(address, folder)`` of a cluster with a token; below ``folder/own`` each node is alone."""
    mounted = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no mount namespaces here: {mounted.stderr.decode().strip()}")
    with folder_of_ray() as folder, pytest.MonkeyPatch.context() as patch:
        (folder / "own").mkdir()
        (folder / "token").write_text("a" * 64)
        patch.delenv("RAY_ADDRESS", raising=False)
        patch.delenv("RAY_AUTH_MODE", raising=False)
        patch.setenv("RAY_AUTH_TOKEN_PATH", str(folder / "token"))
        address = start_head(folder, RAY_AUTH_MODE="token").place
        join = [*RAY, "start", f"--address={address}", "--num-cpus=1", "--block"]
        alone = f'mount -t tmpfs none "{folder}/own" && exec "$@"'
        nodes = []

        def start_node():
            command = ["unshare", "--mount", "sh", "-c", alone, "sh", *join]
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            env = {**os.environ, "RAY_AUTH_MODE": "token"}
            nodes.append(subprocess.Popen(command, env=env, **quiet))

        try:
            start_node()
            with machine({"address": address}):
                end = time.monotonic() + 120
                while sum(node["Alive"] for node in ray.nodes()) < 2:
                    if nodes[-1].poll() is not None:  # a loaded machine is too slow for Ray
                        start_node()
                    assert time.monotonic() < end, "no second node"
                    time.sleep(0.2)
            yield address, folder
        finally:
            for node in nodes:
                node.terminate()
                node.wait(30)


def test_a_cluster_of_two_nodes_is_as_it_should_be(two_nodes, postgres, capsys, monkeypatch):
    address, folder = two_nodes
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.setattr(doctor, "SECONDS", 90.0)
    url = new_postgres_database(postgres)
    given = ["--address", address, "--storage", url, "--runs", f"{folder}/runs"]
    assert main(["doctor", *given, "--dataset", "digits"]) == 0, capsys.readouterr()
    printed = capsys.readouterr().out
    assert (printed.count("✓"), printed.count("✗")) == (12, 0)
    assert f"the Ray cluster at {address} (2 CPUs, 0 GPUs, 2 nodes)" in printed
    assert not list(folder.glob("**/.nas-doctor*"))


def test_a_folder_that_nodes_do_not_share_is_seen_and_no_search_begins(
    two_nodes, postgres, capsys, tmp_path, monkeypatch
):
    address, folder = two_nodes
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(doctor, "SECONDS", 90.0)  # a loaded machine is no failure of ours
    url = new_postgres_database(postgres)
    runs = f"{folder}/own/runs"
    options = {"address": address, "storage": url, "runs": runs, "dataset": "digits"}
    (wrong,) = [one for one in examine(options) if not one.ok]
    assert (wrong.what, wrong.needed) == ("runs folder", True)
    assert f"{folder}/own there is not the folder of this name here, on " in wrong.found
    assert (
        wrong.advice
        == "name what all nodes share in --runs, such as a folder on NFS, or s3://bucket/path"
    )

    search = ["search", "--objective", "synthetic", "--trials", "2", "--address", address]
    assert main([*search, "--storage", url, "--runs", runs]) == 2
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    assert printed.err.startswith(
        f"nas: the nodes of the cluster cannot run this search: runs folder: {folder}/own there"
    )
    assert not Path(runs).exists()
    with pytest.raises(StorageError, match="has no studies of nas in it"):
        studies(url)


# --- what is made of the answers ---


def test_this_machine_is_as_it_should_be(tmp_path):
    findings = examine({"dataset": "digits", "runs": str(tmp_path), "storage": "sqlite:///x.db"})
    assert [one.what for one in findings] == [
        "nodes", "python", "ray", "nas", "torch", "data set", "runs folder", "database", "clocks",
        "disk", "/dev/shm",
    ]  # fmt: skip
    assert all(one.ok and not one.advice for one in findings)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def said(tmp_path):
    """What this machine says of itself."""
    (tmp_path / "marker").write_text("x")
    return look({"marker": str(tmp_path / "marker"), "text": "x", "seconds": 5})


def reports(said, **other):
    return [Report("a", said, 0, 1e12), Report("b", {**said, **other}, 0, 1e12)]


@pytest.fixture
def plan(tmp_path):
    given = {"objective": "synthetic", "storage": f"sqlite:///{tmp_path}/n.db", "trials": 2}
    return prepare({**given, "runs": str(tmp_path / "runs")}, Machine(2, 0))


@pytest.mark.parametrize(
    ("other", "refused"),
    [
        ({"python": "3.12.1"}, r"python: 3\.\d+\.\d+ here, 3\.12\.1 on b; install python"),
        ({"nas": "0.1.0 (other)"}, r"nas: .* here, 0\.1\.0 \(other\) on b; install nas"),
        ({"ray": "none"}, r"ray: 2\.\d+\.\d+ here, none on b; install ray"),
        ({"runs": "/runs there is not"}, "runs folder: /runs there is not, on b; name what all"),
        ({"torch": "1.0"}, None),  # said by the doctor, and no reason to begin nothing
        ({"data": "not there"}, None),
    ],
)
def test_a_search_is_refused_for_what_would_make_trials_fail(
    said, plan, other, refused, monkeypatch
):
    monkeypatch.setattr(doctor, "ask", lambda runs, seconds: (said, reports(said, **other)))
    if refused is None:
        doctor.preflight(plan)
        return
    with pytest.raises(ConfigError, match=rf"cannot run this search: {refused}.* nas doctor shows"):
        doctor.preflight(plan)


def test_a_node_that_fails_stops_a_search_and_one_that_is_late_does_not(said, plan, monkeypatch):
    late = Report("b", {}, 0, 1, problem="does not answer", silent=True)
    monkeypatch.setattr(
        doctor, "ask", lambda runs, seconds: (said, [Report("a", said, 0, 1), late])
    )
    doctor.preflight(plan)
    failed = Report("b", {}, 0, 1, problem="cannot run a task: no")
    monkeypatch.setattr(
        doctor, "ask", lambda runs, seconds: (said, [Report("a", said, 0, 1), failed])
    )
    with pytest.raises(ConfigError, match="tasks: b: cannot run a task: no; install"):
        doctor.preflight(plan)


@pytest.mark.parametrize(("clock", "off"), [(100, 0), (103, 0), (105, 0), (90, -10), (112, 7)])
def test_a_clock_is_off_by_what_the_way_there_and_back_does_not_explain(clock, off):
    assert Report("a", {"clock": clock}, asked=100, answered=105).seconds_off == off


def test_little_disk_little_memory_and_another_time_are_said_with_the_node(said):
    small = reports(said, **{"disk": 10**9, "/dev/shm": 64 * 10**6, "clock": 2e12})
    disk = doctor._free(small, "disk", doctor.DISK, "free some")
    assert (disk.ok, disk.found) == (False, "1.0 GB are free, on b; 2.0 GB are needed")
    assert doctor._free(small, "/dev/shm", doctor.MEMORY, "x").advice == "x"
    clocks = doctor._clocks(small)
    assert (clocks.ok, clocks.found) == (False, "b is +1000000000000 s off")


def test_a_database_that_is_away_or_a_file_for_several_nodes_is_said(tmp_path):
    away = doctor._database("postgresql+psycopg://me:secret@127.0.0.1:1/db", Machine(2, 0))
    assert not away.ok
    assert "secret" not in away.found
    two = Machine.of([doctor.Machine(1, 0), doctor.Machine(1, 0)], "it")
    file = doctor._database(f"sqlite:///{tmp_path}/n.db", two)
    assert (file.ok, file.found.endswith("is a file, for 2 nodes")) == (False, True)


def test_the_version_of_nas_is_that_of_its_source():
    assert version_of("nas") == version_of("nas") != version_of("ray")
    assert version_of("no-such-package") == "none"
