"""Searches on a cluster that has none of the user's files: as a Ray job, and from a laptop."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from clusters import RAY, folder_of_ray, start_head

from nas.errors import ConfigError
from nas.search.jobs import own_modules
from nas.study.check import violations
from nas.study.reader import open_study

OBJECTIVE = """
import os
from places import came_from  # beside it

def train(architecture, config, report):
    secrets = [name for name in ("NAS_STORAGE", "PGPASSWORD") if os.environ.get(name)]
    for _ in range(config.epochs):
        report({"val_accuracy": 0.5, "sent": came_from(), "secrets": len(secrets)})
"""
HELPER = """
import sys

def came_from():  # where Ray unpacks what it was sent; here, the folder itself can be seen, too
    return float(any("runtime_resources" in place for place in sys.path))
"""
SPACE = """
name: small
stem: {width: 8}
stages: [{block: basic, depth: {int: [1, 9]}, width: 8, stride: 2}]
"""
ASKED = ["--objective", "mine:train", "--space", "small.yaml", "--trials", "2", "--epochs", "1"]


@pytest.fixture(scope="module")
def code(tmp_path_factory):
    """A folder of a user's."""
    folder = tmp_path_factory.mktemp("code")
    for name, text in (("mine.py", OBJECTIVE), ("places.py", HELPER), ("small.yaml", SPACE)):
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def head():
    """A cluster of one node with Ray's job server, which asks for a token."""
    pytest.importorskip("aiohttp_cors", reason="the job server needs pip install 'nas[jobs]'")
    with folder_of_ray() as folder, socket.socket() as free:
        (folder / "token").write_text("a" * 64)
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": f"{folder}/token"}
        environment |= {"PGPASSWORD": "of the node's"}
        dashboard = ["--include-dashboard=true", f"--dashboard-port={port}"]
        address = start_head(folder, *dashboard, **environment)
        jobs = f"http://127.0.0.1:{port}"
        yield SimpleNamespace(place=address.place, jobs=jobs, environment=environment)


def run(command, head, folder, **environment):
    return subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "COLUMNS": "200", **head.environment, **environment},
    )


def submit(head, code, *options):
    job = [*RAY, "job", "submit", "--address", head.jobs, "--working-dir", "."]
    command = [*job, "--", sys.executable, "-m", "nas.search", *ASKED, *options]
    for _ in range(30):  # Ray's server answers before it can take a job
        done = run(command, head, code)
        if "No available agent" not in done.stderr:
            break
        time.sleep(2)
    return done


def checked(url):
    study = open_study(url, "small")
    assert violations(study) == []
    epochs = study.epochs()
    assert len(epochs) == 2
    assert set(epochs["metrics.sent"]) == {1.0} and set(epochs["metrics.secrets"]) == {0.0}


@pytest.mark.slow
def test_a_job_runs_with_the_code_and_the_space_of_the_folder_it_was_submitted_from(
    head, code, tmp_path
):
    storage = f"sqlite:///{tmp_path}/nas.db"
    done = submit(head, code, "--storage", storage, "--runs", f"{tmp_path}/runs")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The best of small" in done.stdout
    checked(storage)


@pytest.mark.slow
def test_a_job_whose_study_ray_would_delete_is_refused_in_one_line(head, code):
    done = submit(head, code)
    assert done.returncode != 0
    (line,) = {one for one in done.stdout.splitlines() if one.startswith("nas: ")}
    assert "storage is sqlite:///nas.db and runs is nas-runs, in the folder of a Ray job" in line
    assert "--storage" in line and "--runs" in line


@pytest.mark.slow
def test_an_objective_of_this_folder_travels_to_the_cluster_with_what_lies_beside_it(
    head, code, tmp_path
):
    storage = f"sqlite:///{tmp_path}/nas.db"
    search = [sys.executable, "-m", "nas", "search", *ASKED, "--address", head.place]
    where = ["--runs", f"{tmp_path}/runs"]
    done = run([*search, *where], head, code, NAS_STORAGE=storage)
    assert done.returncode == 0, done.stdout + done.stderr
    checked(storage)


def test_what_is_installed_or_part_of_nas_or_sent_with_a_job_does_not_travel(code, monkeypatch):
    monkeypatch.chdir(code)
    monkeypatch.syspath_prepend(str(code))
    mine = [str(code / "mine.py"), str(code / "places.py")]
    assert own_modules("mine:train") == mine
    for name in (None, "synthetic", "fashion_mnist", "os.path:join"):
        assert own_modules(name) == []
    sent = '{"runtime_env": {"working_dir": "gcs://_ray_pkg_0.zip"}}'
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", sent)
    assert own_modules("mine:train") == []
    with pytest.raises(ConfigError, match="objective is 'nowhere:train', but there is no module"):
        monkeypatch.delenv("RAY_JOB_CONFIG_JSON_ENV_VAR")
        own_modules("nowhere:train")
    for name in ("mine", "places"):
        del sys.modules[name]
    assert Path(mine[0]).exists()
