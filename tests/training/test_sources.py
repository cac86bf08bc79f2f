import os
import subprocess
import sys

import pytest

from nas.errors import DataError
from nas.training import fetch, sources
from nas.training.fashion_mnist import PARTS, is_complete

NAMES = {part.npy for part in PARTS}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Where an empty cache will be."""
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("NAS_DATA", raising=False)
    return tmp_path / "cache" / "fashion-mnist"


def test_a_given_folder_of_published_files_fills_the_cache(published, cache):
    assert fetch(published) == cache
    assert is_complete(cache)
    assert {path.name for path in cache.iterdir()} == NAMES | {"lock"}
    assert fetch() == cache


def test_a_given_folder_of_arrays_is_used_where_it_is(published, cache, monkeypatch):
    fetch(published)
    monkeypatch.setenv("NAS_CACHE", "/nowhere/that/can/be/written")
    assert fetch(cache) == cache


def test_the_environment_may_give_the_folder(published, cache, monkeypatch):
    monkeypatch.setenv("NAS_DATA", str(published))
    assert fetch() == cache


def test_a_corrupt_given_folder_is_refused_though_the_cache_is_complete(published, cache):
    fetch(published)
    labels = published / "t10k-labels-idx1-ubyte"
    labels.write_bytes(labels.read_bytes()[:-1])
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte: 10008 bytes were expected"):
        fetch(published)


def test_a_given_folder_that_is_not_there_is_refused(cache, tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        fetch(tmp_path / "nowhere")
    assert not cache.exists()


def test_files_copied_into_the_cache_are_taken(published, cache):
    cache.parent.mkdir()
    published.rename(cache)
    assert fetch() == cache
    assert is_complete(cache)


def test_a_system_copy_is_taken(published, cache, monkeypatch):
    monkeypatch.setattr(sources, "SYSTEM_FOLDER", published)
    assert fetch() == cache
    assert is_complete(cache)


@pytest.mark.parametrize("damage", ["cut", "changed", "removed"])
def test_a_damaged_cache_is_made_whole(published, cache, damage):
    path = fetch(published) / "test_images.npy"
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[:-1])
    elif damage == "changed":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    else:
        path.unlink()
    fetch(published)
    assert path.read_bytes() == content


def test_what_a_killed_fetch_left_is_cleared_away(published, cache):
    (cache / "partial").mkdir(parents=True)
    (cache / "partial" / "train_images.npy").write_bytes(b"half")
    fetch(published)
    assert {path.name for path in cache.iterdir()} == NAMES | {"lock"}


def test_four_processes_that_fetch_at_once_share_one_whole_cache(published, cache):
    program = "from nas.training import fetch; print(fetch())"
    command = [sys.executable, "-c", program]
    environment = {**os.environ, "NAS_DATA": str(published)}
    running = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    answers = [process.communicate()[0].strip() for process in running]
    assert [process.returncode for process in running] == [0] * 4
    assert answers == [str(cache)] * 4
    assert is_complete(cache)
    assert {path.name for path in cache.iterdir()} == NAMES | {"lock"}


def test_without_any_source_one_message_names_the_ways_out(cache, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "SYSTEM_FOLDER", tmp_path / "no-package-here")
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # where nothing listens
    with pytest.raises(DataError) as refusal:
        fetch()
    message = str(refusal.value)
    assert "\n" not in message
    for way in ("--data", "NAS_DATA", "dataset-fashion-mnist", "torchvision", str(cache)):
        assert way in message
    assert {path.name for path in cache.iterdir()} == {"lock"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_cache_that_cannot_be_written_says_what_to_set(published, tmp_path, monkeypatch):
    (tmp_path / "closed").mkdir(mode=0o500)
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "closed"))
    with pytest.raises(DataError, match="set NAS_CACHE"):
        fetch(published)


def test_a_cache_that_is_a_file_says_what_to_set(published, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match="set NAS_CACHE"):
        fetch(published)


def test_without_a_setting_the_cache_is_the_users(monkeypatch, tmp_path):
    monkeypatch.delenv("NAS_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert tmp_path in sources.cache_folder().parents
