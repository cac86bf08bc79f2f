"""An objective at work on one trial: whatever its form, one epoch at a time.

A function runs in a thread of its own, which waits inside ``report`` until the next epoch is asked
for: it is never ahead of what was recorded, and a trial that is stopped does no more work.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from nas.architecture import Architecture
from nas.errors import TrialFailedError
from nas.metrics import METRICS
from nas.objectives.contract import Kind, Objective, TrialConfig
from nas.quantity import plain, plural

PATIENCE = 10.0  # seconds that a function has to clean up in when its trial is stopped
EPOCHS = "epochs.json"  # beside a checkpoint: the epochs that it holds


class StoppedError(BaseException):
    """Raised by ``report`` in a function whose trial is over; ``except Exception`` lets it pass."""


class Running:
    """The trial of ``architecture``; closed when it is over, whatever became of it."""

    def __init__(
        self, objective: Objective, architecture: Architecture, config: TrialConfig
    ) -> None:
        self.config = config
        self.task = _TASKS[objective.kind](objective.loaded(), architecture, config)
        self._done: int | None = 0

    def epoch(self) -> dict[str, Any]:
        """The result of the next epoch: epoch, the metrics of ``METRICS``, the others as metrics.

        Raises:
            TrialFailedError: the objective ended before its last epoch, or reports no metrics.
            Exception: whatever the objective raises.
        """
        begun = time.perf_counter()
        metrics = self.task.next()
        if metrics is None:
            done = plural(self._done or 0, "epoch")
            raise TrialFailedError(f"the objective ended after {done} of {self.config.epochs}")
        result = _arranged(metrics)
        result.setdefault("seconds", time.perf_counter() - begun)
        if self._done is not None:
            result.setdefault("epoch", self._done + 1)
        self._done = result.get("epoch")
        if result.get("epoch") == self.config.epochs:
            self.task.finish()
        return result

    def save(self, path: Path) -> None:
        """Write a checkpoint, of a class alone."""
        self.task.save(path)
        path.with_name(EPOCHS).write_text(json.dumps({"epochs": self._done}))

    def load(self, path: Path) -> None:
        """Go on from a checkpoint of ``save``."""
        self.task.load(path)
        try:
            self._done = int(json.loads(path.with_name(EPOCHS).read_text())["epochs"])
        except FileNotFoundError:  # of a nas before objectives could be a user's: it says itself
            self._done = None

    def inherit(self, path: Path) -> None:
        """Begin with the weights in the checkpoint of another trial: nas's own objective alone."""
        self.task.inherit(path)

    def close(self) -> bool:
        """The trial is over; False where its function goes on all the same."""
        return self.task.close()


class _Task(Protocol):
    """One form of the contract."""

    def next(self) -> Any:
        """What is reported of the next epoch; None where there is none."""

    def finish(self) -> None:
        """The last epoch is done: let it come to its end, and no further."""

    def save(self, path: Path) -> None:
        """Write a checkpoint."""

    def load(self, path: Path) -> None:
        """Go on from a checkpoint."""

    def inherit(self, path: Path) -> None:
        """Begin with the weights of another one."""

    def close(self) -> bool:
        """End it where it is; False where it does not end."""


class _Class:
    def __init__(self, train: Any, architecture: Architecture, config: TrialConfig) -> None:
        self.instance = train(architecture, config)

    def next(self) -> Any:
        metrics = self.instance.epoch()
        return "nothing" if metrics is None else metrics

    def finish(self) -> None:
        """It has nothing more to do."""

    def save(self, path: Path) -> None:
        self.instance.save(path)

    def load(self, path: Path) -> None:
        self.instance.load(path)

    def inherit(self, path: Path) -> None:
        self.instance.inherit(path)

    def close(self) -> bool:
        return True


class _Uncheckpointed:
    def save(self, path: Path) -> None:
        raise NotImplementedError("a function has no checkpoint")

    load = inherit = save


class _Generator(_Uncheckpointed):
    def __init__(self, train: Any, architecture: Architecture, config: TrialConfig) -> None:
        self._epochs: Iterator[Any] = iter(train(architecture, config))

    def next(self) -> Any:
        for metrics in self._epochs:
            return "nothing" if metrics is None else metrics
        return None

    def finish(self) -> None:
        next(self._epochs, None)
        self.close()

    def close(self) -> bool:
        try:
            self._epochs.close()  # type: ignore[attr-defined]
        except Exception:  # what it raises when it is told to end says nothing of its result
            return True
        return True


class _Function(_Uncheckpointed):
    def __init__(self, train: Any, architecture: Architecture, config: TrialConfig) -> None:
        self._reports: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._goes_on = threading.Semaphore(0)
        self._is_over = False
        # a daemon: whatever it does, the process can end
        self._thread = threading.Thread(
            target=self._run, args=(train, architecture, config), name="objective", daemon=True
        )

    def next(self) -> Any:
        if self._thread.ident is None:
            self._thread.start()
        else:
            self._goes_on.release()
        what, value = self._reports.get()
        if what == "raised":
            raise value
        return value if what == "reported" else None

    def finish(self) -> None:
        if self.next() is not None:  # an epoch more than was asked for
            self.close()

    def close(self) -> bool:
        self._is_over = True
        if self._thread.ident is None:
            return True
        self._goes_on.release()
        self._thread.join(PATIENCE)
        return not self._thread.is_alive()

    def _run(self, train: Any, architecture: Architecture, config: TrialConfig) -> None:
        try:
            train(architecture, config, self._report)
        except StoppedError:
            self._reports.put(("returned", None))
        except BaseException as error:
            self._reports.put(("raised", error))
        else:
            self._reports.put(("returned", None))

    def _report(self, metrics: Mapping[str, float]) -> None:
        if self._is_over:  # it was told so before, and has not ended
            raise StoppedError
        # a copy: a function may fill one dict again and again
        copy = dict(metrics) if isinstance(metrics, Mapping) else metrics
        self._reports.put(("reported", "nothing" if copy is None else copy))
        self._goes_on.acquire()
        if self._is_over:
            raise StoppedError


_TASKS: dict[Kind, type[_Class | _Generator | _Function]] = {
    "class": _Class,
    "generator": _Generator,
    "function": _Function,
}


def _arranged(metrics: Any) -> dict[str, Any]:
    """Metrics as they travel: epoch and ``METRICS`` by name, the others together as metrics."""
    if not isinstance(metrics, Mapping):
        raise TrialFailedError(
            f"the objective reports {metrics!r:.80}; accepted: a dict of metrics, such as "
            "{'val_accuracy': 0.9}"
        )
    values = {name: _travelling(value) for name, value in metrics.items()}
    own = {name: values.pop(name) for name in ("epoch", *METRICS) if name in values}
    if values:
        own["metrics"] = {str(name): value for name, value in values.items()}
    return own


def _travelling(value: Any) -> Any:
    """A number as Python's own; what is none is judged by the driver, and must come there."""
    value = plain(value)
    return value if isinstance(value, int | float | str | None) else repr(value)[:80]
