"""Fashion-MNIST in the form in which it is published."""

import gzip
import shutil

import numpy as np
import pytest

from nas.training.fashion_mnist import PARTS


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
