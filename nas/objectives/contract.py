"""What an objective is, and how one that was named or handed over is found and checked.

An objective trains a network epoch by epoch and reports metrics after each. It is one of

- a function ``train(architecture, config, report)`` that calls ``report(metrics)`` after each one;
- a generator function ``train(architecture, config)`` that yields the metrics of each epoch;
- a class with ``__init__(architecture, config)``, ``epoch() -> metrics``, ``save(path)`` and
  ``load(path)``, which can go on from a checkpoint; the others begin anew where a process is lost.

``metrics`` is a dict of finite numbers with ``val_accuracy``, a fraction of 1. An objective with an
attribute ``direction`` ("minimize" or "maximize") is judged by ``score`` instead. The page
docs/objectives.md has the rules.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from nas.errors import ConfigError, choose
from nas.importing import import_named
from nas.metrics import ACCURACY, Measure

Kind = Literal["function", "generator", "class"]

BUILT_IN = {
    "fashion_mnist": "nas.objectives.classification:Classification",
    "synthetic": "nas.objectives.synthetic:Synthetic",
}
ALIASES = {"classification": "fashion_mnist"}  # the first word is what it does, on any data set
TABLE = "table:"  # and a file: learning curves that are replayed, by no worker
FORMS = (*BUILT_IN, "table:FILE", "package.module:name")
METHODS = ("epoch", "save", "load")
_ACCEPTED = (
    "a function of (architecture, config, report), a generator function of (architecture, config), "
    "or a class of (architecture, config) with epoch, save and load"
)


@dataclass(frozen=True)
class TrialConfig:
    """All that an objective is told of its trial besides the architecture."""

    epochs: int
    """After so many the trial is complete."""
    seed: int = 0
    """The study's."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """Hyper-parameters by name, the searched ones among them: those of ``nas.TrainingConfig``."""
    dataset: str = "fashion_mnist"
    """Name of the data set, as ``--dataset`` has it."""
    data: str | None = None
    """Folder of the data, as ``--data`` has it."""
    resize: bool = False
    """Whether images are to be resized to ``input_shape``."""
    input_shape: tuple[int, int, int] = (1, 28, 28)
    """Of the design space: channels, height, width."""
    num_classes: int = 10
    """Of the design space: outputs of the network."""
    fingerprint: str | None = None
    """Of the images of the data set, as the study has it, where nas reads them."""
    device: str = "auto"
    """auto, cpu, cuda or mps, as ``--device`` has it."""
    threads: int = 1
    """CPU cores that the trial has."""
    gpus: float = 0
    """GPUs that the trial has; a GPU that is there beside them is another trial's."""
    trial: int = 0
    """Number of the trial."""

    @classmethod
    def of(cls, training: Mapping[str, Any], **others: Any) -> TrialConfig:
        """That of a ``TrainingConfig.to_dict()``, whose epochs and seed are the trial's."""
        return cls(training["epochs"], training["seed"], dict(training), **others)


@dataclass(frozen=True)
class Objective:
    """An objective that was found, and fits the contract."""

    name: str
    """A built-in one's, or package.module:name."""
    train: Any
    """The function, generator function or class; None where it is built in."""
    kind: Kind
    measure: Measure = ACCURACY
    source: str | None = None
    """SHA-256 of its source text, where that is to be had; None for a built-in one."""
    by_name: bool = True
    """Whether a worker finds it by its name; else it is sent there."""

    @property
    def is_built_in(self) -> bool:
        """Whether it is part of nas."""
        return is_built_in(self.name)

    @property
    def resumes(self) -> bool:
        """Whether it can go on from a checkpoint."""
        return self.kind == "class"

    def loaded(self) -> Any:
        """The function or class itself; a built-in one's module is imported now."""
        return _built_in(self.name) if self.is_built_in else self.train


def find_objective(objective: str | Callable[..., Any]) -> Objective:
    """The objective of that name, or that function or class, checked.

    A name is fashion_mnist, synthetic or package.module:name, which is imported, from the current
    folder too.

    Raises:
        ConfigError: there is none, or it does not fit the contract.
    """
    if not isinstance(objective, str):
        return _described(objective, _name_of(objective), by_name=False)
    name = check_name(objective)
    if is_built_in(name):
        return Objective(name, None, "class")
    return _described(import_named("objective", name, Path.cwd()), name, by_name=True)


def is_built_in(name: str) -> bool:
    """Whether it is part of nas, and so is found by what a study keeps."""
    return name in BUILT_IN or name.startswith(TABLE)


def find_on_worker(name: str, folder: Path, train: Any | None) -> Objective:
    """As ``find_objective`` on a driver whose current folder was ``folder``, which sent ``train``
    along where that has no name to be found by."""
    if train is not None:
        return _described(train, name, by_name=False)
    if name in BUILT_IN:
        return Objective(name, None, "class")
    return _described(import_named("objective", name, folder), name, by_name=True)


def check_name(name: str) -> str:
    """A name that can be an objective's, in its stored form; nothing is imported.

    Raises:
        ConfigError: it is no built-in one and has not the form package.module:name.
    """
    name = ALIASES.get(name, name)
    module, colon, attribute = name.partition(":")
    if name in BUILT_IN:
        return name
    if name.startswith(TABLE) and attribute:
        return TABLE + str(Path(attribute).absolute())  # the same file from every folder
    if not colon:
        raise ConfigError(f"objective is {name!r}; {choose(name, FORMS)}")
    if not module or not attribute:
        raise ConfigError(f"objective is {name!r}; accepted: {', '.join(FORMS)}")
    return name


def _built_in(name: str) -> Any:
    module, _, attribute = BUILT_IN[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def _described(train: Any, name: str, *, by_name: bool) -> Objective:
    kind = _kind(train, name)
    measure = ACCURACY
    direction = getattr(train, "direction", None)
    if direction is not None:
        try:
            measure = Measure("score", direction)
        except ConfigError as error:
            raise ConfigError(f"objective is {name!r}, whose {error}") from None
    return Objective(name, train, kind, measure, _source(train), by_name)


def _kind(train: Any, name: str) -> Kind:
    """Which form of the contract it has.

    Raises:
        ConfigError: none.
    """
    if not callable(train):
        raise ConfigError(
            f"objective is {name!r}, a {type(train).__name__} that cannot be called; accepted: "
            f"{_ACCEPTED}"
        )
    kind: Kind = "function"
    if inspect.isclass(train):
        kind = "class"
        missing = [one for one in METHODS if not callable(getattr(train, one, None))]
        if missing:
            raise ConfigError(
                f"objective is {name!r}, a class without {' and '.join(missing)}; accepted: "
                f"{_ACCEPTED}"
            )
    elif inspect.isgeneratorfunction(train) or inspect.isgeneratorfunction(
        getattr(train, "__call__", None)  # noqa: B004 - of an object, whose class has it
    ):
        kind = "generator"
    given = ("architecture", "config", *(["report"] if kind == "function" else []))
    try:
        inspect.signature(train).bind(*given)
    except ValueError:  # written in C: it tells when it is called
        return kind
    except TypeError:
        raise ConfigError(
            f"objective is {name!r}, a {kind} that does not take ({', '.join(given)}); accepted: "
            f"{_ACCEPTED}"
        ) from None
    if inspect.iscoroutinefunction(train) or inspect.isasyncgenfunction(train):
        raise ConfigError(f"objective is {name!r}, which is async; accepted: {_ACCEPTED}")
    return kind


def _name_of(train: Any) -> str:
    while isinstance(train, partial):
        train = train.func
    own = train if hasattr(train, "__qualname__") else type(train)
    return f"{own.__module__}:{own.__qualname__}"


def _source(train: Any) -> str | None:
    while isinstance(train, partial):
        train = train.func
    try:
        own = train if hasattr(train, "__qualname__") else type(train)
        text = inspect.getsource(inspect.unwrap(own))
    except (OSError, TypeError, ValueError):
        return None
    return hashlib.sha256(text.encode()).hexdigest()
