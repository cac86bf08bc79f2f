"""A table: the learning curves of every network of a space, replayed as if they were trained now.

A table is a study database whose studies trained the same networks in the same way but for the
seed. The test accuracies that it may hold are not read here: a search never sees them.

Ying et al. 2019, "NAS-Bench-101" (arXiv:1902.09635), compare searches in this way.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import pvariance
from typing import Any, TypeAlias

import pandas as pd

from nas.errors import ConfigError, StorageError
from nas.metrics import METRICS, PREFIX, Measure
from nas.quantity import plural
from nas.space import SearchSpace
from nas.study.reader import Study, open_study, studies
from nas.study.record import table_path
from nas.study.storage_url import file_url

Curve: TypeAlias = Sequence[Mapping[str, Any]]  # results by epoch, the first one first

# In these the studies of a table are alike, and what is searched on it is like them.
RECIPE = ("dataset", "resize", "epochs", "train_images", "epoch_images", "training")
SUFFIXES = (".sqlite", ".db")  # of a table's file
ENUMERATED = 4096  # settings that a space on a table has at most


@dataclass(frozen=True)
class Table:
    """Learning curves by network."""

    space: SearchSpace
    measure: Measure
    recipe: Mapping[str, Any]
    """The options of ``RECIPE`` with which it was trained."""
    curves: Mapping[str, Sequence[Curve]]
    """By the key of a network: a whole learning curve for each seed that it was trained with."""

    @classmethod
    def load(cls, path: Path) -> Table:
        """The table in a study database.

        Raises:
            StorageError: it cannot be read, or its studies are no table.
        """
        url = file_url(path.absolute())
        found = [open_study(url, name) for name in studies(url)["study"].sort_values()]
        if not found:
            raise StorageError(f"{path} has no study, and so no table")
        first, *others = (study.record for study in found)
        for study, other in zip(found[1:], others, strict=True):
            for name, ours, theirs in (
                ("space", first.space_hash, other.space_hash),
                ("measure", first.measure, other.measure),
                *((name, first.config.get(name), other.config.get(name)) for name in RECIPE),
            ):
                if ours != theirs:
                    raise StorageError(
                        f"{path} is no table: its studies {found[0].name!r} and {study.name!r} "
                        f"differ in {name}"
                    )
        curves: dict[str, list[Curve]] = {}
        for study in found:
            for key, curve in _curves(study):
                curves.setdefault(key, []).append(curve)
        recipe = {name: first.config.get(name) for name in RECIPE}
        return cls(found[0].space, first.measure, recipe, curves)

    @property
    def epochs(self) -> int:
        """Of each curve."""
        return int(self.recipe["epochs"])

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the curves, in the form of a study's ``dataset``."""
        text = json.dumps({key: self.curves[key] for key in sorted(self.curves)})
        return f"table:{hashlib.sha256(text.encode()).hexdigest()}"

    def curve(self, key: str, seed: int) -> Curve:
        """What a study of ``seed`` sees of a network: one of its curves, the same one each time."""
        curves = self.curves[key]
        digest = hashlib.sha256(f"{seed}/{key}".encode()).digest()
        return curves[digest[0] % len(curves)]

    def value(self, key: str) -> float:
        """The true value of a network: the mean over its seeds after the last epoch."""
        values = [self.measure.of(_result(curve[-1])) for curve in self.curves[key]]
        return sum(values) / len(values)

    def seconds(self, key: str) -> float:
        """Of one epoch: the shortest that was measured, as whatever else a machine does adds."""
        return min(float(result["seconds"]) for curve in self.curves[key] for result in curve)

    @property
    def machine_seconds(self) -> float:
        """How long all trainings took, one after another."""
        every = (curve for curves in self.curves.values() for curve in curves)
        return sum(float(result["seconds"]) for curve in every for result in curve)

    @property
    def spread(self) -> float | None:
        """Standard deviation of the last value between the seeds of a network, pooled; None where
        each was trained with one seed."""
        repeated = [
            [self.measure.of(_result(curve[-1])) for curve in curves]
            for curves in self.curves.values()
            if len(curves) > 1
        ]
        if not repeated:
            return None
        freedom = sum(len(values) - 1 for values in repeated)
        return math.sqrt(sum(pvariance(v) * len(v) for v in repeated) / freedom)

    def result(self, key: str, seed: int, epoch: int) -> dict[str, Any]:
        """What an objective would have reported."""
        return _result(self.curve(key, seed)[epoch - 1])

    def has(self, metric: str) -> bool:
        """Whether the first epoch of every curve has a metric beside those of a training."""
        every = (curve for curves in self.curves.values() for curve in curves)
        return all(metric in _result(curve[0])["metrics"] for curve in every)

    def refuse_beyond(self, space: SearchSpace) -> None:
        """Do nothing if the table has every network of ``space``.

        Raises:
            ConfigError: it lacks some.
        """
        settings = space.distinct_settings(ENUMERATED)
        if settings is None:
            raise ConfigError(
                f"{space.name} has more than {ENUMERATED:,} settings; accepted with a table: a "
                f"part of {self.space.name}"
            )
        keys = {space.architecture(setting).key for setting in settings}
        missing = len(keys - self.curves.keys())
        if missing or any(name.startswith("training.") for name in space.parameters):
            lack = f"{missing:,} of its {plural(len(keys), 'network')}" if missing else "training.*"
            raise ConfigError(
                f"the table has not all of {space.name}: it lacks {lack}; accepted: "
                f"{self.space.name} or a part of it that was trained"
            )


def _curves(study: Study) -> list[tuple[str, Curve]]:
    """Key and whole curve of each trial that was trained in full."""
    trials = study.in_full()
    epochs = study.epochs()
    wanted = epochs[epochs["number"].isin(trials["number"])]
    last = wanted.groupby("number")["attempt"].transform("max")
    keys = dict(zip(trials["number"], trials["key"], strict=True))
    own = ["number", "attempt", "objective", "metric", "direction"]
    found: list[tuple[str, Curve]] = []
    for number, rows in wanted[wanted["attempt"] == last].groupby("number"):
        curve = [
            {str(name): value for name, value in row.items() if not pd.isna(value)}
            for row in rows.sort_values("epoch").drop(columns=own).to_dict("records")
        ]
        if [result["epoch"] for result in curve] == list(range(1, len(curve) + 1)):
            found.append((str(keys[number]), curve))
    return found


def _result(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of a curve as an objective reports it."""
    own = {name: row[name] for name in METRICS if name in row}
    others = [name for name in row if name not in own and name != "epoch"]
    further = {name.removeprefix(PREFIX): row[name] for name in others}
    return {"epoch": int(row["epoch"]), **own, "metrics": further}


def table_of(objective: str) -> Table | None:
    """The table that an objective names, as ``table:FILE``; None where it names none.

    Raises:
        StorageError: there is no such table.
    """
    path = table_path(objective)
    return None if path is None else read_table(path)


def read_table(path: Path) -> Table:
    """The table in a file, read once per process.

    Raises:
        StorageError: there is no such table.
    """
    if not path.is_file():
        raise StorageError(f"there is no table {path}; accepted: a file of nas table make")
    files = (path, path.with_name(f"{path.name}-wal"))  # what was written last may be in the second
    return _loaded(path, tuple(file.stat().st_mtime_ns for file in files if file.exists()))


@lru_cache(maxsize=4)
def _loaded(path: Path, _: tuple[int, ...]) -> Table:
    """Read again where the file has changed."""
    return Table.load(path)
