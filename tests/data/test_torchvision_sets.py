"""torchvision's sets, from small files in their own formats: no mirror is needed."""

import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from data.sets import WRITERS, labels, pixels

from nas.data import download, open_dataset
from nas.data.registry import DATASETS
from nas.errors import DataError

SHAPES = {
    "mnist": (1, 28, 28), "kmnist": (1, 28, 28), "emnist": (1, 28, 28),
    "cifar10": (3, 32, 32), "cifar100": (3, 32, 32), "svhn": (3, 32, 32),
}  # fmt: skip
NAMES = [name for name, row in DATASETS.items() if row.module == "torchvision_sets"]


@pytest.fixture(autouse=True)
def empty_cache(cache):
    """Nothing of this test stays in the user's cache."""


def test_every_set_of_torchvision_is_written_here():
    assert NAMES == list(WRITERS) == list(SHAPES)


@pytest.mark.parametrize("name", NAMES)
def test_a_published_set_is_read_from_a_folder(name, tmp_path):
    WRITERS[name](tmp_path / "root")
    data = open_dataset(name, folder=tmp_path / "root")
    channels, side, _ = data.input_shape
    assert (data.name, data.title) == (name, DATASETS[name].title)
    assert data.input_shape == SHAPES[name]
    assert len(set(data.classes)) == {"emnist": 47, "cifar100": 100}.get(name, 10)
    for part, seed in ((data.train, 5), (data.test, 4)):
        count = len(part.labels)
        assert np.array_equal(part.images, pixels(count, channels, side, seed=seed))
        expected = labels(10).tolist() * 5 if name == "cifar10" and seed == 5 else None
        assert part.labels.tolist() == (expected or labels(count, len(data.classes)).tolist())
    assert data.mirrored == name.startswith("cifar")


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_the_files_themselves_may_lie_in_the_folder(name, tmp_path):
    WRITERS[name](tmp_path / "root")
    [inner] = [path.parent for path in (tmp_path / "root").rglob("*") if path.is_file()][:1]
    assert open_dataset(name, folder=inner).fingerprint == (
        open_dataset(name, folder=tmp_path / "root").fingerprint
    )


def test_the_environment_may_give_the_folder(tmp_path, monkeypatch):
    WRITERS["svhn"](tmp_path / "root")
    monkeypatch.setenv("NAS_DATA", str(tmp_path / "root"))
    assert open_dataset("svhn").classes == tuple("0123456789")


def test_a_set_is_downloaded_once_by_a_process_of_its_own(tmp_path, monkeypatch, cache):
    WRITERS["svhn"](tmp_path / "root")
    calls = tmp_path / "calls"
    monkeypatch.setattr(
        download,
        "TORCHVISION",
        f"import json, shutil, sys; open({str(calls)!r}, 'a').write(json.dumps(sys.argv[1:])); "
        f"shutil.copytree({str(tmp_path / 'root')!r}, sys.argv[1], dirs_exist_ok=True)",
    )
    data = [open_dataset("svhn") for _ in range(2)]
    assert data[0].fingerprint == data[1].fingerprint
    folder, name, options = json.loads(calls.read_text())  # of one call
    assert (name, json.loads(options)) == ("SVHN", [{"split": "train"}, {"split": "test"}])
    assert folder.startswith(str(cache))
    assert not Path(folder).exists()  # it was moved into its place


def test_a_set_that_cannot_be_downloaded_says_what_to_do(monkeypatch, cache):
    monkeypatch.setattr(download, "TORCHVISION", "raise SystemExit('no route to host')")
    with pytest.raises(DataError) as refusal:
        open_dataset("cifar10")
    said = str(refusal.value)
    assert said.startswith("CIFAR-10 cannot be downloaded (no route to host); give a folder")
    assert "\n" not in said and "--data DIR" in said and "data_batch_1" in said
    assert list((cache / "torchvision").iterdir()) == [cache / "torchvision" / "cifar10.lock"]


@pytest.mark.parametrize(
    ("name", "file", "spoil", "said"),
    [
        ("mnist", "MNIST/raw/train-images-idx3-ubyte", lambda b: b[:-1], "bytes were expected"),
        ("mnist", "MNIST/raw/train-labels-idx1-ubyte.gz", lambda b: b[:9], "cannot be read"),
        ("mnist", "MNIST/raw/t10k-images-idx3-ubyte", lambda b: b"no", "as an idx file"),
        ("mnist", "MNIST/raw/t10k-images-idx3-ubyte", None, "has no t10k-images-idx3-ubyte"),
        ("cifar10", "cifar-10-batches-py/data_batch_3", lambda b: b[:40], "cannot be read"),
        ("cifar10", "cifar-10-batches-py/data_batch_3", lambda _: pickle.dumps([1]), "no batch"),
        (
            "cifar10",
            "cifar-10-batches-py/test_batch",
            lambda _: pickle.dumps({"data": np.zeros((2, 5), np.uint8), "labels": [0, 1]}),
            r"data is no uint8 array \(n, 3072\)",
        ),
        ("cifar10", "cifar-10-batches-py/batches.meta", None, "has no batches.meta"),
        ("cifar100", "cifar-100-python/meta", lambda _: pickle.dumps({}), "no list of names"),
        ("svhn", "train_32x32.mat", lambda b: b[:500], "cannot be read"),
        ("svhn", "test_32x32.mat", None, "has no test_32x32.mat"),
    ],
)
def test_a_corrupt_file_is_named_with_what_is_wrong(name, file, spoil, said, tmp_path):
    WRITERS[name](tmp_path)
    path = tmp_path / file
    if spoil is None:
        path.unlink()
    else:
        path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(DataError, match=said) as refusal:
        open_dataset(name, folder=tmp_path)
    assert "\n" not in str(refusal.value)
    assert path.name in str(refusal.value)


class Code:
    """What pickle would run."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_pickle_of_anything_but_arrays_is_refused_and_not_run(tmp_path):
    WRITERS["cifar10"](tmp_path)
    made = tmp_path / "made"
    batch = tmp_path / "cifar-10-batches-py" / "data_batch_2"
    batch.write_bytes(pickle.dumps({"data": Code(str(made))}))
    with pytest.raises(DataError, match=r"data_batch_2: cannot be read \(it names .*mkdir"):
        open_dataset("cifar10", folder=tmp_path)
    assert not made.exists()


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match="nowhere: no such folder"):
        open_dataset("mnist", folder=tmp_path / "nowhere")


def test_a_file_that_was_exchanged_is_read_anew(tmp_path):
    WRITERS["mnist"](tmp_path)
    first = open_dataset("mnist", folder=tmp_path)
    WRITERS["kmnist"](tmp_path / "other")
    raw = tmp_path / "MNIST" / "raw"
    images = np.frombuffer((raw / "train-images-idx3-ubyte").read_bytes(), np.uint8).copy()
    images[-1] ^= 1
    (raw / "train-images-idx3-ubyte").write_bytes(images.tobytes())
    assert open_dataset("mnist", folder=tmp_path).fingerprint != first.fingerprint
    shutil.rmtree(raw)
