"""The one list of metrics: what is measured after an epoch, and what of it networks are judged by.

An objective reports metrics by name; each is a finite number. Those of ``METRICS`` are columns of
``nas_epochs``, all others stand in its JSON column ``metrics``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeGuard

from nas.errors import ConfigError, choose
from nas.quantity import BYTES, SECONDS, count, percent, with_unit

METRICS = (
    "train_loss", "val_loss", "val_accuracy", "learning_rate", "seconds", "images_per_second"
)  # fmt: skip
# Those beside them that have a column of their own in frames; others have ``metrics.NAME``
NAMED = ("score", "val_balanced_accuracy", "latency", "memory")
FRACTIONS = ("val_accuracy", "val_balanced_accuracy")
PREFIX = "metrics."  # of a column for a metric that only an objective of a user knows
Direction = Literal["maximize", "minimize"]
DIRECTIONS = ("maximize", "minimize")
# Costs that a study can minimize beside its measure: those known of a network before it is trained,
# and those that the first epoch of an attempt has among its metrics, in seconds and bytes
COSTS = ("macs", "params", "activations")
MEASURED = ("latency", "memory")
MINIMIZED = (*COSTS, *MEASURED)
MOST_MINIMIZED = 2  # by one study
COST_WORDS = {
    "macs": "MACs", "params": "params", "activations": "activations", "latency": "latency",
    "memory": "memory",
}  # fmt: skip
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
    def superlative(self) -> str:
        """What the network with the best value is: said where a front has others that cost less."""
        return "most accurate" if self.is_fraction else "best-scoring"

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


def read_minimized(named: object) -> tuple[str, ...]:
    """The costs that a study minimizes beside its measure, in the order of ``MINIMIZED``.

    ``named`` is a list of them, or one text with commas.

    Raises:
        ConfigError: an unknown one, one twice, or more than ``MOST_MINIMIZED``.

    >>> read_minimized(["params", "macs"]), read_minimized("latency, macs")
    (('macs', 'params'), ('macs', 'latency'))
    """
    names = [one.strip() for one in named.split(",")] if isinstance(named, str) else named
    if not isinstance(names, list | tuple):
        raise ConfigError(f"minimize is {named!r:.60}; accepted: a list of {', '.join(MINIMIZED)}")
    for name in names:
        if name not in MINIMIZED:
            raise ConfigError(f"minimize is {name!r:.60}; {choose(str(name), MINIMIZED)}")
    if len(set(names)) < len(names):
        raise ConfigError(f"minimize is {', '.join(names)}; accepted: each cost once")
    if len(names) > MOST_MINIMIZED:
        raise ConfigError(
            f"minimize is {', '.join(names)}; accepted: {MOST_MINIMIZED} costs at most"
        )
    return tuple(name for name in MINIMIZED if name in names)


def shown_cost(name: str, value: float) -> str:
    """Three digits or so of a cost, and its unit where that is no count.

    >>> shown_cost("macs", 8_500_000), shown_cost("latency", 0.00123), shown_cost("memory", 3.4e7)
    ('8.50M', '1.23 ms', '34 MB')
    """
    units = {"latency": SECONDS, "memory": BYTES}
    return with_unit(value, units[name]) if name in units else count(value)


def unusable(
    result: Mapping[str, Any],
    measure: Measure,
    previous: int | None,
    minimized: Sequence[str] = (),
) -> str | None:
    """Why an epoch's result is no measurement, if it is none.

    ``previous`` is the epoch before it, None where that is unknown; ``minimized`` are the costs
    that the study minimizes, of which the first epoch has those that are measured.
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
    for name in MEASURED if epoch == 1 else ():
        if name in minimized and not measured.get(name, 0) > 0:
            found = f"{measured[name]}, not above 0" if name in measured else "missing"
            return f"{name} is {found}; the study minimizes it, so the first epoch has to have it"
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


def near_chance(accuracy: float, classes: int, images: int | None) -> bool:
    """Whether an accuracy is what guessing gives: within three standard errors of 1 / ``classes``
    on so many ``images``, or less than a twentieth of the way from there to 1.

    >>> near_chance(0.104, 10, 10_000), near_chance(0.9, 10, 10_000), near_chance(0.55, 2, 50)
    (True, False, True)
    """
    chance = 1 / classes
    error = math.sqrt(chance * (1 - chance) / images) if images else 0.0
    return accuracy < chance + max(3 * error, (1 - chance) / 20)
