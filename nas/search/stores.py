"""Where checkpoints are kept: in a folder that all nodes share, or on object storage.

A URL is read by pyarrow, as Ray Tune does it, with the credentials that a machine has. The study
database says of each checkpoint where it is and, by a digest, what it is: what was cut short on its
way, or replaced by whoever may write there, is refused.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from nas.data.cache import cache_root
from nas.errors import CheckpointError, ConfigError
from nas.output import check_folder
from nas.text import one_line

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

SCHEMES = ("s3", "gs", "abfss")
CHECKPOINT = "checkpoint.pt"  # the file of a checkpoint's folder that is trained on from
PATIENCE = 20.0  # seconds that object storage has to answer before a search begins
_SAVED = re.compile(r"(.*)#sha256=([0-9a-f]{64})", re.DOTALL)


@dataclass(frozen=True)
class Saved:
    """A checkpoint, as the study database has it."""

    place: str
    """A folder, or scheme://bucket/path."""
    digest: str | None = None
    """SHA-256 of its file; None where that was not noted yet."""

    @classmethod
    def read(cls, text: str) -> Saved:
        """The inverse of ``str``.

        >>> Saved.read("/runs/00007-1/checkpoint_000002")
        Saved(place='/runs/00007-1/checkpoint_000002', digest=None)
        """
        found = _SAVED.fullmatch(text)
        return cls(found[1], found[2]) if found else cls(text)

    def __str__(self) -> str:
        return self.place if self.digest is None else f"{self.place}#sha256={self.digest}"

    def exists(self, runs: str) -> bool:
        """Whether a search with this option ``runs`` finds it; so, too, where nobody answers: the
        worker will say so."""
        if not is_remote(self.place):
            return Path(self.place).exists()
        from pyarrow.fs import FileType

        try:
            files, path = self._within(runs)
            return bool(files.get_file_info(path).type != FileType.NotFound)
        except CheckpointError:
            return False
        except OSError:
            return True

    def is_whole(self, runs: str) -> bool:
        """Whether it is what was written; on object storage, which a worker alone reads, whether it
        ``exists``."""
        if is_remote(self.place):
            return self.exists(runs)
        try:
            self._verify(Path(self.place) / CHECKPOINT)
        except CheckpointError:
            return False
        return True

    @contextmanager
    def fetched(self, runs: str) -> Iterator[Path]:
        """Its folder on this machine, for as long as it takes to read it.

        Raises:
            CheckpointError: it is not there, or not what was written.
        """
        if not is_remote(self.place):
            self._verify(Path(self.place) / CHECKPOINT)
            yield Path(self.place)
            return
        from pyarrow.fs import copy_files

        files, path = self._within(runs)
        with TemporaryDirectory() as folder:
            try:
                copy_files(path, folder, source_filesystem=files)
            except OSError as error:
                raise CheckpointError(f"{self.place} cannot be read ({_said(error)})") from None
            self._verify(Path(folder) / CHECKPOINT)
            yield Path(folder)

    def _within(self, runs: str) -> tuple[FileSystem, str]:
        """By way of ``runs``, so that no database chooses whom our credentials are shown to."""
        scheme, _, path = self.place.partition("://")
        if not runs.startswith(f"{scheme}://"):
            raise CheckpointError(f"{self.place} is not below {runs}")
        return _opened(runs)[0], path

    def _verify(self, file: Path) -> None:
        try:
            found = self.digest and digest_of(file)
        except OSError as error:
            raise CheckpointError(f"{self.place} cannot be read ({error.strerror})") from None
        if found != self.digest:
            raise CheckpointError(
                f"{self.place} is not the checkpoint that was written: the SHA-256 of its file is "
                f"{found}, not {self.digest}"
            )


def digest_of(file: Path) -> str:
    """SHA-256 in hexadecimal."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


class Store(Protocol):
    """The folders of one study."""

    def names(self) -> list[str]:
        """Of those that are there; none where they cannot be listed."""

    def delete(self, name: str) -> None:
        """One of them with all that is in it.

        Raises:
            FileNotFoundError: it has gone.
            OSError: it cannot be deleted.
        """

    def place(self, name: str) -> str:
        """Where it is, as people are told."""


@dataclass(frozen=True)
class Folder:
    """On this machine, or mounted here."""

    path: Path

    def names(self) -> list[str]:
        """As ``Store``."""
        try:
            with os.scandir(self.path) as entries:
                return [one.name for one in entries if one.is_dir(follow_symlinks=False)]
        except OSError:
            return []  # nothing was written yet

    def delete(self, name: str) -> None:
        """As ``Store``."""
        shutil.rmtree(self.path / name)

    def place(self, name: str) -> str:
        """As ``Store``."""
        return str(self.path / name)


@dataclass(frozen=True)
class Bucket:
    """On object storage."""

    runs: str
    name: str
    """Of the study's folder below it."""

    def names(self) -> list[str]:
        """As ``Store``."""
        from pyarrow.fs import FileSelector, FileType

        files, path = _opened(self.runs)
        try:
            found = files.get_file_info(FileSelector(f"{path}/{self.name}", allow_not_found=True))
        except OSError:
            return []  # another time
        return [one.base_name for one in found if one.type == FileType.Directory]

    def delete(self, name: str) -> None:
        """As ``Store``."""
        files, path = _opened(self.runs)
        files.delete_dir(f"{path}/{self.name}/{name}")

    def place(self, name: str) -> str:
        """As ``Store``."""
        return f"{self.runs.partition('?')[0].rstrip('/')}/{self.name}/{name}"


def store_of(runs: str, name: str) -> Store:
    """That of the study whose folder below ``runs`` has this name."""
    return Bucket(runs, name) if is_remote(runs) else Folder(Path(runs) / name)


def is_remote(place: str) -> bool:
    """Whether it is a URL."""
    return "://" in place


def local_folder(runs: str) -> Path:
    """Where logs and what waits for the database are: a folder of this machine in any case.

    With a URL, below the user's cache, which outlives a job's folder.
    """
    return cache_root() / "runs" if is_remote(runs) else Path(runs)


def tune_path(runs: str) -> str:
    """``runs`` as Ray Tune takes it."""
    return runs if is_remote(runs) else str(Path(runs).absolute())


def saved_place(runs: str, path: str) -> str:
    """Where a checkpoint is, whose path on its file system is ``path``."""
    return f"{runs.partition('://')[0]}://{path}" if is_remote(runs) else path


def check_runs(runs: str) -> None:
    """Do nothing if checkpoints can be kept there; it leaves nothing behind.

    Raises:
        ConfigError: they cannot.
    """
    if not is_remote(runs):
        check_folder(runs, "runs")
        return
    url = urlsplit(runs)
    if url.scheme not in SCHEMES:
        others = ", ".join(f"{scheme}://" for scheme in SCHEMES[1:])
        raise ConfigError(
            f"runs is {runs!r:.80}, a URL of a kind that is not known; accepted: s3://bucket/path, "
            f"{others}, or a folder"
        )
    if url.scheme != "abfss" and "@" in url.netloc:  # there it is a container at an account
        raise ConfigError(
            "runs is a URL with a key in it, which would be stored; leave it out, and put it into "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or into ~/.aws/credentials, on each node"
        )
    if not url.netloc:
        raise ConfigError(
            f"runs is {runs!r}, without a bucket; accepted: {url.scheme}://bucket/path"
        )
    failure = [f"no answer within {PATIENCE:g} s"]

    def write() -> None:
        try:
            with marked(runs, "nas"):
                failure[0] = ""
        except Exception as error:  # pyarrow has some of its own
            failure[0] = _said(error)

    thread = Thread(target=write, daemon=True)  # its client may try for minutes
    thread.start()
    thread.join(PATIENCE)
    if failure[0]:
        raise ConfigError(f"runs is {runs!r:.80}, which cannot be written ({failure[0]})")


@contextmanager
def marked(runs: str, text: str) -> Iterator[str]:
    """A new file of this text there, meanwhile; no folder is made for it.

    Raises:
        ConfigError: it cannot be written into a folder.
        OSError, ValueError: nor on object storage.
    """
    name = f".nas-{uuid.uuid4().hex}"
    if is_remote(runs):
        files, path = _opened(runs)
        with files.open_output_stream(f"{path}/{name}") as stream:
            stream.write(text.encode())
        try:
            place, question, rest = runs.partition("?")
            yield f"{place.rstrip('/')}/{name}{question}{rest}"
        finally:
            files.delete_file(f"{path}/{name}")
        return
    folder = Path(runs).absolute()
    while not folder.exists():  # what lies above it will be its file system
        folder = folder.parent
    try:
        (folder / name).write_text(text)
    except OSError as error:
        raise ConfigError(f"runs: cannot write in {folder} ({error.strerror})") from None
    try:
        yield str(folder / name)
    finally:
        (folder / name).unlink(missing_ok=True)


def _opened(runs: str) -> tuple[FileSystem, str]:
    from pyarrow.fs import FileSystem

    files, path = FileSystem.from_uri(runs)
    return files, str(path).rstrip("/")


def _said(error: Exception) -> str:
    return one_line(error)[:200]
