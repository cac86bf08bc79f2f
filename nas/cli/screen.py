"""Who may write on the user's terminal: we; what Ray and its libraries print goes to a file."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nas.cli.console import SPELLED, Console


@contextmanager
def screen(log: Path) -> Iterator[Console]:
    """A console on the real standard output, while descriptors 1 and 2 lead to ``log``.

    Ray's C++ parts write to the descriptors themselves, so replacing sys.stdout would not do.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)
    try:
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        with os.fdopen(os.dup(saved[0]), "w", encoding=encoding, errors=SPELLED) as terminal:
            yield Console(file=terminal, highlight=False, soft_wrap=not terminal.isatty())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, original in zip((1, 2), saved, strict=True):
            os.dup2(original, number)
            os.close(original)
