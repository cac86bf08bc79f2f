"""What is deleted of what attempts left on disk, and what stays."""

import logging
import shutil
from pathlib import Path

import pytest
from optuna.trial import TrialState, create_trial

from nas.search.checkpoints import Checkpoints, attempt_folder
from nas.search.stores import Folder

FULL, STOPPED, FAILED = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL
RUNNING, WAITING = TrialState.RUNNING, TrialState.WAITING


def trials(*found):
    values = {FULL: 0.5, STOPPED: 0.5}
    pairs = [one if isinstance(one, tuple) else (one, values.get(one)) for one in found]
    return [create_trial(state=state, value=value) for state, value in pairs]


@pytest.fixture
def folder(tmp_path):
    """Of five trials, the first one with two attempts, and of what else may lie there."""
    for number, attempt in ((0, 1), (0, 2), (1, 1), (2, 1), (3, 1), (4, 1)):
        below = tmp_path / attempt_folder(number, attempt) / "checkpoint_000001"
        below.mkdir(parents=True)
        (below / "checkpoint.pt").write_bytes(b"x")
    (tmp_path / "tensorboard" / "00000-1").mkdir(parents=True)
    (tmp_path / "00001").mkdir()
    (tmp_path / "outbox.jsonl").touch()
    return tmp_path


OTHERS = {"tensorboard", "00001", "outbox.jsonl"}


def left(folder):
    return {one.name for one in folder.iterdir()} - OTHERS


def test_all_attempts_of_a_trial_that_ended_go_and_nothing_else(folder):
    Checkpoints(Folder(folder)).clear(trials(FULL, RUNNING, WAITING, FAILED, STOPPED))
    assert left(folder) == {"00001-1", "00002-1"}
    assert {one.name for one in folder.iterdir()} >= OTHERS
    assert (folder / "tensorboard" / "00000-1").exists()


def test_what_the_database_does_not_say_to_have_ended_stays(folder):
    before = left(folder)
    Checkpoints(Folder(folder)).clear([])
    assert left(folder) == before
    Checkpoints(Folder(folder)).clear(trials(FULL, FULL))
    assert left(folder) == {"00002-1", "00003-1", "00004-1"}
    Checkpoints(Folder(folder / "nowhere")).clear(trials(FULL))


@pytest.mark.parametrize(
    ("minimizes", "kept"), [(False, {"00002-1", "00003-1"}), (True, {"00000-2", "00001-1"})]
)
def test_the_last_attempts_of_the_best_that_were_trained_in_full_stay(folder, minimizes, kept):
    found = trials((FULL, 0.1), (FULL, 0.2), (FULL, 0.9), (FULL, 0.9), (STOPPED, 0.95))
    Checkpoints(Folder(folder), 2, minimizes=minimizes).clear(found)
    assert left(folder) == kept


def test_a_folder_that_a_process_writes_into_stays(folder):
    Checkpoints(Folder(folder)).clear(trials(*[FULL] * 5), busy={"00003-1"})
    assert left(folder) == {"00003-1"}


def test_a_driver_with_leases_to_renew_deletes_for_a_second_at_most(folder):
    checkpoints = Checkpoints(Folder(folder))
    checkpoints.clear(trials(*[FULL] * 5), seconds=-1)
    assert len(left(folder)) == 6
    checkpoints.clear(trials(*[FULL] * 5))
    assert left(folder) == set()


def test_a_link_is_not_followed(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "mine").touch()
    shutil.rmtree(folder / "00001-1")
    (folder / "00001-1").symlink_to(elsewhere)
    (folder / "00002-1" / "link").symlink_to(elsewhere)
    Checkpoints(Folder(folder)).clear(trials(*[FULL] * 5))
    assert left(folder) == {"00001-1"} and (elsewhere / "mine").exists()


def test_what_cannot_be_deleted_is_said_once_and_hinders_nothing(folder, monkeypatch, caplog):
    delete = shutil.rmtree

    def refuse(path):
        if Path(path).name == "00001-1":
            raise PermissionError(13, "Permission denied")
        delete(path)

    monkeypatch.setattr(shutil, "rmtree", refuse)  # root may delete anything
    checkpoints = Checkpoints(Folder(folder))
    with caplog.at_level(logging.WARNING, logger="nas"):
        checkpoints.clear(trials(*[FULL] * 5))
        checkpoints.clear(trials(*[FULL] * 5))
    assert left(folder) == {"00001-1"}
    assert [record.getMessage() for record in caplog.records] == [
        f"cannot delete {folder / '00001-1'} (Permission denied)"
    ]
