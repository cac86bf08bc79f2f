"""What a reader could take from the numbers of a study, and must not."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pandas as pd

from nas.quantity import percent, plural
from nas.study.added import left_out
from nas.study.evaluation import evaluated
from nas.study.reader import Study
from nas.study.states import INHERITED


def caveats(study: Study, trials: pd.DataFrame, best: pd.DataFrame) -> Iterator[str]:
    """One sentence each; ``best`` is ``study.best()`` of the frame ``trials``."""
    measure = study.record.measure
    values = "accuracies" if measure.is_fraction else "scores"
    if study.record.untrained:
        yield study.record.untrained
    elif study.record.is_own:
        yield (
            f"The {values} are what the objective {study.record.config['objective']} reported, by "
            f"which trials were stopped and {_chosen(study)}."
        )
    else:
        yield from _of_training(study, best)
    guided = int((trials["policy"] == "guided").sum())
    if guided:
        yield (
            f"Proposed by a sampler that had seen earlier results: {guided} of "
            f"{plural(len(trials), 'trial')}. That is no random sample of the space: distributions "
            "say what the search saw, not what the space is like."
        )
    even = int((trials["policy"] == "quasi_random").sum())
    if even:
        yield (
            f"Points of a sequence that fills the space evenly: {even} of "
            f"{plural(len(trials), 'trial')}. They are no independent draws: intervals that take "
            "them for such are too wide or too narrow."
        )
    imported = int((trials["policy"] == "imported").sum())
    if imported:
        yield (
            f"Taken over from another study, with their results: {imported} of "
            f"{plural(len(trials), 'trial')}. They were chosen there, for reasons of that study."
        )
    reused = int((trials["policy"] == "reused").sum())
    if reused:
        yield (
            f"Told the result of an equal network that the study had trained before: {reused} of "
            f"{plural(len(trials), 'trial')}. Nothing was trained for them; they count as draws of "
            "the space, and not as further evidence."
        )
    if trials.attrs.get("added"):
        yield left_out(trials.attrs["added"])
    stopped = trials[trials["state"] == "PRUNED"]
    if len(stopped):
        yield (
            f"{plural(len(stopped), 'trial')} ended early, the first after "
            f"{plural(int(stopped['epochs'].min()), 'epoch')}. The {values} are of then; some "
            "networks might have come out ahead."
        )
    inherited = int((trials["state"] == INHERITED).sum())
    if inherited:
        yield (
            f"{plural(inherited, 'trial')} began with the weights of others and trained for fewer "
            "epochs. What they came to is no result from scratch, and stands beside none here."
        )
    failed = int((trials["state"] == "FAIL").sum())
    if failed:
        yield f"{plural(failed, 'trial')} failed, without {measure.article}."
    if trials["key"].nunique() < study.space.size():
        yield (
            f"Tried: {plural(trials['key'].nunique(), 'different network')} of a space of "
            f"{study.space.size():,}, which may hold better ones."
        )


def _chosen(study: Study) -> str:
    if study.record.minimize:
        return "the front chosen: those on it are optimistic"
    return "the best one chosen: that of the best is optimistic"


def _of_training(study: Study, best: pd.DataFrame) -> Iterator[str]:
    config, images = study.record.config, study.record.images
    if images is not None:
        yield (
            f"The accuracies are those of {images.validation:,} validation images, by which trials "
            f"were stopped and {_chosen(study)}. The test images had no part in it."
        )
    if len(best) and images is not None:
        number, accuracy = int(best["number"].iloc[0]), float(best["val_accuracy"].iloc[0])
        error = 100 * math.sqrt(accuracy * (1 - accuracy) / images.validation)
        yield (
            f"Each network was trained once, with seed {config.get('seed')}; the best accuracy has "
            f"a standard error of {error:.2f} percentage points from its images alone, and another "
            "seed would change it, too. Trials closer together than that are not ranked."
        )
        tested = evaluated(study.url, study.name, number)
        if tested:
            yield (
                f"Trained anew, trial {number} reached {percent(tested['test_accuracy']).strip()} "
                f"on the test images, which were read once, on {tested['evaluated']:%Y-%m-%d}."
            )
    asked, part = config.get("train_images"), config.get("epoch_images")
    yield (
        f"Trials were trained for at most {plural(config.get('epochs', 0), 'epoch')}"
        + (f" of {part:,} images each," if part else "")
        + (f" on {asked:,} images" if asked else "")
        + ": networks that learn slowly may come out ahead in longer training."
    )
