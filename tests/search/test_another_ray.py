"""Another Ray on the machine, alive or dead, and folders that Ray cannot use."""

import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from nas.cli.app import main
from nas.errors import ConfigError
from nas.search import cluster as ray_cluster
from nas.search.cluster import MAX_TEMP_BYTES, cluster, reached, temp_folder
from nas.search.machine import Machine

SEARCH = ["search", "--objective", "synthetic", "--trials", "1", "--epochs", "1", "--study"]


def start(folder: Path, name: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "nas", *SEARCH, name],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "RAY_ADDRESS": "", **environment},
    )


def ended_well(search: subprocess.Popen[str]) -> bool:
    said, errors = search.communicate(timeout=300)
    assert (search.returncode, errors) == (0, ""), said + errors
    return "1 trial ended" in said


@pytest.fixture
def short_folder():
    """One that Ray can keep its sockets in, and that no other test's Ray uses."""
    folder = Path(tempfile.mkdtemp(prefix="nas", dir="/tmp"))
    yield folder
    for process in started_in(folder):
        process.kill()
    shutil.rmtree(folder, ignore_errors=True)


def started_in(folder: Path) -> list[psutil.Process]:
    """The processes of the Ray whose sessions are in ``folder``."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if process.pid != os.getpid() and any(str(folder) in word for word in words):
            found.append(process)
    return found


def test_a_search_starts_its_own_ray_beside_one_that_runs_and_one_that_was_killed(
    short_folder, tmp_path
):
    head = ["start", "--head", "--port=0", "--num-cpus=1", "--include-dashboard=false"]
    subprocess.run(
        [sys.executable, "-m", "ray.scripts.scripts", *head, f"--temp-dir={short_folder}/ray"],
        env={**os.environ, "RAY_TMPDIR": str(short_folder), "RAY_AUTH_MODE": "disabled"},
        check=True,
        capture_output=True,
        timeout=120,
    )
    address = (short_folder / "ray" / "ray_current_cluster").read_text().strip()
    assert reached(address, 60)
    assert ended_well(start(tmp_path, "beside", RAY_TMPDIR=str(short_folder)))

    for process in started_in(short_folder):
        process.kill()
        process.wait(30)
    long = tmp_path / ("long name " * 12)
    long.mkdir()
    searches = [
        start(tmp_path, "after", RAY_TMPDIR=str(short_folder)),  # its address file is still there
        start(tmp_path, "long", TMPDIR=str(long)),
    ]
    assert [ended_well(search) for search in searches] == [True, True]
    with pytest.raises(ConfigError, match="no Ray cluster there can be joined"):
        reached(address)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:1", "Connection refused"),
        ("ray://127.0.0.1:10001", "accepted: host:port"),
        ("nonsense", "Invalid address format: nonsense"),
        ("host:port:more", "Invalid address"),
        ("no.such.host.invalid:6379", "not known"),
    ],
)
def test_an_address_without_a_cluster_is_one_line(address, said, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("RAY_ADDRESS", address)
    monkeypatch.chdir(tmp_path)
    assert main([*SEARCH, "s"]) == 2
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert printed.err.startswith(f"nas: RAY_ADDRESS is '{address}'")
    assert said in printed.err
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_accepts_and_never_answers_is_given_up():
    with (
        socket.create_server(("0.0.0.0", 0)) as server,
        pytest.raises(ConfigError, match=r"no answer within 0\.5 s"),
    ):
        reached(f"127.0.0.1:{server.getsockname()[1]}", 0.5)


def test_ray_keeps_its_sockets_where_their_paths_are_short_enough(
    short_folder, tmp_path, monkeypatch
):
    monkeypatch.delenv("TMPDIR", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(short_folder))
    assert temp_folder() == short_folder
    socket_ = "ray/session_2026-01-01_12-00-00_123456_4194304/sockets/plasma_store"
    assert MAX_TEMP_BYTES + len(f"/{socket_}") <= 107
    spaced = short_folder / "a b"
    spaced.mkdir()
    for unusable in (tmp_path / "x" / ("é" * 40), short_folder / "missing", spaced, Path("/proc")):
        monkeypatch.setenv("RAY_TMPDIR", str(unusable))
        assert temp_folder() == Path("/tmp")


# --- what Ray is asked, its own part left out ---


def test_ray_is_told_before_it_is_imported_what_is_ours():
    told = {
        "RAY_AIR_NEW_OUTPUT": "0", "RAY_CHDIR_TO_TRIAL_DIR": "0", "RAY_DEDUP_LOGS": "1",
        "RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1", "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
        "TUNE_DISABLE_SIGINT_HANDLER": "1", "TUNE_GLOBAL_CHECKPOINT_S": "1000000",
        "TUNE_MAX_PENDING_TRIALS_PG": "1", "TUNE_WARN_THRESHOLD_S": "10",
    }  # fmt: skip
    assert {name: os.environ.get(name) for name in told} == told


@pytest.fixture
def ray(monkeypatch):
    """What stands in Ray's place notes how it is started, in which environment, and its end."""
    noted = SimpleNamespace(calls=[], storage="not asked", fails=None)

    def init(**options):
        noted.calls.append(("init", options))
        noted.storage = os.environ.get("NAS_STORAGE")
        noted.address = os.environ.get("RAY_ADDRESS")
        os.write(2, b"noise of Ray's own")
        if noted.fails:
            raise noted.fails

    monkeypatch.setattr(ray_cluster.ray, "init", init)
    monkeypatch.setattr(ray_cluster.ray, "shutdown", lambda: noted.calls.append(("shutdown", None)))
    resources = {"CPU": 12.0, "GPU": 2.0, "memory": 1e9}
    monkeypatch.setattr(ray_cluster.ray, "cluster_resources", lambda: noted.resources)
    nodes = [{"Alive": True}, {"Alive": False}, {"Alive": True}]
    monkeypatch.setattr(ray_cluster.ray, "nodes", lambda: nodes)
    monkeypatch.setattr(
        ray_cluster, "reached", lambda address: noted.calls.append(("reached", address))
    )
    noted.resources = resources
    monkeypatch.setenv("NAS_STORAGE", "postgresql://me:secret@host/db")
    return noted


def test_a_ray_of_our_own_has_what_this_machine_has_and_no_database(
    ray, short_folder, monkeypatch, capfd
):
    monkeypatch.setenv("RAY_ADDRESS", "")
    monkeypatch.setenv("RAY_TMPDIR", str(short_folder))
    with cluster() as machine:
        assert machine == Machine.here()
        assert os.environ["NAS_STORAGE"] == "postgresql://me:secret@host/db"
        ((call, options),) = ray.calls
    assert options == {
        "address": "local", "num_cpus": machine.cpus, "num_gpus": machine.gpus,
        "include_dashboard": False, "_temp_dir": f"{short_folder}/ray", "log_to_driver": False,
        "logging_level": logging.ERROR,
    }  # fmt: skip
    assert (call, ray.storage, ray.address) == ("init", None, None)
    assert ray.calls[1:] == [("shutdown", None)]
    assert capfd.readouterr().err == ""


def test_a_cluster_that_is_named_is_joined_with_what_all_of_its_nodes_have(ray, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    with cluster() as machine:
        assert machine == Machine(12, 2, "the Ray cluster at head:6379", nodes=2)
    joined = {"address": "head:6379", "log_to_driver": False, "logging_level": logging.ERROR}
    assert ray.calls == [("reached", "head:6379"), ("init", joined), ("shutdown", None)]
    ray.resources = {}
    with cluster() as machine:
        assert (machine.cpus, machine.gpus) == (0, 0)


def test_ray_is_left_whatever_happens_and_no_database_is_made_up(ray, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    monkeypatch.delenv("NAS_STORAGE")
    with pytest.raises(KeyError), cluster():
        raise KeyError
    assert ray.calls[-1] == ("shutdown", None)
    assert "NAS_STORAGE" not in os.environ


@pytest.mark.parametrize("error", [OSError, RuntimeError, ValueError])
def test_a_ray_that_cannot_start_is_one_line(ray, error, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    ray.fails = error("no room\nand a traceback")
    with pytest.raises(ConfigError) as refused, cluster():
        pass
    assert str(refused.value) == "Ray cannot start: no room"
    assert os.environ["NAS_STORAGE"] == "postgresql://me:secret@host/db"


@pytest.fixture
def head(monkeypatch):
    """A head node that answers, at whatever address is looked up."""
    noted = SimpleNamespace(found="host:6379", connected=[], asked=[], tokens=[])

    class Client:
        def __init__(self, address):
            noted.asked.append(address)

        def internal_kv_get(self, key, namespace):
            noted.asked.append((key, namespace))

    class Connection:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            noted.connected.append("closed")

    def connect(place, seconds):
        noted.connected.append((place, seconds))
        return Connection()

    def canonical(address):
        return noted.found

    monkeypatch.setattr(ray_cluster, "canonicalize_bootstrap_address", canonical)
    monkeypatch.setattr(ray_cluster, "GcsClient", Client)
    monkeypatch.setattr(ray_cluster.socket, "create_connection", connect)
    monkeypatch.setattr(
        ray_cluster,
        "maybe_enable_token_auth_if_token_available",
        lambda **options: noted.tokens.append(options),
    )
    return noted


@pytest.mark.parametrize(
    ("found", "place"),
    [("host:6379", ("host", 6379)), ("[::1]:1234", ("::1", 1234))],
)
def test_a_head_is_reached_where_it_is_and_asked_something(head, found, place):
    head.found = found
    assert reached("somewhere") == found
    assert head.connected == [(place, 4.0), "closed"]
    assert head.asked == [found, (b"", None)]
    assert head.tokens == []


def test_a_cluster_of_this_user_is_asked_with_its_token(head):
    assert reached("auto") == "host:6379"
    assert head.tokens == [{"warn_if_disabled": False}]


def test_what_is_no_cluster_is_said_with_the_reason_and_what_is_accepted(head):
    head.found = None
    with pytest.raises(ConfigError) as refused:
        reached("auto")
    assert str(refused.value) == (
        "RAY_ADDRESS is 'auto', but no Ray cluster there can be joined (Ray runs nowhere on this "
        "machine); accepted: host:port of the head node, as ray start prints it; auto; or leave it "
        "out to search on this machine alone"
    )
    with pytest.raises(ConfigError) as refused:
        reached("ray://head:10001")
    assert str(refused.value) == (
        "RAY_ADDRESS is 'ray://head:10001', a URL; accepted: host:port of the head node, as ray "
        "start prints it, on a machine of the cluster; auto; or leave it out"
    )


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TimeoutError(), "TimeoutError"),
        (ConnectionError(" \n"), "ConnectionError"),
        (ConnectionError("\nfirst\nsecond"), "first"),
    ],
)
def test_a_reason_is_one_line_or_the_kind_of_error(head, error, reason, monkeypatch):
    def fail(*_):
        raise error

    monkeypatch.setattr(ray_cluster.socket, "create_connection", fail)
    with pytest.raises(ConfigError) as refused:
        reached("host:6379")
    assert f"can be joined ({reason}); accepted" in str(refused.value)


def test_a_cluster_has_five_seconds_to_answer():
    assert reached.__defaults__ == (5.0,)


def test_what_ray_itself_writes_is_not_seen_and_what_comes_after_is(capfd):
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(KeyError), ray_cluster._silence():
        os.write(2, b"noise")
        raise KeyError
    os.write(2, b"ours")
    assert capfd.readouterr().err == "ours"
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_first_folder_that_was_given_is_tried_and_then_the_system_s(
    short_folder, tmp_path, monkeypatch
):
    other = Path(tempfile.mkdtemp(prefix="o", dir="/tmp"))
    monkeypatch.setenv("RAY_TMPDIR", "")
    monkeypatch.setenv("TMPDIR", str(short_folder))
    assert temp_folder() == short_folder
    monkeypatch.setenv("RAY_TMPDIR", str(other))
    assert temp_folder() == other
    monkeypatch.setenv("RAY_TMPDIR", "/nowhere")  # TMPDIR is not what was meant for Ray
    assert temp_folder() == Path("/tmp")
    monkeypatch.chdir(other)
    monkeypatch.setenv("RAY_TMPDIR", ".")
    assert temp_folder() == other
    monkeypatch.setattr(ray_cluster, "SYSTEM_TEMP", ("/nowhere", str(short_folder)))
    monkeypatch.setenv("RAY_TMPDIR", "/nowhere")
    assert temp_folder() == short_folder
    monkeypatch.setattr(ray_cluster, "SYSTEM_TEMP", ())
    with pytest.raises(ConfigError) as refused:
        temp_folder()
    assert str(refused.value) == (
        "Ray needs a folder for its sockets; set RAY_TMPDIR to one that can be written, whose path "
        "has at most 32 bytes and no spaces"
    )
    other.rmdir()


@pytest.mark.parametrize(("name", "fits"), [("x" * 27, True), ("x" * 28, False), ("a\tb", False)])
def test_a_path_of_thirty_two_bytes_fits(name, fits, monkeypatch):
    folder = Path("/tmp") / name
    folder.mkdir()
    try:
        monkeypatch.setenv("RAY_TMPDIR", str(folder))
        assert len(str(folder)) == 5 + len(name)
        assert (temp_folder() == folder) == fits
        assert list(folder.iterdir()) == []
    finally:
        folder.rmdir()
