"""Train a study's network anew, for longer, and write it to a file that can be shipped."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from nas.errors import ConfigError, StorageError
from nas.quantity import percent
from nas.search.config import SearchConfig
from nas.study.database import check_url
from nas.study.evaluation import evaluated, record_evaluation
from nas.study.reader import open_study
from nas.training import Training, fetch, load_test, load_train
from nas.training.export import export


def retrain(
    url: str,
    study: str,
    output: Path,
    *,
    console: Console,
    number: int | None = None,
    epochs: int = 20,
    data: Path | None = None,
    device: str = "auto",
    test: bool = False,
) -> None:
    """Train trial ``number`` (by default the best) on all training images; write ``output``.

    With ``test``, the test images are read when the training is over. That happens once per trial:
    whoever chooses between networks by their test accuracy has none left to report.

    Raises:
        NasError: no such study or trial, a folder that is not there, a trial evaluated before.
    """
    found = open_study(url, study)
    if not output.parent.is_dir():
        raise ConfigError(f"output: there is no folder {output.parent}; make it first")
    if number is None:
        best = found.best(1)
        if best.empty:
            raise StorageError(f"study {study!r} has no trial that was trained in full yet")
        number = int(best["number"].iloc[0])
    architecture = found.architecture(number)
    if test:
        check_url(url)  # before hours are spent on what cannot be recorded
    before = evaluated(url, study, number) if test else None
    if before:
        raise StorageError(
            f"trial {number} of {study!r} was evaluated on the test images on "
            f"{before['evaluated']:%Y-%m-%d %H:%M} UTC: {percent(before['test_accuracy']).strip()}"
        )
    searched = found.space.training(found.setting(number))
    config = SearchConfig(**found.record.config).training_config(**searched)
    config = config.replace(epochs=epochs, train_images=None)
    folder = fetch(data)
    training = Training(architecture, config, load_train(folder), device)
    console.print(f"Training trial {number} of {study} for {epochs} epochs", markup=False)
    result = None
    for _ in range(epochs):
        result = training.epoch()
        console.print(
            f"epoch {result.epoch:>3}/{epochs}  validation {percent(result.val_accuracy)}  "
            f"loss {result.train_loss:.3f}  {result.images_per_second:,.0f} images/s",
            markup=False,
        )
    assert result is not None
    if test:
        loss, accuracy = training.evaluate(load_test(folder))
        record_evaluation(
            url,
            study,
            number,
            training.config.to_dict(),
            val_accuracy=result.val_accuracy,
            test_loss=loss,
            test_accuracy=accuracy,
        )
        console.print(f"test accuracy {percent(accuracy)} (recorded)", markup=False)
    export(training, output)
    console.print(f"Wrote {output}; to use it: nas.load({str(output)!r})", markup=False)
