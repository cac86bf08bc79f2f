"""Learning curves for TensorBoard, beside the study database, while a search runs.

One folder per attempt, ``00007-1``; steps are epochs. The database stays the only truth: nothing
here is read again, and a search without it is the same search.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.errors import ConfigError, choose
from nas.metrics import METRICS, is_name
from nas.study.shell import install_command

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter

KINDS = ("none", "tensorboard")
FORMS = (*KINDS, "tensorboard:FOLDER")
# The library's own flush() leaves out what its queue still holds: the epoch that was just added.
FLUSH_SECONDS = 1


def check_log_to(text: str) -> str:
    """``text``, if it is none, tensorboard or tensorboard:FOLDER, and can be carried out.

    Raises:
        ConfigError: it is another word, or tensorboardX is missing.
    """
    kind, colon, folder = text.partition(":")
    if kind not in KINDS:
        raise ConfigError(
            f"{text!r}; {choose(kind, ('none', 'tensorboard', 'tensorboard:FOLDER'))}"
        )
    if colon and (kind == "none" or not folder):
        raise ConfigError(f"{text!r}; accepted: {', '.join(FORMS)}")
    if kind == "tensorboard" and find_spec("tensorboardX") is None:
        raise ConfigError(f"tensorboard needs tensorboardX; run: {install_command('tensorboard')}")
    return text


def curves_folder(log_to: str, default: Path) -> Path | None:
    """Where curves go by the option ``--log-to``; None for nowhere."""
    kind, _, folder = log_to.partition(":")
    return None if kind == "none" else Path(folder) if folder else default


class Curves:
    """Writes the epochs of attempts into event files below ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[str, SummaryWriter] = {}

    def epoch(self, attempt: str, result: Mapping[str, Any]) -> None:
        """Write one epoch's result; one of a trial that failed has none."""
        from tensorboardX import SummaryWriter

        if "epoch" not in result:
            return
        if attempt not in self._writers:
            folder = str(self._folder / attempt)
            self._writers[attempt] = SummaryWriter(folder, flush_secs=FLUSH_SECONDS)
        further = result.get("metrics") or {}
        for name in (*METRICS, *filter(is_name, further)):
            value = further.get(name, result.get(name))
            if isinstance(value, int | float) and math.isfinite(value):
                self._writers[attempt].add_scalar(name, value, result["epoch"])

    def ended(self, attempt: str) -> None:
        """No more epochs of this attempt."""
        if attempt in self._writers:
            self._writers.pop(attempt).close()

    def close(self) -> None:
        """The search is over; whatever ran is left as it is."""
        for attempt in list(self._writers):
            self.ended(attempt)
