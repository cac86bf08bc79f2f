"""A study that is judged by a score, from the searcher to its reports, without Ray."""

import io
import math
import sqlite3
from contextlib import closing

import optuna
import pandas as pd
import pytest
from rich.console import Console
from small_studies import optuna_study

from nas.analysis import plots
from nas.analysis.comparison import compare
from nas.analysis.importance import importance
from nas.cli.app import main
from nas.cli.view import LinesView
from nas.errors import AnalysisError, StorageError
from nas.metrics import Measure
from nas.report.report import report
from nas.study.check import violations
from nas.study.reader import open_study, studies
from nas.study.record import read_record

OWN = "mytask:train"
LOW, HIGH = Measure("score", "minimize"), Measure("score", "maximize")


def score(job, epoch):
    """Falls with the epochs and with the network's size; far from a fraction of 1."""
    return 100 / epoch + 1e6 / job.cost.macs


def run(one, sign=1):
    """All trials of a search, each epoch with a score and one more metric; trial 7 has none."""
    while (job := one.searcher.next_job()) is not None:
        if job.number == 7:
            one.searcher.report(job, {"failure": "it has no score"})
            continue
        for epoch in range(1, 5):
            metrics = {"score": sign * score(job, epoch), "state": float(epoch)}
            if not one.searcher.report(job, {"epoch": epoch, "seconds": 0.5, "metrics": metrics}):
                break


@pytest.fixture
def minimized(search):
    """A study of 16 trials, the lowest score the best, and its watcher."""
    one = search(trials=16, measure=LOW, study="low", sampler="random", objective=OWN)
    run(one)
    return open_study(one.config.storage, "low")


def test_the_best_has_the_lowest_score_and_optuna_agrees(minimized, search):
    trials = minimized.frame()
    full = trials[trials["state"] == "COMPLETE"]
    best = minimized.best_trial
    assert best.score == full["score"].min() == minimized.best()["score"].iloc[0]
    assert math.isnan(best.accuracy)
    one = search(study="low", measure=LOW, sampler="random", trials=16, objective=OWN)
    assert optuna_study(one.store).direction.name == "MINIMIZE"
    assert optuna_study(one.store).best_value == best.score
    assert set(trials["direction"]) == {"minimize"} and set(trials["metric"]) == {"score"}
    assert trials["val_accuracy"].isna().all()


def test_the_highest_scores_are_stopped_early_and_none_of_the_lowest(minimized):
    epochs, trials = minimized.epochs(), minimized.frame().set_index("number")
    first = epochs[epochs["epoch"] == 1].set_index("number")["score"]
    own = trials["policy"] != "reused"
    pruned = first[trials.index[own & (trials["state"] == "PRUNED")]]
    full = first[trials.index[own & (trials["state"] == "COMPLETE")]]
    assert len(pruned) and len(full)
    assert pruned.median() > full.median()
    assert first.idxmin() in full.index


def test_maximized_and_minimized_searches_of_opposite_scores_are_the_same(search):
    found = []
    for measure, sign in ((LOW, 1), (HIGH, -1)):
        one = search(trials=24, measure=measure, study=measure.direction, sampler="tpe")
        run(one, sign)
        found.append([(t.state, t.params) for t in one.store.trials()])
    assert found[0] == found[1]  # proposals and early stopping, mirrored


def test_a_failure_is_worse_than_any_score(search):
    one = search(trials=20, measure=LOW, sampler="tpe", scheduler="none")
    for failed in range(8):
        job = one.searcher.next_job()
        if failed % 2:
            one.searcher.fail(job, "by itself", retry=False)
        else:
            for epoch in range(1, 5):
                metrics = {"score": 1e9}
                result = {"epoch": epoch, "seconds": 1.0, "metrics": metrics}
                one.searcher.report(job, result)
    run(one)
    policies = [t.user_attrs["policy"] for t in one.store.trials()]
    assert "guided" in policies


def test_frames_have_the_score_and_further_metrics_under_names_of_their_own(minimized):
    trials, epochs = minimized.frame(), minimized.epochs()
    full = trials[trials["state"] == "COMPLETE"]
    assert set(full["metrics.state"]) == {4.0}
    assert list(epochs["metrics.state"]) == list(epochs["epoch"].astype(float))
    assert str(epochs["score"].dtype) == "float64"
    assert trials.columns[-1] == "metrics.state"


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE nas_epochs SET metrics = '{\"a\": 1}' WHERE trial = 0", "score is missing"),
        ("UPDATE nas_epochs SET metrics = '{\"score\": 1e999}' WHERE trial = 0", "not finite"),
        ('UPDATE nas_epochs SET metrics = \'{"score": "x"}\' WHERE trial = 0', "is no number"),
        ("UPDATE study_directions SET direction = 'MAXIMIZE'", "is maximize, not minimize"),
        ("UPDATE nas_studies SET objective = '{}'", "its objective cannot be read"),
        ("SELECT 1", "all is well"),
    ],
)
def test_what_is_wrong_with_scores_is_a_violation(minimized, tmp_path, capsys, statement, said):
    copy = tmp_path / "copy.db"
    with (
        closing(sqlite3.connect(tmp_path / "nas.db")) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
        target.execute(statement)
        target.commit()
    main(["check", "low", "--storage", f"sqlite:///{copy}"])
    found = capsys.readouterr()
    assert said in found.out + found.err


def test_another_direction_is_another_study(minimized, search):
    with pytest.raises(StorageError, match="direction is minimize, not maximize"):
        search(study="low", measure=HIGH, sampler="random", trials=16, objective=OWN)


def test_an_empty_study_of_optunas_is_taken_where_its_direction_fits(tmp_path, search):
    url = f"sqlite:///{tmp_path}/nas.db"
    optuna.create_study(storage=url, study_name="theirs", direction="minimize")
    with pytest.raises(StorageError, match="its direction is minimize, not maximize"):
        search(study="theirs")
    with pytest.raises(StorageError, match="its direction is minimize, not maximize"):
        read_record(url, "theirs")
    assert read_record(url, "theirs", ["minimize"]) is None
    run(search(study="theirs", measure=LOW, trials=2))
    assert violations(open_study(url, "theirs")) == []


def test_the_list_of_studies_has_the_lowest_score(minimized, search, capsys):
    search(trials=1, study="other").run()
    listed = studies(minimized.url).set_index("study")
    assert listed.loc["low", "best_score"] == minimized.best_trial.score
    assert pd.isna(listed.loc["low", "best_accuracy"]) and pd.isna(
        listed.loc["other", "best_score"]
    )
    assert list(listed["direction"]) == ["minimize", "maximize"]
    assert main(["studies", "--storage", minimized.url]) == 0
    assert "(score)" in capsys.readouterr().out


def test_show_and_the_report_name_the_score_and_no_percent(minimized, capsys):
    assert main(["show", "low", "--storage", minimized.url]) == 0
    shown = capsys.readouterr().out
    assert "score (lower is better)" in shown
    assert " %" not in shown and "accuracy" not in shown
    page = report(minimized)
    assert "lowest score" in page
    assert "Score against cost" in page
    assert "accuracy" not in page.split("<svg")[0]


def test_the_lines_of_a_search_show_scores_and_the_lowest_as_the_best(search):
    text = io.StringIO()
    one = search(trials=4, measure=LOW, sampler="random", scheduler="none")
    view = LinesView(Console(file=text, width=200), one.config, None, LOW)
    one.searcher._watcher = view
    run(one)
    best = min(trial.value for trial in one.store.trials())
    assert f"best {LOW.shown(best).strip()} (trial" in view.status()
    assert " %" not in text.getvalue()


def test_figures_are_drawn_of_scores_and_statistics_of_accuracies_refuse_them(minimized):
    trials, epochs = minimized.frame(), minimized.epochs()
    assert plots.front(trials).axes[0].get_ylabel() == "score (lower is better)"
    assert plots.curves(epochs).axes[0].get_ylabel() == "score (lower is better)"
    with pytest.raises(AnalysisError, match="importance of"):  # of so few; not of scores
        importance(trials, policy="any", stopped="drop")
    for refused in (
        lambda: compare(trials, trials.assign(study="b"), stopped="drop"),
        lambda: plots.edf(trials, policy="any", stopped="drop"),
        lambda: plots.effects(trials, policy="any", stopped="drop"),
    ):
        with pytest.raises(AnalysisError, match="the study is judged by a score"):
            refused()
