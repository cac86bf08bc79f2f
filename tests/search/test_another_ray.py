"""Another Ray on the machine, alive or dead, and folders that Ray cannot use."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from nas.cli.app import main
from nas.errors import ConfigError
from nas.search.cluster import MAX_TEMP_BYTES, reached, temp_folder

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
