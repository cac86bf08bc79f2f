"""A study as pandas sees it."""

import io

import pandas as pd
import pytest
from rich.console import Console

from nas.cli.best import print_best
from nas.errors import ConfigError, StorageError
from nas.study.evaluation import evaluated, record_evaluation
from nas.study.reader import open_study, studies
from nas.summary import summary


@pytest.fixture
def study(store, helpers, database_url):
    """Three trials in full, one stopped, one that failed, one told an earlier result."""
    for depth, accuracy in ((1, 0.7), (2, 0.9), (3, 0.8)):
        number = helpers.add(store, depth)
        attempt = store.attempts.start(number)
        for epoch in (1, 2, 3):
            store.record_epoch(number, attempt, helpers.result(epoch, accuracy - 0.1 * (3 - epoch)))
        store.end_attempt(number, attempt, "complete")
    number = helpers.add(store, 4)
    attempt = store.attempts.start(number)
    store.record_epoch(number, attempt, helpers.result(1, 0.99))
    store.end_attempt(number, attempt, "pruned")
    number = helpers.add(store, 5)
    store.end_attempt(number, store.attempts.start(number), "failed", "out of memory")
    helpers.add(store, 2, policy="reused", source=store.trials()[1])
    return open_study(database_url, "s")


def test_a_frame_has_a_row_per_trial_and_a_column_per_knob(study):
    frame = study.frame()
    assert list(frame["number"]) == list(range(6))
    assert list(frame["state"]) == ["COMPLETE"] * 3 + ["PRUNED", "FAIL", "COMPLETE"]
    assert list(frame["stages.0.depth"]) == [1, 2, 3, 4, 5, 2]
    assert frame["stages.0.depth"].dtype == frame["epochs"].dtype == pd.Int64Dtype()
    assert list(frame["epochs"].astype(object)) == [3, 3, 3, 1, pd.NA, 3]
    assert list(frame["reason"].dropna()) == ["out of memory"]


def test_the_best_are_trained_in_full_and_each_network_counts_once(study):
    assert list(study.best(5)["number"]) == [1, 2, 0]
    assert list(study.best(1)["val_accuracy"]) == [0.9]


def test_epochs_are_the_learning_curves(study):
    curves = study.epochs()
    assert len(curves) == 10
    assert list(curves[curves["number"] == 1]["val_accuracy"]) == pytest.approx([0.7, 0.8, 0.9])


def test_architecture_and_setting_of_a_trial(study, helpers):
    assert study.architecture(1) == helpers.network(2)
    assert study.setting(1) == {"stages.0.depth": 2}
    with pytest.raises(StorageError, match="has no trial 99"):
        study.architecture(99)


def test_studies_are_listed_with_their_state(study, database_url):
    (row,) = studies(database_url).to_dict("records")
    assert row["study"] == "s"
    assert (row["trials"], row["complete"], row["pruned"], row["failed"]) == (6, 4, 1, 1)
    assert row["best_accuracy"] == 0.9


def test_an_unknown_study_is_refused_with_the_known_ones(study, database_url):
    with pytest.raises(StorageError, match=r"there is no study 'S' in .*accepted: s"):
        open_study(database_url, "S")


def test_a_trial_is_evaluated_on_the_test_images_once(study, database_url):
    values = {"val_accuracy": 0.9, "test_loss": 0.3, "test_accuracy": 0.89}
    assert evaluated(database_url, "s", 1) is None
    record_evaluation(database_url, "s", 1, {"epochs": 20}, **values)
    stored = evaluated(database_url, "s", 1)
    assert {name: stored[name] for name in values} == values
    with pytest.raises(StorageError, match="evaluated already"):
        record_evaluation(database_url, "s", 1, {"epochs": 30}, **values)


def test_the_front_holds_trials_in_full_that_none_beats(study):
    front = study.front()
    assert list(front["number"]) == [0, 1]  # 2 is deeper and worse, 3 was stopped, 5 is 1 again
    assert list(study.front("params")["number"]) == [0, 1]
    with pytest.raises(ConfigError, match="accepted: macs, params, activations"):
        study.front("flops")


def test_the_best_are_printed_with_the_winner_stage_by_stage(study, helpers, database_url):
    console = Console(file=io.StringIO(), width=120, color_system=None)
    assert print_best(console, study, rows=2)
    printed = console.file.getvalue()
    table, _, winner = printed.partition("The winner, trial 1:")
    rows = [row.replace("│", " ").split() for row in table.splitlines() if row.startswith("│")]
    assert [row[:4] + row[-1:] for row in rows] == [
        ["1", "90.00", "%", "3", "6.0"],
        ["2", "80.00", "%", "3", "6.0"],
    ]
    assert winner.strip() == str(summary(helpers.network(2), (1, 28, 28), 10)).strip()
