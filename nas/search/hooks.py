"""What Ray Tune calls while it runs, handed to the bridge: a searcher, a scheduler, callbacks."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

# isort: off
import nas.search.ray_settings  # noqa: F401 - before ray, which reads some of what it sets

# isort: on
import ray
from ray.exceptions import RayError
from ray.tune import Callback
from ray.tune.result import SHOULD_CHECKPOINT
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher as TuneSearcher

from nas.search.bridge import Bridge, StopSearch
from nas.search.curves import Curves
from nas.search.trial import noted_of


class Suggest(TuneSearcher):
    """Tune's view of the searcher. It stores nothing: pickles could carry secrets."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge

    def suggest(self, trial_id: str) -> Any:  # Tune's own type leaves FINISHED out
        """The config of the next trial."""
        return self._bridge.suggest(trial_id)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Told by the scheduler already."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the study database is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: see ``save``."""


class Judge(FIFOScheduler):
    """Every result passes here once; the searcher says whether its attempt goes on."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._bridge = bridge

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Whether the trial goes on."""
        goes_on = self._bridge.report(trial.trial_id, result)
        return TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP

    def choose_trial_to_run(self, tune_controller: Any) -> None:
        """None: Tune starts them in turn by itself.

        One that is chosen gets the next process that is free, and the one that begins for it on
        another node is ended: where trials end faster than processes begin, that node, or the place
        of a process that died, would never be used.
        """

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """The attempt died."""
        if not trial.should_recover():  # else its node went away: Tune starts it on another one
            self._bridge.died(trial)


class Watch(Callback):
    """Tune's loop, seen from our side: time to stop, leases to renew, checkpoints to note."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Several times a second."""
        self._bridge.look()
        self._bridge.searcher.heartbeat()
        self._bridge.follow()
        self._bridge.clear()
        for trial in trials:
            self._bridge.watch(trial)

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Note where the attempt runs."""
        with suppress(RayError):  # died already: Tune will see to it
            actor = trial.temporary_state.ray_actor
            self._bridge.places[trial.trial_id] = ray.get(actor.place.remote())

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Say whether a checkpoint follows."""
        result[SHOULD_CHECKPOINT] = self._bridge.saves(trial.trial_id, result)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The attempt is over."""
        self._bridge.ended(trial)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The attempt is over."""
        self._bridge.ended(trial)

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        """Leave Tune's loop."""
        raise StopSearch  # else Tune looks for a snapshot

    def on_checkpoint(
        self, iteration: int, trials: list[Any], trial: Any, checkpoint: Any, **info: Any
    ) -> None:
        """Note where the attempt can be carried on from."""
        self._bridge.proven(trial.trial_id)
        # noted before Tune deletes the one before
        searcher = self._bridge.searcher
        noted = noted_of(searcher.config.runs, checkpoint)
        searcher.checkpoint(self._bridge.jobs[trial.trial_id], str(noted))


class Log(Callback):
    """Learning curves for other programs: see ``curves``."""

    def __init__(self, bridge: Bridge, curves: Curves) -> None:
        self._bridge = bridge
        self._curves = curves

    def __reduce__(self) -> tuple[Any, ...]:
        return (object, ())  # as the bridge: open files have no place in Tune's folder either

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """An epoch more."""
        self._curves.epoch(self._bridge.folder(trial.trial_id), result)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The curve is whole."""
        self._curves.ended(self._bridge.folder(trial.trial_id))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The curve is whole."""
        self._curves.ended(self._bridge.folder(trial.trial_id))
