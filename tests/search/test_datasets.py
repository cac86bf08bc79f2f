"""Searches of data sets other than Fashion-MNIST, from the command line to what is shipped."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import nas
from nas.cli.app import main
from nas.data import open_dataset
from nas.study.check import violations
from nas.study.reader import open_study

TRAINING = """
training: {validation: 0.2, precision: float32, channels_last: "off", batch_size: 32}
epochs: 1
trials: 2
sampler: random
scheduler: none
time-budget: none
space: small.yaml
"""
BOTH = """
import nas, yaml

options = yaml.safe_load(open("options.yaml"))
options["time_budget"] = options.pop("time-budget")
for study, dataset in (("png", "folder:png"), ("npz", "npz:same.npz")):
    nas.run_search(study=study, dataset=dataset, storage="sqlite:///nas.db", **options)
"""
SPACE = """
name: small
stem: {width: 8}
each_stage: {block: basic, depth: {int: [1, 2]}, stride: 2, width: {choice: [8, 16, 24]}}
stages: [{}, {}]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where searches run; with a part of Fashion-MNIST as PNG files and as arrays."""
    folder = tmp_path_factory.mktemp("datasets")
    (folder / "options.yaml").write_text(TRAINING)
    (folder / "small.yaml").write_text(SPACE)
    images, labels = open_dataset("fashion_mnist").train
    images, labels = np.array(images[:300, 0]), np.array(labels[:300])
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        place = folder / "png" / f"class {label}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{number:03}.png")
    np.savez(folder / "same.npz", images=images, labels=labels)
    return folder


def run(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "nas", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def searched(folder, name, *arguments):
    done = run(folder, "search", "--config", "options.yaml", "--study", name, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return open_study(f"sqlite:///{folder}/nas.db", name), done.stdout


def test_digits_are_searched_retrained_and_shipped(folder, monkeypatch, capfd):
    study, said = searched(folder, "digits", "--dataset", "digits")
    assert "small (36 architectures) on Digits" in said
    assert "on 1,151 training images" in said
    assert violations(study) == []
    assert study.space.input_shape == (1, 8, 8)
    trials = study.frame()
    assert (trials["state"] == "COMPLETE").all()
    for number in trials["number"]:  # what is stored is what was trained
        again = nas.cost(study.architecture(number), (1, 8, 8), 10)
        assert trials["macs"][number] == again.macs
    monkeypatch.chdir(folder)
    assert main(["retrain", "digits", "-o", "winner.pt", "--epochs", "2", "--test"]) == 0
    said = capfd.readouterr().out
    shipped = nas.load(folder / "winner.pt")
    assert shipped.classes == tuple("0123456789")
    test = open_dataset("digits").test
    with torch.no_grad():
        guesses = shipped(torch.tensor(test.images)).argmax(1).numpy()
    accuracy = (guesses == test.labels).mean()
    assert f"test accuracy {100 * accuracy:.2f} %" in " ".join(said.split())


@pytest.mark.slow
def test_png_files_and_arrays_of_the_same_images_give_the_same_accuracies(folder):
    """Trial by trial. With all of Fashion-MNIST they are those of Fashion-MNIST itself."""
    done = subprocess.run(
        [sys.executable, "-c", BOTH], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    frames = []
    for name in ("png", "npz"):
        study = open_study(f"sqlite:///{folder}/nas.db", name)
        assert (study.record.images.training, study.record.images.validation) == (240, 60)
        assert study.space.input_shape == (1, 28, 28)
        frames.append(study.frame()[["key", "val_accuracy", "val_loss"]])
    assert frames[0].equals(frames[1])
    assert frames[0]["val_accuracy"].notna().all()


def test_what_cannot_be_trained_on_is_refused_in_one_line_and_leaves_nothing(
    folder, monkeypatch, capfd
):
    monkeypatch.chdir(folder)

    def files():  # but those of SQLite beside a database, which stay as long as a reader does
        return {path.name for path in folder.iterdir() if not path.name.startswith("nas.db-")}

    before = files()
    for arguments, message in (
        (["--dataset", "folder:nowhere"], "nowhere: no such folder"),
        (["--dataset", "digts"], "dataset: 'digts'; did you mean digits?"),
        (["--dataset", "digits", "--space", "resnext_a"], "resnext_a is for images of 3×32×32"),
        (["--dataset", "digits", "--train-images", "5k"], "but Digits has 1,151"),
    ):
        assert main(["search", "--study", "none", *arguments]) == 2
        refused = capfd.readouterr().err
        assert message in refused
        assert refused.count("\n") == 1
    assert files() == before


def test_a_study_says_what_it_was_trained_on_wherever_it_is_shown(folder, monkeypatch, capfd):
    study, _ = searched(folder, "digits", "--dataset", "digits")
    monkeypatch.chdir(folder)
    assert main(["report", "digits", "-o", "report.html"]) == 0
    page = (folder / "report.html").read_text()
    assert "Digits" in page and "287 validation images" in page
    assert "Fashion-MNIST" not in page
    capfd.readouterr()
    assert main(["show", "digits", "--provenance"]) == 0
    images = json.loads(capfd.readouterr().out)["provenance"]["images"]
    assert images["classes"] == list("0123456789")
    assert study.record.images.text == "1,151 training images of Digits"
