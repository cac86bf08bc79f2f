"""What TensorBoard is shown is what the study database holds."""

import math
import os
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event

from nas.errors import ConfigError
from nas.metrics import METRICS
from nas.search.curves import Curves, check_log_to, curves_folder
from nas.study.reader import open_study


def scalars(folder):
    """(attempt, name, step) -> value, of all event files below the folder."""
    found = {}
    for file in folder.rglob("events.out.tfevents.*"):
        content = file.read_bytes()
        while content:  # length (8 bytes), its checksum (4), an event, its checksum (4)
            (length,) = struct.unpack("<Q", content[:8])
            event = Event.FromString(content[12 : 12 + length])
            content = content[16 + length :]
            for value in event.summary.value:
                found[file.parent.name, value.tag, event.step] = value.simple_value
    return found


def result(epoch, **changed):
    return {"epoch": epoch, **dict.fromkeys(METRICS, 0.5), "host": "h/1", **changed}


def test_a_real_search_writes_the_numbers_of_its_database(tmp_path):
    options = ["--objective", "synthetic", "--trials", "6", "--epochs", "4", "--quiet"]
    done = subprocess.run(
        [sys.executable, "-m", "nas", "search", *options, "--log-to", "tensorboard:shown here"],
        cwd=tmp_path,
        env={**os.environ, "RAY_ADDRESS": ""},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    epochs = open_study(f"sqlite:///{tmp_path}/nas.db", "resnext").epochs()
    stored = {
        (f"{row['number']:05d}-{row['attempt']}", name, row["epoch"]): float(np.float32(row[name]))
        for row in epochs.to_dict("records")
        for name in METRICS
    }
    assert len(stored) >= 6 * len(METRICS)
    assert scalars(tmp_path / "shown here") == stored


def test_a_trial_that_failed_and_values_that_are_none_write_nothing(tmp_path):
    curves = Curves(tmp_path)
    curves.epoch("00000-1", {"failure": "loss is not finite"})
    curves.epoch("00001-1", result(1, val_loss=math.nan))
    curves.epoch("00001-1", result(2))
    curves.ended("00001-1")
    curves.close()
    found = scalars(tmp_path)
    assert {attempt for attempt, _, _ in found} == {"00001-1"}
    assert ("00001-1", "val_loss", 1) not in found
    assert len(found) == 2 * len(METRICS) - 1


def test_the_folder_is_below_the_runs_unless_one_is_named():
    assert curves_folder("none", Path("runs")) is None
    assert curves_folder("tensorboard", Path("runs")) == Path("runs")
    assert curves_folder("tensorboard:a:b", Path("runs")) == Path("a:b")


def test_without_tensorboardX_it_is_refused_with_the_command(monkeypatch):  # noqa: N802
    monkeypatch.setattr("nas.search.curves.find_spec", lambda _: None)
    assert check_log_to("none") == "none"
    with pytest.raises(ConfigError, match=r"pip install 'nas\[tensorboard\]'"):
        check_log_to("tensorboard")


@pytest.mark.parametrize("text", ["none", "tensorboard", "tensorboard:a", "tensorboard:a:b"])
def test_where_curves_go_is_taken_as_it_is_written(text):
    assert check_log_to(text) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tensorbord", "did you mean tensorboard?"),
        ("tensorbord:a", "did you mean tensorboard?"),
        ("none:a", "'none:a'; accepted: none, tensorboard, tensorboard:FOLDER"),
        ("none:", "'none:'; accepted: none"),
        ("tensorboard:", "'tensorboard:'; accepted: none, tensorboard, tensorboard:FOLDER"),
    ],
)
def test_another_place_for_curves_is_refused(text, said):
    with pytest.raises(ConfigError) as refusal:
        check_log_to(text)
    assert said in str(refusal.value)


def test_an_epoch_can_be_seen_while_its_attempt_goes_on_each_under_its_attempt(tmp_path):
    curves = Curves(tmp_path / "curves")
    values = {
        "train_loss": 1.5, "val_loss": 2.5, "val_accuracy": 0.5, "learning_rate": 0.25,
        "seconds": 4.0, "images_per_second": 8.0,
    }  # fmt: skip
    curves.epoch("00007-1", {"epoch": 3, **values, "precision": "float32"})
    curves.epoch("00007-2", {"epoch": 1, **values})
    expected = {("00007-1", name, 3): value for name, value in values.items()}
    expected |= {("00007-2", name, 1): value for name, value in values.items()}
    deadline = time.monotonic() + 30
    while (seen := scalars(tmp_path / "curves")) != expected and time.monotonic() < deadline:
        time.sleep(0.05)
    assert seen == expected  # before anything is closed
    curves.ended("00007-1")
    curves.ended("00007-1")
    assert list(curves._writers) == ["00007-2"]
    curves.close()
    assert curves._writers == {}
    assert scalars(tmp_path / "curves") == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tensorbord", "'tensorbord'; did you mean tensorboard?"),
        ("x:a", "'x:a';"),
        ("none:a", "'none:a';"),
    ],
)
def test_a_refusal_offers_each_form(text, message):
    with pytest.raises(ConfigError) as refusal:
        check_log_to(text)
    assert str(refusal.value) == f"{message} accepted: none, tensorboard, tensorboard:FOLDER"
