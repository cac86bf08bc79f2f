"""Another Ray on the machine, alive or dead, and folders that Ray cannot use."""

import logging
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from clusters import folder_of_ray, start_head, started_in

from nas.cli.app import main
from nas.errors import ConfigError
from nas.search import cluster as ray_cluster
from nas.search import head as ray_head
from nas.search.cluster import MAX_TEMP_BYTES, cluster, temp_folder
from nas.search.head import OPEN, TOKEN, Head, is_here, reached, silence
from nas.search.machine import Address, Machine, Node

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
    with folder_of_ray() as folder:
        yield folder


def test_a_search_starts_its_own_ray_beside_one_that_runs_and_one_that_was_killed(
    short_folder, tmp_path
):
    address = start_head(short_folder, RAY_AUTH_MODE="disabled")
    assert reached(address, 60) == Head(address.place, OPEN, frozenset([host_of(address)]))
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


def host_of(address: Address) -> str:
    return address.place.rpartition(":")[0]


def test_a_cluster_that_wants_a_token_is_joined_with_it_and_says_what_is_missing(
    short_folder, tmp_path, monkeypatch
):
    """Which ``ray start`` makes of a head, once any local search has left a token behind."""
    file = short_folder / "token"
    file.write_text("a" * 64)
    address = start_head(short_folder, RAY_AUTH_TOKEN_PATH=str(file))  # and no RAY_AUTH_MODE
    monkeypatch.setenv("HOME", str(tmp_path))  # no token of this user's
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE"):
        monkeypatch.delenv(name, raising=False)
    what_to_do = (
        "; copy ~/.ray/auth_token from its head node to the same place here, or name a file with "
        "its token in RAY_AUTH_TOKEN_PATH"
    )
    with pytest.raises(ConfigError) as refused:
        reached(address, 60)
    said = f"address is '{address.place}', but the Ray cluster there wants "
    assert str(refused.value) == f"{said}a token{what_to_do}"
    monkeypatch.setenv("RAY_AUTH_TOKEN", "b" * 64)
    with pytest.raises(ConfigError) as refused:
        reached(address, 60)
    assert str(refused.value) == f"{said}another token than that of RAY_AUTH_TOKEN{what_to_do}"
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="which cannot be read or is empty"):
        reached(address, 60)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(file))
    assert reached(address, 60).mode == TOKEN
    assert "RAY_AUTH_MODE" not in os.environ
    assert ended_well(start(tmp_path, "there", RAY_ADDRESS=address.place))


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:1", "Connection refused"),
        ("ray://127.0.0.1:10001", "accepted: host:port of the head node"),
        ("nonsense", "Invalid address format: nonsense"),
        ("host:port:more", "Invalid address"),
        ("no.such.host.invalid:6379", "not known"),
    ],
)
def test_an_address_without_a_cluster_is_one_line(address, said, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    for option in ("RAY_ADDRESS", "address"):
        given = ["--address", address] if option == "address" else []
        monkeypatch.setenv("RAY_ADDRESS", "not:asked" if given else address)
        assert main([*SEARCH, "s", *given]) == 2
        printed = capfd.readouterr()
        assert printed.out == ""
        assert printed.err.count("\n") == 1
        assert printed.err.startswith(f"nas: {option} is '{address}'")
        assert said in printed.err
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_accepts_and_never_answers_is_given_up():
    with (
        socket.create_server(("0.0.0.0", 0)) as server,
        pytest.raises(ConfigError, match=r"no answer within 0\.5 s"),
    ):
        reached(Address(f"127.0.0.1:{server.getsockname()[1]}"), 0.5)


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
        "TUNE_WARN_THRESHOLD_S": "10",
    }  # fmt: skip
    assert {name: os.environ.get(name) for name in told} == told


@pytest.fixture
def ray(monkeypatch):
    """What stands in Ray's place notes how it is started, in which environment, and its end."""
    noted = SimpleNamespace(calls=[], storage="not asked", fails=None)
    noted.nodes = [{"CPU": 8.0, "memory": 1e9}, None, {"CPU": 4.0, "GPU": 2.0}]
    noted.head = Head("head:6379", TOKEN, frozenset(["203.0.113.7"]))

    def init(**options):
        noted.calls.append(("init", options))
        noted.storage = os.environ.get("NAS_STORAGE")
        noted.address = os.environ.get("RAY_ADDRESS")
        noted.mode = os.environ.get("RAY_AUTH_MODE")
        os.write(2, b"noise of Ray's own")
        if noted.fails:
            raise noted.fails

    def nodes():
        return [{"Alive": has is not None, "Resources": has or {}} for has in noted.nodes]

    def answers(address):
        noted.calls.append(("reached", address.place))
        return noted.head

    monkeypatch.setattr(ray_cluster.ray, "init", init)
    monkeypatch.setattr(ray_cluster.ray, "shutdown", lambda: noted.calls.append(("shutdown", None)))
    monkeypatch.setattr(ray_cluster.ray, "nodes", nodes)
    monkeypatch.setattr(ray_cluster, "reached", answers)
    monkeypatch.setenv("NAS_STORAGE", "postgresql://me:secret@host/db")
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
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
    assert (call, ray.storage, ray.address, ray.mode) == ("init", None, None, None)
    assert ray.calls[1:] == [("shutdown", None)]
    assert capfd.readouterr().err == ""


def test_a_cluster_that_is_named_is_joined_with_what_each_of_its_nodes_has(ray, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    nodes = (Node(8, 0), Node(4, 2))
    with cluster() as machine:
        assert machine == Machine(12, 2, "the Ray cluster at head:6379", nodes)
    joined = {"address": "head:6379", "log_to_driver": False, "logging_level": logging.ERROR}
    assert ray.calls == [("reached", "head:6379"), ("init", joined), ("shutdown", None)]
    assert (ray.mode, os.environ.get("RAY_AUTH_MODE")) == ("token", None)
    assert (ray.address, os.environ["RAY_ADDRESS"]) == (None, "head:6379")
    with cluster("other:1") as machine:
        assert machine.name == "the Ray cluster at other:1"
    with cluster("local") as machine:
        assert machine == Machine.here()


def test_an_open_cluster_is_joined_here_or_where_that_was_asked_for(ray):
    ray.head = Head("head:6379", OPEN, frozenset(["127.0.0.1"]))
    with cluster("head:6379"):
        assert ray.mode == "disabled"
    ray.head = Head("head:6379", OPEN, frozenset(["127.0.0.1", "203.0.113.7"]))
    with pytest.raises(ConfigError) as refused, cluster("head:6379"):
        pass
    assert str(refused.value) == (
        "address is 'head:6379', a Ray cluster on other machines that asks nobody for a token: "
        "whoever reaches it can run code there, and on this machine once it has joined. Start its "
        "nodes with RAY_AUTH_MODE=token and one token, or add --insecure (insecure=True in Python)"
    )
    with cluster("head:6379", insecure=True) as machine:
        assert machine.cpus == 12


def test_a_cluster_without_a_cpu_is_waited_for_and_then_refused(ray, monkeypatch):
    now, told = [0.0], []

    def sleep(seconds):
        now[0] += seconds
        if len(ray.nodes) == 1 and now[0] > 40:
            ray.nodes = [{}, {"CPU": 2.0}]

    monkeypatch.setattr(ray_cluster.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(ray_cluster.time, "sleep", sleep)
    ray.nodes = [{}]
    with cluster("head:6379", tell=told.append) as machine:
        assert machine.nodes == (Node(0, 0), Node(2, 0))
    at = "the Ray cluster at head:6379 (0 CPUs, 0 GPUs"
    assert told == [f"{at}) has no CPU yet: waiting for 60 s at most"]
    ray.nodes = [{}, {}]
    with pytest.raises(ConfigError) as refused, cluster("head:6379", tell=told.append):
        pass
    assert str(refused.value) == (
        f"address is 'head:6379', but {at}, 2 nodes) has no CPU for a trial, nor got one within "
        "60 s; start its workers first: a search asks no autoscaler for them"
    )
    assert ray.calls[-1] == ("shutdown", None)


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
    noted = SimpleNamespace(found="host:6379", connected=[], asked=[])

    class Client:
        def __init__(self, address):
            noted.asked.append((address, os.environ["RAY_AUTH_MODE"]))

        def get_all_node_info(self):
            alive, gone = (SimpleNamespace(node_manager_address=f"h{k}", state=k) for k in (0, 1))
            return {"a": alive, "b": gone}

    class Connection:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            noted.connected.append("closed")

    def connect(place, seconds):
        noted.connected.append((place, seconds))
        return Connection()

    monkeypatch.setattr(ray_head, "canonicalize_bootstrap_address", lambda address: noted.found)
    monkeypatch.setattr(ray_head, "GcsClient", Client)
    monkeypatch.setattr(ray_head.socket, "create_connection", connect)
    return noted


@pytest.mark.parametrize(
    ("found", "place"),
    [("host:6379", ("host", 6379)), ("[::1]:1234", ("::1", 1234))],
)
def test_a_head_is_reached_where_it_is_and_asked_without_a_token_first(
    head, found, place, monkeypatch
):
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    head.found = found
    assert reached(Address("somewhere")) == Head(found, OPEN, frozenset(["h0"]))
    assert head.connected == [(place, 4.0), "closed"]
    assert head.asked == [(found, "disabled")]
    assert os.environ["RAY_AUTH_MODE"] == "token"


def test_a_cluster_is_here_where_all_of_its_nodes_are():
    assert Head("h:1", OPEN, frozenset(["127.0.0.1", "::1"])).is_here
    assert not Head("h:1", OPEN, frozenset(["127.0.0.1", "203.0.113.7"])).is_here
    assert not is_here("no.such.host.invalid")


def test_what_is_no_cluster_is_said_with_the_reason_and_what_is_accepted(head):
    head.found = None
    with pytest.raises(ConfigError) as refused:
        reached(Address("auto", "RAY_ADDRESS"))
    assert str(refused.value) == (
        "RAY_ADDRESS is 'auto', but no Ray cluster there can be joined (Ray runs nowhere on this "
        "machine); accepted: host:port of the head node, as ray start prints it; auto; or leave it "
        "out to search on this machine alone"
    )
    with pytest.raises(ConfigError) as refused:
        reached(Address("ray://head:10001"))
    assert str(refused.value) == (
        "address is 'ray://head:10001', a URL; accepted: host:port of the head node, as ray start "
        "prints it, on a machine of the cluster; auto; local, or leave it out. Through ray:// Ray "
        "Tune would run the search on the cluster, away from this database; submit it as a Ray job "
        "instead"
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

    monkeypatch.setattr(ray_head.socket, "create_connection", fail)
    with pytest.raises(ConfigError) as refused:
        reached(Address("host:6379"))
    assert f"can be joined ({reason}); accepted" in str(refused.value)


def test_a_cluster_has_five_seconds_to_answer():
    assert reached.__defaults__ == (5.0,)


def test_what_ray_itself_writes_is_not_seen_and_what_comes_after_is(capfd):
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(KeyError), silence():
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
