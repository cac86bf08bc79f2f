"""Each invariant of a study, broken by hand: the check says so, and says nothing else."""

import shutil
import time
import uuid
from datetime import datetime, timedelta
from pathlib import Path

import optuna
import pytest
from sqlalchemy import create_engine, text

from nas.cli.app import main
from nas.study import check
from nas.study.check import violations
from nas.study.database.clock import utc_now
from nas.study.reader import open_study
from nas.study.rows import Rows

# of the study that ``searched`` makes: trial 0 has two attempts, 1 failed, 2 and 4 were pruned
# after one and two epochs, 8 was told the result of 0, 9 waits after an interrupted attempt
ID = "(SELECT trial_id FROM trials WHERE number = {})"
KEY = (
    "(SELECT REPLACE(value_json, '\"', '') FROM trial_user_attributes "
    "WHERE trial_id = {} AND key = 'key')"
)
ATTRIBUTE = "trial_user_attributes SET value_json = '{}' WHERE key = '{}' AND trial_id = {}"


def of(number):
    return f"trial_id = {ID.format(number)}"


def key(number):
    return KEY.format(ID.format(number))


VIEWED = (
    "study", "number", "state", "policy", "epochs", "val_accuracy", "val_loss", "params", "macs",
    "activations", "seconds", "attempts", "reason", "key", "metrics",
)  # fmt: skip
MEASURED = (
    "train_loss", "val_loss", "val_accuracy", "learning_rate", "seconds", "images_per_second"
)  # fmt: skip

BROKEN = {
    "another direction of Optuna's": (
        "UPDATE study_directions SET direction = 'MINIMIZE'",
        ["Optuna's direction of the study is minimize, not maximize"],
    ),
    "a trial number is missing": (
        "UPDATE trials SET number = 10 WHERE number = 9; "
        "UPDATE nas_attempts SET trial = 10 WHERE trial = 9",
        ["trial numbers are not 0 to 9, once each: [0, 1, 2, 3, 4, 5, 6, 7, 8, 10]"],
    ),
    "attempts of no trial": (
        "INSERT INTO nas_attempts (study_id, trial, attempt, owner, lease, state, started, ended) "
        "SELECT study_id, 99, 1, owner, lease, state, started, ended FROM nas_attempts "
        "WHERE trial = 1",
        ["there are attempts of trial 99, which is not there"],
    ),
    "epochs of no attempt": (
        "UPDATE nas_epochs SET attempt = 7 WHERE trial = 0 AND attempt = 1",
        ["there are epochs of trial 0, attempt 7, which is not there"],
    ),
    "an evaluation of no trial": (
        "INSERT INTO nas_evaluations SELECT study_id, 99, '{}', 0.5, 0.5, 0.5, created "
        "FROM nas_studies",
        ["there is an evaluation of trial 99, which is not there"],
    ),
    "an architecture of no trial": (
        f"DELETE FROM trial_user_attributes WHERE {of(1)} AND key = 'key'",
        [
            "architecture KEY1 belongs to no trial",
            "trial 1: its key None has no architecture",
            "trial 1: its setting makes the network KEY1, not None",
        ],
    ),
    "another network under a key": (
        "; ".join(
            f"UPDATE nas_architectures SET {column} = (SELECT {column} FROM nas_architectures "
            f"WHERE key = {key(1)}) WHERE key = {key(2)}"
            for column in ("description", "params", "macs", "activations", "depth")
        ),
        ["architecture KEY2: its JSON has the key KEY1"],
    ),
    "a network that is none": (
        f"UPDATE nas_architectures SET description = '[]' WHERE key = {key(1)}",
        ["architecture KEY1: its JSON is no architecture (…)"],
    ),
    "a cost that is not the network's": (
        f"UPDATE nas_architectures SET activations = 5 WHERE key = {key(1)}",
        ["architecture KEY1: activations is 5, not …"],
    ),
    "a depth that is not the network's": (
        f"UPDATE nas_architectures SET depth = 99 WHERE key = {key(1)}",
        ["architecture KEY1: depth is 99, not …"],
    ),
    "a network that shrinks its images to nothing": (
        "UPDATE nas_architectures SET description = REPLACE(description, "
        f"""'"stride": 1, "pool"', '"stride": 99, "pool"') WHERE key = {key(1)}""",
        [
            "architecture KEY1: its JSON has the key …",
            "architecture KEY1: is no network of the space's images (…)",
        ],
    ),
    "an epoch is missing": (
        "DELETE FROM nas_epochs WHERE trial = 0 AND attempt = 2 AND epoch = 2",
        [
            "trial 0, attempt 2: epochs are not 1 to 3: [1, 3, 4]",
            "trial 0: Optuna has another learning curve than its last attempt",
            "trial 0: is COMPLETE after 3 of 4 epochs",
            "trial 8: Optuna has another learning curve than its last attempt",
            "trial 8: is COMPLETE after 3 of 4 epochs",
        ],
    ),
    "an epoch too many": (
        "INSERT INTO nas_epochs SELECT study_id, trial, 1, epoch + 1, train_loss, val_loss, "
        "val_accuracy, learning_rate, seconds, images_per_second, metrics FROM nas_epochs "
        "WHERE trial = 0 AND attempt = 2",
        ["trial 0, attempt 1: has 5 epochs, more than the study's 4"],
    ),
    "a loss that is not finite": (
        "UPDATE nas_epochs SET train_loss = 9e999 WHERE trial = 2",
        ["trial 2, attempt 1: epoch 1: train_loss is not finite (inf)"],
    ),
    "an accuracy that is no fraction": (
        "UPDATE nas_epochs SET val_accuracy = 1.5 WHERE trial = 0 AND attempt = 1",
        ["trial 0, attempt 1: epoch 1: val_accuracy is 1.5, not a fraction of 1"],
    ),
    "an attempt in a state that there is not": (
        "UPDATE nas_attempts SET state = 'odd' WHERE trial = 1",
        [
            "trial 1, attempt 1: unknown state 'odd'",
            "trial 1: is FAIL, but its last attempt is odd",
        ],
    ),
    "an attempt that ended and has no end": (
        "UPDATE nas_attempts SET ended = NULL WHERE trial = 2",
        ["trial 2, attempt 1: is pruned, but its end is None"],
    ),
    "an attempt is missing": (
        "UPDATE nas_attempts SET attempt = 3 WHERE trial = 0 AND attempt = 2; "
        "UPDATE nas_epochs SET attempt = 3 WHERE trial = 0 AND attempt = 2",
        ["trial 0: its attempts are not numbered from 1 on"],
    ),
    "a trial that nobody runs": (
        "UPDATE trials SET state = 'RUNNING' WHERE number = 9; "
        "UPDATE nas_attempts SET ended = '2026-01-01 00:00:00.000000' WHERE trial = 9",
        ["trial 9: is RUNNING with 0 running attempts"],
    ),
    "a lease that has run out": (
        "UPDATE trials SET state = 'RUNNING' WHERE number = 9; UPDATE nas_attempts SET "
        "state = 'running', ended = NULL, lease = '2026-01-01 00:00:00.000000' WHERE trial = 9",
        ["trial 9: is RUNNING, but its lease ended at 2026-01-01 00:00:00 UTC"],
    ),
    "a training that cannot be": (
        "UPDATE trials SET state = 'RUNNING' WHERE number = 9; UPDATE nas_attempts SET "
        "state = 'running', ended = NULL, lease = '9999-01-01 00:00:00.000000' WHERE trial = 9; "
        "UPDATE nas_studies SET config = "
        """REPLACE(config, '"training": {}', '"training": {"label_smoothing": 1.0}')""",
        [
            *(
                f"trial {number}: it cannot be trained: training: label_smoothing is 1.0; it must "
                "be less than 1"
                for number in (0, *range(2, 10))  # trial 1 failed
            ),
        ],
    ),
    "a trial that ended runs": (
        "UPDATE nas_attempts SET state = 'running', ended = NULL WHERE trial = 2",
        ["trial 2: is PRUNED, but attempt 1 is running"],
    ),
    "a trial that waits after a result": (
        "UPDATE nas_attempts SET state = 'complete' WHERE trial = 9",
        ["trial 9: is WAITING, but its last attempt is complete"],
    ),
    "an inherited attempt of a trial that inherits nothing": (
        "UPDATE nas_attempts SET state = 'inherited' WHERE trial = 2",
        ["trial 2: its last attempt is inherited, but it inherits from no trial"],
    ),
    "a pruned trial that was completed": (
        "UPDATE trials SET state = 'COMPLETE' WHERE number = 2",
        [
            "trial 2: is COMPLETE, but its last attempt is pruned",
            "trial 2: is COMPLETE after 1 of 4 epochs",
        ],
    ),
    "a failure without a reason": (
        f"DELETE FROM trial_user_attributes WHERE {of(1)} AND key = 'reason'",
        ["trial 1: FAILed without a reason"],
    ),
    "a failure with a value": (
        "INSERT INTO trial_values (trial_id, objective, value, value_type) "
        f"VALUES ({ID.format(1)}, 0, 0.5, 'FINITE')",
        ["trial 1: is FAIL and has a value"],
    ),
    "a result without a value": (
        f"DELETE FROM trial_values WHERE {of(2)}",
        ["trial 2: is PRUNED with 0 values"],
    ),
    "a value that was not measured": (
        f"UPDATE trial_values SET value = 0.99 WHERE {of(2)}",
        ["trial 2: its value is 0.99, its last epoch's …"],
    ),
    "a curve that was not measured": (
        f"UPDATE trial_intermediate_values SET intermediate_value = 0.99 WHERE {of(2)}",
        ["trial 2: Optuna has another learning curve than its last attempt"],
    ),
    "a curve of two attempts": (
        "INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, "
        f"intermediate_value_type) VALUES ({ID.format(2)}, 2, 0.5, 'FINITE')",
        ["trial 2: Optuna has another learning curve than its last attempt"],
    ),
    "a result without an epoch": (
        "DELETE FROM nas_epochs WHERE trial = 2",
        [
            "trial 2: Optuna has another learning curve than its last attempt",
            "trial 2: is PRUNED without an epoch",
        ],
    ),
    "a trial that was stopped by another program": (
        "DELETE FROM nas_epochs WHERE trial = 2; DELETE FROM nas_attempts WHERE trial = 2; "
        f"DELETE FROM trial_user_attributes WHERE {of(2)} AND key = 'policy'",
        [
            "trial 2: was added by another program and is no result: it is PRUNED; accepted: "
            "COMPLETE"
        ],
    ),
    "a policy that there is not": (
        "UPDATE " + ATTRIBUTE.format('"luck"', "policy", ID.format(2)),
        ["trial 2: its policy is 'luck'"],
    ),
    "a reused result without its source": (
        f"DELETE FROM trial_user_attributes WHERE {of(8)} AND key = 'source'",
        [
            "trial 8: its policy is reused, its source None",
            "trial 8: Optuna has another learning curve than its last attempt",
            "trial 8: is COMPLETE without an epoch",
        ],
    ),
    "a result of another network": (
        "UPDATE " + ATTRIBUTE.format("2", "source", ID.format(8)),
        [
            "trial 8: has the result of trial 2, which is another network",
            "trial 8: Optuna has another learning curve than its last attempt",
            "trial 8: its value is …",
            "trial 8: is COMPLETE after 1 of 4 epochs",
        ],
    ),
    "a setting of another network": (
        "UPDATE trial_params SET param_value = 3 - param_value "
        f"WHERE {of(2)} AND param_name = 'stages.1.depth'",
        ["trial 2: its setting makes the network …, not KEY2"],
    ),
    "a setting that is incomplete": (
        f"DELETE FROM trial_params WHERE {of(2)} AND param_name = 'stages.1.depth'",
        ["trial 2: its setting is outside the space: …"],
    ),
    "a space that is not the stored one": (
        f"UPDATE nas_studies SET space_hash = '{'0' * 64}'",
        ["the space has the hash …, not the one that is stored"],
    ),
    "a view that shows something else": (
        "VIEW epochs + CASE number WHEN 2 THEN 1 ELSE 0 END AS epochs",
        ["trial 2: the view nas_trials shows epochs 2, not 1"],
    ),
    "a view with other seconds": (
        "VIEW seconds + CASE number WHEN 2 THEN 1 ELSE 0 END AS seconds",
        ["trial 2: the view nas_trials shows seconds …"],
    ),
    "a view that leaves a trial out": (
        "VIEW epochs WHERE number <> 2",
        ["trial 2: the view nas_trials does not show it"],
    ),
}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def copies(request, searched, tmp_path_factory):
    """``copies()``: the URL of a database with a good study, for the test to break."""
    if request.param == "sqlite":
        good = tmp_path_factory.mktemp("good") / "nas.db"
        searched(f"sqlite:///{good}")

        def copy():
            broken = good.with_name(f"{uuid.uuid4().hex}.db")
            shutil.copyfile(good, broken)
            return f"sqlite:///{broken}"

        return copy
    server = request.getfixturevalue("postgres")
    admin = create_engine(server, isolation_level="AUTOCOMMIT")

    def create(template):
        name = f"test_{uuid.uuid4().hex}"
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
        return name

    good = create("template1")
    searched(server.replace("/postgres?", f"/{good}?"))
    return lambda: server.replace("/postgres?", f"/{create(good)}?")


@pytest.fixture
def study(copies):
    """A good study that the test may break."""
    found = open_study(copies(), "s")
    yield found
    found.engine.dispose()


def break_(url, statements):
    engine = create_engine(url)
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":  # foreign keys look away
            connection.execute(text("SET session_replication_role = replica"))
            statements = statements.replace("9e999", "'Infinity'")
        if statements.startswith("VIEW "):
            statements = other_view(connection, statements.removeprefix("VIEW "))
        for statement in statements.split(";"):
            connection.exec_driver_sql(statement)
    engine.dispose()


def other_view(connection, column):
    """Statements that put another view before nas_trials: ``column`` ends with its name."""
    names = connection.execute(text("SELECT * FROM nas_trials")).keys()
    column, _, where = column.partition(" WHERE ")
    shown = ", ".join([*(name for name in names if name != column.split()[-1]), column])
    front = f"CREATE VIEW nas_trials AS SELECT {shown} FROM hidden WHERE {where or '1 = 1'}"
    if connection.dialect.name == "postgresql":
        return f"ALTER VIEW nas_trials RENAME TO hidden; {front}"
    query = "SELECT sql FROM sqlite_master WHERE name = 'nas_trials'"
    definition = connection.exec_driver_sql(query).scalar_one()
    return f"DROP VIEW nas_trials; {definition.replace('nas_trials', 'hidden')}; {front}"


def test_a_good_study_breaks_nothing(study):
    assert violations(study) == []


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_said_and_nothing_else(study, name):
    statements, expected = BROKEN[name]
    keys = dict(zip(study.frame()["number"], study.frame()["key"], strict=True))
    break_(study.url, statements)
    found = violations(open_study(study.url, "s"))
    if statements.startswith("VIEW ") and study.url.startswith("sqlite"):
        expected = ["the view nas_trials is not the one that nas makes"]
    for number in (1, 2):
        expected = [line.replace(f"KEY{number}", keys[number][:12]) for line in expected]
    assert len(found) == len(expected), found
    for line, pattern in zip(found, expected, strict=True):
        begin, _, end = pattern.partition("…")
        assert line.startswith(begin) and line.endswith(end), (line, pattern)
        assert "…" in pattern or line == pattern


@pytest.fixture(scope="module")
def one_copy(searched, tmp_path_factory):
    """``one_copy()``: as ``study``, on SQLite alone, where each column is broken by itself."""
    good = tmp_path_factory.mktemp("columns") / "nas.db"
    searched(f"sqlite:///{good}")

    def copy():
        broken = good.with_name(f"{uuid.uuid4().hex}.db")
        shutil.copyfile(good, broken)
        return open_study(f"sqlite:///{broken}", "s")

    return copy


def broken_lines(study, statements):
    break_(study.url, statements)
    return violations(open_study(study.url, "s"))


def test_each_column_of_the_view_is_compared(one_copy):
    """As where a database has a definition of its own of the view, which PostgreSQL rewrites."""
    study = one_copy()
    for column in VIEWED:
        if column in ("study", "number"):
            continue
        rows = Rows.read(study)
        before = rows.view[2][column]
        shown = before + 1 if isinstance(before, int | float) else "odd"
        rows.view[2] = {**rows.view[2], column: shown}
        found = list(check._Check(rows, study, utc_now()).all())
        assert found == [f"trial 2: the view nas_trials shows {column} {shown}, not {before}"]


@pytest.mark.parametrize("value", ["9e999", "-9e999"])
@pytest.mark.parametrize("column", MEASURED)
def test_each_measure_of_an_epoch_is_finite(one_copy, column, value):
    where = "trial = 0 AND attempt = 1 AND epoch = 1"
    found = broken_lines(one_copy(), f"UPDATE nas_epochs SET {column} = {value} WHERE {where}")
    said = f"{column} is not finite ({float(value)})"
    assert found == [f"trial 0, attempt 1: epoch 1: {said}"]


@pytest.mark.parametrize("column", ["params", "macs", "activations", "depth"])
@pytest.mark.parametrize("more", [1, -1])
def test_each_cost_of_a_network_is_computed_again(one_copy, column, more):
    study = one_copy()
    k = study.frame()["key"][1]
    with study.engine.connect() as connection:
        query = text(f"SELECT {column} FROM nas_architectures WHERE key = :key")
        value = connection.execute(query, {"key": k}).scalar_one()
    changed = f"UPDATE nas_architectures SET {column} = {value + more} WHERE key = '{k}'"
    said = f"architecture {k[:12]}: {column} is {value + more}, not {value}"
    assert broken_lines(study, changed) == [said]


@pytest.mark.parametrize(
    ("accuracy", "said"),
    [
        ("0", []),
        ("1", []),
        ("-0.01", ["trial 0, attempt 1: epoch 1: val_accuracy is -0.01, not a fraction of 1"]),
        ("1.01", ["trial 0, attempt 1: epoch 1: val_accuracy is 1.01, not a fraction of 1"]),
    ],
)
def test_an_accuracy_is_a_fraction_and_may_be_0_or_1(one_copy, accuracy, said):
    statement = f"UPDATE nas_epochs SET val_accuracy = {accuracy} WHERE trial = 0 AND attempt = 1"
    assert broken_lines(one_copy(), statement) == said


def test_the_check_reads_one_study_of_several(one_copy, searched):
    study = one_copy()
    searched(study.url, "other")
    assert violations(study) == violations(open_study(study.url, "other")) == []
    broken = " ; ".join(
        f"UPDATE {table} SET {change} WHERE study_id = 2"
        for table, change in (
            ("nas_architectures", "macs = macs + 1"),
            ("nas_epochs", "val_loss = 9e999, epoch = epoch + 100"),
            ("nas_attempts", "state = 'odd'"),
            ("trials", "number = number + 1"),
        )
    )
    assert broken_lines(study, broken) == []
    assert len(violations(open_study(study.url, "other"))) > 30


@pytest.mark.parametrize(("seconds", "lasts"), [(29.9, True), (30, False)])
def test_a_driver_that_ended_an_attempt_has_a_lease_to_end_its_trial(one_copy, seconds, lasts):
    study = one_copy()
    now = utc_now()
    ended = f"{now - timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S.%f}"
    break_(study.url, "UPDATE trials SET state = 'RUNNING' WHERE number = 9")
    break_(study.url, f"UPDATE nas_attempts SET ended = '{ended}' WHERE trial = 9")
    said = [] if lasts else ["trial 9: is RUNNING with 0 running attempts"]
    assert violations(study, lambda: now) == said


def test_a_lease_that_ends_this_moment_lasts_still(one_copy):
    study = one_copy()
    break_(study.url, BROKEN["a lease that has run out"][0])
    ends = datetime(2026, 1, 1)
    assert violations(study, lambda: ends) == []
    assert len(violations(study, lambda: ends + timedelta(microseconds=1))) == 1


def test_every_rule_of_the_check_is_broken_by_one_of_these():
    source = Path(violations.__code__.co_filename).read_text()
    rules = [part.split("{")[0].split('"')[0] for part in source.split('yield f"')[1:]]
    rules += [part.split('"')[0] for part in source.split('yield "')[1:]]
    said = "\n".join(line for _, lines in BROKEN.values() for line in lines)
    assert [rule for rule in rules if rule.strip() and rule not in said] == []


def test_a_lease_that_lasts_is_no_violation(study):
    break_(study.url, BROKEN["a lease that has run out"][0])
    lease = utc_now() + timedelta(seconds=20)
    break_(study.url, f"UPDATE nas_attempts SET lease = '{lease}' WHERE trial = 9")
    assert violations(study) == []


def test_a_trial_that_an_optuna_tool_enqueued_is_no_violation(study):
    optuna.load_study(study_name="s", storage=study.url).enqueue_trial({"stages.0.depth": 2})
    assert violations(study) == []


def test_the_command_prints_each_violation_and_exits_with_1(study, capsys):
    assert main(["check", "s", "--storage", study.url]) == 0
    assert capsys.readouterr().out == "s: all is well\n"
    break_(study.url, BROKEN["a failure without a reason"][0])
    assert main(["check", "s", "--storage", study.url]) == 1
    assert capsys.readouterr().out == "trial 1: FAILed without a reason\ns: 1 violation\n"


# --- the ends of each rule, on SQLite ---

INTERMEDIATE = "INSERT INTO trial_intermediate_values VALUES"


@pytest.mark.parametrize(
    ("milliseconds", "said"),
    [("0.001", []), ("0", ["is 0.0 ms"]), ("9e999", ["is inf ms"]), ("-1", ["is -1.0 ms"])],
)
def test_a_latency_is_above_0_and_finite(one_copy, milliseconds, said):
    study = one_copy()
    k = study.frame()["key"][1]
    row = f"(1, '{k}', 'cpu', 1, 1, {milliseconds}, '2026-01-01 00:00:00')"
    found = broken_lines(study, f"INSERT INTO nas_latencies VALUES {row}")
    assert found == [f"the latency of architecture {k[:12]} {end}" for end in said]


def test_what_refers_to_nothing_is_said_in_the_order_of_numbers(one_copy):
    """Of rows in any order; each is named once, and only what is not there."""
    study = one_copy()
    epoch = "INSERT INTO nas_epochs SELECT 1, {}, {}, 1, 1, 1, 0.5, 1, 1, 1, NULL"
    attempt = (
        "INSERT INTO nas_attempts (study_id, trial, attempt, owner, lease, state, started, ended) "
        "SELECT study_id, {}, 1, owner, lease, state, started, ended FROM nas_attempts "
        "WHERE trial = 1"
    )
    evaluation = (
        "INSERT INTO nas_evaluations VALUES (1, {}, '{{}}', 0, 0, 0, '2026-01-01 00:00:00')"
    )
    statements = [epoch.format(70, 2), epoch.format(70, 1), epoch.format(7, 9)]
    statements += [attempt.format(60), attempt.format(50)]
    statements += [evaluation.format(number) for number in (30, 3, 20)]
    assert broken_lines(study, "; ".join(statements)) == [
        "there are attempts of trial 50, which is not there",
        "there are attempts of trial 60, which is not there",
        "there are epochs of trial 7, attempt 9, which is not there",
        "there are epochs of trial 70, attempt 1, which is not there",
        "there are epochs of trial 70, attempt 2, which is not there",
        "there is an evaluation of trial 20, which is not there",
        "there is an evaluation of trial 30, which is not there",
    ]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            f"{INTERMEDIATE} (NULL, {ID.format(1)}, 1, 0.5, 'FINITE')",
            ["trial 1: Optuna has another learning curve than its last attempt"],
        ),
        (
            f"{INTERMEDIATE} (NULL, {ID.format(9)}, 9, 0.5, 'FINITE')",
            [],  # it has not ended
        ),
        (
            f"INSERT INTO trial_values VALUES (NULL, {ID.format(0)}, 1, 0.5, 'FINITE')",
            ["trial 0: is COMPLETE with 2 values"],
        ),
        (
            f"INSERT INTO trial_values VALUES (NULL, {ID.format(9)}, 0, 0.5, 'FINITE')",
            ["trial 9: is WAITING and has a value"],
        ),
        (
            "UPDATE trials SET state = 'FAIL' WHERE number = 9",
            [
                "trial 9: FAILed without a reason",
            ],
        ),
        (
            "UPDATE " + ATTRIBUTE.format('""', "reason", ID.format(1)),
            ["trial 1: FAILed without a reason"],
        ),
        (
            "UPDATE " + ATTRIBUTE.format('"reused"', "policy", ID.format(2)),
            ["trial 2: its policy is reused, its source None"],
        ),
        (
            "UPDATE trials SET state = 'RUNNING' WHERE number = 0; UPDATE nas_attempts SET "
            "state = 'running', ended = NULL, lease = '9999-01-01 00:00:00.000000' WHERE trial = 0",
            [
                "trial 0: is RUNNING with 2 running attempts",
                "trial 0: is RUNNING and has a value",
            ],
        ),
        (
            "UPDATE nas_attempts SET ended = NULL WHERE trial = 9",
            ["trial 9, attempt 1: is interrupted, but its end is None"],
        ),
        (
            "UPDATE trials SET state = 'WAITING' WHERE number = 2",
            [
                "trial 2: is WAITING, but its last attempt is pruned",
                "trial 2: is WAITING and has a value",
            ],
        ),
    ],
)
def test_each_state_of_a_trial_has_what_belongs_to_it_alone(one_copy, statement, said):
    assert broken_lines(one_copy(), statement) == said


def test_an_enqueued_trial_that_was_refused_is_no_violation(one_copy):
    study = one_copy()
    optuna.load_study(study_name="s", storage=study.url).enqueue_trial({"stages.0.depth": 99})
    reason = f"INSERT INTO trial_user_attributes VALUES (NULL, {ID.format(10)}, 'reason', '\"no\"')"
    assert (
        broken_lines(study, f"{reason}; UPDATE trials SET state = 'FAIL' WHERE number = 10") == []
    )
    assert broken_lines(study, "UPDATE trials SET state = 'PRUNED' WHERE number = 10") == [
        "trial 10: was added by another program and is no result: it is PRUNED; accepted: COMPLETE"
    ]


NOW = datetime(2026, 6, 1, 12, 0, 0)


@pytest.mark.parametrize(
    ("claimed", "started", "is_between"),
    [
        (NOW, None, True),
        (NOW - timedelta(seconds=29.9), None, True),
        (NOW - timedelta(seconds=30), None, False),
        (NOW + timedelta(seconds=29.9), None, True),  # by a machine whose clock is ahead
        (NOW + timedelta(seconds=30), None, False),
        (NOW, NOW - timedelta(seconds=1), True),  # to be carried on
        (NOW, NOW, False),
        (NOW, NOW + timedelta(seconds=1), False),
        (None, None, False),
        (datetime(1, 1, 1), None, False),  # there is no such time in every zone
    ],
)
def test_a_trial_that_was_just_claimed_may_be_between_two_writes(
    one_copy, claimed, started, is_between, monkeypatch
):
    """Optuna's times are local ones."""
    monkeypatch.setenv("TZ", "XXX-09:00")
    time.tzset()
    try:
        study = one_copy()
        local = f"'{claimed + timedelta(hours=9)}'" if claimed else "NULL"
        if claimed and claimed.year == 1:
            local = "'0001-01-01 00:00:00'"
        break_(
            study.url,
            f"UPDATE trials SET state = 'RUNNING', datetime_start = {local} WHERE number = 9",
        )
        if started is None:
            break_(study.url, "DELETE FROM nas_epochs WHERE trial = 9")
            break_(study.url, "DELETE FROM nas_attempts WHERE trial = 9")
        else:
            times = (
                f"started = '{started:%Y-%m-%d %H:%M:%S.%f}', ended = '2026-01-01 00:00:00.000000'"
            )
            break_(study.url, f"UPDATE nas_attempts SET {times} WHERE trial = 9")
        said = [] if is_between else ["trial 9: is RUNNING with 0 running attempts"]
        assert violations(study, lambda: NOW) == said
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_view_that_lacks_a_trial_or_adds_in_another_order(one_copy):
    study = one_copy()
    rows = Rows.read(study)
    rows.view[0] = {**rows.view[0], "seconds": rows.view[0]["seconds"] * (1 + 1e-12)}
    rows.view[8] = {**rows.view[8], "seconds": 0.5}
    del rows.view[2]
    assert list(check._Check(rows, study, utc_now()).all()) == [
        "trial 2: the view nas_trials does not show it",
        "trial 8: the view nas_trials shows seconds 0.5, not 0.0",
    ]


def test_a_study_that_cannot_be_read_is_said_problem_by_problem(one_copy):
    study = one_copy()
    broken = "UPDATE nas_epochs SET seconds = 'x' WHERE trial = 2; UPDATE trials SET state = 'ODD'"
    break_(study.url, broken)
    assert violations(study) == [
        "trials.state has 10 values that are not states",
        "nas_epochs.seconds has 1 value that is not numbers",
    ]


def test_a_space_that_is_not_the_stored_one_is_named_by_12_digits_of_its_hash(one_copy):
    study = one_copy()
    said = f"the space has the hash {study.space.hash[:12]}, not the one that is stored"
    assert broken_lines(study, "UPDATE nas_studies SET space_hash = 'x'") == [said]


def test_options_of_a_training_that_there_are_not_are_said(one_copy):
    config = """REPLACE(config, '"training": {}', '"training": {"odd": 1}')"""
    found = broken_lines(one_copy(), f"UPDATE nas_studies SET config = {config}")
    assert len(found) == 9
    assert found[0].startswith("trial 0: it cannot be trained: ") and "odd" in found[0]
    study = one_copy()
    without = """REPLACE(config, '"training": {}, ', '')"""
    assert broken_lines(study, f"UPDATE nas_studies SET config = {without}") == []
