"""Optuna's own tools on the same database: the same numbers as our frame."""

import subprocess
import sys
from contextlib import contextmanager

import optuna
import psutil
from dashboards import free_port
from selenium.webdriver.support.ui import WebDriverWait

from nas.study.reader import open_study


def test_load_study_has_the_numbers_of_the_frame(studies):
    trials = open_study(studies, "guided").frame()
    theirs = optuna.load_study(study_name="guided", storage=studies).trials
    assert [t.number for t in theirs] == list(trials["number"])
    assert [t.state.name for t in theirs] == list(trials["state"])
    for trial, row in zip(theirs, trials.to_dict("records"), strict=True):
        assert trial.params == {knob: row[knob] for knob in trial.params}
        if trial.value is not None:
            assert trial.value == row["val_accuracy"]
            assert max(trial.intermediate_values) == row["epochs"]


@contextmanager
def optuna_dashboard(url, folder):
    """The address of the real optuna-dashboard over ``url``."""
    port = free_port()
    program = "from optuna_dashboard._cli import main; main()"
    with (folder / "optuna-dashboard.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", program, url, "--port", str(port), "--server", "wsgiref"],
            stdout=log,
            stderr=log,
        )
        try:
            listening = psutil.Process(process.pid)
            WebDriverWait(listening, 60, 0.1).until(lambda p: p.net_connections("tcp"))
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def test_optuna_dashboard_shows_the_best_trial_of_the_frame(studies, tmp_path, browser):
    study = open_study(studies, "guided")
    (best,) = study.best().to_dict("records")
    with optuna_dashboard(studies, tmp_path) as address:
        browser.open(address)
        browser.sees("guided")
        browser.open(f"{address}/dashboard/studies/{study.id}")
        shown = browser.matches(r"Best Trial \(number=(\d+)\)\s+([\d.]+)\s+Params = \[(.*)\]")
    number, value, params = shown.groups()
    assert (int(number), float(value)) == (best["number"], best["val_accuracy"])
    for param in params.split(", "):
        knob, text = param.split(": ")
        assert text == str(best[knob])
