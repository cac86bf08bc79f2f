"""Every command on studies with next to nothing in them, in a terminal of 40 columns."""

import re
from pathlib import Path

import pytest
from dashboards import Search
from study_factory import write_study

from nas.cli.app import main

SINGLE = {
    "name": "single",
    "stem": {"width": 8},
    "stages": [{"block": "basic", "depth": 1, "width": 8, "stride": 2}],
}
FEW = {**SINGLE, "name": "few", "stages": [{**SINGLE["stages"][0], "depth": {"int": [1, 3]}}]}
FULL = {"sampler": "random", "scheduler": "none", "objective": "synthetic"}

COMMANDS = (
    "show {}",
    "check {}",
    "export-frame {} {}.csv --what epochs",
    "report {} -o {}.html",
    "plot {} --kind edf -o {}.svg",
    "latency {}",
    "latency {} --trials all",
    "retrain {} -o winner.pt --trial 99",
)
CODES = {  # of each command in turn
    "empty": (0, 0, 0, 0, 2, 2, 2, 2),
    "one_trial_of_one_epoch": (0, 0, 0, 0, 0, 0, 0, 2),
    "one_network": (0, 0, 0, 0, 0, 0, 0, 2),
    "all_failed": (0, 0, 0, 0, 2, 2, 0, 2),
    "all_pruned": (0, 0, 0, 0, 2, 2, 0, 2),
    "one_running": (0, 0, 0, 0, 2, 2, 0, 2),
    "one_waiting": (0, 0, 0, 0, 2, 2, 0, 2),
}


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('small')}/nas.db"
    Search(url, "empty", FEW, **FULL).store.close()
    Search(url, "one_trial_of_one_epoch", FEW, **FULL, trials=1, epochs=1).run()
    Search(url, "one_network", SINGLE, **FULL, trials=2, epochs=1).run()
    Search(url, "all_failed", FEW, **FULL, trials=2).run(failing={0: "out of memory", 1: "died"})
    write_study(url, "all_pruned", trials=4, epochs=3, pruned=1.0)
    running = Search(url, "one_running", FEW, **FULL, trials=1)
    running.epoch(*running.begin())
    running.store.close()
    write_study(url, "one_waiting", trials=1, epochs=3)
    return url


@pytest.fixture
def nas(url, tmp_path, monkeypatch, capsys):
    """``nas(command)``: its exit code, and what it printed on both streams."""
    monkeypatch.setenv("NAS_STORAGE", url)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.chdir(tmp_path)

    def run(command):
        code = main(command.split())
        return code, *capsys.readouterr()

    return run


@pytest.mark.parametrize("study", CODES)
def test_a_study_with_little_in_it_is_shown_or_refused_in_a_sentence(study, nas):
    codes = []
    for command in COMMANDS:
        code, out, err = nas(command.replace("{}", study))
        codes.append(code)
        assert (err.count("\n") == 1 and out == "") if code else err == "", (command, out, err)
        said = out + err
        assert not re.search(r"(?<![\d.,])1 [a-z]{3,}s\b", said), said  # 1 trials, 1 epochs
        assert not re.search(r"\bnan\b|None|…|: ?$", err or out), said
    assert tuple(codes) == CODES[study]
    assert not Path("winner.pt").exists()


@pytest.mark.parametrize(
    ("study", "line"),
    [
        ("empty", "empty: no trial yet"),
        ("one_trial_of_one_epoch", "one_trial_of_one_epoch: 1 complete"),
        ("one_network", "one_network: 2 complete"),
        ("all_failed", "all_failed: 2 failed"),
        ("one_running", "one_running: 1 running"),
        ("one_waiting", "one_waiting: 1 waiting"),
    ],
)
def test_the_states_of_the_trials_have_one_word_each(study, line, nas):
    assert nas(f"show {study}")[1].startswith(f"{line}\n")


def test_no_number_and_no_name_is_cut_in_a_narrow_table(nas):
    _, shown, _ = nas("show one_trial_of_one_epoch")
    row = next(line for line in shown.splitlines() if line.startswith("    0│"))
    assert re.fullmatch(r" +0│ *\d\d\.\d\d %│ +1│ *[\d.]+k│ *\d+k│ *[\d.]+m?s", row)
    _, spaces, _ = nas("spaces")
    names = "".join(line.partition("│")[0].strip() for line in spaces.splitlines())
    assert "residual_or_plain" in names
    assert max(map(len, spaces.splitlines())) <= 40


def test_an_axis_of_epochs_names_epochs_alone(nas):
    _, shown, _ = nas("show one_trial_of_one_epoch")
    axis = shown[shown.rindex("└") :].splitlines()[1]
    assert axis.split() == ["1"]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("latency empty --trials all", "study 'empty' has no trial to measure yet\n"),
        ("latency empty", "to measure yet; --trials all takes those that were not trained in full"),
        (
            "plot one_network --kind pairs --knob stages.0.depth -o f.svg",
            "one_network has no knob 'stages.0.depth'; there is none to choose from",
        ),
        ("export-study one_running out.sqlite", "'one_running' has 1 running trial; stop its"),
    ],
)
def test_a_refusal_names_what_there_is(command, said, nas):
    code, out, err = nas(command)
    assert (code, out) == (2, "")
    assert said in err


def test_nas_alone_prints_its_help_and_no_error(nas):
    code, out, err = nas("")
    assert (code, err) == (2, "")
    assert "Usage: nas" in out
