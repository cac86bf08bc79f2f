"""Results that another program put into a study by ``optuna.Study.add_trial``.

Nobody here trained them: for how many epochs, on which images, is not known, and a value without a
fidelity is no result. So they guide samplers, and have no place in frames, fronts or statistics.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Engine, column, delete, insert, select, table

from nas.architecture import Architecture
from nas.cost import Cost
from nas.errors import SpaceError
from nas.metrics import Measure
from nas.quantity import plural
from nas.space import SearchSpace
from nas.study.database.tables import TRIAL_ATTRIBUTES
from nas.study.networks import add_architecture, attributes_of
from nas.study.policies import ADDED, IMPORTED

# Optuna's
_TRIALS = table("trials", column("trial_id"), column("study_id"), column("number"))
_ATTRIBUTES = table(
    "trial_user_attributes", column("trial_id"), column("key"), column("value_json")
)


def is_added(state: str, policy: object, attempts: int) -> bool:
    """Whether no driver of ours wrote the end of a trial in Optuna's ``state``, which has so many
    attempts: not as a training, and not as what became of an equal one."""
    return state in ("COMPLETE", "PRUNED") and not attempts and policy != "reused"


def read_added(
    state: str,
    setting: Mapping[str, Any],
    values: Sequence[float],
    space: SearchSpace,
    measure: Measure,
    minimize: Sequence[str],
) -> tuple[Architecture, Cost]:
    """The network of a trial that ``is_added``, if its values can guide a search of ``space``.

    Args:
        state: Optuna's.
        setting: its parameters.
        values: the study's measure first, then the costs that it minimizes.
        space: of the study.
        measure: of the study.
        minimize: of the study.

    Raises:
        SpaceError: they cannot; the message says why, as the end of a sentence.
    """
    if state != "COMPLETE":
        raise SpaceError(f"it is {state}; accepted: COMPLETE")
    if setting.keys() != space.parameters.keys():
        missing, odd = space.parameters.keys() - setting.keys(), setting.keys() - space.parameters
        differ = [f"it lacks {', '.join(sorted(missing))}"] if missing else []
        differ += [f"it has {', '.join(sorted(odd))}"] if odd else []
        raise SpaceError(f"its parameters are not those of the space: {' and '.join(differ)}")
    space.training(setting)
    architecture = space.architecture(setting)
    cost = space.cost(architecture)
    if len(values) != 1 + len(minimize):
        raise SpaceError(f"it has {plural(len(values), 'value')}; accepted: {1 + len(minimize)}")
    first, *others = values
    if not math.isfinite(first) or (measure.is_fraction and not 0 <= first <= 1):
        wanted = "a fraction of 1" if measure.is_fraction else "a finite number"
        raise SpaceError(f"its {measure.word} is {first}; accepted: {wanted}")
    for known, value in zip(minimize, others, strict=True):
        own = getattr(cost, known, None)  # what is measured is not known of a network
        if own is not None and value != own:
            raise SpaceError(f"its {known} is {value:.15g}, its network's {own}")
        if not 0 < value < math.inf:
            raise SpaceError(f"its {known} is {value}; accepted: a finite number above 0")
    return architecture, cost


def mark_added(
    engine: Engine, study_id: int, number: int, architecture: Architecture, cost: Cost
) -> None:
    """Give a trial the network, key and policy that each trial has; the lock is held.

    What else it says in our name, as a copy of another study's trial does, is not so here. Optuna
    has no word for it, as it lets nobody change a trial that ended.
    """
    given = attributes_of(architecture, cost, ADDED)
    query = select(_TRIALS.c.trial_id).where(
        _TRIALS.c.study_id == study_id, _TRIALS.c.number == number
    )
    with engine.begin() as connection:
        add_architecture(connection, study_id, architecture, cost)
        trial_id = connection.execute(query).scalar_one()
        ours = _ATTRIBUTES.c.key.in_((*TRIAL_ATTRIBUTES, IMPORTED, *given))
        connection.execute(delete(_ATTRIBUTES).where(_ATTRIBUTES.c.trial_id == trial_id, ours))
        connection.execute(
            insert(_ATTRIBUTES),
            [
                {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)}
                for key, value in given.items()
            ],
        )


def left_out(numbers: Sequence[int]) -> str:
    """What becomes of the trials that were added, of which there are some, in two sentences."""
    return (
        f"Left out, as another program added them: {plural(len(numbers), 'trial')}. Nobody knows "
        "after how many epochs they have their values, so they guide samplers and are no results."
    )
