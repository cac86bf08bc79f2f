import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from platformdirs import user_cache_path

from nas.data import download as downloads
from nas.data import fashion_mnist
from nas.data.fashion_mnist import PARTS, fetch, is_complete
from nas.errors import DataError

NAMES = {part.npy for part in PARTS}


@pytest.fixture
def cache(cache):
    """Where Fashion-MNIST will be in an empty cache."""
    return cache / "fashion-mnist"


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
    monkeypatch.setattr(fashion_mnist, "SYSTEM_FOLDER", published)
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
    program = "from nas.data.fashion_mnist import fetch; print(fetch())"
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
    monkeypatch.setattr(fashion_mnist, "SYSTEM_FOLDER", tmp_path / "no-package-here")
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
    assert tmp_path in fashion_mnist.cache_folder().parents
    assert fashion_mnist.cache_folder() == user_cache_path("nas") / "fashion-mnist"


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """``programs(name, script)``: a program of that name, found before the system's own."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)

    def write(name, script):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    return write


def test_debians_package_is_unpacked_where_no_other_source_has_the_data(
    published, cache, tmp_path, monkeypatch, programs
):
    """apt-get and dpkg-deb by programs that note how they were called."""
    monkeypatch.setattr(fashion_mnist, "SYSTEM_FOLDER", Path("/usr/share/datasets/no-package-here"))
    monkeypatch.setattr(downloads, "TORCHVISION", "1 / 0")
    calls = tmp_path / "calls"
    programs(
        "apt-get",
        f'echo "apt-get $PWD $LC_ALL $@" >> {calls}\ncase "$*" in *download*) touch one.deb;; esac',
    )
    unpacked = "$3/usr/share/datasets/no-package-here"
    programs(
        "dpkg-deb",
        f'echo "dpkg-deb $@" >> {calls}\nmkdir -p {unpacked}\ncp {published}/* {unpacked}',
    )
    assert fetch() == cache
    assert is_complete(cache)
    assert {path.name for path in cache.iterdir()} == NAMES | {"lock"}
    update, download, extract = calls.read_text().splitlines()
    folder = cache / "partial" / "debian"
    options = (
        f"-qq -oDir::State::Lists={folder}/lists -oDir::Cache={folder} -oAPT::Sandbox::User=root "
        "-oAcquire::Retries=0 -oAcquire::http::Timeout=5 -oAcquire::https::Timeout=5"
    )
    assert update == f"apt-get {Path.cwd()} C {options} update"
    assert download == f"apt-get {folder} C {options} download dataset-fashion-mnist"
    assert extract == f"dpkg-deb --extract {folder}/one.deb {folder}"


def test_torchvision_downloads_in_a_process_of_its_own(published, cache, monkeypatch, tmp_path):
    monkeypatch.setattr(fashion_mnist, "SYSTEM_FOLDER", tmp_path / "no-package-here")
    monkeypatch.setattr(
        downloads,
        "TORCHVISION",
        "import shutil, sys; from pathlib import Path; "
        f"shutil.copytree({str(published)!r}, Path(sys.argv[1]) / 'FashionMNIST' / 'raw')",
    )
    assert fetch() == cache
    assert is_complete(cache)
    assert not (cache / "partial").exists()


def test_each_source_says_why_it_had_nothing(cache, monkeypatch, tmp_path, programs):
    monkeypatch.setattr(fashion_mnist, "SYSTEM_FOLDER", tmp_path / "no-package-here")
    monkeypatch.setattr(downloads, "TORCHVISION", "import sys; sys.exit(3)")
    programs("apt-get", "echo first >&2; echo the last word >&2; exit 100")
    with pytest.raises(DataError) as refusal:
        fetch()
    assert str(refusal.value).endswith(
        f"Tried: cache: {cache} has no train-images-idx3-ubyte.gz (nor, unpacked, "
        "train-images-idx3-ubyte, nor train_images.npy); "
        f"system: {tmp_path}/no-package-here: no such folder; "
        "torchvision: exit code 3; apt-get: the last word"
    )


def test_a_machine_without_apt_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match="there is no apt-get here"):
        fashion_mnist._download_by_apt(tmp_path)


def test_a_program_that_cannot_be_run_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no-such-program cannot be run \(.*No such file"):
        downloads.run("no-such-program")


def test_a_program_that_says_nothing_for_10_minutes_is_given_up(monkeypatch):
    options = {}

    def too_long(command, **given):
        options.update(given)
        raise subprocess.TimeoutExpired(command, given["timeout"])

    monkeypatch.setattr(downloads.subprocess, "run", too_long)
    with pytest.raises(DataError, match="gave up after 10 minutes"):
        downloads.run("apt-get")
    assert options["timeout"] == 600
    assert options["stdin"] == subprocess.DEVNULL  # it asks nobody anything


def test_an_array_is_on_the_disk_before_it_is_in_place(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, Path.replace

    def recorded_fsync(file):
        partial = Path(f"/proc/self/fd/{file}").readlink()
        calls.append(("fsync", partial, np.load(partial).tolist()))
        fsync(file)

    def recorded_replace(partial, target):
        calls.append(("replace", partial, target))
        return replace(partial, target)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(Path, "replace", recorded_replace)
    (tmp_path / "partial").mkdir()
    array = np.arange(3, dtype=np.uint8)
    fashion_mnist._store({"a.npy": array}, tmp_path / "partial", tmp_path)
    partial = tmp_path / "partial" / "a.npy"
    assert calls == [("fsync", partial, [0, 1, 2]), ("replace", partial, tmp_path / "a.npy")]


def test_the_one_that_waits_for_the_lock_takes_what_the_other_fetched(
    published, cache, monkeypatch
):
    """Between the look and the lock the cache has become complete."""
    fetch(published)
    answers = iter([False, True])
    monkeypatch.setattr(fashion_mnist, "is_complete", lambda folder: next(answers))
    monkeypatch.setattr(fashion_mnist, "_find", None)  # nothing is looked for
    assert fetch() == cache


def test_a_folder_may_be_given_as_a_person_writes_it(published, cache, monkeypatch):
    monkeypatch.setenv("HOME", str(published.parent))
    monkeypatch.setenv("NAS_CACHE", "~/mine")
    assert fetch("~/published") == published.parent / "mine" / "fashion-mnist"
    monkeypatch.chdir(published.parent)
    assert fetch("mine/fashion-mnist") == published.parent / "mine" / "fashion-mnist"


def test_the_argument_goes_before_the_environment(published, cache, monkeypatch):
    monkeypatch.setenv("NAS_DATA", "/nowhere")
    assert fetch(published) == cache
    with pytest.raises(DataError, match="/nowhere: no such folder"):
        fetch()
