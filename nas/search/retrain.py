"""Train a study's network anew, for longer, and write it to a file that can be shipped."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nas.architecture import Architecture
from nas.data import Dataset, open_dataset
from nas.data.registry import DEFAULT, parse
from nas.errors import CheckpointError, ConfigError, DataError, StorageError
from nas.output import check_file
from nas.quantity import format_duration, percent, plural
from nas.search.config import SearchConfig
from nas.search.pace import Pace, PaceMeter, seconds_left
from nas.search.signals import raise_on_signal
from nas.study.database.engines import check_url
from nas.study.evaluation import evaluated, record_evaluation
from nas.study.provenance import digest
from nas.study.reader import Study
from nas.training import Training, TrainingConfig
from nas.training.checkpoint import read_checkpoint, write_checkpoint
from nas.training.export import add_origin, export, load, read_origin
from nas.training.growing import Growth, half_as_deep
from nas.training.recipes import DEFAULT_RECIPE
from nas.training.recipes import recipe as by_recipe

Teller = Callable[[str], object]  # takes lines on what happens
# An epoch under way, how many the training has, the seconds that are left of it
PaceTeller = Callable[[Pace, int, float], object]


def chosen(study: Study, number: int | None) -> int:
    """The trial that is trained anew: ``number``, by default the best one.

    Where costs are minimized too, that is the most accurate one, or the one of the best score.

    Raises:
        NasError: the study trained no network, or none in full yet.
    """
    if study.record.untrained:
        raise ConfigError(
            f"study {study.name!r}: {study.record.untrained} So none is to be trained for longer; "
            "accepted: a study of a data set"
        )
    if study.record.is_own:
        raise ConfigError(
            f"study {study.name!r} was searched with the objective "
            f"{study.record.config['objective']}, and this trains networks as fashion_mnist does; "
            "train this one with your own code: nas.build(study.architecture(number))"
        )
    return study.best_trial.number if number is None else number


def retrain(
    study: Study,
    output: Path,
    *,
    number: int | None = None,
    recipe: str = DEFAULT_RECIPE,
    epochs: int | None = None,
    grow_during: int | None = None,
    data: Path | None = None,
    device: str = "auto",
    test: bool = False,
    tell: Teller = lambda _: None,
    paced: PaceTeller = lambda pace, epochs, left: None,
) -> None:
    """Train trial ``number`` (by default the best) on all training images; write ``output``.

    ``recipe`` is a key of ``nas.training.recipes.RECIPES``: study is how the search trained it,
    long what a network deserves that is kept. Both say how many epochs, unless ``epochs`` does.
    For the first ``grow_during`` of them, half of the blocks of each stage are trained, which is
    quicker; then the network grows to all of them (docs/nested.md).

    After each epoch a checkpoint is written beside ``output``; the same call goes on from there,
    and one that finds the finished file trains nothing.

    ``tell`` takes a line on each epoch; ``paced`` is told within one, a second at least apart.

    With ``test``, the test images are read when the training is over. That happens once per trial:
    whoever chooses between networks by their test accuracy has none left to report.

    Raises:
        NasError: no such trial, an output that cannot be written or is another network, a trial
            evaluated before.
        Signalled: SIGINT or SIGTERM came; ``checkpoint_of(output)`` has the last epoch.
    """
    url, number = study.url, chosen(study, number)
    check_file(output, "output")
    architecture = study.architecture(number)
    if test:
        check_url(url)  # before hours are spent on what cannot be recorded
    searched = study.space.training(study.setting(number))
    options = SearchConfig(**study.record.config)
    config = by_recipe(recipe, options.training_config(**searched), epochs=epochs)
    begin = architecture
    if grow_during is not None:
        if not 1 <= grow_during < config.epochs:
            raise ConfigError(
                f"grow-during is {grow_during}, and epochs is {config.epochs}; accepted: 1 or more "
                "and fewer than epochs, which must be 2 or more"
            )
        begin = half_as_deep(architecture)
        config = config.replace(growth=[Growth(grow_during + 1, architecture)])
    origin = origin_of(study, number)
    done = output.exists()
    if done:
        _refuse_another(output, origin, config)
    before = evaluated(url, study.name, number) if test else None
    if before and not (done and json.loads(before["training"]) == read_origin(output)["training"]):
        raise StorageError(
            f"trial {number} of {study.name!r} was evaluated on the test images on "
            f"{before['evaluated']:%Y-%m-%d %H:%M} UTC: {percent(before['test_accuracy']).strip()}"
        )
    if done:
        trained = f"trial {number} of {study.name} after {plural(config.epochs, 'epoch')}"
        tell(f"{output} is {trained}: done")
    if not done or (test and not before):
        images = _images(study, options, data)
        if test and images.test is None:
            raise ConfigError(
                f"test: {images.title} has no test images; accepted: a data set that has, such as "
                "a folder with test/"
            )
        if not done:
            about = {"recipe": recipe, **about_trial(study, number)}
            training = Training(begin, config, images, device)
            _train(training, output, origin, about, tell, paced)
        if test and not before:
            _test(architecture, output, images, device, url, tell)
    if before:
        if "test_accuracy" not in read_origin(output):  # of a call that ended between the two
            add_origin(output, {name: before[name] for name in ("test_accuracy", "test_loss")})
        tell(f"test accuracy {percent(before['test_accuracy'])} (recorded before)")
    tell(f"To use it: nas.load({str(output)!r})")


def about_trial(study: Study, number: int) -> dict[str, Any]:
    """What a file says of the trial that its network comes from: plain types."""
    record, frame = study.record, study.frame()
    name = parse(str(record.config.get("dataset") or DEFAULT))[0]
    about = {
        **origin_of(study, number),
        "data": {"name": name, "title": record.images.title if record.images else name},
        "provenance": digest(record.provenance),
    }
    frame = frame[frame["inherits"].isna()]  # else it is no value of this network from scratch
    measured = frame[(frame["number"] == number) & frame["val_accuracy"].notna()]
    for row in measured.to_dict("records"):  # one, or none
        values = {"epochs": int(row["epochs"]), "val_accuracy": float(row["val_accuracy"])}
        about["searched"] = values
    return about


def origin_of(study: Study, number: int) -> dict[str, Any]:
    """By which a file is told from that of another trial."""
    return {
        "study": study.name,
        "trial": number,
        "architecture": study.architecture(number).key,
        "dataset": study.record.dataset,
    }


def _images(study: Study, options: SearchConfig, folder: Path | None) -> Dataset:
    """What the study was trained on.

    Raises:
        DataError: it is not here, or was changed since.
    """
    images = open_dataset(
        options.dataset,
        folder=folder,
        input_shape=study.space.input_shape,
        resize=options.resize,
    )
    if images.fingerprint != study.record.dataset:
        raise DataError(
            f"{images.title} has the fingerprint {images.fingerprint[:12]} here, study "
            f"{study.name!r} was made with {study.record.dataset[:12]}; give the folder of those "
            "images with --data"
        )
    return images


def checkpoint_of(output: Path) -> Path:
    """Where the last epoch of the training that leads to ``output`` is kept."""
    return output.with_name(f"{output.name}.checkpoint")


def _train(
    training: Training,
    output: Path,
    origin: Mapping[str, Any],
    about: Mapping[str, Any],
    tell: Teller,
    paced: PaceTeller,
) -> None:
    """Train to the end and write ``output``, or until a signal comes."""
    checkpoint = checkpoint_of(output)
    epochs = training.config.epochs
    accuracy, last = float("nan"), None
    if checkpoint.exists():
        accuracy = _resume(training, checkpoint, origin)

    def keep() -> None:
        state = {"origin": origin, "val_accuracy": accuracy, "training": training.state_dict()}
        write_checkpoint(state, checkpoint)

    def within(pace: Pace) -> None:
        left = seconds_left(epochs, training.epochs_done, pace, last)
        assert left is not None, "a pace tells the speed"
        paced(pace, epochs, left)

    training.on_batch = PaceMeter(within)
    keep()  # what cannot be written is known before the work
    begun = f", going on after epoch {training.epochs_done}" if training.epochs_done else ""
    tell(
        f"Training trial {origin['trial']} of {origin['study']} for "
        f"{plural(epochs, 'epoch')}{begun}"
    )
    with raise_on_signal():
        while training.epochs_done < epochs:
            result = training.epoch()
            accuracy, last = result.val_accuracy, result.seconds
            keep()
            left = (epochs - result.epoch) * result.seconds
            tell(
                f"epoch {result.epoch:>3}/{epochs}  validation {percent(accuracy)}  "
                f"loss {result.train_loss:.3f}  {result.images_per_second:,.0f} images/s"
                + (f"  {format_duration(left)} left" if left else "")
            )
        trained = {"training": training.config.to_dict(), "val_accuracy": accuracy}
        export(training, output, {**origin, **about, **trained})
        checkpoint.unlink()
    tell(f"Wrote {output}")


def _resume(training: Training, checkpoint: Path, origin: Mapping[str, Any]) -> float:
    """Go on from the checkpoint; returns its validation accuracy."""
    state = read_checkpoint(checkpoint, training.device)
    try:
        _refuse_other_origin(state.get("origin", {}), origin)
        training.load_state_dict(state["training"])
    except (CheckpointError, KeyError) as error:
        raise CheckpointError(
            f"{checkpoint} is of another training ({error}); repeat that one's command, name "
            "another --output, or remove the file to begin anew"
        ) from None
    return float(state["val_accuracy"])


def _refuse_another(output: Path, origin: Mapping[str, Any], config: TrainingConfig) -> None:
    """Do nothing if the finished file is what the call asks for."""
    try:
        there = read_origin(output)
        _refuse_other_origin(there, origin)
        differences = config.differences(there["training"])
        if differences:
            raise CheckpointError(differences[0])
    except CheckpointError as error:
        raise ConfigError(
            f"output: {output} exists and is another file ({error}); name another one, or remove "
            "it first"
        ) from None


def _refuse_other_origin(there: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    for name, value in asked.items():
        if there.get(name) != value:
            raise CheckpointError(f"{name} {there.get(name)!r}, not {value!r}")


def _test(
    architecture: Architecture, output: Path, images: Dataset, device: str, url: str, tell: Teller
) -> None:
    """Read the test images with the network in ``output``, and record what they say."""
    origin = read_origin(output)
    config = TrainingConfig.from_dict(origin["training"]).replace(growth=None)
    finished = Training(architecture, config, images, device)
    finished.model.load_state_dict(load(output).network.state_dict())
    assert images.test is not None, "refused before the training"
    loss, accuracy = finished.evaluate(images.test)
    record_evaluation(
        url,
        origin["study"],
        origin["trial"],
        origin["training"],
        val_accuracy=origin["val_accuracy"],
        test_loss=loss,
        test_accuracy=accuracy,
    )
    add_origin(output, {"test_accuracy": accuracy, "test_loss": loss})
    tell(f"test accuracy {percent(accuracy)} (recorded)")
