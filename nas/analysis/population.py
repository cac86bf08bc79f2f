"""Which trials a statistic may use, and what is said of those that it may not.

A statistic over a design space needs a random sample of it, every network trained equally long:

- ``policy="random"`` (the default) refuses trials that a guided sampler proposed or a person
  enqueued, which were chosen for being good, and those of a quasi-random sampler, which were chosen
  for being far apart. ``policy="any"`` takes them, and the result says so.
- Trials beside their flip, which differs from them in one knob alone, are no independent draws and
  would make every interval too narrow: only ``effects``, which is about them, takes both.
  ``policy="any"`` takes them here, too.
- A trial that was told the result of an earlier one of the same network ("reused") is a draw of its
  own: the space was drawn from twice, so the network weighs twice in every estimate. It is no
  second piece of evidence, as the same result was told again: intervals and tests resample
  networks, each with all of its draws (``networks``). What drew it is not recorded; where the
  study has guided or quasi-random trials, it counts as one of theirs.
- Trials that were stopped early (PRUNED) have no result at full fidelity, and leaving them out
  makes a space look better than it is. ``stopped="refuse"`` (the default) takes no such study,
  ``"drop"`` leaves them out and says so, ``"bound"`` keeps them as intervals (see ``edf``).
- Trials that failed or still run have no result. They are left out, counted, and named in
  ``Population.note``.
- ``epochs`` is the fidelity that all must have; without it, they must agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypedDict

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nas.analysis.measured import measure_of, refuse_scores, untrained_notes
from nas.errors import AnalysisError, choose
from nas.metrics import PREFIX
from nas.quantity import count, plural
from nas.study.frames import TRIALS
from nas.study.policies import CHOSEN
from nas.study.states import INHERITED

COSTS = {
    "macs": "multiply-accumulates per image",
    "params": "parameters",
    "activations": "activations per image",
    "latency_ms": "latency (ms)",
    "latency": "latency in the trial (s)",
    "memory": "memory in the trial (bytes)",
}

Floats = NDArray[np.float64]
Places = NDArray[np.intp]


class Rules(TypedDict, total=False):
    """Keyword arguments that every statistic over trials takes; the module says what they mean."""

    policy: Literal["random", "any"]
    stopped: Literal["refuse", "drop", "bound"]
    epochs: int


@dataclass(frozen=True)
class Population:
    """The networks of one study that a statistic uses."""

    study: str
    trials: pd.DataFrame  # with a result at ``epochs``
    stopped: pd.DataFrame  # stopped early; empty unless the rule is "bound"
    epochs: int
    note: str  # what was left out or taken in against the rules; "" where nothing was

    def __len__(self) -> int:
        return len(self.trials)

    @property
    def errors(self) -> Floats:
        """(n,) 1 − validation accuracy, in the order of ``trials``.

        Raises:
            AnalysisError: the study is judged by a score.
        """
        refuse_scores(self.trials)
        return 1 - self.trials["val_accuracy"].to_numpy(float)

    @property
    def merits(self) -> Floats:
        """(n,) what the networks are judged by, so that more is better."""
        measure = measure_of(self.trials)
        values = self.trials[measure.metric].to_numpy(float)
        return -values if measure.minimizes else values

    @cached_property
    def networks(self) -> Places:
        """(n,) which network each of ``trials`` is, as ``networks`` has it."""
        return networks(self.trials)

    @property
    def distinct(self) -> pd.DataFrame:
        """The first draw of each network, in the order of ``trials``."""
        return self.trials[~pd.Series(self.networks, self.trials.index).duplicated()]

    @property
    def size(self) -> str:
        """How many draws of how many networks, as captions have it."""
        return sample_size(len(self), len(set(self.networks)))

    @property
    def title(self) -> str:
        """Study, sample size and fidelity, as captions have it."""
        return f"{self.study} {self.extent}"

    @property
    def extent(self) -> str:
        """Sample size and fidelity, as captions have them."""
        return f"({self.size}, {plural(self.epochs, 'epoch')})"

    def cost(self, name: str) -> Floats:
        """(n,) the cost of each network.

        Raises:
            AnalysisError: no such cost, or one that is not known of every trial.
        """
        return costs(self.trials, name)


def knobs(trials: pd.DataFrame) -> list[str]:
    """The columns of a frame that are knobs of its space, in its order."""
    return [
        str(name)
        for name in trials.columns
        if name not in TRIALS and name not in COSTS and not str(name).startswith(PREFIX)
    ]


def knob_value(value: Any) -> str:
    """A knob's value in a label or a sentence: on and off as the space file has them.

    >>> knob_value(True), knob_value(0.5), knob_value(2_500_000), knob_value("basic")
    ('true', '0.5', '2.50M', 'basic')
    """
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, int | float | np.integer | np.floating):
        return f"{value:.3g}" if float(value) < 1000 else count(float(value))
    return str(value)


def costs(trials: pd.DataFrame, name: str) -> Floats:
    """(n,) the column ``name`` of a frame, as numbers above zero.

    Raises:
        AnalysisError: no such cost, or one that is not known of every trial.
    """
    known = [cost for cost in COSTS if cost in trials.columns]
    if name not in known:
        raise AnalysisError(f"cost is {name!r}; {choose(name, known)}")
    values = trials[name].astype("Float64").to_numpy(float, na_value=np.nan)
    if not (values > 0).all():
        raise AnalysisError(f"{name} is not known of every trial")
    return np.asarray(values, dtype=np.float64)


def populations(
    trials: pd.DataFrame,
    policy: Literal["random", "any"] = "random",
    stopped: Literal["refuse", "drop", "bound"] = "refuse",
    epochs: int | None = None,
    *,
    flips: bool = False,
) -> dict[str, Population]:
    """The population of each study in a frame, by name; all at one fidelity.

    With ``flips``, trials may stand beside their flips.

    Raises:
        AnalysisError: trials that the rules refuse, or none with a result.
    """
    if policy not in ("random", "any"):
        raise AnalysisError(f"policy is {policy!r}; {choose(policy, ('random', 'any'))}")
    if stopped not in ("refuse", "drop", "bound"):
        raise AnalysisError(
            f"stopped is {stopped!r}; {choose(stopped, ('refuse', 'drop', 'bound'))}"
        )
    found = {
        str(name): _population(str(name), rows, policy, stopped, epochs, flips)
        for name, rows in trials.groupby("study", sort=False)
    }
    if not found:
        raise AnalysisError("there are no trials")
    reached = {name: population.epochs for name, population in found.items()}
    if len(set(reached.values())) > 1:
        each = ", ".join(f"{name} {number}" for name, number in reached.items())
        raise AnalysisError(
            f"the studies were trained for unequal epochs ({each})",
            "compare studies of equal epochs, or choose one that all have with epochs=…",
            "epochs",
        )
    return found


def population(trials: pd.DataFrame, rules: Rules, *, flips: bool = False) -> Population:
    """The population of a frame that holds one study.

    Raises:
        AnalysisError: several studies; and as ``populations``.
    """
    found = populations(trials, **rules, flips=flips)
    if len(found) > 1:
        raise AnalysisError(f"one study at a time is accepted, not {', '.join(found)}")
    (only,) = found.values()
    return only


def whole(trials: pd.DataFrame, rules: Rules, *, flips: bool = False) -> dict[str, Population]:
    """``populations``, for a statistic that cannot use the bounds of stopped trials."""
    if rules.get("stopped") == "bound":
        raise AnalysisError(
            "stopped is 'bound', which only edf can use", "accepted: refuse, drop", "stopped"
        )
    return populations(trials, **rules, flips=flips)


def networks(trials: pd.DataFrame) -> Places:
    """(n,) which network each row of a frame is: equal numbers, equal evidence.

    Rows are one network where their keys are equal and so are the hyper-parameters that were
    searched with it. Rows without a key are networks of their own.
    """
    own = np.arange(len(trials))
    if "key" not in trials:
        return own
    same = trials[["key", *(name for name in knobs(trials) if name.startswith("training."))]]
    unknown = np.where(same["key"].isna(), own, -1)
    keyed = same.assign(**{"": unknown})
    return np.asarray(keyed.groupby(list(keyed), sort=False, dropna=False).ngroup(), dtype=np.intp)


def sample_size(draws: int, networks: int) -> str:
    """``n = 60``, or ``n = 60 draws of 57 networks``."""
    return f"n = {draws}" + (f" draws of {plural(networks, 'network')}" if networks < draws else "")


def _population(
    study: str, trials: pd.DataFrame, policy: str, stopped: str, epochs: int | None, flips: bool
) -> Population:
    measured = trials[measure_of(trials).metric].notna()
    inherited = trials["state"] == INHERITED
    if inherited.any() and stopped != "drop":
        raise AnalysisError(
            f"{int(inherited.sum())} of {len(trials)} trials of {study} began with the weights of "
            "others, which is a fidelity of its own, and those from scratch alone are no sample",
            "use a study without --inherit, or stopped='drop'",
            "stopped",
        )
    trials, measured = trials[~inherited], measured[~inherited]
    early = trials[(trials["state"] == "PRUNED") & measured]
    if len(early) and stopped == "refuse":
        raise AnalysisError(
            f"{len(early)} of {len(trials)} trials of {study} were stopped early, and without them "
            "the space looks better than it is",
            "use a study with --scheduler none, or stopped='drop' (edf also takes stopped='bound')",
            "stopped",
        )
    full = trials[(trials["state"] == "COMPLETE") & measured]
    failed = int((trials["state"] == "FAIL").sum())
    counts = {
        "stopped early" + (", as bounds" if stopped == "bound" else ", left out"): len(early),
        "inherited, left out": int(inherited.sum()),
        "failed, left out": failed,
        "without a result yet, left out": len(trials) - len(full) - len(early) - failed,
    }
    full, other = _at_one_fidelity(study, full, epochs)
    counts["of other epochs, left out"] = other
    notes = untrained_notes(full) + _chosen(study, trials, policy, flips)
    notes += [f"{plural(count, 'trial')} {what}" for what, count in counts.items() if count]
    kept = early if stopped == "bound" else early.iloc[:0]
    return Population(study, full, kept, int(full["epochs"].iloc[0]), "; ".join(notes))


def _chosen(study: str, trials: pd.DataFrame, policy: str, flips: bool) -> list[str]:
    """Notes on trials that are no random or no independent draws; refused unless policy is any."""
    guided = trials["policy"].isin(CHOSEN)
    if trials["policy"].isin(CHOSEN - {"enqueued", "imported"}).any():
        guided |= trials["policy"] == "reused"
    # trial 2k is a random draw, and 2k + 1 its flip
    flipped = (trials["policy"] == "flipped") & (trials["number"] - 1).isin(trials["number"])
    count, beside = int(guided.sum()), 0 if flips else int(flipped.sum())
    if count and policy == "random":
        raise AnalysisError(
            f"{count} of {len(trials)} trials of {study} were proposed by a guided or quasi-random "
            "sampler or by hand, or taken over from another study, so they are no random sample of "
            "the space",
            "use a study with --sampler random, only its rows frame[frame.policy == 'random'], or "
            "policy='any'",
            "policy",
        )
    if beside and policy == "random":
        raise AnalysisError(
            f"{beside} of {len(trials)} trials of {study} are flips of others in one knob, so they "
            "are no independent draws",
            "use frame[frame.policy == 'random'], one value of the knob, or policy='any'",
            "policy",
        )
    even = (trials["policy"] == "quasi_random")[guided].any()
    kind = "quasi-random" if even else "guided"
    notes = [f"{plural(count, f'{kind} trial')} among them: no random sample"] if count else []
    return notes + ([f"{plural(beside, 'flip')} among them: not independent"] if beside else [])


def _at_one_fidelity(
    study: str, full: pd.DataFrame, epochs: int | None
) -> tuple[pd.DataFrame, int]:
    """Those of one number of epochs, and how many others there were."""
    fidelities = sorted({int(value) for value in full["epochs"].dropna()})
    if not fidelities:
        raise AnalysisError(f"no trial of {study} was trained in full")
    known = ", ".join(map(str, fidelities))
    if epochs is None and len(fidelities) > 1:
        raise AnalysisError(
            f"trials of {study} were trained for unequal epochs ({known})",
            f"choose one, as epochs={fidelities[-1]}",
            "epochs",
        )
    chosen = fidelities[0] if epochs is None else epochs
    if chosen not in fidelities:
        asked = plural(chosen, "epoch")
        raise AnalysisError(f"no trial of {study} was trained for {asked}; accepted: {known}")
    same = full["epochs"] == chosen
    return full[same], int((~same).sum())
