"""Checkpoints on object storage, of a real local S3 server, and what a digest is for."""

import os
import subprocess
import sys

import pytest
from moto.server import ThreadedMotoServer
from pyarrow.fs import FileSelector, FileSystem

from nas.errors import CheckpointError, ConfigError
from nas.search.doctor import examine
from nas.search.run import run_search
from nas.search.stores import CHECKPOINT, Bucket, Saved, check_runs, digest_of, store_of
from nas.study.check import violations
from nas.study.reader import open_study

FLAGS = ["--objective", "objective_of_a_test:Slow", "--trials", "3", "--epochs", "2"]
SLOW = """
import os
from pathlib import Path
from nas.objectives.synthetic import Synthetic

class Slow(Synthetic):
    def epoch(self):
        if self._epoch == 1 and self._config.trial == 0 and not os.path.exists("killed"):
            Path("killed").touch()
            os._exit(1)
        return super().epoch()
"""


@pytest.fixture(scope="module")
def server():
    """An S3 server with one bucket, as the environment and a URL name it."""
    keys = {"AWS_ACCESS_KEY_ID": "mine", "AWS_SECRET_ACCESS_KEY": "secret"}
    kept = {name: os.environ.get(name) for name in keys}
    os.environ.update(keys)
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    where = f"?endpoint_override={host}:{port}&scheme=http&region=us-east-1"
    files, _ = FileSystem.from_uri(f"s3://bucket/{where}&allow_bucket_creation=true")
    files.create_dir("bucket")
    yield where
    moto.stop()
    for name, value in kept.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})


def objects(url):
    files, path = FileSystem.from_uri(url)
    found = files.get_file_info(FileSelector(path, recursive=True, allow_not_found=True))
    return {one.path for one in found if one.is_file}


@pytest.mark.slow
def test_a_search_goes_on_from_a_checkpoint_in_a_bucket_and_leaves_the_best_one(
    server, tmp_path, monkeypatch
):
    """One of its processes dies after the first epoch."""
    (tmp_path / "objective_of_a_test.py").write_text(SLOW)
    runs, storage = f"s3://bucket/a/runs{server}", f"sqlite:///{tmp_path}/nas.db"
    done = subprocess.run(
        [sys.executable, "-m", "nas", "search", *FLAGS, "--runs", runs, "--keep", "1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "NAS_STORAGE": storage, "NAS_CACHE": f"{tmp_path}/cache"},
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    study = open_study(storage, "resnext")
    assert violations(study) == []
    attempts = study.attempts()
    of_first = attempts[attempts["number"] == 0]
    assert list(of_first["state"]) == ["died", "complete"]
    log = next((tmp_path / "cache" / "runs").glob("*/search.log")).read_text()
    assert "trial 0 claimed: attempt 2 goes on from s3://bucket/a/runs/resnext-" in log
    assert not (tmp_path / "nas-runs").exists()
    best = study.best_trial.number
    kept = [one for one in objects(runs) if one.endswith(CHECKPOINT)]
    assert kept and all(f"/{best:05d}-" in one for one in kept)


def test_what_cannot_keep_checkpoints_is_refused_before_anything_starts(server, tmp_path):
    nowhere = server.replace("endpoint_override=127.0.0.1:", "endpoint_override=127.0.0.1:1&x=")
    for runs, said in (
        ("ftp://host/path", "runs is 'ftp://host/path', a URL of a kind that is not known; accept"),
        ("s3://key:word@bucket/path", "runs is a URL with a key in it, which would be stored"),
        ("s3:///path", "without a bucket; accepted: s3://bucket/path"),
        (f"s3://none/path{server}", "which cannot be written"),
        (f"s3://bucket/path{nowhere}", "which cannot be written"),
    ):
        storage = f"sqlite:///{tmp_path}/nas.db"
        with pytest.raises(ConfigError, match=r"^runs is ") as error:
            run_search("resnext", objective="synthetic", runs=runs, storage=storage, trials=1)
        assert said in str(error.value) and "\n" not in str(error.value)
        assert "word" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_nas_doctor_looks_at_the_bucket(server, tmp_path):
    runs = f"s3://bucket/b{server}"
    found = {one.what: one for one in examine({"dataset": "digits", "runs": runs})}
    assert found["runs folder"].ok and "s3://bucket/b" in found["runs folder"].found
    assert objects(runs) == set()


def test_a_checkpoint_is_read_as_it_was_written_or_not_at_all(server, tmp_path):
    runs = f"s3://bucket/c{server}"
    files, path = FileSystem.from_uri(runs)
    local = tmp_path / CHECKPOINT
    local.write_bytes(b"weights")
    with files.open_output_stream(f"{path}/00001-1/{CHECKPOINT}") as stream:
        stream.write(b"weights")
    for place, of in (("s3://bucket/c/00001-1", runs), (str(tmp_path), "nas-runs")):
        noted = Saved.read(str(Saved(place, digest_of(local))))
        assert noted.exists(of)
        with noted.fetched(of) as folder:
            assert (folder / CHECKPOINT).read_bytes() == b"weights"
        with pytest.raises(CheckpointError, match="is not the checkpoint that was written"):
            Saved(place, "0" * 64).fetched(of).__enter__()
    for gone, of in (("s3://bucket/c/00009-1", runs), (f"{tmp_path}/no", "nas-runs")):
        assert not Saved(gone).exists(of)
        with pytest.raises(CheckpointError, match=r"00009-1 cannot be read|/no cannot be read"):
            Saved(gone, "0" * 64).fetched(of).__enter__()


def test_a_database_does_not_choose_whom_credentials_are_shown_to(server):
    elsewhere = Saved("gs://another/c/00001-1", "0" * 64)
    assert not elsewhere.exists(f"s3://bucket/c{server}")
    with pytest.raises(CheckpointError, match="is not below s3://bucket/c"):
        elsewhere.fetched(f"s3://bucket/c{server}").__enter__()


def test_folders_of_a_bucket_are_listed_and_deleted_by_name(server):
    store = store_of(f"s3://bucket/d{server}", "study")
    assert isinstance(store, Bucket) and store.names() == []
    files, path = FileSystem.from_uri(f"s3://bucket/d{server}")
    for name in ("00001-1", "00002-1"):
        with files.open_output_stream(f"{path}/study/{name}/x/{CHECKPOINT}") as stream:
            stream.write(b"x")
    assert sorted(store.names()) == ["00001-1", "00002-1"]
    store.delete("00001-1")
    assert store.names() == ["00002-1"]
    assert store.place("00002-1") == "s3://bucket/d/study/00002-1"
    check_runs(f"s3://bucket/d{server}")
    assert len(objects(f"s3://bucket/d{server}")) == 1
