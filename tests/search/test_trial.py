"""What a worker does with one attempt after another; no Ray cluster is needed for that."""

import os
import platform
import re
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from ray import tune
from ray.train._internal.session import _TrainingResult
from ray.train._internal.storage import StorageContext

from nas.architecture import Architecture, Stage, Stem
from nas.data.cache import told_folders
from nas.data.fashion_mnist import fingerprint
from nas.errors import TrialFailedError
from nas.objectives import classification
from nas.objectives.classification import Classification
from nas.objectives.synthetic import Synthetic, accuracy
from nas.search import trial
from nas.search.stores import CHECKPOINT
from nas.search.trial import NodeError, Worker, WorkerError
from nas.training import TrainingConfig
from nas.training.checkpoint import read_checkpoint

NET = Architecture(Stem(4, stride=4), (Stage("basic", 1, 4, stride=2),))
CONFIG = TrainingConfig(
    epochs=3, train_images=20, validation=50 / 60_000, precision="float32", channels_last="off"
)


def job(**changes):
    return {
        "trial": 0,
        "attempt": 1,
        "architecture": NET.to_dict(),
        "training": CONFIG.to_dict(),
        "checkpoint": None,
        "pace": None,
        "objective": "synthetic",
        "cpus": 1,
        "gpus": 0,
        "folder": str(Path.cwd()),
        "dataset": "fashion_mnist",
        "data": None,
        "resize": False,
        "input_shape": [1, 28, 28],
        "num_classes": 10,
        "fingerprint": fingerprint(),
        "device": "auto",
        "folders": {},
        "runs": "/runs",
        "budget": {},
        **changes,
    }


@pytest.fixture
def worker():
    """``worker(**job)``: a worker that has been given it, outside of Ray."""

    def begin(**changes):
        made = Worker.__new__(Worker)
        made.setup(job(**changes))
        return made

    before = torch.get_num_threads()
    yield begin
    torch.set_num_threads(before)


def test_a_step_is_an_epoch_with_where_it_was_trained(worker):
    one = worker()
    results = [one.step() for _ in range(3)]
    assert [result["epoch"] for result in results] == [1, 2, 3]
    assert [result["val_accuracy"] for result in results] == [
        accuracy(NET, epoch, 3) for epoch in (1, 2, 3)
    ]
    assert {result["host"] for result in results} == {f"{socket.gethostname()}/{os.getpid()}"}
    assert all(result["device"].startswith("cpu") for result in results)
    assert len({result["execution"] for result in results}) == 1
    assert re.fullmatch("[0-9a-f]{32}", results[0]["execution"])


def test_the_next_attempt_in_a_process_has_nothing_of_the_one_before(worker):
    one = worker()
    first = one.step()
    assert one.reset_config(job(attempt=2)) is True
    second = one.step()
    assert (second["epoch"], second["val_accuracy"]) == (1, first["val_accuracy"])
    assert second["execution"] != first["execution"]


def test_an_attempt_goes_on_from_the_checkpoint_of_another(worker, tmp_path):
    one = worker()
    one.step()
    one.save_checkpoint(str(tmp_path))
    assert (tmp_path / CHECKPOINT).exists()
    checkpoint = tune.Checkpoint.from_directory(tmp_path)
    setattr(checkpoint, trial.DIGEST, one._digest)
    assert worker(checkpoint=str(tmp_path)).step()["epoch"] == 2
    restored = worker()
    restored._local_ip = "127.0.0.1"  # which Tune says in a log
    restored.restore(_TrainingResult(checkpoint, {}))  # as Tune does where a process was lost
    assert restored.step()["epoch"] == 2
    damaged = worker(checkpoint=f"{tmp_path}#sha256={'0' * 64}")
    with pytest.raises(WorkerError, match="is not the checkpoint that was written: the SHA-256"):
        damaged.step()


def test_a_trial_that_fails_says_why_and_anything_else_ends_the_process(worker, monkeypatch):
    def failing(_):
        raise TrialFailedError("loss is not finite")

    def broken(_):
        raise ValueError("a\n  b" + "c" * 1000)

    monkeypatch.setattr(Synthetic, "epoch", failing)
    one = worker()
    result = one.step()
    assert result == {"failure": "loss is not finite", "execution": one._execution}
    monkeypatch.setattr(Synthetic, "epoch", broken)
    with pytest.raises(WorkerError) as error:
        worker().step()
    first, *traceback = str(error.value).splitlines()
    assert first == "ValueError: a b" + "c" * 497
    assert 1 < len(traceback) <= 20
    assert traceback[0].startswith("Traceback")


def test_a_real_training_is_given_its_threads_images_and_device(worker, data_folder):
    torch.set_num_threads(2)
    one = worker(objective="fashion_mnist", data=str(data_folder), cpus=1.9)
    result = one.step()
    assert torch.get_num_threads() == 1
    assert result["numerics"] == "float32, channels first"
    assert result["device"].startswith("cpu")
    training = one._running.task.instance.training
    assert training.config == CONFIG.replace(flip=True)
    assert training.architecture == NET
    images = classification._images("fashion_mnist", str(data_folder), (1, 28, 28), False)
    assert training.dataset is images
    layout = CONFIG.replace(channels_last="on").to_dict()
    one.reset_config(
        job(objective="fashion_mnist", data=str(data_folder), training=layout, cpus=0.5)
    )
    assert one.step()["numerics"] == "float32, channels last"
    assert torch.get_num_threads() == 1  # never none
    assert one._running.task.instance.training.dataset is images  # which take time to read


def test_a_gpu_that_was_not_given_is_not_taken(worker, data_folder, monkeypatch):
    asked = []

    class Training:
        def __init__(self, architecture, config, data, device):
            asked.append(device)

    monkeypatch.setattr("nas.training.Training", Training, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for device, gpus in [("auto", 0), ("cpu", 1)]:
        given = job(objective="fashion_mnist", device=device, gpus=gpus, data=str(data_folder))
        Classification(NET, trial._config(given))
    assert asked == ["cpu", "cpu"]


def test_a_checkpoint_of_a_real_training_is_that_of_its_epoch(worker, data_folder, tmp_path):
    one = worker(objective="fashion_mnist", data=str(data_folder))
    one.step()
    one.save_checkpoint(str(tmp_path))
    assert read_checkpoint(tmp_path / CHECKPOINT, torch.device("cpu"))["epochs_done"] == 1


def running(device=None, gpus=0):
    instance = SimpleNamespace(device=device) if device else object()
    return SimpleNamespace(
        task=SimpleNamespace(instance=instance), config=SimpleNamespace(gpus=gpus)
    )


def test_where_a_trial_ran_is_its_host_process_and_device(monkeypatch):
    here = f"{socket.gethostname()}/{os.getpid()}"
    name = platform.processor() or platform.machine()
    assert trial._where(running()) == {"host": here, "device": f"cpu {name}".strip()}
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setattr(platform, "machine", lambda: "riscv")
    assert trial._where(running(torch.device("cpu")))["device"] == "cpu riscv"
    monkeypatch.setattr(platform, "machine", lambda: "")
    assert trial._where(running())["device"] == "cpu"
    monkeypatch.setattr(platform, "processor", lambda: "x86")
    assert trial._where(running())["device"] == "cpu x86"
    assert trial._where(running(gpus=1))["device"] == "cuda x86"  # a GPU that torch cannot name
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"H200 of {device}")
    where = trial._where(running(torch.device("cuda", 1)))
    assert where["device"] == "cuda:1 H200 of cuda:1"


def deep(n):
    if n:
        deeper(n - 1)
    raise KeyError("a\nb")


def deeper(n):  # by turns: a traceback leaves out what repeats
    deep(n)


def test_what_a_worker_died_of_is_its_first_line_and_the_end_of_its_traceback():
    try:
        deep(30)
    except KeyError as error:
        first, *rest = trial._described(error).splitlines()
    assert first == "KeyError: 'a\\nb'"
    assert len(rest) == 20
    assert rest[-1] == first


def test_a_result_says_how_it_was_computed_where_it_knows(monkeypatch):
    class Training:
        device = torch.device("cpu")

        def __init__(self, *_):
            self.layouts = iter(["on", "off"])

        def epoch(self):
            layout = next(self.layouts)
            result = {"epoch": 1, "precision": "bfloat16", "channels_last": layout}
            return SimpleNamespace(to_dict=lambda: result)

    monkeypatch.setattr("nas.training.Training", Training, raising=False)
    one = Classification(NET, trial._config(job()))
    for layout in ("channels last", "channels first"):
        assert one.epoch() == {"epoch": 1}
        assert one.numerics == f"bfloat16, {layout}"


def test_an_objective_is_made_of_the_job_once_and_in_its_first_step(worker, monkeypatch, tmp_path):
    made = []

    class Made:
        def __init__(self, architecture, config):
            made.append((architecture, config.trial, config.threads, config.input_shape))

        def epoch(self):
            return {"epoch": 1, "val_accuracy": 0.5}

        def load(self, path):
            made.append(path)

        def save(self, path):
            made.append("saved")

    monkeypatch.setattr("nas.objectives.synthetic.Synthetic", Made)
    one = worker(trial=7)
    assert made == []
    one.step()
    one.step()
    assert made == [(NET, 7, 1, (1, 28, 28))]
    worker(trial=8, checkpoint=str(tmp_path)).step()
    assert made[-1] == tmp_path / "checkpoint.pt"


def test_images_are_those_that_the_job_names(worker, monkeypatch):
    asked = []

    class Training:
        def __init__(self, architecture, config, data, device):
            asked.append(data.name)

    def opened(name, **options):
        asked.append({"name": name, **options})
        return SimpleNamespace(name=name, fingerprint="f")

    monkeypatch.setattr("nas.training.Training", Training, raising=False)
    monkeypatch.setattr(classification, "open_dataset", opened)
    given = {"fingerprint": "f", "input_shape": [1, 16, 16], "resize": True}
    classification._images.cache_clear()
    for data in (None, "/where", "/where"):  # each is opened once
        Classification(NET, trial._config(job(dataset="digits", data=data, **given)))
    classification._images.cache_clear()
    options = {"name": "digits", "input_shape": (1, 16, 16), "resize": True}
    first, second = ({**options, "folder": folder} for folder in (None, "/where"))
    assert asked == [first, "digits", second, "digits", "digits"]


def first_line(error) -> str:
    return str(error.value).splitlines()[0]


def test_images_that_are_not_those_of_the_study_are_the_machines_fault(worker, data_folder):
    one = worker(objective="fashion_mnist", data=str(data_folder), fingerprint="e" * 64)
    with pytest.raises(NodeError) as told:
        one.step()
    said = "DataError: the images here are bc3b3a15d36c, those of the study eeeeeeeeeeee"
    assert first_line(told) == said


def test_the_drivers_cache_is_the_workers(worker, tmp_path, monkeypatch):
    monkeypatch.delenv("NAS_DATA", raising=False)
    monkeypatch.setenv("NAS_CACHE", "mine")
    monkeypatch.chdir(tmp_path)
    folders = told_folders()
    assert folders == {"NAS_CACHE": str(tmp_path / "mine")}
    (tmp_path / "mine").write_text("no folder")
    monkeypatch.setenv("NAS_CACHE", "/elsewhere")
    classification._images.cache_clear()
    with pytest.raises(NodeError) as told:
        worker(objective="fashion_mnist", dataset="digits", folders=folders).step()
    assert first_line(told).startswith(f"DataError: the cache {tmp_path}/mine/datasets cannot be")


@pytest.mark.parametrize(
    ("error", "kind"), [(OSError(28, "No space left on device"), NodeError), (ValueError(), None)]
)
def test_what_an_objective_raises_says_whether_its_machine_did_it(worker, monkeypatch, error, kind):
    def epoch(self):
        raise error

    monkeypatch.setattr(Synthetic, "epoch", epoch)
    with pytest.raises(WorkerError) as told:
        worker().step()
    assert isinstance(told.value, NodeError) == (kind is NodeError)


def test_an_objective_that_is_not_installed_here_is_the_machines_fault(worker, tmp_path):
    with pytest.raises(NodeError) as told:
        worker(objective="not_here:train", folder=str(tmp_path)).step()
    assert first_line(told).startswith(
        "MachineError: the objective is not to be had here (ConfigError: objective is "
    )


def test_a_checkpoint_that_the_driver_saw_and_the_worker_does_not_is_the_machines_fault(worker):
    with pytest.raises(NodeError) as told:
        worker(checkpoint="/nowhere/checkpoint_000001").step()
    assert first_line(told) == (
        "MachineError: the checkpoint /nowhere/checkpoint_000001 is not there; --runs must name a "
        "folder that all nodes share"
    )


@pytest.fixture
def stored(worker, tmp_path):
    """A worker that has trained an epoch, and the folder of its study, which is there."""
    one = worker(runs=str(tmp_path / "runs"))
    one._storage = StorageContext(str(tmp_path / "runs"), "study", trial_dir_name="00000-1")
    one._last_result = one.step()
    return one, tmp_path / "runs" / "study"


def test_a_checkpoint_is_kept_where_the_driver_finds_it(stored):
    one, study = stored
    assert (Path(one.save().checkpoint.path) / CHECKPOINT).exists()
    assert Path(one.save().checkpoint.path).is_relative_to(study)


def test_a_folder_of_checkpoints_that_is_not_shared_is_said_to_be_so_in_plain_words(stored):
    one, study = stored
    (study / ".validate_storage_marker").unlink()
    with pytest.raises(NodeError) as told:
        one.save()
    assert first_line(told) == (
        f"MachineError: no checkpoint can be kept in {study.parent} (another folder than the "
        "driver's); --runs must name a folder that all nodes share"
    )
    assert "\x1b" not in str(told.value)


def test_a_folder_of_checkpoints_that_cannot_be_written_is_said_to_be_so(stored, monkeypatch):
    one, study = stored
    (study / "00000-1").write_text("no folder")
    with pytest.raises(
        NodeError, match=f"no checkpoint can be kept in {study.parent} \\(.*Error: "
    ):
        one.save()


def test_a_disk_that_is_full_is_the_machines_fault_and_a_bad_save_the_objectives(
    stored, monkeypatch
):
    one, _ = stored
    for error, kind in ((OSError(28, "No space left"), NodeError), (TypeError(), WorkerError)):

        def save(self, path, error=error):
            raise error

        monkeypatch.setattr(Synthetic, "save", save)
        with pytest.raises(WorkerError) as told:
            one.save()
        assert type(told.value) is kind
