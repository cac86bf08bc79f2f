"""Objectives of each form, one epoch at a time."""

import threading

import numpy as np
import pytest

from nas.architecture import Architecture, Stage, Stem
from nas.errors import TrialFailedError
from nas.metrics import ACCURACY, Measure, unusable
from nas.objectives import running
from nas.objectives.contract import TrialConfig, find_objective
from nas.objectives.running import EPOCHS, Running

NET = Architecture(Stem(4), (Stage("basic", 1, 4),))
SCORE = Measure("score", "minimize")


def begin(train, epochs=3):
    return Running(find_objective(train), NET, TrialConfig(epochs))


def objectives(done):
    """The same training in both forms; ``done`` is told what it comes to."""

    def function(architecture, config, report):
        assert architecture is NET
        try:
            for epoch in range(config.epochs):
                done.append(epoch + 1)
                report({"val_accuracy": epoch / 10})
            done.append("end")
        finally:
            done.append("closed")

    def generator(architecture, config):
        try:
            for epoch in range(config.epochs):
                done.append(epoch + 1)
                yield {"val_accuracy": epoch / 10}
            done.append("end")
        finally:
            done.append("closed")

    return [function, generator]


FORMS = pytest.mark.parametrize("form", [0, 1], ids=["function", "generator"])


@FORMS
def test_no_epoch_begins_before_it_is_asked_for(form):
    done = []
    one = begin(objectives(done)[form])
    assert done == []
    for epoch in (1, 2):
        result = one.epoch()
        assert (result["epoch"], result["val_accuracy"]) == (epoch, (epoch - 1) / 10)
        assert result["seconds"] > 0
        assert done == list(range(1, epoch + 1))
    assert one.close()


@FORMS
def test_a_trial_that_is_stopped_cleans_up_and_does_no_more(form):
    done = []
    one = begin(objectives(done)[form])
    one.epoch()
    assert one.close()
    assert done == [1, "closed"]
    assert not [thread for thread in threading.enumerate() if thread.name == "objective"]


@FORMS
def test_after_the_last_epoch_it_comes_to_its_end(form):
    done = []
    one = begin(objectives(done)[form], epochs=2)
    one.epoch()
    assert one.epoch()["epoch"] == 2
    assert done == [1, 2, "end", "closed"]
    assert one.close()


def test_a_trial_that_was_never_begun_can_be_closed():
    assert all(begin(train).close() for train in objectives([]))


def test_epochs_beyond_the_last_are_not_trained():
    begun = []

    def function(architecture, config, report):
        for epoch in range(10):
            begun.append(epoch)
            report({"val_accuracy": 0.5})

    def generator(architecture, config):
        for epoch in range(10):
            begun.append(epoch)
            yield {"val_accuracy": 0.5}

    for train in (function, generator):
        begun.clear()
        one = begin(train, epochs=2)
        assert [one.epoch()["epoch"] for _ in range(2)] == [1, 2]
        assert begun == [0, 1, 2]  # the third one is cut off where it reports
        assert one.close()


@FORMS
def test_one_that_ends_too_early_fails_its_trial(form):
    one = begin(lambda architecture, config, report: report({"val_accuracy": 1}))
    if form:

        def short(architecture, config):
            yield {"val_accuracy": 1}

        one = begin(short)
    one.epoch()
    with pytest.raises(TrialFailedError, match=r"^the objective ended after 1 epoch of 3$"):
        one.epoch()


def test_an_exception_comes_out_with_its_traceback():
    def function(architecture, config, report):
        report({"val_accuracy": 1})
        raise KeyError("mine")

    one = begin(function)
    one.epoch()
    with pytest.raises(KeyError, match="mine") as error:
        one.epoch()
    assert error.traceback[-1].name == "function"
    assert one.close()


def test_a_function_that_swallows_the_end_is_told_again_and_reported(monkeypatch):
    monkeypatch.setattr(running, "PATIENCE", 0.2)
    goes_on, told = threading.Event(), []

    def stubborn(architecture, config, report):
        for _ in range(3):
            try:
                report({"val_accuracy": 0.5})
            except BaseException as error:
                told.append(type(error).__name__)
        goes_on.wait()

    one = begin(stubborn)
    one.epoch()
    assert not one.close()
    assert told == ["StoppedError"] * 3
    goes_on.set()
    assert one.close()


@pytest.mark.parametrize(
    ("metrics", "said"),
    [(0.9, "reports 0.9; accepted: a dict"), (None, "reports 'nothing'; accepted: a dict")],
)
def test_what_is_no_dict_of_metrics_fails_the_trial(metrics, said):
    with pytest.raises(TrialFailedError, match=said):
        begin(lambda architecture, config, report: report(metrics)).epoch()


def test_metrics_travel_as_plain_numbers_and_a_dict_may_be_filled_again():
    def function(architecture, config, report):
        metrics = {}
        for epoch in range(2):
            metrics |= {"score": np.float32(0.5) + epoch, "count": np.int64(3), "val_loss": 1}
            report(metrics)

    one = begin(function, epochs=2)
    first, second = one.epoch(), one.epoch()
    assert first["metrics"] == {"score": 0.5, "count": 3}
    assert second["metrics"]["score"] == 1.5
    assert first["val_loss"] == 1
    assert type(first["metrics"]["score"]) is float


@pytest.mark.parametrize(
    ("measure", "metrics", "said"),
    [
        (ACCURACY, {"val_accuracy": 0.5, "iou": 0.1}, None),
        (ACCURACY, {"iou": 0.1}, "val_accuracy is missing; the metrics are: seconds, iou"),
        (ACCURACY, {"score": 0.1}, "says so, with direction = 'minimize' or 'maximize'"),
        (SCORE, {"score": -7.5, "val_accuracy": 0.5}, None),
        (SCORE, {"val_accuracy": 0.5}, "score is missing"),
        (SCORE, {"score": float("nan")}, "score is not finite (nan)"),
        (SCORE, {"score": 10**400}, "score is not finite"),
        (SCORE, {"score": "low"}, "score is 'low', not a number"),
        (SCORE, {"score": 1, "iou": True}, "iou is True, not a number"),
        (SCORE, {"score": 1, "iou": [1]}, "iou is [1], not a number"),
        (SCORE, {"score": 1, "a b": 1}, "'a b' is no name of a metric"),
        (SCORE, {"score": 1, "val_balanced_accuracy": 1.5}, "not a fraction of 1"),
        (SCORE, {"score": 1, **{f"m{n}": 1 for n in range(100)}}, "102 metrics; accepted: 100"),
    ],
)
def test_a_result_is_judged_by_one_rule(measure, metrics, said):
    result = begin(lambda architecture, config, report: report(metrics)).epoch()
    reason = unusable(result, measure, 0)
    assert reason is None if said is None else said in reason.replace("'[1]'", "[1]")


class Counting:
    """It says nothing of its epoch, as a user's class may not."""

    def __init__(self, architecture, config):
        self.done = 0

    def epoch(self):
        self.done += 1
        return {"val_accuracy": self.done / 10}

    def save(self, path):
        path.write_text(str(self.done))

    def load(self, path):
        self.done = int(path.read_text())


def test_a_class_goes_on_from_a_checkpoint_with_the_epochs_that_it_holds(tmp_path):
    one = begin(Counting)
    one.epoch()
    one.epoch()
    one.save(tmp_path / "checkpoint")
    assert (tmp_path / EPOCHS).exists()
    other = begin(Counting)
    other.load(tmp_path / "checkpoint")
    result = other.epoch()
    assert (result["epoch"], result["val_accuracy"]) == (3, 0.3)


def test_a_checkpoint_of_before_says_nothing_of_its_epochs_and_the_result_must(tmp_path):
    (tmp_path / "checkpoint").write_text("2")
    one = begin(Counting)
    one.load(tmp_path / "checkpoint")
    assert unusable(one.epoch(), ACCURACY, None) == "the result names no epoch: None"
