import os
from pathlib import Path

import pytest
import torch

from nas.errors import CheckpointError
from nas.training.checkpoint import read_checkpoint, write_checkpoint

CPU = torch.device("cpu")
STATE = {"epochs_done": 2, "model": {"weight": torch.arange(1000.0)}}


class Code:
    def __reduce__(self):
        return (print, ("this must not run",))


def test_a_checkpoint_comes_back(tmp_path):
    write_checkpoint(STATE, tmp_path / "new" / "checkpoint.pt")
    state = read_checkpoint(tmp_path / "new" / "checkpoint.pt", CPU)
    assert state["epochs_done"] == 2
    assert torch.equal(state["model"]["weight"], torch.arange(1000.0))


def test_a_checkpoint_replaces_the_former_one_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "checkpoint.pt"
    write_checkpoint(STATE, path)
    write_checkpoint({**STATE, "epochs_done": 3}, path)
    assert read_checkpoint(path, CPU)["epochs_done"] == 3
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_keeps_the_former_checkpoint(tmp_path):
    path = tmp_path / "checkpoint.pt"
    write_checkpoint(STATE, path)
    with pytest.raises(Exception, match="pickle"):
        write_checkpoint({"generator": (n for n in range(3))}, path)
    assert read_checkpoint(path, CPU)["epochs_done"] == 2


@pytest.mark.parametrize("kept", [0, 1, 100, 0.5, -1])
def test_a_checkpoint_cut_short_is_refused(tmp_path, kept):
    path = tmp_path / "checkpoint.pt"
    write_checkpoint(STATE, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept) if kept == 0.5 else kept])
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt: cannot be read") as refusal:
        read_checkpoint(path, CPU)
    assert "\n" not in str(refusal.value)


def test_a_checkpoint_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="there is no such file"):
        read_checkpoint(tmp_path / "checkpoint.pt", CPU)


def test_code_in_a_checkpoint_is_not_run(tmp_path, capsys):
    path = tmp_path / "checkpoint.pt"
    torch.save({"code": Code()}, path)
    with pytest.raises(CheckpointError):
        read_checkpoint(path, CPU)
    assert capsys.readouterr().out == ""


def test_a_checkpoint_is_on_the_disk_before_it_takes_the_place_of_the_former(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(b"former")
    calls = []
    fsync, replace = os.fsync, Path.replace

    def recorded_fsync(file):
        partial = Path(f"/proc/self/fd/{file}").readlink()
        calls.append(("fsync", partial, partial.read_bytes(), path.read_bytes()))
        fsync(file)

    def recorded_replace(partial, target):
        calls.append(("replace", partial, partial.read_bytes(), target))
        return replace(partial, target)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(Path, "replace", recorded_replace)
    write_checkpoint(STATE, path)
    whole = path.read_bytes()
    partial = tmp_path / f"checkpoint.pt.{os.getpid()}.partial"  # no other process writes to it
    assert calls == [("fsync", partial, whole, b"former"), ("replace", partial, whole, path)]


def test_a_checkpoints_tensors_are_read_to_the_device_that_asks(tmp_path):
    write_checkpoint(STATE, tmp_path / "checkpoint.pt")
    state = read_checkpoint(tmp_path / "checkpoint.pt", torch.device("meta"))
    assert state["model"]["weight"].device.type == "meta"
