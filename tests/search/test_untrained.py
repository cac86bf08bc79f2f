"""A study of the synthetic objective is said to be one wherever its results are shown."""

import io

import pytest
from rich.console import Console

from nas.analysis.plots.kinds import draw
from nas.cli.advice import print_ending, print_header
from nas.cli.app import main
from nas.cli.view import LiveView
from nas.report.caveats import caveats
from nas.report.report import report
from nas.search.machine import Machine
from nas.search.plan import prepare
from nas.search.resolving import resolve
from nas.search.run import Outcome
from nas.study.reader import open_study, studies
from nas.study.record import StudyRecord

SAID = "no network was trained"
HERE = Machine(cpus=2, gpus=0)


@pytest.fixture
def made_up(search):
    """The storage of a study of the synthetic objective, three trials in full."""
    one = search(trials=3, scheduler="none", study="made_up", sampler="random")
    one.run()
    return one.config.storage


def printed(show, *arguments, **options):
    text = io.StringIO()
    show(Console(file=text, width=200), *arguments, **options)
    return text.getvalue()


def test_a_record_tells_what_its_accuracies_are():
    def record(objective):
        return StudyRecord({}, "0" * 64, {"objective": objective}, "", {})

    assert SAID in record("synthetic").untrained
    assert record("synthetic").accuracy == "synthetic accuracy"
    assert record("fashion_mnist").untrained is None
    assert record("fashion_mnist").accuracy == "validation accuracy"


def test_a_search_says_it_at_its_beginning_and_advises_no_retraining(tmp_path):
    given = {"storage": f"sqlite:///{tmp_path}/nas.db", "space": "resnet", "trials": 3}
    plan = prepare({**given, "objective": "synthetic"}, HERE)
    header = printed(print_header, plan)
    assert SAID in header
    assert "images" not in header
    ending = printed(print_ending, Outcome(plan, None, None, 1.0), trials=3, best=True)
    assert "retrain" not in ending
    assert "show" in ending


def test_made_up_speeds_are_not_shown():
    config = resolve({"objective": "synthetic", "epochs": 4}, None, HERE)
    assert not LiveView(Console(file=io.StringIO()), config, None).trained
    assert LiveView(Console(file=io.StringIO()), resolve({}, None, HERE), None).trained


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("studies", "(synthetic)"),
        ("show made_up", SAID),
        ("show made_up", "synthetic accuracy"),
        ("export-frame made_up {folder}/frame.csv", SAID),
    ],
)
def test_a_command_that_shows_results_says_it(made_up, tmp_path, capsys, words, said):
    given = words.format(folder=tmp_path).split()
    assert main([*given, "--storage", made_up]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert said in out
    assert "validation accuracy of" not in out


def test_a_retraining_is_refused_before_anything_is_written(made_up, tmp_path, capsys):
    output = tmp_path / "winner.pt"
    assert main(["retrain", "made_up", "-o", str(output), "--storage", made_up]) == 2
    assert "The objective is synthetic: no network was trained" in capsys.readouterr().err
    assert list(tmp_path.glob("winner*")) == []


def test_reports_caveats_frames_and_figures_say_it(made_up):
    study = open_study(made_up, "made_up")
    page = report(study)
    assert page.count(SAID) >= 2
    assert "validation accuracy" not in page.split("<svg")[0]
    assert "validation images" not in " ".join(caveats(study, study.frame(), study.best()))
    assert list(studies(made_up)["objective"]) == ["synthetic"]
    assert draw("front", [study]).axes[0].get_ylabel() == "synthetic accuracy"
