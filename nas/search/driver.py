"""Runs a searcher's attempts under Ray Tune.

Tune places attempts on cores, GPUs and nodes, reuses their processes and moves checkpoints. What
is tried, stopped and believed is the searcher's business; Tune's own snapshots are not used, the
study database is the only truth. Each Tune trial is one attempt.
"""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

# isort: off
import nas.search.ray_settings  # noqa: F401 - before ray, which reads some of what it sets

# isort: on
from ray import cloudpickle, tune
from ray.tune import (
    CheckpointConfig,
    FailureConfig,
    PlacementGroupFactory,
    RunConfig,
    TuneConfig,
)
from ray.tune.execution.tune_controller import TuneController

from nas.objectives.contract import Objective
from nas.search.bridge import Bridge, StopSearch
from nas.search.cards import cards
from nas.search.checkpoints import MOST_SECONDS, Checkpoints
from nas.search.curves import Curves, curves_folder
from nas.search.hooks import Judge, Log, Suggest, Watch
from nas.search.nodes import Nodes
from nas.search.pace import Paces
from nas.search.placement import AUTO, Shares
from nas.search.searcher import Searcher
from nas.search.stores import local_folder, store_of, tune_path
from nas.search.trial import Worker
from nas.study.database.outages import UnavailableError

log = logging.getLogger(__name__)

MOST_AT_ONCE = 10_000  # trials that Tune may ask for; how many there is room for, the bridge says


def run(
    searcher: Searcher,
    stopped: Callable[[], str | None],
    name: str,
    objective: Objective,
    nodes: Nodes,
    at_once: int | None = None,
) -> str | None:
    """Run attempts until the study is finished, or until there is a reason to end.

    Args:
        searcher: has what is tried.
        stopped: gives a reason, once there is one.
        name: of the folder of checkpoints, under the config's ``runs``.
        objective: the one that the config names.
        nodes: what is known of the nodes; no trial goes to those that it avoids.
        at_once: so many trials run at most; by default what the nodes have room for, those that
            join and leave meanwhile, too.

    Returns:
        The reason; what ran then is marked interrupted, to be carried on by the next driver.
    """
    config = searcher.config
    checkpoints = Checkpoints(
        store_of(config.runs, name), config.keep, minimizes=searcher.store.measure.minimizes
    )
    shares = _shares(searcher)
    folder = curves_folder(config.log_to, local_folder(config.runs) / name / "tensorboard")
    curves = Curves(folder.absolute()) if folder else None
    paces = Paces((local_folder(config.runs) / name).absolute())
    reason, is_full = None, True
    try:
        with _without_snapshots():
            while reason is None and is_full and not searcher.finished:
                bridge = Bridge(
                    searcher,
                    stopped,
                    checkpoints,
                    paces,
                    nodes,
                    at_once,
                    shares,
                    resumes=objective.resumes,
                )
                reason = _fit(_tuner(bridge, name, objective, curves))
                is_full = bridge.is_full
    finally:
        searcher.interrupt()
        with suppress(UnavailableError):  # no process of ours writes any more
            seconds = math.inf if reason is None else MOST_SECONDS
            checkpoints.clear(searcher.store.trials(), seconds=seconds)
        paces.close()
        if curves:
            curves.close()
    return reason


def _shares(searcher: Searcher) -> Shares:
    """Of GPUs, by the option ``gpus_per_trial``; with auto, the GPUs are tried first."""
    config, space = searcher.config, searcher.space
    if config.gpus_per_trial != AUTO:
        return Shares(config.least_gpus)
    network, training = space.sample(config.seed), config.training_config()
    found = cards(network, training, space.input_shape, space.num_classes)
    shares = Shares.measured(found, space.cost(network), training.batch_size)
    log.info(
        "GPUs: %s; a step takes %.2f of what is predicted",
        ", ".join(sorted({f"{one.name}, {one.memory / 1e9:.1f} GB" for one in found})),
        shares.correction,
    )
    return shares


def _fit(tuner: tune.Tuner) -> str | None:
    """Run a Tuner to its end; the reason, where there is one to end the search."""
    outside = sys.exception()
    try:
        tuner.fit()
    except StopSearch as stop:
        error = stop.__context__
        if error is not None and error is not outside:  # Tune cleans up after its own, too
            raise error from None
        return str(stop) or None
    return None


def _tuner(bridge: Bridge, name: str, objective: Objective, curves: Curves | None) -> tune.Tuner:
    """Tune, around the searcher of ``bridge``."""
    config = bridge.searcher.config

    def place(job: Mapping[str, Any]) -> PlacementGroupFactory:
        """What a trial needs, on a node that is not avoided."""
        needs = {"CPU": job["cpus"], "GPU": job["gpus"]}
        avoided = job["avoided"]
        # Ray gives each node its id as a label
        others = [{"ray.io/node-id": f"!in({','.join(avoided)})"}] if avoided else None
        return PlacementGroupFactory([needs], bundle_label_selector=others)

    worker = Worker
    if not objective.by_name:  # once to each node, whatever hangs on the function
        sent = cloudpickle.dumps(objective.train)  # type: ignore[no-untyped-call]
        worker = tune.with_parameters(Worker, objective=sent)
    return tune.Tuner(
        tune.with_resources(worker, place),
        tune_config=TuneConfig(
            search_alg=Suggest(bridge),
            scheduler=Judge(bridge),
            num_samples=-1,
            max_concurrent_trials=MOST_AT_ONCE,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: bridge.folder(trial.trial_id),
        ),
        run_config=RunConfig(
            name=name,
            storage_path=tune_path(config.runs),
            callbacks=[Watch(bridge), *([Log(bridge, curves)] if curves else [])],
            # which results are followed by one, Watch says
            checkpoint_config=CheckpointConfig(num_to_keep=1, checkpoint_at_end=False),
            failure_config=FailureConfig(max_failures=0),  # retries are attempts: ours
            verbose=0,
        ),
    )


@contextmanager
def _without_snapshots() -> Iterator[None]:
    """Tune writes all that it knows of all trials again with each of their checkpoints: 27 kB a
    trial, in memory and on disk, which nothing of ours reads."""
    written = TuneController.checkpoint

    def checkpoint(controller: TuneController, force: bool = False, wait: bool = False) -> None:
        """Nothing: the study database is the state."""

    TuneController.checkpoint = checkpoint  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        TuneController.checkpoint = written  # type: ignore[method-assign]
