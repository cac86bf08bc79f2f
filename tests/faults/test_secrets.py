"""The password of the study database: searched for in all that a search leaves or starts."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from faults.servers import CANARY

from nas.study.check import violations
from nas.study.reader import open_study

TRIALS = 24


@pytest.fixture
def ray_folder():
    """Where Ray keeps its sessions; the path of a socket in there must be short."""
    folder = Path(tempfile.mkdtemp(prefix="nas", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


def shown_by(process: psutil.Process) -> str:
    """What a user of the machine, or Ray's dashboard, sees of a process."""
    try:
        return " ".join([*process.cmdline(), *map(str, process.environ().items())])
    except psutil.Error:  # it has just ended
        return ""


def files_with_the_password(*folders: Path) -> list[Path]:
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert files
    return [path for path in files if CANARY.encode() in path.read_bytes()]


def test_the_password_is_nowhere_and_an_outage_changes_nothing(server, tmp_path, ray_folder):
    arguments = ["search", "--objective", "synthetic", "--trials", str(TRIALS), "--study", "s"]
    search = subprocess.Popen(
        [sys.executable, "-m", "nas", *arguments, "--scheduler", "none", "--sampler", "random"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={
            **os.environ,
            "NAS_STORAGE": server.url,
            "RAY_ADDRESS": "",
            "RAY_TMPDIR": str(ray_folder),
            "COLUMNS": "200",
        },
    )
    printed, seen = [], set()
    try:
        for line in search.stdout:
            printed.append(line)
            ended = sum(line.startswith("trial") for line in printed)
            if line.startswith("trial") and ended in (3, 12):
                for process in psutil.Process(search.pid).children(recursive=True):
                    seen.add(process.name())
                    assert CANARY not in shown_by(process)
                server.stop()
                time.sleep(1)  # a trial that runs now ends during it
                server.start()
    except BaseException:
        search.kill()
        raise
    assert search.wait() == 0, "".join(printed)
    assert CANARY not in "".join(printed)
    assert any("raylet" in name for name in seen), seen
    assert any("ray::" in name for name in seen), seen
    assert files_with_the_password(tmp_path, ray_folder) == []
    kept = next((tmp_path / "nas-runs").glob("*/search.log")).read_text()
    assert "record_epoch of trial" in kept  # results did go through the outbox
    study = open_study(server.url, "s")
    assert violations(study) == []
    assert len(study.frame()) == TRIALS
