"""A retraining that is stopped, carried on, repeated, and refused before it begins."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import nas
from nas.cli.app import main
from nas.search.config import resolve
from nas.search.machine import Machine
from nas.search.searcher import Searcher
from nas.space import SearchSpace
from nas.study.evaluation import evaluated
from nas.study.record import StudyRecord
from nas.study.store import StudyStore

SPACE = {
    "name": "thin",
    "stem": {"kernel": 7, "stride": 4, "width": 2},
    "stages": [{"block": "basic", "depth": 1, "width": {"choice": [2, 4]}, "stride": 4}],
}
METRICS = {"train_loss": 1.0, "val_loss": 1.0, "learning_rate": 0.1, "seconds": 1.0}


class Quiet:
    def __getattr__(self, _):
        return lambda *_: None


@pytest.fixture
def study(tmp_path, monkeypatch):
    """The URL of a study of real images with one trial, "s", as far as its rows tell."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NAS_STORAGE", raising=False)
    space = SearchSpace.from_dict(SPACE)
    url = f"sqlite:///{tmp_path}/nas.db"
    given = {"trials": 1, "epochs": 1, "study": "s", "storage": url}
    given["training"] = {"batch_size": 1000, "precision": "float32", "channels_last": "off"}
    config = resolve(given, None, Machine(cpus=1, gpus=0))
    record = StudyRecord(space.to_dict(), space.hash, config.to_dict(), "d" * 64, {})
    store = StudyStore(url, "s", record, owner="a")
    searcher = Searcher(store, space, config, Quiet())
    where = {"host": "h/1", "device": "cpu", "numerics": "float32"}
    result = {"epoch": 1, "val_accuracy": 0.5, "images_per_second": 1.0, **METRICS, **where}
    searcher.report(searcher.next_job(), result)
    store.close()
    return url


def files(folder):
    """All but those that SQLite makes beside a database that is read."""
    return sorted(path for path in folder.rglob("*") if not path.name.startswith("nas.db-"))


def retrain(*arguments):
    return main(["retrain", "s", "--device", "cpu", *arguments])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_retraining_goes_on_to_the_same_bits_by_the_command_it_prints(
    study, data_folder, tmp_path, number, code, capsys
):
    (tmp_path / "new folder").mkdir()
    output = "new folder/it's.pt"
    arguments = ["retrain", "s", "--epochs", "4", "--device", "cpu", "-o", output]
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "nas", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "40"},
    )
    for line in process.stdout:
        if line.startswith("epoch   2/4"):
            break
    process.send_signal(number)
    said = process.stdout.read()
    assert process.wait() == code
    assert f"Stopped by {number.name}" in said
    assert sorted(p.name for p in (tmp_path / "new folder").iterdir()) == ["it's.pt.checkpoint"]

    on = subprocess.run(
        ["sh", "-c", said.splitlines()[-1]], capture_output=True, text=True, check=True
    )
    assert "going on after epoch" in on.stdout
    assert sorted(p.name for p in (tmp_path / "new folder").iterdir()) == ["it's.pt"]
    assert retrain("--epochs", "4", "-o", "whole.pt") == 0
    whole, resumed = nas.load("whole.pt").state_dict(), nas.load(output).state_dict()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_second_retraining_is_done_and_another_one_refused(study, data_folder, capsys):
    assert retrain("--epochs", "1", "-o", "folder/winner.pt") == 0
    written = Path("folder/winner.pt").read_bytes()
    capsys.readouterr()
    assert retrain("--epochs", "1", "-o", "folder/winner.pt") == 0
    assert "winner.pt is trial 0 of s after 1 epoch: done" in capsys.readouterr().out
    assert retrain("--epochs", "2", "-o", "folder/winner.pt") == 2
    assert "epochs 1, not 2); name another one" in capsys.readouterr().err
    assert Path("folder/winner.pt").read_bytes() == written

    # the test images are read once, of the network that is there
    assert retrain("--epochs", "1", "-o", "folder/winner.pt", "--test") == 0
    assert "(recorded)" in capsys.readouterr().out
    when = evaluated(study, "s", 0)
    assert retrain("--epochs", "1", "-o", "folder/winner.pt", "--test") == 0
    assert "(recorded before)" in capsys.readouterr().out
    assert retrain("--epochs", "1", "-o", "other.pt", "--test") == 2
    assert "was evaluated on the test images" in capsys.readouterr().err
    assert evaluated(study, "s", 0) == when


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("folder", "output: folder is a folder; name a file in it"),
        ("/proc/winner.pt", "output: cannot write in /proc"),
        ("notes.txt/winner.pt", "notes.txt is a file, not a folder"),
        ("notes.txt", "notes.txt exists and is another file"),
        ("s3://bucket/winner.pt", "a URL; accepted: a path"),
        ("x" * 300, "output: File name too long"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused_before_training(
    output, said, study, tmp_path, capsys
):
    (tmp_path / "folder").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    before = files(tmp_path)
    assert retrain("-o", output) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert said in printed.err
    assert files(tmp_path) == before


def test_a_checkpoint_of_another_training_is_refused(study, data_folder, tmp_path, capsys):
    (tmp_path / "winner.pt.checkpoint").write_bytes(b"mine")
    assert retrain("-o", "winner.pt") == 2
    assert "cannot be read as a checkpoint" in capsys.readouterr().err
    assert (tmp_path / "winner.pt.checkpoint").read_bytes() == b"mine"
