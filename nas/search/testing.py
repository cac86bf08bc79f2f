"""Test accuracy of the trials of a study, from the checkpoints that their training left."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import text

from nas.data import open_dataset
from nas.errors import CheckpointError
from nas.quantity import plural
from nas.search.config import SearchConfig
from nas.search.stores import CHECKPOINT, Saved
from nas.study.database.engines import snapshot, translate_errors
from nas.study.evaluation import record_evaluation
from nas.study.reader import Study
from nas.training import Training
from nas.training.latency import threads

_UNTESTED = text(
    "SELECT t.number, a.checkpoint, v.value FROM trials AS t JOIN nas_attempts AS a "
    "ON a.study_id = t.study_id AND a.trial = t.number AND a.state = 'complete' "
    "JOIN trial_values AS v ON v.trial_id = t.trial_id AND v.objective = 0 "
    "WHERE t.study_id = :study AND CAST(t.state AS VARCHAR(16)) = 'COMPLETE' "
    "AND NOT EXISTS (SELECT 1 FROM nas_evaluations AS e "
    "WHERE e.study_id = t.study_id AND e.trial = t.number) ORDER BY t.number"
)


def evaluate_trials(study: Study, config: SearchConfig, tell: Callable[[str], object]) -> int:
    """Read the test images once for each trial that was trained in full and has not been tested.

    What they say is stored apart from all that a search sees. Returns how many trials were tested.

    Raises:
        CheckpointError: a checkpoint is not here any more.
        DataError: the images of the study are not here.
    """
    with translate_errors(study.url), snapshot(study.engine) as connection:
        rows = connection.execute(_UNTESTED, {"study": study.id}).all()
    if not rows:
        return 0
    images = open_dataset(
        config.dataset,
        folder=config.data,
        input_shape=study.space.input_shape,
        resize=config.resize,
    )
    if images.test is None:
        return 0
    tell(f"Testing {plural(len(rows), 'trial')} of {study.name}")
    searches = any(path.startswith("training.") for path in study.space.parameters)
    with threads(max(1, int(config.cpus_per_trial))):
        for number, checkpoint, accuracy in rows:
            path = _last(checkpoint)
            if path is None:
                raise CheckpointError(
                    f"trial {number} of {study.name!r} has no checkpoint on this disk"
                )
            searched = study.space.training(study.setting(number)) if searches else {}
            recipe = config.training_config(**searched)
            training = Training(study.architecture(number), recipe, images, config.device)
            training.load(path)
            test_loss, test_accuracy = training.evaluate(images.test)
            record_evaluation(
                study.url,
                study.name,
                number,
                training.config.to_dict(),
                val_accuracy=accuracy,
                test_loss=test_loss,
                test_accuracy=test_accuracy,
            )
    return len(rows)


def last_checkpoint(study: Study, number: int) -> Path | None:
    """Of a trial that was trained in full, where it was kept on this disk."""
    query = text(
        "SELECT checkpoint FROM nas_attempts WHERE study_id = :study AND trial = :number "
        "AND state = 'complete'"
    )
    with translate_errors(study.url), snapshot(study.engine) as connection:
        return _last(connection.scalar(query, {"study": study.id, "number": number}))


def _last(noted: object) -> Path | None:
    """The checkpoint of the last epoch: Tune writes it when the attempt has ended, in the place of
    the one that the study has ``noted``."""
    if not isinstance(noted, str) or not noted or "\0" in noted:
        return None
    there = sorted(Path(Saved.read(noted).place).parent.glob(f"checkpoint_*/{CHECKPOINT}"))
    return there[-1] if there else None
