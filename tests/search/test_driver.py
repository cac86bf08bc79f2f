"""Real Ray processes: the driver, and workers that are used again."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import ray
from sqlalchemy import create_engine, text

from nas.architecture import Architecture, Stage, Stem
from nas.cli.app import main
from nas.data.fashion_mnist import fingerprint
from nas.search.trial import Worker
from nas.training import TrainingConfig

PLAIN = {"RAY_ADDRESS": "", "COLUMNS": "200"}


def nas(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nas", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, **PLAIN, **environment},
        timeout=300,
    )


def rows(folder: Path, query: str):
    engine = create_engine(f"sqlite:///{folder}/nas.db")
    with engine.connect() as connection:
        found = [dict(row._mapping) for row in connection.execute(text(query))]
    engine.dispose()
    return found


def left_by_trials(folder: Path) -> list[str]:
    """What lies in the folder of the study, but for what each search has there once."""
    once = ["search.log", "outbox.jsonl.lock", "tuner.pkl", ".validate_storage_marker"]
    found = (path.name for path in folder.glob("nas-runs/*/*") if path.name not in once)
    return sorted(found)


def test_a_search_on_real_images_stores_every_trial(tmp_path, monkeypatch, capfd):
    arguments = ["search", "--space", "resnext", "--trials", "2", "--epochs", "2", "--max-macs"]
    arguments += ["3000000", "--train-images", "2000", "--time-budget", "5m"]
    done = nas(tmp_path, *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    trials = rows(tmp_path, "SELECT * FROM nas_trials ORDER BY number")
    assert [t["number"] for t in trials] == [0, 1]
    assert {t["state"] for t in trials} <= {"COMPLETE", "PRUNED"}
    assert all(t["macs"] <= 3_000_000 for t in trials)
    assert all(0 < t["val_accuracy"] < 1 for t in trials)
    assert max(t["val_accuracy"] for t in trials) > 0.2  # a network that guesses has 0.1
    owners = rows(tmp_path, "SELECT DISTINCT host FROM nas_attempts")
    assert 1 <= len(owners) <= 2  # two workers at most, whatever the number of trials
    assert "The best of resnext" in done.stdout
    assert "stages.0" in done.stdout
    assert "nas show resnext" in done.stdout
    about_ray = [line for line in done.stdout.splitlines() if "ray" in line.lower()]
    assert about_ray == ["Starting Ray …"]  # and nothing that Ray itself had to say

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAY_ADDRESS", "")
    assert main(arguments) == 0
    assert "All 2 trials ended" in capfd.readouterr().out
    assert rows(tmp_path, "SELECT * FROM nas_trials ORDER BY number") == trials

    for other, said in [
        (["--space", "resnet", "--study", "resnext"], "space."),
        (["--max-macs", "2000000"], "space.limits.macs.max is 3000000, not 2000000"),
        (["--epochs", "3"], "epochs is 2, not 3"),
        (["--objective", "synthetic"], 'objective is "fashion_mnist", not "synthetic"'),
    ]:
        assert main(["search", *other]) == 2
        printed, refused = capfd.readouterr()
        assert printed == ""
        assert "study 'resnext' exists and is another one" in refused
        assert said in refused
    assert rows(tmp_path, "SELECT * FROM nas_trials ORDER BY number") == trials


def test_a_stopped_search_stores_what_is_done_and_goes_on(tmp_path):
    """And of checkpoints, it keeps those of trials that wait, and of the best."""
    arguments = ["search", "--objective", "synthetic", "--trials", "400", "--scheduler", "none"]
    process = subprocess.Popen(
        [sys.executable, "-m", "nas", *arguments],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **PLAIN},
    )
    for line in process.stdout:  # until it is under way
        if line.startswith("trial") and "complete" in line:
            break
    process.send_signal(signal.SIGINT)
    rest = process.stdout.read()
    assert process.wait() == 130
    assert "Stopped by SIGINT" in rest
    assert "nas search --study resnext" in rest
    states = {row["state"] for row in rows(tmp_path, "SELECT state FROM nas_trials")}
    assert "COMPLETE" in states
    assert "RUNNING" not in states
    before = rows(tmp_path, "SELECT * FROM nas_trials WHERE state = 'COMPLETE' ORDER BY number")
    query = "SELECT number FROM nas_trials WHERE state = 'WAITING'"
    waiting = {row["number"] for row in rows(tmp_path, query)}
    assert {int(name[:5]) for name in left_by_trials(tmp_path)} <= waiting

    poorest = min(before, key=lambda row: row["val_accuracy"])
    folder = next(tmp_path.glob("nas-runs/*")) / f"{poorest['number']:05d}-1" / "checkpoint_000003"
    folder.mkdir(parents=True)  # left by a driver that died
    (folder / "checkpoint.pt").write_bytes(b"")
    count = len(rows(tmp_path, "SELECT * FROM nas_trials"))
    on = nas(tmp_path, "search", "--trials", str(count + 2), "--keep", "1")
    assert on.returncode == 0, on.stderr
    after = rows(tmp_path, "SELECT * FROM nas_trials ORDER BY number")
    assert [row["number"] for row in after] == list(range(count + 2))
    assert {row["state"] for row in after} == {"COMPLETE"}
    assert [row for row in after if row in before] == before
    with_a_folder = [poorest, *(row for row in after if row not in before)]
    best = max(with_a_folder, key=lambda row: row["val_accuracy"])["number"]
    assert [int(name[:5]) for name in left_by_trials(tmp_path)] == [best]
    assert len(list(tmp_path.glob("nas-runs/*/0*/checkpoint_*/checkpoint.pt"))) == 1
    assert nas(tmp_path, "search", "--trials", str(count + 2)).returncode == 0
    assert left_by_trials(tmp_path) == []


@pytest.fixture(scope="module")
def local_ray():
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def job(data_folder, width: int) -> dict:
    architecture = Architecture(Stem(8), (Stage("bottleneck", 1, width, stride=2, groups=2),))
    config = TrainingConfig(
        epochs=2, train_images=1000, precision="float32", channels_last="off", batch_size=100
    )
    return {
        "folder": str(Path.cwd()),
        "trial": 0,
        "objective": "fashion_mnist",
        "architecture": json.loads(json.dumps(architecture.to_dict())),
        "training": config.to_dict(),
        "checkpoint": None,
        "runs": "nas-runs",
        "dataset": "fashion_mnist",
        "data": str(data_folder),
        "folders": {},
        "resize": False,
        "input_shape": [1, 28, 28],
        "num_classes": 10,
        "fingerprint": fingerprint(),
        "device": "cpu",
        "cpus": 1,
        "gpus": 0,
        "budget": {
            "latency": False,
            "memory": False,
            "max_latency": None,
            "max_memory": None,
            "batch": 1,
        },
    }


def test_a_reused_worker_gives_the_numbers_of_a_fresh_one(local_ray, data_folder):
    remote = ray.remote(num_cpus=1)(Worker)

    def measured(actor):
        found = [ray.get(actor.train.remote()) for _ in range(2)]
        return [(r["epoch"], r["train_loss"], r["val_loss"], r["val_accuracy"]) for r in found]

    fresh = remote.remote(job(data_folder, 16))
    expected = measured(fresh)
    used = remote.remote(job(data_folder, 24))
    other = measured(used)
    assert other != expected
    assert ray.get(used.reset.remote(job(data_folder, 16)))
    assert measured(used) == expected
