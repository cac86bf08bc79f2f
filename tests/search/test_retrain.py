"""A retraining that is stopped, carried on, repeated, and refused before it begins."""

import io
import json
import os
import re
import signal
import subprocess
import sys
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import typer
from torch.nn import functional as F

import nas
from nas.cli.app import main
from nas.cli.shipping import retrain_command
from nas.data import LabelledImages, open_dataset
from nas.data.fashion_mnist import fingerprint
from nas.errors import CheckpointError, ConfigError, NasError, StorageError
from nas.search.machine import Machine
from nas.search.resolving import resolve
from nas.search.retrain import retrain as train_anew
from nas.search.searcher import Searcher
from nas.space import SearchSpace
from nas.study.evaluation import evaluated
from nas.study.record import StudyRecord
from nas.study.shell import nas_command
from nas.study.store import StudyStore
from nas.training import Training, TrainingConfig
from nas.training.checkpoint import read_checkpoint, write_checkpoint
from nas.training.export import read_origin
from nas.training.recipes import recipe

SPACE = {
    "name": "thin",
    "stem": {"kernel": 7, "stride": 4, "width": 2},
    "stages": [{"block": "basic", "depth": 1, "width": {"choice": [2, 4]}, "stride": 4}],
}
METRICS = {"train_loss": 1.0, "val_loss": 1.0, "learning_rate": 0.1, "seconds": 1.0}


class Quiet:
    def __getattr__(self, _):
        return lambda *_: None


def stored(tmp_path, monkeypatch, space, data=fingerprint, **options):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NAS_STORAGE", raising=False)
    space = SearchSpace.from_dict(space)
    url = f"sqlite:///{tmp_path}/nas.db"
    given = {"trials": 1, "epochs": 1, "study": "s", "storage": url}
    given["training"] = {"batch_size": 1000, "precision": "float32", "channels_last": "off"}
    config = resolve({**given, **options}, None, Machine(cpus=1, gpus=0))
    record = StudyRecord(space.to_dict(), space.hash, config.to_dict(), data(), {})
    store = StudyStore(url, "s", record, owner="a")
    searcher = Searcher(store, space, config, Quiet())
    where = {"host": "h/1", "device": "cpu", "numerics": "float32"}
    result = {"epoch": 1, "val_accuracy": 0.5, "images_per_second": 1.0, **METRICS, **where}
    searcher.report(searcher.next_job(), result)
    store.close()
    return url


@pytest.fixture
def study(tmp_path, monkeypatch):
    """The URL of a study of real images with one trial, "s", as far as its rows tell."""
    return stored(tmp_path, monkeypatch, SPACE)


def files(folder):
    """All but those that SQLite makes beside a database that is read."""
    return sorted(path for path in folder.rglob("*") if not path.name.startswith("nas.db-"))


def retrain(*arguments):
    return main(["retrain", "s", "--device", "cpu", *arguments])


def test_a_stopped_retraining_goes_on_to_the_same_bits_by_the_command_it_prints(
    study, data_folder, tmp_path, capsys
):
    (tmp_path / "new folder").mkdir()
    output = "new folder/it's.pt"
    arguments = ["retrain", "s", "--epochs", "4", "--device", "cpu", "-o", output]
    command = [sys.executable, "-u", "-m", "nas", *arguments]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "40", "PYTHONUNBUFFERED": "1"},
    )
    for line in process.stdout:
        if (
            line.startswith("epoch ") and "validation" in line
        ):  # on a busy machine, others are first
            break
    process.send_signal(signal.SIGTERM)
    said = process.stdout.read()
    assert process.wait() == 143
    assert "Stopped by SIGTERM" in said
    assert [path.name for path in (tmp_path / "new folder").iterdir()] == ["it's.pt.checkpoint"]
    again = ["sh", "-c", f"exec {said.splitlines()[-1]}"]

    on = subprocess.run(again, capture_output=True, text=True, check=True)
    assert "going on after epoch" in on.stdout
    assert sorted(p.name for p in (tmp_path / "new folder").iterdir()) == ["it's.pt"]
    # in a process of its own, too: bits depend on the number of threads
    subprocess.run([*command[:-1], "whole.pt"], check=True, stdout=subprocess.DEVNULL)
    whole, resumed = nas.load("whole.pt").state_dict(), nas.load(output).state_dict()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_retraining_that_grows_trains_half_of_the_blocks_first(tmp_path, monkeypatch, capsys):
    deep = {**SPACE, "stages": [{**SPACE["stages"][0], "depth": 3, "stride": 2}]}
    deep |= {
        "stem": {"kernel": 3, "stride": 1, "width": 2},
        "input_shape": [1, 8, 8],
        "classes": 10,
    }
    images = open_dataset("digits", input_shape=(1, 8, 8))
    url = stored(tmp_path, monkeypatch, deep, lambda: images.fingerprint, dataset="digits")
    asked = ["--epochs", "2", "--grow-during", "1", "-o", "winner.pt", "--test"]
    assert retrain(*asked) == 0
    assert "(recorded)" in capsys.readouterr().out
    found = nas.open_study(url, "s")
    architecture = found.architecture(0)
    assert nas.load("winner.pt").origin["architecture"] == architecture.key
    config = TrainingConfig.from_dict(read_origin(Path("winner.pt"))["training"])
    (step,) = config.growth
    assert (step.epoch, step.architecture) == (2, architecture)
    half = replace(architecture, stages=(replace(architecture.stages[0], depth=2),))
    training = Training(half, config, images, "cpu")
    accuracy = [training.epoch().val_accuracy for _ in range(2)][-1]
    assert accuracy == read_origin(Path("winner.pt"))["val_accuracy"]
    assert retrain(*asked) == 0  # the test images were read of the network that it has grown to
    assert "(recorded before)" in capsys.readouterr().out
    assert retrain(*asked[:2], *asked[4:]) == 2
    assert "growth [{'epoch': 2, " in capsys.readouterr().err


def test_a_retraining_that_cannot_grow_is_refused_before_it_begins(study, data_folder, capsys):
    for arguments, said in [
        (["--epochs", "2", "--grow-during", "1"], "no stage of this network has two blocks"),
        (["--epochs", "2", "--grow-during", "2"], "grow-during is 2, and epochs is 2; accepted: 1"),
        (["--epochs", "1", "--grow-during", "1"], "fewer than epochs, which must be 2 or more"),
        (["--grow-during", "0"], "grow-during"),
        (["--top", "1", "--grow-during", "1"], "grow-during is given, but with top"),
    ]:
        assert retrain("-o", "winner.pt", *arguments) == 2
        assert said in capsys.readouterr().err
    assert not Path("winner.pt").exists()


def test_a_second_retraining_is_done_and_another_one_refused(study, data_folder, capsys):
    assert retrain("--epochs", "1", "-o", "folder/winner.pt") == 0
    written = Path("folder/winner.pt").read_bytes()
    capsys.readouterr()
    assert retrain("--epochs", "1", "-o", "folder/winner.pt") == 0
    assert "winner.pt is trial 0 of s after 1 epoch: done" in capsys.readouterr().out
    assert retrain("--epochs", "2", "-o", "folder/winner.pt") == 2
    assert "epochs 1, not 2); name another one" in capsys.readouterr().err
    assert Path("folder/winner.pt").read_bytes() == written

    # the test images are read once, of the network that is there
    assert retrain("--epochs", "1", "-o", "folder/winner.pt", "--test") == 0
    assert "(recorded)" in capsys.readouterr().out
    when = evaluated(study, "s", 0)
    assert retrain("--epochs", "1", "-o", "folder/winner.pt", "--test") == 0
    assert "(recorded before)" in capsys.readouterr().out
    assert retrain("--epochs", "1", "-o", "other.pt", "--test") == 2
    assert "was evaluated on the test images" in capsys.readouterr().err
    assert evaluated(study, "s", 0) == when


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("folder", "output: folder is a folder; name a file in it"),
        ("/proc/winner.pt", "output: cannot write in /proc"),
        ("notes.txt/winner.pt", "notes.txt is a file, not a folder"),
        ("notes.txt", "notes.txt exists and is another file"),
        ("s3://bucket/winner.pt", "a URL; accepted: a path"),
        ("x" * 300, "output: File name too long"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused_before_training(
    output, said, study, tmp_path, capsys
):
    (tmp_path / "folder").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    before = files(tmp_path)
    assert retrain("-o", output) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert said in printed.err
    assert files(tmp_path) == before


def test_a_checkpoint_of_another_training_is_refused(study, data_folder, tmp_path, capsys):
    (tmp_path / "winner.pt.checkpoint").write_bytes(b"mine")
    assert retrain("-o", "winner.pt") == 2
    assert "cannot be read as a checkpoint" in capsys.readouterr().err
    assert (tmp_path / "winner.pt.checkpoint").read_bytes() == b"mine"


# --- on 200 images, so that an epoch takes a moment ---


@pytest.fixture
def few(study, data_folder, train_data, monkeypatch, tmp_path):
    """``few(**options)`` trains the study's second trial, its best; returns code and lines."""

    def part(images, number):
        return LabelledImages(images.images[:number], images.labels[:number])

    # of 250 images 51 validate: a fifth of each class, rounded
    images = replace(
        train_data,
        train=part(train_data.train, 250),
        test=part(train_data.test, 100),
        validation_fraction=1 / 5,
    )
    asked = []

    def opened(name, *, folder, **options):
        asked.append((name, folder))
        return images

    monkeypatch.setattr("nas.search.retrain.open_dataset", opened)
    space = {**SPACE, "training": {"peak_lr": {"choice": [0.1, 0.2]}}}
    add_study(study, "two", space, [0.5, 0.6, 0.4])

    def run(output="winner.pt", terminal=None, name="two", number=None, **options):
        terminal = terminal or io.StringIO()
        options = {"data": data_folder, "device": "cpu", "epochs": 2, "test": False} | options
        code = 0
        with redirect_stdout(terminal):
            try:
                retrain_command(name, Path(output), trial=number, storage=study, **options)
            except typer.Exit as stop:
                code = stop.exit_code
        assert set(asked) <= {("fashion_mnist", data_folder)}
        return code, terminal.getvalue().splitlines()

    run.url, run.test = study, images.test
    return run


def add_study(url, name, space, accuracies):
    """A study with a trial of one epoch for each accuracy."""
    space = SearchSpace.from_dict(space)
    given = {"trials": max(len(accuracies), 1), "epochs": 1, "study": name, "storage": url}
    given |= {"sampler": "qmc", "train_images": 1000, "seed": 3}
    given["training"] = {"batch_size": 50, "precision": "float32", "channels_last": "off"}
    config = resolve(given, None, Machine(cpus=1, gpus=0))
    record = StudyRecord(space.to_dict(), space.hash, config.to_dict(), fingerprint(), {})
    store = StudyStore(url, name, record, owner="a")
    searcher = Searcher(store, space, config, Quiet())
    where = {"host": "h/1", "device": "cpu", "numerics": "float32"}
    for accuracy in accuracies:
        result = {"epoch": 1, "val_accuracy": accuracy, "images_per_second": 1.0} | METRICS | where
        searcher.report(searcher.next_job(), result)
    store.close()


def trial_of(few, number):
    found = nas.open_study(few.url, "two")
    return found.architecture(number), found.setting(number)


EPOCH = (
    r"epoch +(\d+)/2  validation ([ \d.]{5} %)  loss (\d\.\d{3})  [\d,]+ images/s(?:  [\w.]+ left)?"
)


def test_the_best_trial_is_trained_in_its_own_way_and_its_file_says_what_it_is(few):
    code, (begun, *epochs, wrote, use) = few()
    assert code == 0
    assert begun == "Training trial 1 of two for 2 epochs"
    lines = [re.fullmatch(EPOCH, line).groups() for line in epochs]
    assert [number for number, *_ in lines] == ["1", "2"]
    assert (wrote, use) == ("Wrote winner.pt", "To use it: nas.load('winner.pt')")
    architecture, setting = trial_of(few, 1)
    origin = read_origin(Path("winner.pt"))
    assert {name: origin[name] for name in ("study", "trial", "architecture", "dataset")} == {
        "study": "two", "trial": 1, "architecture": architecture.key, "dataset": fingerprint()
    }  # fmt: skip
    training = origin["training"]
    assert (training["epochs"], training["train_images"], training["batch_size"]) == (2, None, 50)
    assert (training["seed"], training["peak_lr"]) == (3, setting["training.peak_lr"])
    assert f"{100 * origin['val_accuracy']:5.2f} %" == lines[-1][1]
    assert nas.load("winner.pt").architecture == architecture
    assert not Path("winner.pt.checkpoint").exists()


def test_the_recipe_is_what_is_trained_and_what_the_file_says(few):
    code, lines = few(recipe="long", epochs=1)
    assert (code, lines[0]) == (0, "Training trial 1 of two for 1 epoch")
    origin = read_origin(Path("winner.pt"))
    expected = recipe("long", TrainingConfig(seed=3, split_seed=3), epochs=1, flip=True)
    assert origin["recipe"] == "long"
    assert not expected.replace(precision="float32", channels_last="off").differences(
        origin["training"]
    )
    with pytest.raises(ConfigError, match=r"another file \(batch_size 128, not 50\)"):
        few(epochs=1)
    with pytest.raises(ConfigError, match=r"^recipe is 'longer'; did you mean long\?"):
        few("other.pt", recipe="longer")


def test_another_trial_can_be_named_and_one_epoch_is_said_in_the_singular(few):
    code, lines = few(number=0, epochs=1)
    assert (code, lines[0]) == (0, "Training trial 0 of two for 1 epoch")
    assert read_origin(Path("winner.pt"))["architecture"] == trial_of(few, 0)[0].key


def test_a_training_has_twenty_epochs_unless_it_is_said_and_tells_how_far_each_is(
    few, data_folder, monkeypatch
):
    monkeypatch.setattr("nas.search.pace.EVERY", 0)
    lines, paces = [], []
    train_anew(
        nas.open_study(few.url, "two"),
        Path("winner.pt"),
        data=data_folder,
        tell=lines.append,
        paced=lambda *one: paces.append(one),
    )
    # four batches of 199 images; how long the first one of an epoch took is not known
    assert [(pace.epoch, pace.images) for pace, *_ in paces] == [
        (epoch, images) for epoch in range(1, 21) for images in (100, 150, 199)
    ]
    assert {(pace.of, epochs) for pace, epochs, _ in paces} == {(199, 20)}
    assert paces[-1][2] == 0.0 < paces[0][2]
    assert lines[0] == "Training trial 1 of two for 20 epochs"
    assert lines[9].startswith("epoch   9/20  ")
    assert evaluated(few.url, "two", 1) is None  # nor are the test images read


def test_a_finished_file_is_said_to_be_done_and_nothing_is_trained(few, monkeypatch):
    few()
    before = Path("winner.pt").read_bytes()
    monkeypatch.setattr("nas.search.retrain.open_dataset", None)
    assert few() == (
        0,
        [
            "winner.pt is trial 1 of two after 2 epochs: done",
            "To use it: nas.load('winner.pt')",
        ],
    )
    assert Path("winner.pt").read_bytes() == before


@pytest.mark.parametrize("first", [False, True])
def test_the_test_images_are_read_with_the_network_of_the_file(few, first):
    """Whether in the same call that trains or in a later one."""
    if not first:
        few()
    code, lines = few(test=True)
    images, labels = torch.tensor(few.test.images), torch.tensor(few.test.labels).long()
    with torch.inference_mode():
        logits = nas.load("winner.pt")(images)
    accuracy = float((logits.argmax(1) == labels).float().mean())
    assert code == 0
    assert lines[-2:] == [
        f"test accuracy {100 * accuracy:5.2f} % (recorded)",
        "To use it: nas.load('winner.pt')",
    ]
    row, origin = evaluated(few.url, "two", 1), read_origin(Path("winner.pt"))
    assert row["test_accuracy"] == pytest.approx(accuracy)
    assert row["test_loss"] == pytest.approx(float(F.cross_entropy(logits, labels)), rel=1e-3)
    assert row["val_accuracy"] == origin["val_accuracy"]
    assert json.loads(row["training"]) == origin["training"]
    assert few(test=True)[1][-2:] == [
        f"test accuracy {100 * accuracy:5.2f} % (recorded before)",
        "To use it: nas.load('winner.pt')",
    ]
    with pytest.raises(StorageError) as refused:
        few("other.pt", test=True)
    said = f"trial 1 of 'two' was evaluated on the test images on {row['evaluated']:%Y-%m-%d %H:%M}"
    assert str(refused.value) == f"{said} UTC: {100 * accuracy:.2f} %"
    with pytest.raises(StorageError, match="was evaluated on the test images"):
        few("longer.pt", epochs=3, test=True)
    few("longer.pt", epochs=3)
    with pytest.raises(StorageError, match="was evaluated on the test images"):
        few("longer.pt", epochs=3, test=True)  # a finished file, of another training


class Stopping(io.StringIO):
    """A terminal that sends this process a signal when an epoch is printed."""

    def __init__(self, name, epoch=1):
        super().__init__()
        self.signal, self.epoch = getattr(signal, name), epoch

    def write(self, text):
        super().write(text)
        if text.startswith(f"epoch   {self.epoch}/"):
            os.kill(os.getpid(), self.signal)
        return len(text)


@pytest.mark.parametrize(
    ("name", "code", "options"),
    [
        ("SIGINT", 130, {}),
        ("SIGTERM", 143, {"test": True, "number": 0, "recipe": "long"}),
    ],
)
def test_a_signal_leaves_the_last_epoch_and_the_command_that_goes_on(
    few, data_folder, name, code, options
):
    stopped = few(terminal=Stopping(name), **options)
    assert stopped[0] == code
    number = options.get("number", 1)
    again = nas_command(
        "retrain", "two", output=Path("winner.pt"), trial=number,
        recipe=options.get("recipe"), epochs=2,
        test="test" in options, data=data_folder, device="cpu", storage=few.url,
    )  # fmt: skip
    why = f"Stopped by {name}; winner.pt.checkpoint has the last epoch. To go on:"
    assert stopped[1][-2:] == [why, f"  {again}"]
    assert not Path("winner.pt").exists()
    kept = read_checkpoint(Path("winner.pt.checkpoint"), torch.device("cpu"))
    assert kept["origin"]["trial"] == number
    assert f"{100 * kept['val_accuracy']:5.2f} %" in "".join(stopped[1])
    code, lines = few(**options)
    assert code == 0
    assert lines[0] == f"Training trial {number} of two for 2 epochs, going on after epoch 1"
    assert next(line for line in lines if line.startswith("epoch")).startswith("epoch   2/2")
    few("whole.pt", number=number, recipe=options.get("recipe", "study"))
    whole, resumed = nas.load("whole.pt").state_dict(), nas.load("winner.pt").state_dict()
    assert all(torch.equal(whole[part], resumed[part]) for part in whole)


def test_the_command_that_goes_on_names_no_device_that_was_not_asked_for(few):
    code, lines = few(terminal=Stopping("SIGINT"), device="auto")
    assert code == 130
    assert "--device" not in "".join(lines)


def test_a_checkpoint_of_the_last_epoch_is_written_out_with_its_accuracy(few):
    assert few(terminal=Stopping("SIGINT", epoch=2))[0] == 130
    kept = read_checkpoint(Path("winner.pt.checkpoint"), torch.device("cpu"))
    code, lines = few()
    assert (code, [line for line in lines if line.startswith("epoch  ")]) == (0, [])
    assert read_origin(Path("winner.pt"))["val_accuracy"] == kept["val_accuracy"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"trial": 7}, "trial 7, not 1"),
        ({"study": "other"}, "study 'other', not 'two'"),
        ({"dataset": None}, f"dataset None, not '{fingerprint()}'"),
        (None, "study None, not 'two'"),
    ],
)
def test_a_checkpoint_of_another_trial_is_refused_with_what_differs(few, change, said):
    assert few(terminal=Stopping("SIGINT"))[0] == 130
    path = Path("winner.pt.checkpoint")
    state = read_checkpoint(path, torch.device("cpu"))
    if change is None:
        del state["origin"]
    else:
        state["origin"] |= change
    write_checkpoint(state, path)
    before = path.read_bytes()
    with pytest.raises(CheckpointError) as refused:
        few()
    assert str(refused.value) == (
        f"winner.pt.checkpoint is of another training ({said}); repeat that one's command, name "
        "another --output, or remove the file to begin anew"
    )
    assert path.read_bytes() == before


def test_a_checkpoint_without_a_training_or_of_another_one_is_refused(few):
    assert few(terminal=Stopping("SIGINT"))[0] == 130
    with pytest.raises(CheckpointError, match=r"is of another training \(.*epochs"):
        few(epochs=3)
    path = Path("winner.pt.checkpoint")
    state = read_checkpoint(path, torch.device("cpu"))
    del state["training"]
    write_checkpoint(state, path)
    with pytest.raises(CheckpointError, match=r"is of another training \('training'\); repeat"):
        few()


def test_a_finished_file_of_another_network_is_refused_with_what_differs(few):
    few()
    with pytest.raises(ConfigError) as refused:
        few(number=0)
    assert str(refused.value) == (
        "output: winner.pt exists and is another file (trial 1, not 0); name another one, or "
        "remove it first"
    )
    with pytest.raises(ConfigError, match=r"\(epochs 2, not 3\)"):
        few(epochs=3)


def test_a_study_without_a_trial_in_full_and_one_of_made_up_results_are_refused(few, search):
    add_study(few.url, "none", SPACE, [])
    with pytest.raises(StorageError, match=r"^study 'none' has no trial that was trained in full"):
        few(name="none")
    one = search(trials=1, study="made_up")
    with pytest.raises(ConfigError) as refused:
        few(name="made_up")
    assert str(refused.value) == (
        "study 'made_up': The objective is synthetic: no network was trained, the accuracies are a "
        "function of the architecture. So none is to be trained for longer; accepted: a study of a "
        "data set"
    )
    one.store.close()
    with pytest.raises(NasError, match="study 'two' has no trial 9"):
        few(number=9)
