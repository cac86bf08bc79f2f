"""What docs/frames.md says of the frames holds of real ones, and the other way round."""

import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from study_factory import write_study

from nas.cost import cost
from nas.errors import DamagedError
from nas.space import Choice, FloatRange, IntRange, SearchSpace
from nas.study.check import violations
from nas.study.frames import dtype
from nas.study.policies import POLICIES
from nas.study.reader import open_study, studies

PAGE = (Path(__file__).parents[2] / "docs" / "frames.md").read_text()


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('frames')}/nas.db"
    write_study(url, "s", trials=60, epochs=4)
    return url


@pytest.fixture(scope="module")
def study(url):
    return open_study(url, "s")


def documented(heading):
    """Names and dtypes of the columns in a table of the page."""
    (section,) = re.findall(rf"^## `{re.escape(heading)}`.*?(?=^## |\Z)", PAGE, re.M | re.S)
    return re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", section, re.M)


def found(frame):
    return [(name, str(kind)) for name, kind in frame.dtypes.items()]


def test_the_page_and_the_frames_have_the_same_columns(study, url):
    knobs = list(study.space.parameters)
    frame = study.frame()
    assert documented("frame()") == found(frame.drop(columns=knobs))
    assert list(frame.columns[-len(knobs) :]) == knobs
    assert documented("epochs()") == found(study.epochs())
    assert documented("attempts()") == found(study.attempts())
    assert documented("latencies()") == found(study.latencies())
    assert documented("retrained()") == found(study.retrained())
    assert documented("nas.studies(url)") == found(studies(url))


def test_the_page_lists_exactly_the_policies():
    (listed,) = re.findall(r"^\| `policy` \|.*\| why it was proposed: (.*) \|$", PAGE, re.M)
    assert listed == ", ".join(f"{policy} ({why})" for policy, why in POLICIES.items())


def test_frames_of_a_study_without_trials_have_the_same_columns(study, database_url):
    write_study(database_url, "none", trials=0)
    none = open_study(database_url, "none")
    for name in ("frame", "epochs", "attempts", "latencies", "retrained"):
        empty = getattr(none, name)()
        assert empty.empty
        assert found(empty) == found(getattr(study, name)())


def test_a_populous_study_is_one_that_a_search_could_have_written(database_url):
    write_study(database_url, "s", trials=80, epochs=5)
    write_study(database_url, "t", trials=40, epochs=3, seed=1)
    for name in ("s", "t"):
        study = open_study(database_url, name)
        assert violations(study) == []
        frame = study.frame()
        assert set(frame["state"]) >= {"COMPLETE", "PRUNED", "WAITING"}
    assert studies(database_url)["trials"].tolist() == [80, 40]
    assert studies(database_url)["planned"].tolist() == [80, 40]


@pytest.mark.parametrize(
    ("domain", "kind"),
    [
        (Choice((True, False)), "boolean"),
        (Choice((8, 16)), "Int64"),
        (Choice((0.5, 1.0)), "float64"),
        (Choice(("basic", "bottleneck")), "string"),
        (IntRange(1, 4), "Int64"),
        (FloatRange(0.1, 0.8, log=True), "float64"),
    ],
    ids=str,
)
def test_the_dtype_of_a_knob_is_that_of_its_domain(domain, kind):
    assert dtype(domain) == kind


@pytest.mark.parametrize("name", ["resnext", "residual_or_plain"])
def test_knobs_are_the_settings_that_were_drawn(name, tmp_path):
    url = f"sqlite:///{tmp_path}/nas.db"
    write_study(url, "s", trials=30, epochs=2, space=name)
    study = open_study(url, "s")
    frame = study.frame()
    space = SearchSpace.load(name)
    for row in frame[[*space.parameters, "key"]].to_dict("records"):
        key = row.pop("key")
        assert space.architecture(row).key == key
    for number in frame["number"].iloc[[0, 29]]:  # numpy's numbers are numbers, too
        assert study.architecture(number).key == frame["key"][number]
        assert study.setting(number) == frame.loc[number, list(space.parameters)].to_dict()


def test_attempts_are_in_order_and_hold_whole_curves(study):
    attempts, epochs = study.attempts(), study.epochs()
    assert (attempts["ended"] >= attempts["started"]).all()
    assert str(attempts["started"].dt.tz) == "UTC"
    reached = epochs.groupby(["number", "attempt"])["epoch"].max()
    kept = attempts.set_index(["number", "attempt"])["epochs"]
    pd.testing.assert_series_equal(
        kept[kept > 0].sort_index(), reached.sort_index(), check_names=False
    )
    counted = attempts.groupby("number").size().reindex(study.frame()["number"], fill_value=0)
    assert counted.tolist() == study.frame()["attempts"].tolist()
    assert counted.max() == 2


def test_the_device_of_a_trial_is_that_of_its_last_attempt(study):
    frame = study.frame()
    assert (frame["device"].isna() == (frame["attempts"] == 0)).all()
    assert set(frame["device"].dropna()) == {"cpu"}


# --- row by row, of a study written by hand ---


def at(second):
    return pd.Timestamp(f"2026-01-01 00:00:{second:02}", tz="UTC")


@pytest.fixture(scope="module")
def hand(by_hand):
    return open_study(f"sqlite:///{by_hand}", "hand")


@pytest.fixture
def changed(by_hand, tmp_path):
    """``changed(statements)``: the study in a copy in which they were carried out."""

    def change(statements):
        shutil.copyfile(by_hand, tmp_path / "nas.db")
        with closing(sqlite3.connect(tmp_path / "nas.db")) as connection:
            connection.executescript(statements)
        return open_study(f"sqlite:///{tmp_path}/nas.db", "hand")

    return change


def rows(frame):
    """As dictionaries, with None for what is missing."""
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


# what a study of a data set is judged by, and the metrics that it has none of
JUDGED = {
    "score": None,
    "val_balanced_accuracy": None,
    "latency": None,
    "memory": None,
    "metric": "val_accuracy",
    "direction": "maximize",
}


def test_each_value_of_a_trial_is_that_of_its_last_attempt_and_epoch(hand, helpers):
    def row(number, depth, state, epochs=None, attempt=1, of=None, **options):
        network, of = helpers.network(depth), number if of is None else of
        costs = cost(network)
        last = helpers.measured(of, attempt, epochs) if epochs else {}
        seconds = sum(helpers.measured(of, attempt, k)["seconds"] for k in range(1, epochs or 0))
        return (
            {
                "study": "hand",
                "number": number,
                "state": state,
                "policy": "random",
                "inherits": None,
                "epochs": epochs,
                "val_accuracy": last.get("val_accuracy"),
                "val_loss": last.get("val_loss"),
                "params": costs.params,
                "macs": costs.macs,
                "activations": costs.activations,
                "latency_ms": None,
                "seconds": seconds + last.get("seconds", 0.0),
                "device": f"device {of}" if epochs else None,
                "attempts": attempt,
                "reason": None,
                "key": network.key,
                "objective": "fashion_mnist",
                "minimize": None,
                "stages.0.depth": depth,
            }
            | JUDGED
            | options
        )

    told = {"policy": "reused", "seconds": 0.0, "attempts": 0, "device": None}
    assert rows(hand.frame()) == [
        row(0, 2, "COMPLETE", 2),
        row(1, 2, "COMPLETE", 2, attempt=2),
        row(2, 3, "PRUNED", 1, policy="guided", reason="stopped at rung 1"),
        row(3, 4, "FAIL", reason="loss is not finite"),
        row(4, 2, "COMPLETE", 2, attempt=2, of=1, **told),
        row(5, 1, "WAITING", 1),
        row(6, 5, "RUNNING", 1),
    ]
    assert hand.frame().index.tolist() == list(range(7))


def test_a_frame_has_the_distribution_of_each_knob_that_has_one(hand, changed):
    one = (
        '{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": %d}}'
    )
    assert hand.frame().attrs["distributions"] == {"stages.0.depth": one % 8}
    two = changed(f"UPDATE trial_params SET distribution_json = '{one % 9}' WHERE trial_id = 1")
    assert two.frame().attrs["distributions"] == {}
    assert two.frame()["stages.0.depth"].tolist() == [2, 2, 3, 4, 2, 1, 5]


def test_each_value_of_an_epoch_and_their_order(hand, helpers):
    def row(trial, attempt, epoch):
        values = helpers.measured(trial, attempt, epoch)
        for name in ("host", "device", "numerics"):
            del values[name]
        key = {"number": trial, "attempt": attempt, "inherits": None}
        return key | values | {"objective": "fashion_mnist"} | JUDGED

    ran = [(0, 1, 1), (0, 1, 2), (1, 1, 1), (1, 2, 1), (1, 2, 2), (2, 1, 1), (5, 1, 1), (6, 1, 1)]
    assert rows(hand.epochs()) == [row(*key) for key in ran]


def test_each_value_of_an_attempt_and_their_order(hand):
    def row(number, attempt, state, started, ended, epochs, reason=None):
        return {
            "number": number,
            "attempt": attempt,
            "state": state,
            "owner": "me/1/x",
            "host": f"h{number}/{attempt}" if epochs else None,
            "device": f"device {number}" if epochs else None,
            "numerics": f"numerics {attempt}" if epochs else None,
            "started": at(started),
            "ended": at(ended) if ended else None,
            "epochs": epochs,
            "reason": reason,
        }

    assert rows(hand.attempts()) == [
        row(0, 1, "complete", 1, 2, 2),
        row(1, 1, "died", 3, 4, 1, "its process died"),
        row(1, 2, "complete", 5, 6, 2),
        row(2, 1, "pruned", 7, 8, 1, "stopped at rung 1"),
        row(3, 1, "failed", 9, 10, 0, "loss is not finite\n  a traceback"),
        row(5, 1, "interrupted", 11, 12, 1, "stopped"),
        row(6, 1, "running", 13, None, 1),
    ]


def test_each_value_of_a_study(hand):
    assert rows(studies(hand.url)) == [
        {
            "study": "hand",
            "created": at(0),
            "trials": 7,
            "complete": 3,
            "inherited": 0,
            "pruned": 1,
            "failed": 1,
            "running": 1,
            "waiting": 1,
            "planned": 9,
            "objective": "fashion_mnist",
            "dataset": "Fashion-MNIST",
            "best_accuracy": 0.122,  # of trial 1; the pruned one had more
            "best_score": None,
            "direction": "maximize",
            "minimize": None,
            "problem": None,
        }
    ]


MEASURED = (
    "INSERT INTO nas_latencies (study_id, key, device, batch, threads, milliseconds, measured) "
)


def test_each_value_of_a_latency_and_which_of_them_a_trial_has(changed, helpers):
    a, b = sorted((helpers.network(2).key, helpers.network(3).key))
    measured = [
        (b, "fast", 1, 4, 1.5, 3),
        (a, "fast", 1, 4, 2.5, 5),
        (b, "fast", 1, 8, 9.5, 4),
        (b, "fast", 2, 4, 8.5, 4),
        (b, "slow", 1, 4, 7.5, 4),
        (a, "slow", 1, 4, 6.5, 5),  # at one time with the one of "fast"
    ]
    values = ", ".join(
        f"(1, '{key}', '{device}', {batch}, {threads}, {ms}, '2026-01-01 00:00:0{second}.000000')"
        for key, device, batch, threads, ms, second in reversed(measured)
    )
    study = changed(f"{MEASURED} VALUES {values}")
    found = rows(study.latencies())
    names = ("key", "device", "batch", "threads", "milliseconds")
    expected = [
        dict(zip(names, row[:5], strict=True)) | {"measured": at(row[5])} for row in measured
    ]
    assert sorted(found, key=str) == sorted(expected, key=str)
    assert [row["measured"].second for row in found] == [3, 4, 4, 4, 5, 5]
    last = {"fast": {a: 2.5, b: 1.5}, "slow": {a: 6.5, b: 7.5}}[found[-1]["device"]]
    shown = study.frame().set_index("number")["latency_ms"].dropna().to_dict()
    keys = study.frame().set_index("number")["key"]
    assert shown == {number: last[keys[number]] for number in (0, 1, 2, 4)}


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE nas_epochs SET val_accuracy = 1.001", "an impossible val_accuracy"),
        ("UPDATE nas_epochs SET val_accuracy = -0.001", "an impossible val_accuracy"),
        ("UPDATE nas_architectures SET params = 0", "an impossible params"),
        ("UPDATE nas_architectures SET macs = 0", "an impossible macs"),
        ("UPDATE nas_architectures SET activations = 0", "an impossible activations"),
    ],
)
def test_what_no_network_can_have_is_refused(changed, statement, said):
    with pytest.raises(DamagedError) as refused:
        changed(statement).frame()
    assert str(refused.value) == f"there are trials with {said}"


def test_the_ends_of_what_a_network_can_have_are_taken(changed):
    study = changed(
        "UPDATE nas_epochs SET val_accuracy = epoch - 1; UPDATE nas_architectures SET params = 1, "
        "macs = 1, activations = 9223372036854775807"
    )
    assert study.frame()["val_accuracy"].dropna().tolist() == [1, 1, 0, 1, 0, 0]
    assert study.epochs()["val_accuracy"].tolist() == [0, 1, 0, 0, 1, 0, 0, 0]
    assert set(study.frame()["activations"]) == {2**63 - 1}


@pytest.mark.parametrize(
    ("statement", "missing"),
    [
        ("DELETE FROM nas_epochs WHERE trial = 1", "epochs"),
        ("DELETE FROM nas_architectures", "params"),
    ],
)
def test_a_complete_trial_has_its_result_and_its_costs(changed, statement, missing):
    with pytest.raises(DamagedError) as refused:
        changed(f"PRAGMA foreign_keys=OFF; {statement}").frame()
    assert str(refused.value) == f"there are COMPLETE trials without their {missing}"


def test_an_accuracy_that_is_none_is_refused_in_the_curves_too(changed):
    with pytest.raises(DamagedError, match=r"^there are trials with an impossible val_accuracy$"):
        changed("UPDATE nas_epochs SET val_accuracy = 2 WHERE trial = 6").epochs()


def test_a_result_of_no_network_is_no_trial_and_one_that_waits_is(changed):
    foreign = "DELETE FROM trial_user_attributes WHERE key = 'key' AND trial_id IN ({})"
    study = changed(foreign.format("1, 3, 6"))  # a complete, a pruned and a waiting one
    assert study.frame()["number"].tolist() == [1, 3, 4, 5, 6]
    assert study.frame().index.tolist() == [0, 1, 2, 3, 4]
    assert study.frame()["stages.0.depth"].tolist() == [2, 4, 2, 1, 5]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            "UPDATE trial_params SET distribution_json = '{}' WHERE trial_id = 3",
            "knob stages.0.depth of trial 2 has no value of its own",
        ),
        (
            "UPDATE trial_params SET param_value = 1.5, distribution_json = "
            """'{"name": "FloatDistribution", "attributes": """
            """{"step": null, "low": 0.0, "high": 9.0, "log": false}}'""",
            "knob stages.0.depth has values that are none of its domain",
        ),
    ],
)
def test_a_knob_that_cannot_be_read_is_named(changed, statement, said):
    with pytest.raises(DamagedError) as refused:
        changed(statement).frame()
    assert str(refused.value) == said


def test_a_value_of_another_type_names_its_column(changed):
    study = changed("SELECT 1")
    with closing(sqlite3.connect(study.url.removeprefix("sqlite:///"))) as connection:
        connection.execute("UPDATE nas_attempts SET started = 'soon' WHERE trial = 6")
        connection.commit()
    with pytest.raises(DamagedError) as refused:
        study.attempts()
    assert str(refused.value) == "column started has a value that is no datetime64[us, utc]"


@pytest.mark.parametrize(
    ("config", "objective"),
    [
        ("[1]", None),
        ('{"epochs": 2}', None),
        ('{"objective": 5}', None),
        ('{"objective": "x"}', "x"),
    ],
)
def test_the_objective_is_a_text_of_the_config_or_missing(hand, changed, config, objective):
    study = changed("SELECT 1")
    with closing(sqlite3.connect(study.url.removeprefix("sqlite:///"))) as connection:
        connection.execute("UPDATE nas_studies SET config = ?", [config])
        connection.commit()
    found = {objective} if objective else set()
    assert set(study.frame()["objective"].dropna()) == found
    assert set(study.epochs()["objective"].dropna()) == found


@pytest.mark.parametrize(
    ("value", "best", "problem"),
    [
        ("1", 1.0, None),
        ("0", 0.0, None),
        ("-0.001", None, "its best accuracy is '-0.001'"),
        ("1.001", None, "its best accuracy is '1.001'"),
        ("x'00'", None, "its best accuracy is \"b'\\\\x00'\""),
        (f"'{'y' * 50}'", None, f"its best accuracy is '{'y' * 40}'"),
    ],
)
def test_a_best_accuracy_is_a_fraction_or_a_problem(changed, value, best, problem):
    study = changed("SELECT 1")
    with closing(sqlite3.connect(study.url.removeprefix("sqlite:///"))) as connection:
        connection.execute(f"UPDATE trial_values SET value = {value}")
        connection.commit()
    (row,) = rows(studies(study.url))
    assert (row["best_accuracy"], row["problem"]) == (best, problem)
    assert row["trials"] == 7


def test_studies_are_listed_by_when_they_were_made_and_then_by_name(tmp_path):
    url = f"sqlite:///{tmp_path}/nas.db"
    for name, second in (("z", 1), ("b", 2), ("a", 2)):
        write_study(url, name, trials=1, epochs=1)
        with closing(sqlite3.connect(tmp_path / "nas.db")) as connection:
            connection.execute(
                "UPDATE nas_studies SET created = ? WHERE study_id = "
                "(SELECT study_id FROM studies WHERE study_name = ?)",
                (f"2026-01-01 00:00:0{second}.000000", name),
            )
            connection.commit()
    assert studies(url)["study"].tolist() == ["z", "a", "b"]
    assert studies(url)["best_accuracy"].isna().all()  # none is complete
