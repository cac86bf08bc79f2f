"""Fashion-MNIST in the form in which it is published, and trainings that take no time."""

import gzip
import shutil

import numpy as np
import pytest
import torch
from trainings import QUICK, TINY, VALIDATION_IMAGES

from nas.training import Training, data
from nas.training.fashion_mnist import PARTS


@pytest.fixture(autouse=True)
def one_thread():
    """Networks as small as these are slower on several."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def published_files(data_folder, tmp_path_factory):
    """The four idx files, unpacked but for the test images."""
    folder = tmp_path_factory.mktemp("published")
    for part in PARTS:
        content = part.idx_header + np.load(data_folder / part.npy).tobytes()
        if part.npy == "test_images.npy":
            (folder / f"{part.idx}.gz").write_bytes(gzip.compress(content, compresslevel=1))
        else:
            (folder / part.idx).write_bytes(content)
    return folder


@pytest.fixture
def published(published_files, tmp_path):
    """A folder of the four files for one test, which may spoil all but the training images."""
    folder = tmp_path / "published"
    folder.mkdir()
    for path in published_files.iterdir():
        if path.name == "train-images-idx3-ubyte":
            (folder / path.name).symlink_to(path)  # 47 MB
        else:
            shutil.copy(path, folder)
    return folder


@pytest.fixture
def few_validation_images(monkeypatch):
    """Validation takes most of the time of a training on few images."""
    monkeypatch.setattr(data, "VALIDATION_IMAGES", VALIDATION_IMAGES)


@pytest.fixture
def train(train_data, few_validation_images):
    """``train(config, architecture)``: a training that is to begin."""

    def begin(config=QUICK, architecture=TINY):
        return Training(architecture, config, train_data, "cpu")

    return begin
