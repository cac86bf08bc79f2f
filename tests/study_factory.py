"""Studies of any size in seconds: real settings, networks and costs, results that are made up.

Every row is one that a search could have written: ``nas check`` finds nothing in them.
"""

import json
import random
from collections import defaultdict
from datetime import datetime, timedelta

from optuna.distributions import distribution_to_json
from sqlalchemy import MetaData, insert, text

from nas.cost import cost
from nas.objectives.synthetic import accuracy
from nas.search.machine import Machine
from nas.search.mirror import distribution
from nas.search.resolving import resolve
from nas.space import SearchSpace
from nas.study.database import tables
from nas.study.database.engines import engine_for
from nas.study.provenance import provenance
from nas.study.record import StudyRecord
from nas.study.store import StudyStore

WORKERS = 4
BEGUN = datetime(2026, 1, 1)
REASONS = ("loss is not finite", "CUDA out of memory")


def write_study(
    url: str,
    name: str = "populous",
    trials: int = 1000,
    epochs: int = 20,
    seed: int = 0,
    *,
    space: str = "resnext",
    pruned: float = 0.5,
) -> None:
    """Write a study of ``trials`` trials; the share ``pruned`` of them stopped early.

    One in fifty failed, one in fifty was told an earlier result, one in twenty has two attempts,
    the last one was interrupted.
    """
    found = SearchSpace.load(space)
    given = {"trials": max(trials, 1), "epochs": epochs, "study": name, "space": space}
    config = resolve(
        given | {"storage": url, "objective": "synthetic"}, None, Machine(cpus=WORKERS, gpus=0)
    )
    record = StudyRecord(found.to_dict(), found.hash, config.to_dict(), "synthetic", provenance())
    StudyStore(url, name, record, owner="populous", clock=lambda: BEGUN).close()
    rows = _Rows(found, trials, epochs, random.Random(seed), pruned)
    engine = engine_for(url)
    with engine.begin() as connection:
        theirs = MetaData()
        theirs.reflect(connection, only=lambda table, _: not table.startswith("nas_"))
        query = text("SELECT study_id FROM studies WHERE study_name = :name")
        study_id = connection.scalar(query, {"name": name})
        query = text("SELECT COALESCE(MAX(trial_id), 0) FROM trials")
        before = connection.scalar(query)  # of other studies
        for table, written in rows.tables.items():
            target = (
                theirs.tables[table] if table in theirs.tables else tables.metadata.tables[table]
            )
            if "trial_id" not in target.columns:
                written = [row | {"study_id": study_id} for row in written]
            elif table == "trials":
                written = [
                    row | {"study_id": study_id, "trial_id": before + 1 + row["number"]}
                    for row in written
                ]
            else:
                written = [
                    {k: v for k, v in row.items() if k != "number"}
                    | {"trial_id": before + 1 + row["number"]}
                    for row in written
                ]
            if written:
                connection.execute(insert(target), written)
        if connection.dialect.name == "postgresql":  # its counter has not seen our ids
            connection.execute(
                text("SELECT setval('trials_trial_id_seq', (SELECT MAX(trial_id) FROM trials))")
            )
    engine.dispose()


class _Rows:
    """What each table gets, by the name of the table; ``number`` stands for Optuna's trial id."""

    def __init__(self, space, trials, epochs, rng, pruned) -> None:
        self.space, self.epochs, self.rng, self.pruned = space, epochs, rng, pruned
        first = ("trials", "nas_architectures", "nas_attempts")
        self.tables = defaultdict(list, {name: [] for name in first})  # parents before children
        self.domains = {path: distribution(domain) for path, domain in space.parameters.items()}
        self.json = {path: distribution_to_json(d) for path, d in self.domains.items()}
        self.known = set()
        self.complete = {}  # number -> (setting, architecture, curve) of a result to tell again
        self.free = [BEGUN] * WORKERS
        for number in range(trials):
            self.trial(number, last=number == trials - 1)

    def trial(self, number: int, last: bool) -> None:
        draw = self.rng.random()
        if self.complete and 0.02 <= draw < 0.04 and not last:
            source = self.rng.choice(sorted(self.complete))
            setting, architecture, curve = self.complete[source]
            self.write(number, setting, architecture, "COMPLETE", "reused", curve, source=source)
            return
        setting = self.space.sample_setting(self.rng)
        architecture = self.space.architecture(setting)
        final, n = accuracy(architecture, 1, 1), self.epochs
        curve = [final * (1 - 0.3 * (1 - epoch / n) ** 2) for epoch in range(1, n + 1)]
        state, reason = "complete", None
        if last:
            state, curve = "interrupted", curve[: self.epochs // 2]
        elif draw < 0.02:
            state, reason, curve = "failed", self.rng.choice(REASONS), curve[: self.epochs // 3]
        elif self.epochs > 1 and self.rng.random() < self.pruned:
            state, curve = "pruned", curve[: self.rng.randint(1, self.epochs - 1)]
        attempts = [(state, reason, curve)]
        if 0.04 <= draw < 0.09:
            attempts.insert(0, ("died", "its process died", curve[: len(curve) // 2]))
        for attempt, (how, why, reached) in enumerate(attempts, 1):
            self.attempt(number, attempt, architecture, how, why, reached)
        ends = {"complete": "COMPLETE", "pruned": "PRUNED", "failed": "FAIL"}
        policy = "random" if number < 8 else "guided"
        self.write(
            number, setting, architecture, ends.get(state, "WAITING"), policy, curve, reason=reason
        )
        if state == "complete":
            self.complete[number] = (setting, architecture, curve)

    def attempt(self, number, attempt, architecture, state, reason, curve) -> None:
        seconds = 0.2 + cost(architecture).macs / 1e8
        worker = min(range(WORKERS), key=lambda k: self.free[k])
        started = self.free[worker]
        ended = started + timedelta(seconds=1 + seconds * len(curve))
        self.free[worker] = ended + timedelta(seconds=0.5)
        key = {"trial": number, "attempt": attempt}
        self.tables["nas_attempts"].append(
            key
            | {
                "owner": "driver/1",
                "lease": ended,
                "host": f"node{worker // 2}/{100 + worker}",
                "device": "cpu",
                "numerics": "float32, channels first",
                "state": state,
                "reason": reason,
                "started": started,
                "ended": ended,
            }
        )
        self.tables["nas_epochs"] += [
            key
            | {
                "epoch": epoch,
                "train_loss": 1.1 - value,
                "val_loss": 1 - value,
                "val_accuracy": value,
                "learning_rate": 0.4 * (1 - epoch / (len(curve) + 1)),
                "seconds": seconds,
                "images_per_second": 20_000 / seconds,
            }
            for epoch, value in enumerate(curve, 1)
        ]

    def write(
        self, number, setting, architecture, state, policy, curve, *, reason=None, source=None
    ) -> None:
        if architecture.key not in self.known:
            self.known.add(architecture.key)
            costs = cost(architecture, self.space.input_shape, self.space.num_classes)
            self.tables["nas_architectures"].append(
                {
                    "key": architecture.key,
                    "description": json.dumps(architecture.to_dict()),
                    "params": costs.params,
                    "macs": costs.macs,
                    "activations": costs.activations,
                    "depth": architecture.depth,
                }
            )
        times = {"datetime_start": BEGUN, "datetime_complete": BEGUN}
        self.tables["trials"].append({"number": number, "state": state} | times)
        attributes = {"key": architecture.key, "policy": policy, "reason": reason, "source": source}
        self.tables["trial_user_attributes"] += [
            {"number": number, "key": key, "value_json": json.dumps(value)}
            for key, value in attributes.items()
            if value is not None
        ]
        self.tables["trial_params"] += [
            {
                "number": number,
                "param_name": path,
                "param_value": self.domains[path].to_internal_repr(value),
                "distribution_json": self.json[path],
            }
            for path, value in setting.items()
        ]
        if state in ("COMPLETE", "PRUNED"):
            self.tables["trial_values"].append(
                {"number": number, "objective": 0, "value": curve[-1], "value_type": "FINITE"}
            )
        self.tables["trial_intermediate_values"] += [
            {
                "number": number,
                "step": epoch,
                "intermediate_value": value,
                "intermediate_value_type": "FINITE",
            }
            for epoch, value in enumerate(curve, 1)
        ]
