"""What a search starts from: networks that are known, and results of other studies."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from nas.architecture import Architecture
from nas.errors import ConfigError, NasError, SpaceError, choose
from nas.metrics import COSTS
from nas.presets import PRESETS, preset
from nas.quantity import plural
from nas.search.config import SearchConfig
from nas.space import SearchSpace, Setting
from nas.study.database import engines
from nas.study.database.upgrade import has_studies
from nas.study.exchange.taking_over import Result
from nas.study.networks import find_architectures
from nas.study.record import StudyRecord, read_record

if TYPE_CHECKING:
    from nas.study.reader import Study

BEST = 5  # networks of a study whose results are of another kind
# Options that change nothing of what a trial trained in full is worth: which ones were proposed,
# which ones were stopped before, and what is minimized beside it, which its network says. The seed
# is none of them: it splits off the validation images, and the best of two kinds is by chance more
# often of the easier one.
FREE = ("scheduler", "grace", "reduction", "flip", "stream", "minimize")
_KEY = re.compile("[0-9a-f]{8,64}")


@dataclass
class Start:
    """What a search starts from."""

    enqueued: list[Setting] = field(default_factory=list)
    """Settings, or parts of some, that are tried first."""
    results: list[Result] = field(default_factory=list)
    """What counts as a result of the search, though others trained it."""
    notes: list[str] = field(default_factory=list)
    """What becomes of other studies, a sentence each."""


def find_start(config: SearchConfig, space: SearchSpace, record: StudyRecord) -> Start:
    """What ``config.start_from`` names, as the study of ``record`` can use it.

    Raises:
        ConfigError: there is nothing of a name, or it does not lie in the space.
        StorageError: the database cannot be read.
    """
    start = Start()
    for what in config.start_from:
        try:
            _add(start, what, config, space, record)
        except SpaceError as error:
            raise ConfigError(
                f"start-from is {what!r}, which is not in the space: {error}"
            ) from None
    return start


def _add(
    start: Start, what: str, config: SearchConfig, space: SearchSpace, record: StudyRecord
) -> None:
    """Take note of one name: of a published network, a study, a trial, or a network's key."""
    url = config.storage
    if what in PRESETS:
        start.enqueued.append(space.locate(preset(what)))
        return
    if _is_study(url, what):
        if what == config.study:
            raise ConfigError(f"start-from is {what!r}, the study itself; accepted: another one")
        _add_study(start, what, config, space, record)
        return
    name, _, number = what.rpartition("#")
    if number.isdecimal() and _is_study(url, name):
        from nas.study.reader import open_study  # pandas: half a second that others need not wait

        study = open_study(url, name)
        network, setting = study.architecture(int(number)), study.setting(int(number))
        start.enqueued.append(_setting(space, network, setting))
        return
    start.enqueued.append(space.locate(_by_key(url, what)))


def _add_study(
    start: Start, name: str, config: SearchConfig, space: SearchSpace, record: StudyRecord
) -> None:
    """The results of a study, where they are comparable; else its best networks."""
    from nas.study.reader import open_study

    study = open_study(config.storage, name)
    full = study.in_full()
    full = full[full["epochs"] == study.record.config["epochs"]]
    if full.empty:
        raise ConfigError(
            f"start-from is {name!r}, which has no trial that was trained in full yet"
        )
    differs = _differences(study, config, space, record)
    if not differs:
        results = list(_results(study, full, config, space))
        start.results += results
        start.notes.append(
            f"Of the study {name}, {plural(len(results), 'result')} count as results of this one."
        )
        return
    found, errors = [], []
    for trial in study.trained(study.best(BEST)):
        try:
            found.append(_setting(space, trial.architecture, trial.params))
        except SpaceError as error:
            errors.append(error)
    if not found:
        raise errors[0]
    start.enqueued += found
    start.notes.append(
        f"Results of the study {name} are not comparable ({'; '.join(differs[:3])}): its best "
        f"{plural(len(found), 'network')} will be trained here."
    )


def _differences(
    study: Study, config: SearchConfig, space: SearchSpace, record: StudyRecord
) -> list[str]:
    """Why a network trained by ``study`` would have another value here, one phrase each."""
    theirs = study.record
    options = {**theirs.config, **{name: record.config.get(name) for name in FREE}}
    # a network is what it is, whatever else is in a space
    alike = replace(theirs, config=options, space_hash=record.space_hash)
    found = record.differences(alike)
    for name in ("input_shape", "num_classes"):
        ours, other = getattr(space, name), getattr(study.space, name)
        if ours != other:
            found.append(f"{name} is {ours}, not {other}")
    if theirs.source != record.source:
        found.append("the source of its objective is another one")
    return found


def _results(study: Study, full: Any, config: SearchConfig, space: SearchSpace) -> Iterator[Result]:
    """Those of its trials, the rows ``full`` of its frame, that trained what a trial of this study
    would train."""
    measured = [name for name in config.minimize if name not in COSTS]
    if measured:
        full = full.dropna(subset=measured)
    for trial in study.trained(full):
        try:
            own = _setting(space, trial.architecture, trial.params)
            if own.keys() != space.parameters.keys():
                continue  # a hyper-parameter that was not searched there
            theirs = config.training_config(
                **study.space.training(trial.params)
            )  # the rest is equal
            if theirs == config.training_config(**space.training(own)):
                yield Result(study.name, study.id, trial.number, own, trial.architecture)
        except NasError:
            continue


def _setting(space: SearchSpace, network: Architecture, setting: Mapping[str, Any]) -> Setting:
    """Of ``space``, for a network that has this ``setting`` in its own: the same, where it is the
    same network here, else one that is; with its hyper-parameters as far as they are searched.

    Raises:
        SpaceError: no setting gives the network.
    """
    known = {path: value for path, value in setting.items() if path in space.parameters}
    training = {
        path: value
        for path, value in known.items()
        if path.startswith("training.") and space.parameters[path].contains(value)
    }
    shape = {path: value for path, value in known.items() if not path.startswith("training.")}
    try:
        same = space.architecture(shape).key == network.key
    except SpaceError:
        same = False
    return {**(shape if same else space.locate(network)), **training}


def _is_study(url: str, name: str) -> bool:
    return bool(name) and read_record(url, name) is not None


def _by_key(url: str, what: str) -> Architecture:
    """The network of the database whose key is, or begins with, ``what``.

    Raises:
        ConfigError: there is none, or more than one.
    """
    path = engines.sqlite_path(engines.parse_url(url))
    found: dict[str, Architecture] = {}
    known: list[str] = []
    if path is None or path.exists():
        engine = engines.engine_for(url, read_only=True)
        with engines.translate_errors(url):
            if has_studies(engine, url):
                from nas.study.reader import studies

                found = find_architectures(engine, what) if _KEY.fullmatch(what) else {}
                known = list(studies(url)["study"])
        engine.dispose()
    if len(found) > 1:
        raise ConfigError(
            f"start-from is {what!r}, with which the keys of {plural(len(found), 'network')} "
            "begin; give more of it"
        )
    if not found:
        accepted = "a key of a network, STUDY#12 for a trial of a study"
        raise ConfigError(
            f"start-from is {what!r:.80}, which {engines.shown(url)} does not have; "
            f"{choose(what, [*known, *PRESETS, accepted])}"
        )
    return next(iter(found.values()))
