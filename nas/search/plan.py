"""A search before it begins: its options resolved, and everything checked that can be wrong."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna

from nas.data import Dataset, open_dataset
from nas.data.dataset import spelled as spelled_shape
from nas.errors import ConfigError, ShapeError, in_a_line
from nas.metrics import ACCURACY, COSTS, MEASURED, Direction, read_minimized
from nas.objectives.contract import Objective, find_objective, is_built_in
from nas.output import check_file, check_folder
from nas.search.budget import Budget
from nas.search.config import Scope, SearchConfig, options, typed, unnamed
from nas.search.inheriting import check_inheritance
from nas.search.jobs import refuse_deleted
from nas.search.machine import Machine, VirtualMachine
from nas.search.mirror import Mirror, find_sampler
from nas.search.placement import AUTO
from nas.search.predicting import within_prediction
from nas.search.probe import software
from nas.search.resolving import checked, resolve
from nas.search.sampling import check_flip
from nas.search.starting import find_start
from nas.search.stores import check_runs, local_folder
from nas.space import SearchSpace, Setting
from nas.space.messages import shown as spelled
from nas.study.database.engines import POSTGRESQL, check_url, shown, sqlite_path
from nas.study.provenance import provenance
from nas.study.record import SYNTHETIC, StudyRecord, read_record, table_path
from nas.study.requests import asked_for
from nas.study.shell import nas_command

if TYPE_CHECKING:
    from nas.study.exchange.taking_over import Result
    from nas.study.table import Table

_NAMED = ("study", "storage", "space")  # by any command that is printed
_WRITTEN = ("start_from",)  # into the database, when the search begins
TRAINED = "fashion_mnist"  # the objective that trains on a data set of nas
# in place of a data set's fingerprint: an objective of a user's reads what it likes
OF_THE_OBJECTIVE = "of the objective"
# A module that only a database names is not imported: anybody may have written it.
_GIVE_AGAIN = (
    "study {study!r} was searched with the {option} {name}, whose code is not in the database; "
    "give it again: --{option} {name}, or {option}= in Python"
)
_CHANGED = (
    "The source of the objective {} is not what it was when the study began: results from before "
    "and after may not be comparable."
)


_software = cache(software)  # a process keeps what it has imported


@dataclass(frozen=True)
class Plan:
    """A search that can be carried out: nothing is left to be refused."""

    config: SearchConfig
    space: SearchSpace
    record: StudyRecord
    continued: bool
    objective: Objective
    dataset: Dataset | None = None
    """What is trained on; None with an objective that trains nothing, or reads its own data."""
    table: Table | None = None
    """What is replayed in virtual time, in place of training."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Those given without which the study would be carried on in another way."""
    enqueued: Sequence[Setting] = ()
    """What is tried before anything that the sampler proposes: settings, or parts of some."""
    results: Sequence[Result] = ()
    """Of other studies, what counts as this one's."""
    notes: Sequence[str] = ()
    """What a person should know before it begins, a sentence each."""
    proposed: SearchSpace | None = None
    """The part of the space that is proposed from, where predicted latencies narrow it."""
    elastic: bool = True
    """Whether as many trials run at once as the machines have room for, that join and leave
    meanwhile."""
    more: int = 0
    """By how many trials the study is extended, for all of its drivers."""

    def command(self, **changes: Any) -> str:
        """The command that carries the study on in the same way, but for ``changes``."""
        said = {**self.options, **changes}
        if "trials" in said and said.get("time_budget") == "none":
            del said["time_budget"]  # it follows
        return nas_command("search", study=self.config.study, storage=self.config.storage, **said)

    def deadline(self, begun: float) -> float | None:
        """When the time budget of a search that began at ``begun`` is over; None without one, or
        where it is of virtual time."""
        budget = self.config.time_budget
        return begun + budget if budget and not self.table else None

    @property
    def log(self) -> Path:
        """Where Ray's output goes; beside it, checkpoints, unless these are on object storage."""
        return self._folder / "search.log"

    @property
    def outbox(self) -> Path:
        """Where results wait while the database is away."""
        return self._folder / "outbox.jsonl"

    @property
    def _folder(self) -> Path:
        return local_folder(self.config.runs) / run_name(self.config)


def run_name(config: SearchConfig) -> str:
    """A folder name for this study of this database, whatever characters its name has."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "_", config.study)[:60].strip("._") or "study"
    digest = hashlib.sha256(f"{shown(config.storage)}\n{config.study}".encode()).hexdigest()
    return f"{readable}-{digest[:8]}"


def prepare(given: Mapping[str, Any], machine: Machine) -> Plan:
    """Resolve and check everything that can be wrong, creating nothing but the data cache.

    Raises:
        NasError: something is; the message is one line.
    """
    storage = given["storage"]
    if sqlite_path(check_url(storage)) and machine.is_cluster:
        raise ConfigError(
            f"storage: SQLite is for one machine, and {machine.name} has {len(machine.nodes)} "
            f"nodes; use PostgreSQL: {POSTGRESQL}"
        )
    named = given.get("objective")
    objective = None if named is None else find_objective(named)
    table = _table(objective)
    asked = given.get("space")
    if isinstance(asked, SearchSpace):
        given = {**given, "space": asked.name}
    elif asked is not None:
        asked = SearchSpace.load(asked)
    study = given.get("study")
    if study is None:
        study = asked.name if asked else table.space.name if table else "resnext"
    measure = ACCURACY if objective is None else objective.measure
    minimize = read_minimized(given.get("minimize", ()))
    directions = [measure.direction, *("minimize" for _ in minimize)]
    stored = read_record(storage, study, directions) if study else None
    given, more = _with_trials(given, storage, study if stored else None)
    if objective is None:
        objective = _stored_objective(stored, study)
        table = _table(objective)
    else:
        given = {**given, "objective": objective.name}
    kept = stored.config if stored else {}
    if table:
        _check_recipe(given, table)
        objective = replace(objective, measure=table.measure)
        machine = VirtualMachine(workers=machine.cpus, recipe=table.recipe)
        given = {"space": table.space.name, **given} if not stored else given
    if stored:  # first: what a study does not have may contradict what it has
        _refuse_another(stored, study, given)
    config = resolve({**given, "study": study}, kept, machine)
    refuse_deleted(check_url(storage), config.runs)
    if config.device == "cuda" and not config.gpus_per_trial:
        raise ConfigError("device is cuda, but trials get no GPU; add --gpus-per-trial")
    if config.gpus_per_trial == AUTO and not objective.is_built_in:
        raise ConfigError(
            "gpus-per-trial is auto, but what an objective of your own takes is not known; "
            "accepted: a number, such as 0.25"
        )
    if config.least_gpus > 1 and objective.is_built_in:
        raise ConfigError(
            f"gpus-per-trial is {config.least_gpus:g}, but a training uses one device; "
            "accepted: at most 1, such as 0.25"
        )
    if asked is None:
        asked = (
            SearchSpace.from_dict(stored.space, stored=True)
            if stored
            else (table.space if table else SearchSpace.load(config.space))
        )
    dataset = _open(config, asked)
    if dataset is not None:
        asked = asked.for_images(dataset.input_shape, len(dataset.classes), dataset.title)
        config = _with_images(config, dataset, "train_images" in {**kept, **given})
    space = config.within(asked)
    if table:
        table.refuse_beyond(space)
        if str(Budget.of(config)):
            raise ConfigError(
                f"{Budget.of(config)} is measured by the worker of a trial, and a table has none; "
                "accepted with a table: max-macs, max-params, band"
            )
    if not stored:  # of a study of an earlier version, the trials that cannot be begun FAIL
        _check_training(config, space)
        if config.inherit:
            check_inheritance(space)
    space.sample(config.seed)  # an empty space is refused here
    proposed, predicted = within_prediction(space, config, machine)
    proposed.sample(config.seed)  # so is one in which every network is predicted to be too slow
    own_sampler = ":" in config.sampler
    if own_sampler and "sampler" not in given:
        raise ConfigError(_GIVE_AGAIN.format(study=study, option="sampler", name=config.sampler))
    find_sampler(config.sampler)  # one that cannot be imported is refused here
    _check_minimized(config, space, objective, table)
    if config.flip is not None:
        check_flip(space, config.sampler, config.flip)
    check_runs(config.runs)
    record = StudyRecord(
        space=space.to_dict(),
        space_hash=space.hash,
        config=config.to_dict(),
        dataset=table.fingerprint if table else _fingerprint(dataset, objective),
        provenance={**provenance(), "software": _software(), **_about(dataset, config)},
        fixed=options(Scope.FIXED),
        measure=objective.measure,
        source=objective.source,
    )
    start = find_start(config, space, record)
    if not stored and len(start.results) >= config.trials:
        raise ConfigError(
            f"trials is {config.trials}, those taken over from other studies included, and these "
            f"are {len(start.results)}; accepted: more than that"
        )
    bare = resolve({"study": study, "storage": storage}, kept or config.to_dict(), machine)
    again = _by_name(given, config, bare)
    # what is a user's own, whose code no study keeps
    again |= {"objective": objective.name} if not objective.is_built_in else {}
    again |= {"sampler": config.sampler} if own_sampler else {}
    notes = [_CHANGED.format(objective.name)] if stored and _has_changed(stored, record) else []
    notes += [predicted] if predicted else []
    notes += start.notes
    plan = Plan(
        config,
        space,
        record,
        stored is not None,
        objective,
        dataset,
        table,
        again,
        enqueued=start.enqueued,
        results=start.results,
        notes=notes,
        proposed=proposed,
        elastic=checked({"concurrency": given.get("concurrency")})["concurrency"] is None,
        more=more,
    )
    check_file(plan.log, "runs")
    check_folder(config.log_to.partition(":")[2] or plan.log.parent, "log-to")
    if stored:
        stored.refuse_another(record, study)
    return plan


def _refuse_another(stored: StudyRecord, study: str, given: Mapping[str, Any]) -> None:
    """Do nothing if the options that were given are those of the stored study, as far as its
    results are comparable only where they are equal.

    Raises:
        NasError: one is not, or cannot be.
    """
    fixed = checked({name: given[name] for name in options(Scope.FIXED) if name in given})
    other = replace(stored, config={**stored.config, **fixed}, fixed=tuple(fixed))
    stored.refuse_another(other, study)


def _with_trials(
    given: Mapping[str, Any], storage: str, study: str | None
) -> tuple[Mapping[str, Any], int]:
    """The options with a number of trials in place of one such as +50, and by how many the stored
    ``study`` is extended; where there is none yet, it gets these.

    Raises:
        ConfigError: what follows the + is no number of trials.
    """
    word = given.get("trials")
    if not isinstance(word, str) or not word.strip().startswith("+"):
        return given, 0
    more: int = checked({"trials": word.strip()[1:]})["trials"]
    if study is None:
        return {**given, "trials": more}, 0
    return {**given, "trials": asked_for(storage, study) + more}, more


def _table(objective: Objective | None) -> Table | None:
    """The table that the objective is, if it is one."""
    if objective is None or table_path(objective.name) is None:
        return None
    from nas.study.table import table_of  # pandas: half a second that others need not wait

    return table_of(objective.name)


def _check_recipe(given: Mapping[str, Any], table: Table) -> None:
    """Do nothing if no option contradicts the table.

    Raises:
        ConfigError: one does.
    """
    for name, value in table.recipe.items():
        if name in given and checked({name: given[name]})[name] != value:
            raise ConfigError(
                f"{name.replace('_', '-')} is {given[name]!r}, but the table was trained with "
                f"{value!r}; leave it out"
            )


def _check_minimized(
    config: SearchConfig, space: SearchSpace, objective: Objective, table: Table | None
) -> None:
    """Do nothing if what the search minimizes is known of its networks, and the sampler proposes
    for several values.

    Raises:
        ConfigError: one of them does not.
    """
    for name in config.minimize:
        if name in MEASURED and table and not table.has(name):
            raise ConfigError(
                f"minimize is {name}, which the table does not have of its networks; accepted: "
                f"{', '.join(COSTS)}"
            )
    make = find_sampler(config.sampler)
    if config.minimize and make is not None:
        directions: list[Direction] = [objective.measure.direction, "minimize"]
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            Mirror(space, make, directions).ask(0, config.seed, lambda setting: setting)
        except Exception as error:  # a sampler is not ours to trust
            raise ConfigError(
                f"sampler {config.sampler} cannot propose for several objectives, and minimize is "
                f"{', '.join(config.minimize)}: {in_a_line(error)}"
            ) from error


def _stored_objective(stored: StudyRecord | None, study: str) -> Objective:
    """The objective of a search that names none: the study's, or the default.

    Raises:
        ConfigError: the study's is a user's own.
    """
    name = stored.config.get("objective") if stored else None
    if name is None:
        return find_objective(SearchConfig.model_fields["objective"].default)
    if not is_built_in(name):
        raise ConfigError(_GIVE_AGAIN.format(study=study, option="objective", name=name))
    return find_objective(name)


def _has_changed(stored: StudyRecord, record: StudyRecord) -> bool:
    """Whether the objective's source is known, and another one."""
    return None not in (stored.source, record.source) and stored.source != record.source


def _by_name(
    given: Mapping[str, Any], config: SearchConfig, bare: SearchConfig
) -> dict[str, object]:
    """The options of the command line by which ``config`` differs from ``bare``, as given.

    A time budget that a number of trials took away is one of them: that number is kept with the
    study.
    """
    return {
        name: typed(name, value)
        for name, value in {"time_budget": config.time_budget, **given}.items()
        if name not in (*_NAMED, *_WRITTEN, *unnamed())
        and getattr(config, name) != getattr(bare, name)
    }


def _check_training(config: SearchConfig, space: SearchSpace) -> None:
    """Do nothing if every trial of the search can be trained.

    Raises:
        ConfigError: the search gives a hyper-parameter that the space searches, or one that cannot
            be together with what the space searches.
    """
    for searched in space.training_extremes():
        for name in searched:
            if name in config.training:
                raise ConfigError(
                    f"training: {name} is {config.training[name]!r}, but {space.name} searches it; "
                    "leave it out there or here"
                )
        try:
            config.training_config(**searched)
        except ConfigError as error:
            raise ConfigError(f"{error} ({space.name} searches {spelled(searched)})") from None


def _open(config: SearchConfig, space: SearchSpace) -> Dataset | None:
    """What the study trains on, in the shape that the space says; None where nothing is trained.

    Brings and decodes the data if that has not been done.

    Raises:
        DataError: it cannot be had, or has another shape than the space says.
    """
    if config.objective != TRAINED:
        return None
    shape = space.input_shape if space.says_images[0] else None
    try:
        return open_dataset(
            config.dataset, folder=config.data, input_shape=shape, resize=config.resize
        )
    except ShapeError as error:
        raise ShapeError(
            f"{space.name} is for images of {spelled_shape(space.input_shape)}, but {error}"
        ) from None


def _with_images(config: SearchConfig, dataset: Dataset, asked: bool) -> SearchConfig:
    """The config with as many training images as there are, where nobody ``asked`` for so many.

    Raises:
        ConfigError: somebody did, or for more images of an epoch than are used.
    """
    training, _ = dataset.counts(config.training_config().validation)
    used = min(config.train_images or training, training)
    if config.epoch_images is not None and config.epoch_images > used:
        raise ConfigError(
            f"epoch-images is {config.epoch_images:,}, but {used:,} images of {dataset.title} are "
            f"trained on; accepted: 10 to {used:,}, or none for all"
        )
    if config.train_images is None or config.train_images <= training:
        return config
    if asked:
        raise ConfigError(
            f"train-images is {config.train_images:,}, but {dataset.title} has {training:,} that "
            f"do not validate; accepted: 10 to {training:,}, or none for all"
        )
    return config.model_copy(update={"train_images": None})


def _fingerprint(dataset: Dataset | None, objective: Objective) -> str:
    """Of what the study trains on, as it is stored."""
    if dataset is not None:
        return dataset.fingerprint
    return SYNTHETIC if objective.is_built_in else OF_THE_OBJECTIVE


def _about(dataset: Dataset | None, config: SearchConfig) -> dict[str, Any]:
    """What a study says of its images, to whoever reads it without them."""
    if dataset is None:
        return {}
    training, validating = dataset.counts(config.training_config().validation)
    about = {
        "title": dataset.title,
        "training": training,
        "validation": validating,
        "test": len(dataset.test.labels) if dataset.test else 0,
        "classes": list(dataset.classes),
    }
    return {"images": about}
