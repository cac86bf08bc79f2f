"""A study's frames as files for other programs: Parquet, or CSV that a spreadsheet may open."""

from __future__ import annotations

from functools import partial
from io import BytesIO
from pathlib import Path

import pandas as pd

from nas.errors import ConfigError, StorageError, choose
from nas.study.reader import Study
from nas.text import visible

WHAT = ("trials", "epochs", "attempts")
ENDINGS = (".parquet", ".csv")
# A spreadsheet takes text that begins so for a formula, and runs it: OWASP, "CSV Injection".
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def export_frame(study: Study, file: Path, what: str = "trials") -> int:
    """Write a frame; returns the number of its rows. The ending of ``file`` chooses the format.

    Parquet keeps dtypes and texts as they are, CSV has those of ``defused``.

    Raises:
        ConfigError: an unknown ending or frame.
        StorageError: the file exists, or cannot be written. Nothing is left behind.
    """
    if what not in WHAT:
        raise ConfigError(f"what is {what!r}; {choose(what, WHAT)}")
    if file.suffix not in ENDINGS:
        raise ConfigError(f"file is {str(file)!r}; accepted endings: {', '.join(ENDINGS)}")
    frames = {"trials": study.frame, "epochs": study.epochs, "attempts": study.attempts}
    frame = frames[what]()
    buffer = BytesIO()
    if file.suffix == ".parquet":
        frame.to_parquet(buffer, engine="pyarrow", index=False)
    else:
        defused(frame).to_csv(buffer, index=False)
    _write_new(file, buffer.getvalue())
    return len(frame)


def defused(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame as text that does nothing, in a spreadsheet or on a terminal.

    What a spreadsheet would run as a formula gets an apostrophe in front; escape sequences and
    other signs that are not printable stand as escapes, but for line breaks.
    """
    safe = frame.copy()
    for name, kind in frame.dtypes.items():
        if kind == "string":
            texts = frame[name].where(~_is_formula(frame[name]), "'" + frame[name])
            safe[name] = texts.map(partial(visible, lines=True), na_action="ignore")
    return safe


def _is_formula(texts: pd.Series[str]) -> pd.Series[bool]:
    # spaces do not keep a spreadsheet from it
    return texts.str.lstrip(" ").str.startswith(FORMULA).fillna(False).astype(bool)


def _write_new(file: Path, content: bytes) -> None:
    try:
        with file.open("xb") as target:
            try:
                target.write(content)
                target.flush()
            except OSError:
                file.unlink()
                raise
    except FileExistsError:
        raise StorageError(
            f"{file} exists already; name another file, or remove it first"
        ) from None
    except OSError as error:
        raise StorageError(f"cannot write {file} ({error.strerror})") from None
