"""Which machine is to blame, and which ones are avoided: told without any."""

import errno
import logging

import pytest

from nas.causes import is_of_machine
from nas.errors import ConfigError, DataError, MachineError, ShapeError, TrialFailedError
from nas.search.job import Watcher
from nas.search.nodes import MOST, Nodes


class Told(Watcher):
    def __init__(self):
        self.said = []

    def avoided(self, host, reason):
        self.said.append((host, reason))


def test_a_node_is_avoided_and_named_after_errors_with_no_epoch_between(caplog):
    watcher = Told()
    nodes = Nodes(watcher)
    with caplog.at_level(logging.WARNING, "nas"):
        for trial in range(MOST):
            assert nodes.avoided == frozenset()
            assert nodes.blame("1f", "gpu7", trial, "disk is full\nand a traceback")
    assert nodes.avoided == {"1f"}
    assert nodes.reasons == {"gpu7": "disk is full"}
    assert nodes.blame("1f", "gpu7", 9, "again")  # of a trial that was on its way there
    assert watcher.said == [("gpu7", "disk is full")]
    assert [record.getMessage() for record in caplog.records] == [
        "node gpu7 gets no more trials: disk is full"
    ]


def test_errors_that_pass_and_errors_elsewhere_make_no_node_bad():
    nodes = Nodes()
    for trial in range(5):
        assert nodes.blame("1f", "gpu7", trial, "a hiccup")
        assert nodes.blame(f"other {trial}", "gpu8", trial, "a hiccup")
        nodes.trained("1f")
    nodes.trained("never seen")
    assert nodes.avoided == frozenset()


def test_an_error_that_comes_again_with_one_trial_only_is_the_trials():
    """Else a network whose checkpoint is larger than the disk would be tried for ever."""
    nodes = Nodes()
    assert nodes.blame("1f", "gpu7", 3, "no space left")
    nodes.trained("1f")
    assert not nodes.blame("1f", "gpu7", 3, "no space left")
    assert nodes.blame("2e", "gpu8", 3, "no space left")  # which says nothing of another disk
    assert nodes.avoided == frozenset()


def test_where_all_that_could_train_are_avoided_one_line_says_so():
    nodes = Nodes()
    for node, host in (("1f", "gpu7"), ("2e", "gpu8")):
        assert nodes.none_of(["1f", "2e"]) is None
        for trial in range(MOST):
            nodes.blame(node, host, trial, f"{host} is full")
    said = nodes.none_of(["1f", "2e"])
    assert said == "no node is left to train on: gpu7 (gpu7 is full); gpu8 (gpu8 is full)"
    assert nodes.none_of(["1f", "3d"]) is None
    assert nodes.none_of([]) is None  # nothing is there, which is nobody's fault


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (PermissionError(errno.EACCES, "Permission denied"), True),
        (OSError(errno.EROFS, "Read-only file system"), True),
        (DataError("the cache /c cannot be written"), True),
        (ShapeError("images of another size"), True),
        (MachineError("it was given a GPU"), True),
        (FileNotFoundError(errno.ENOENT, "weights.pt"), False),
        (OSError("of no number"), False),
        (ConfigError("peak_lr is 0"), False),
        (TrialFailedError("loss is not finite"), False),
        (MemoryError(), False),
        (RuntimeError("CUDA out of memory"), False),
    ],
)
def test_what_is_the_machines_is_told_from_what_a_training_did(error, expected):
    assert is_of_machine(error) is expected
