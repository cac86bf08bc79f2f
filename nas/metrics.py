"""The one list of metrics: what is measured after an epoch, and what of it networks are judged by.

An objective reports metrics by name; each is a finite number. Those of ``METRICS`` are columns of
``nas_epochs``, all others stand in its JSON column ``metrics``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeGuard

from nas.errors import ConfigError, choose
from nas.quantity import percent

METRICS = (
    "train_loss", "val_loss", "val_accuracy", "learning_rate", "seconds", "images_per_second"
)  # fmt: skip
# Those beside them that have a column of their own in frames; others have ``metrics.NAME``
NAMED = ("score", "val_balanced_accuracy")
FRACTIONS = ("val_accuracy", "val_balanced_accuracy")
PREFIX = "metrics."  # of a column for a metric that only an objective of a user knows
Direction = Literal["maximize", "minimize"]
DIRECTIONS = ("maximize", "minimize")
MOST = 100  # metrics of an epoch
LONGEST = 64  # characters of a metric's name


@dataclass(frozen=True)
class Measure:
    """By which metric the networks of a study are judged, and whether more of it is better."""

    metric: Literal["val_accuracy", "score"] = "val_accuracy"
    direction: Direction = "maximize"

    def __post_init__(self) -> None:
        if self.direction not in DIRECTIONS:
            raise ConfigError(
                f"direction is {self.direction!r}; {choose(self.direction, DIRECTIONS)}"
            )
        if self.metric not in ("val_accuracy", "score"):
            raise ConfigError(
                f"metric is {self.metric!r}; {choose(self.metric, ('val_accuracy', 'score'))}"
            )

    @property
    def minimizes(self) -> bool:
        """Whether less is better: the order of a sort whose first row is the best."""
        return self.direction == "minimize"

    @property
    def is_fraction(self) -> bool:
        """Whether it is an accuracy, shown in percent."""
        return self.metric in FRACTIONS

    @property
    def label(self) -> str:
        """Of a column or an axis."""
        if self.is_fraction:
            return "validation accuracy"
        return f"score ({'lower' if self.minimizes else 'higher'} is better)"

    @property
    def word(self) -> str:
        """accuracy, or score."""
        return "accuracy" if self.is_fraction else "score"

    @property
    def article(self) -> str:
        """an accuracy, or a score."""
        return "an accuracy" if self.is_fraction else "a score"

    def of(self, result: Mapping[str, Any]) -> float:
        """The value in an epoch's result: ``{name: number, …, "metrics": {name: number, …}}``."""
        if self.metric in METRICS:
            return float(result[self.metric])
        return float(result["metrics"][self.metric])

    def beats(self, value: float, other: float) -> bool:
        """Whether ``value`` is better than ``other``."""
        return value < other if self.minimizes else value > other

    def shown(self, value: float) -> str:
        """Seven characters or more: an accuracy in percent, a score with four digits.

        >>> Measure().shown(0.9), Measure("score", "minimize").shown(12.34567)
        ('90.00 %', '  12.35')
        """
        return percent(value) if self.is_fraction else f"{value:>7.4g}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, by field."""
        return asdict(self)


ACCURACY = Measure()


def unusable(result: Mapping[str, Any], measure: Measure, previous: int | None) -> str | None:
    """Why an epoch's result is no measurement, if it is none.

    ``previous`` is the epoch before it, None where that is unknown.
    """
    epoch = result.get("epoch")
    if type(epoch) is not int:
        return f"the result names no epoch: {epoch!r}"
    if previous is not None and epoch != previous + 1:
        return f"the result is of epoch {epoch}, not {previous + 1}"
    further = result.get("metrics") or {}
    measured = {**{name: result[name] for name in METRICS if name in result}, **further}
    if measure.metric not in measured:
        return _missing(measure, measured)
    if "seconds" not in measured:  # which whoever runs an objective measures
        return "seconds is missing"
    if len(measured) > MOST:
        return f"the result has {len(measured)} metrics; accepted: {MOST} at most"
    for name, value in measured.items():
        if not is_name(name):
            return f"{name!r:.80} is no name of a metric; accepted: letters, digits and _"
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"{name} is {value!r:.80}, not a number"
        if not _is_finite(value):
            return f"{name} is not finite ({value})"
        if name in FRACTIONS and not 0 <= value <= 1:
            return f"{name} is {value}, not a fraction of 1"
    return None


def is_name(name: object) -> TypeGuard[str]:
    """Whether a metric can be called so."""
    return isinstance(name, str) and name.isidentifier() and len(name) <= LONGEST


def to_json(metrics: Mapping[str, float] | None) -> str | None:
    """Metrics as the database keeps them; None where there are none."""
    return json.dumps(metrics) if metrics else None


def column(name: str) -> str:
    """Of a frame, for a metric that is none of ``METRICS``.

    >>> column("score"), column("state")
    ('score', 'metrics.state')
    """
    return name if name in NAMED else PREFIX + name


def _missing(measure: Measure, measured: Iterable[str]) -> str:
    if measure.metric == "val_accuracy" and "score" in measured:
        return (
            "val_accuracy is missing; an objective that is judged by its score says so, with "
            "direction = 'minimize' or 'maximize'"
        )
    return (
        f"{measure.metric} is missing; the metrics are: {', '.join(map(str, measured)) or 'none'}"
    )


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond all floats
        return False
