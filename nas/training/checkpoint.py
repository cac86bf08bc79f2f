"""Checkpoints as files that are whole or not there."""

import os
import pickle
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from nas.errors import CheckpointError
from nas.text import one_line


def write_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write plain types and tensors; a crash at any instant leaves the former file or this one.

    Raises:
        CheckpointError: it cannot be written there; the former file is as it was.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException as error:
        with suppress(OSError):
            partial.unlink()
        reason = error.__context__ if isinstance(error, RuntimeError) else error
        if isinstance(reason, OSError):  # torch's writer wraps that of a full disk
            raise CheckpointError(f"cannot write {path} ({reason.strerror})") from None
        raise


def read_checkpoint(path: Path, device: torch.device) -> dict[str, Any]:
    """What ``write_checkpoint`` wrote, its tensors on ``device``; no code in the file is run.

    Raises:
        CheckpointError: there is no such file, or it is no whole checkpoint.
    """
    try:
        _refuse_compressed(path)
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: there is no such file") from None
    except pickle.UnpicklingError:  # its text tells how to run the code in it
        reason = "it is damaged, or holds more than plain types and tensors"
        raise CheckpointError(f"{path}: cannot be read as a checkpoint ({reason})") from None
    except Exception as error:  # bytes that are no pickle raise anything: KeyError, for one
        reason = one_line(error)[:200]
        raise CheckpointError(f"{path}: cannot be read as a checkpoint ({reason})") from None
    return state


def _refuse_compressed(path: Path) -> None:
    """torch stores as it is; what is packed could take any amount of memory."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as parts:
        if any(part.compress_type != zipfile.ZIP_STORED for part in parts.infolist()):
            raise ValueError("it is compressed, which no checkpoint is")
