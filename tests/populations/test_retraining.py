"""The best of a study trained anew with several seeds, over Ray, into studies beside it."""

import json
import math
import shutil
from pathlib import Path

import pandas as pd
import pytest
from scipy import stats

import nas
from nas.analysis.retraining import estimates
from nas.cli.app import main
from nas.errors import ConfigError
from nas.populations.retraining import retrain_best
from nas.study.check import violations
from nas.study.evaluation import evaluated
from nas.study.managing import rename_study
from nas.study.reader import open_study, studies

pytestmark = pytest.mark.slow  # a search and four trainings

SPACE = """
name: small
stem: {width: 8}
stages: [{block: basic, depth: {int: [1, 2]}, stride: 2, width: {choice: [8, 16]}}]
training: {peak_lr: {float: [0.1, 0.3]}}
"""
OPTIONS = {
    "dataset": "digits", "trials": 3, "epochs": 1, "sampler": "random", "scheduler": "none",
    "time_budget": "none", "seed": 4,
    "training": {"batch_size": 32, "precision": "float32", "channels_last": "off"},
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """With nas.db, in which "s" was searched, and its best two trained anew with two seeds."""
    folder = tmp_path_factory.mktemp("retraining")
    (folder / "space.yaml").write_text(SPACE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        nas.run_search("space.yaml", study="s", storage="sqlite:///nas.db", **OPTIONS)
        code = main(["retrain", "s", "--top", "2", "--seeds", "2", "--epochs", "2", "--test",
                     "-o", "best.pt"])  # fmt: skip
        assert code == 0
    return folder


@pytest.fixture
def study(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return open_study("sqlite:///nas.db", "s")


def test_each_seed_is_a_study_of_the_best_networks_by_the_recipe(study):
    best = study.best(2)
    names = ["s-long-2ep-seed5", "s-long-2ep-seed6"]
    assert list(studies(study.url)["study"]) == ["s", *names]
    for seed, name in enumerate(names, start=5):
        there = open_study(study.url, name)
        assert violations(there) == []
        frame = there.frame()
        assert set(frame["key"]) == set(best["key"])
        assert (frame["state"] == "COMPLETE").all() and (frame["epochs"] == 2).all()
        config = there.record.config
        assert (config["seed"], config["train_images"], config["scheduler"]) == (seed, None, "none")
        assert config["training"]["erasing"] == 0.5
        assert config["training"]["peak_lr"] == 0.2  # the recipe's, not what the search chose


def test_the_frame_has_a_row_for_each_training_with_its_one_reading_of_the_test_images(study):
    frame = study.retrained()
    best = study.best(2).set_index("number")
    assert len(frame) == 4 and set(frame["number"]) == set(best.index)
    assert sorted(frame["seed"]) == [5, 5, 6, 6]
    for row in frame.to_dict("records"):
        assert row["key"] == best.loc[row["number"], "key"]
        there = open_study(study.url, row["study"]).frame().set_index("number")
        assert there.loc[row["trial"], "val_accuracy"] == row["val_accuracy"]
        stored = evaluated(study.url, row["study"], row["trial"])
        assert stored["test_accuracy"] == row["test_accuracy"]


def test_the_same_command_again_trains_and_tests_nothing(study, capfd):
    before = study.retrained()
    when = [evaluated(study.url, r.study, r.trial)["evaluated"] for r in before.itertuples()]
    assert main(["retrain", "s", "--top", "2", "--seeds", "2", "--epochs", "2", "--test"]) == 0
    assert "Starting Ray" not in capfd.readouterr().out
    assert study.retrained().equals(before)
    again = [evaluated(study.url, r.study, r.trial)["evaluated"] for r in before.itertuples()]
    assert when == again


def test_the_file_is_the_network_of_the_best_mean_and_says_its_seeds(study):
    frame, network = study.retrained(), nas.load("best.pt")
    best = frame.groupby("number")["val_accuracy"].mean().idxmax()
    rows = frame[frame["number"] == best]
    origin = network.origin
    assert (origin["study"], origin["trial"]) == (rows["study"].iloc[0], rows["trial"].iloc[0])
    assert origin["test_accuracy"] == rows["test_accuracy"].iloc[0]
    assert origin["seeds"]["validation"] == list(rows["val_accuracy"])
    assert origin["searched"]["epochs"] == 1
    assert network.architecture.key == study.architecture(int(best)).key


def test_a_kept_network_is_exported_by_its_study_and_number(study, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("NAS_STORAGE", study.url)
    output = tmp_path / "kept.onnx"
    assert main(["export", "s-long-2ep-seed5#1", "-o", str(output)]) == 0
    card = json.loads(output.with_suffix(".json").read_text())
    there = open_study(study.url, "s-long-2ep-seed5").frame()
    assert card["accuracy"]["validation"] == pytest.approx(there["val_accuracy"][1], abs=0.004)
    assert main(["export", "s", "-o", str(tmp_path / "gone.onnx")]) == 2
    assert "has no checkpoint on this disk" in capfd.readouterr().err


def test_show_lists_them_beside_what_was_searched(study, capfd):
    assert main(["show", "s"]) == 0
    said = capfd.readouterr().out
    assert "Trained anew, of s" in said and "± is half of a 95 % interval" in said
    assert main(["show", "s-long-2ep-seed5"]) == 0
    assert "Trained anew" not in capfd.readouterr().out


def test_more_of_the_best_are_added_to_what_is_there(study):
    frame = retrain_best(study, top=3, seeds=1, epochs=2)
    assert len(frame) == 5 and list(frame["study"]).count("s-long-2ep-seed5") == 3
    assert frame["test_accuracy"].notna().sum() == 4


def test_a_renamed_study_goes_on_with_what_was_trained_anew_of_it(study, tmp_path):
    url = f"sqlite:///{tmp_path}/copy.db"
    shutil.copy("nas.db", tmp_path / "copy.db")
    rename_study(url, "s", "t")
    frame = retrain_best(open_study(url, "t"), top=2, seeds=2, epochs=2)
    assert list(studies(url)["study"]) == ["t", "s-long-2ep-seed5", "s-long-2ep-seed6"]
    assert len(frame) == len(study.retrained())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--top", "2", "--trial", "0"], "trial is given, but top names the networks"),
        (["--top", "2", "-o", "best.pt"], "output: best.pt is there already; name another one"),
        (["--top", "2", "--recipe", "lang"], "recipe is 'lang'; did you mean long?"),
        (["--address", "auto", "-o", "a.pt"], "without Ray; accepted with top"),
        ([], "output is missing: the file to write, such as winner.pt"),
    ],
)
def test_what_contradicts_itself_is_refused_before_anything_is_trained(
    arguments, said, study, capfd
):
    before = len(studies(study.url))
    assert main(["retrain", "s", *arguments]) == 2
    assert said in capfd.readouterr().err
    assert len(studies(study.url)) == before
    assert not Path("a.pt").exists()


def test_an_option_of_the_search_itself_is_refused(study):
    for options, said in (({"trials": 4}, "'trials'"), ({"top": 0}, "top is 0; accepted: 1 to")):
        with pytest.raises(ConfigError, match=said):
            retrain_best(study, **options)


def test_estimates_are_means_with_students_interval():
    frame = pd.DataFrame(
        {
            "number": [2, 2, 2, 5, 5, 7],
            "recipe": "long",
            "epochs": 9,
            "state": ["COMPLETE"] * 4 + ["FAIL", "COMPLETE"],
            "val_accuracy": [0.90, 0.92, 0.94, 0.95, math.nan, 0.91],
            "test_accuracy": [0.89, 0.91, math.nan, math.nan, math.nan, math.nan],
        }
    )
    found = estimates(frame).set_index("number")
    assert list(found.index) == [5, 2, 7]
    low, high = stats.t.interval(0.95, 2, loc=0.92, scale=stats.sem([0.90, 0.92, 0.94]))
    assert found.loc[2, "val_accuracy"] == pytest.approx(0.92)
    assert found.loc[2, "val_half"] == pytest.approx((high - low) / 2)
    assert (found.loc[2, "trainings"], found.loc[2, "tested"]) == (3, 2)
    assert found.loc[5, "trainings"] == 1 and math.isnan(found.loc[5, "val_half"])
    assert estimates(frame.iloc[:0]).empty
