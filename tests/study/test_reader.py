"""A study as pandas sees it."""

import io
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pandas as pd
import pytest
from rich.console import Console

from nas.cli.best import print_best
from nas.errors import ConfigError, DamagedError, StorageError
from nas.study.database.clock import utc_now
from nas.study.evaluation import evaluated, record_evaluation
from nas.study.reader import Study, open_study, studies
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
        ["1", "90.00", "%", "3", "6s"],
        ["2", "80.00", "%", "3", "6s"],
    ]
    assert winner.strip() == str(summary(helpers.network(2), (1, 28, 28), 10)).strip()


# --- each value, of a study written by hand ---


@pytest.fixture(scope="module")
def hand(by_hand):
    return open_study(f"sqlite:///{by_hand}", "hand")


@pytest.fixture
def copy(by_hand, tmp_path):
    """``copy(statements)``: the URL of a copy of the study in which they were carried out."""

    def change(statements):
        shutil.copyfile(by_hand, tmp_path / "nas.db")
        with closing(sqlite3.connect(tmp_path / "nas.db")) as connection:
            connection.executescript(statements)
        return f"sqlite:///{tmp_path}/nas.db"

    return change


def refused(read, kind=StorageError):
    with pytest.raises(StorageError) as error:
        read()
    assert type(error.value) is kind
    return str(error.value)


def test_how_many_trials_there_are_and_when_the_study_was_made(hand):
    assert (hand.name, hand.id, hand.trials) == ("hand", 1, 7)
    assert hand.created == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_study_says_how_many_trials_are_in_each_state(hand, copy):
    told = "3 complete, 1 pruned, 1 failed, 1 running, 1 waiting"
    assert repr(hand) == f"<Study 'hand' of s in {hand.url}: {told}>"
    few = open_study(copy("UPDATE trials SET state = 'FAIL' WHERE number != 5"), "hand")
    assert repr(few).endswith(": 6 failed, 1 waiting>")
    none = open_study(copy("DELETE FROM trials"), "hand")
    assert repr(none).endswith(": no trial yet>")


def test_devices_are_those_that_attempts_ran_on_the_most_used_first(copy):
    study = open_study(
        copy(
            "UPDATE nas_attempts SET device = 'b', numerics = 'y' WHERE trial IN (0, 1, 2);"
            "UPDATE nas_attempts SET numerics = 'x' WHERE trial = 2;"
            "UPDATE nas_attempts SET device = 'a', numerics = 'z' WHERE trial = 6"
        ),
        "hand",
    )
    found = [tuple(row.values()) for row in study.devices()]
    assert found == [
        ("b", "y", 3),
        ("a", "z", 1),
        ("b", "x", 1),
        ("device 5", "numerics 1", 1),
    ]
    assert list(study.devices()[0]) == ["device", "numerics", "attempts"]


def test_the_best_and_the_front_leave_out_what_was_told_or_stopped(hand, helpers):
    assert hand.best()["number"].tolist() == [1]
    assert hand.best(9)["number"].tolist() == [1, 0]
    assert hand.front()["number"].tolist() == [1]
    assert hand.front("latency_ms").empty
    said = refused_cost(hand, "mac")
    assert said == (
        "cost is 'mac'; did you mean macs? accepted: macs, params, activations, latency, "
        "memory, latency_ms"
    )


def refused_cost(study, cost):
    with pytest.raises(ConfigError) as error:
        study.front(cost)
    return str(error.value)


def test_of_equally_accurate_trials_the_cheaper_one_is_better(copy):
    study = open_study(
        copy(
            "UPDATE nas_epochs SET val_accuracy = 0.5; UPDATE trial_values SET value = 0.5;"
            "UPDATE trials SET state = 'COMPLETE' WHERE number = 2"
        ),
        "hand",
    )
    assert study.best(9)["number"].tolist() == [0, 1, 2]
    larger = "UPDATE nas_architectures SET macs = 99999999 WHERE depth = {}"
    depth = study.architecture(0).depth
    assert open_study(
        copy(
            "UPDATE nas_epochs SET val_accuracy = 0.5; UPDATE trial_values SET value = 0.5;"
            f"UPDATE trials SET state = 'COMPLETE' WHERE number = 2; {larger.format(depth)}"
        ),
        "hand",
    ).best(9)["number"].tolist() == [2, 0, 1]


def test_the_network_and_the_setting_of_each_trial(hand, helpers):
    for number, depth in enumerate((2, 2, 3, 4, 2, 1, 5)):
        assert hand.architecture(number) == helpers.network(depth)
        assert hand.setting(number) == {"stages.0.depth": depth}
    assert hand.setting(7) == {}
    assert refused(lambda: hand.architecture(7)) == "study 'hand' has no trial 7"


def test_a_knob_that_a_trial_does_not_have_is_not_in_its_setting(copy):
    study = open_study(copy("UPDATE trial_params SET param_name = 'x' WHERE trial_id = 3"), "hand")
    assert (study.setting(1), study.setting(2)) == ({"stages.0.depth": 2}, {"x": 3})


def test_a_study_that_is_gone_is_said_so(hand):
    gone = Study(hand.url, "gone", hand.record)
    assert refused(gone.frame) == "study 'gone' is not in the database any more"


def test_an_unknown_study_is_refused_with_what_there_is(copy):
    url = copy("")
    assert refused(lambda: open_study(url, "hant")) == (
        f"there is no study 'hant' in {url}; did you mean hand? accepted: hand"
    )
    url = copy("DELETE FROM nas_studies; DELETE FROM studies")
    assert refused(lambda: open_study(url, "hand")) == (
        f"there is no study 'hand' in {url}; it has none"
    )


def test_damage_is_counted(copy):
    one = "UPDATE nas_epochs SET seconds = 'fast' WHERE trial = 2"
    said = "study 'hand' is damaged: nas_epochs.seconds has 1 value that is not numbers"
    assert refused(lambda: open_study(copy(one), "hand"), DamagedError) == said
    two = "UPDATE nas_attempts SET state = x'00' WHERE trial = 2"
    said = "study 'hand' is damaged: nas_attempts.state has 1 value that is not text"
    with pytest.raises(DamagedError) as error:
        open_study(copy(f"{one}; {two}"), "hand")
    assert str(error.value) == f"{said} (and 1 more: nas check)"
    assert error.value.problems == [
        "nas_attempts.state has 1 value that is not text",
        "nas_epochs.seconds has 1 value that is not numbers",
    ]


def test_a_space_that_is_none_is_damage(copy):
    url = copy("UPDATE nas_studies SET space = '{}'")
    said = refused(lambda: open_study(url, "hand").space, DamagedError)
    assert said.startswith("study 'hand' is damaged: its space: ")


def test_a_database_of_others_has_no_studies(tmp_path):
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute("CREATE TABLE t (x)")
    url = f"sqlite:///{tmp_path}/other.db"
    assert refused(lambda: studies(url)) == f"{url} has no studies of nas in it"


# --- the final evaluation ---


def test_an_evaluation_is_one_row_with_all_that_was_said(copy):
    url = copy("")
    before = utc_now()
    values = {"val_accuracy": 0.9, "test_loss": 0.3, "test_accuracy": 0.89}
    record_evaluation(url, "hand", 1, {"epochs": 20}, **values)
    stored = evaluated(url, "hand", 1)
    assert before <= stored.pop("evaluated") <= utc_now()
    assert stored == {"study_id": 1, "trial": 1, "training": '{"epochs": 20}', **values}
    assert evaluated(url, "hand", 0) is None
    assert evaluated(url, "other", 1) is None
    assert refused(lambda: record_evaluation(url, "hand", 1, {}, **values)) == (
        "trial 1 of 'hand' has been evaluated already"
    )
    assert evaluated(url, "hand", 1)["training"] == '{"epochs": 20}'
    record_evaluation(url, "hand", 0, {}, **{**values, "test_loss": 0.5})
    assert evaluated(url, "hand", 0)["test_loss"] == 0.5


def test_the_title_of_the_best_is_bold_on_a_terminal(hand):
    console = Console(file=io.StringIO(), width=80, color_system="standard", force_terminal=True)
    assert print_best(console, hand)
    assert "\n\x1b[1mThe best of hand\x1b[0m" in console.file.getvalue()


def test_a_database_that_is_not_there_is_said_so_and_not_made(tmp_path):
    said = f"storage: there is no study database {tmp_path}/none.db"
    assert refused(lambda: studies(f"sqlite:///{tmp_path}/none.db")) == said
    assert refused(lambda: evaluated(f"sqlite:///{tmp_path}/none.db", "s", 0)) == said
    assert not (tmp_path / "none.db").exists()


def test_the_space_of_a_study_is_read_whatever_its_bounds_were(copy):
    """One of an earlier nas, which knew none; a new space file of that kind is refused."""
    url = copy(
        "UPDATE nas_studies SET space = "
        """json_set(space, '$.training', json('{"peak_lr": {"float": [0.1, 1000.0]}}'))"""
    )
    assert list(open_study(url, "hand").space.parameters) == ["stages.0.depth", "training.peak_lr"]
