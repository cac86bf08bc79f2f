"""One search from its options to its summary: check everything, then begin."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from nas.errors import ConfigError
from nas.quantity import count
from nas.search.config import SearchConfig, resolve
from nas.search.duration import format_duration
from nas.search.machine import Machine
from nas.search.screen import screen
from nas.search.searcher import Searcher
from nas.search.signals import EXIT_CODES, stop_on_signal
from nas.search.view import LinesView, LiveView, QuietView, View
from nas.space import SearchSpace
from nas.study.database import POSTGRESQL, check_url, shown, sqlite_path
from nas.study.provenance import provenance
from nas.study.record import StudyRecord, read_record
from nas.study.store import StudyStore
from nas.training.fashion_mnist import fingerprint
from nas.training.sources import fetch

DEFAULT_STORAGE = "sqlite:///nas.db"
TIME_OVER = "time budget"


@dataclass(frozen=True)
class Plan:
    """A search that can be carried out: nothing is left to be refused."""

    config: SearchConfig
    space: SearchSpace
    record: StudyRecord
    continued: bool

    @property
    def log(self) -> Path:
        """Where Ray's output goes; beside it, checkpoints."""
        return self._folder / "search.log"

    @property
    def outbox(self) -> Path:
        """Where results wait while the database is away."""
        return self._folder / "outbox.jsonl"

    @property
    def _folder(self) -> Path:
        return Path(self.config.runs) / run_name(self.config)


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
    if sqlite_path(check_url(storage)) and machine.nodes > 1:
        raise ConfigError(
            f"storage: SQLite is for one machine, and {machine.name} has {machine.nodes} nodes; "
            f"use PostgreSQL: {POSTGRESQL}"
        )
    asked = SearchSpace.load(given["space"]) if "space" in given else None
    study = given.get("study")
    if study is None:
        study = asked.name if asked else "resnext"
    stored = read_record(storage, study) if study else None
    config = resolve({**given, "study": study}, stored.config if stored else None, machine)
    if config.device == "cuda" and not config.gpus_per_trial:
        raise ConfigError("device is cuda, but trials get no GPU; add --gpus-per-trial")
    if asked is None:
        asked = SearchSpace.from_dict(stored.space) if stored else SearchSpace.load(config.space)
    space = asked.with_limits(config.limits)
    space.sample(config.seed)  # an empty space is refused here
    record = StudyRecord(
        space=space.to_dict(),
        space_hash=space.hash,
        config=config.to_dict(),
        dataset=_dataset(config),
        provenance=provenance(),
    )
    if stored:
        stored.refuse_another(record, study)
    return Plan(config, space, record, continued=stored is not None)


def search(given: Mapping[str, Any], *, quiet: bool = False) -> int:
    """Run a search, or carry one on; returns the exit code.

    0: all trials ended, or the time budget; 1: not one trial was completed, or so many failed in a
    row that it makes no sense to go on; 130 and 143: stopped
    by SIGINT or SIGTERM, everything safely stored.
    """
    begun = time.monotonic()
    storage = given.get("storage") or os.environ.get("NAS_STORAGE") or DEFAULT_STORAGE
    given = {**given, "storage": storage}
    if os.environ.get("RAY_ADDRESS"):
        from nas.search.driver import cluster

        with cluster() as machine:
            return _carry_out(prepare(given, machine), begun, quiet)
    return _carry_out(prepare(given, Machine.here()), begun, quiet)


def _carry_out(plan: Plan, begun: float, quiet: bool) -> int:
    config = plan.config
    deadline = begun + config.time_budget if config.time_budget else None
    with screen(plan.log) as console:
        view: View
        if quiet:
            view = QuietView(console, config, deadline)
        else:
            _print_header(console, plan)
            kind = LiveView if console.is_terminal else LinesView
            view = kind(console, config, deadline)

        reason = _run(plan, view)
        if plan.outbox.exists():
            _print_outage(console, plan)
            return EXIT_CODES.get(reason or "", 1)
        from nas.study.reader import open_study  # pandas: half a second that an error need not wait
        from nas.study.summary import print_best

        study = open_study(config.storage, config.study)
        best = print_best(console, study)
        _print_ending(console, plan, reason, time.monotonic() - begun, best)
    if reason in EXIT_CODES:
        return EXIT_CODES[reason]
    return 0 if best and reason in (None, TIME_OVER) else 1


def _run(plan: Plan, view: View) -> str | None:
    """Run what is left of the study; Ray starts only if something is."""
    config = plan.config
    owner = f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex[:8]}"

    @contextmanager
    def searcher() -> Iterator[Searcher]:
        store = StudyStore(
            config.storage, config.study, plan.record, owner=owner, outbox=plan.outbox
        )
        with closing(store):
            yield Searcher(store, plan.space, config, view)

    if plan.continued:
        with searcher() as earlier:
            if earlier.finished:
                return None
    from nas.search.driver import cluster, run

    # Ray takes SIGTERM for itself when it starts, so our handlers come after it
    # a cluster has been joined already: what it has was needed to check the options
    ray = nullcontext() if os.environ.get("RAY_ADDRESS") else cluster()
    with ray, searcher() as current, stop_on_signal() as signalled, view:

        def stopped() -> str | None:
            over = view.deadline is not None and time.monotonic() > view.deadline
            return signalled() or (TIME_OVER if over else None)

        return run(current, stopped, run_name(config))


def _dataset(config: SearchConfig) -> str:
    """The fingerprint of what the study trains on; brings the data if it is not here."""
    if config.objective == "synthetic":
        return "synthetic"
    fetch(Path(config.data) if config.data else None)
    return fingerprint()


def _print_header(console: Console, plan: Plan) -> None:
    config, space = plan.config, plan.space
    images = f"{config.train_images or 50_000:,} training images"
    console.print(f"[bold]{'Continuing' if plan.continued else 'Searching'}[/] ", end="")
    console.print(
        f"{config.study}: {space.name} ({count(space.size())} architectures) on Fashion-MNIST"
        if config.objective == "fashion_mnist"
        else f"{config.study}: {space.name} with the synthetic objective",
        markup=False,
    )
    budget = f", at most {format_duration(config.time_budget)}" if config.time_budget else ""
    lines = [
        f"{config.trials} trials of up to {config.epochs} epochs on {images}, "
        f"{config.concurrency} at a time{budget}",
        f"sampler {config.sampler}, scheduler {config.scheduler}, seed {config.seed}",
        f"study database  {shown(config.storage)}",
        f"log             {plan.log}",
    ]
    for line in lines:
        console.print(line, markup=False)
    console.print("Starting Ray …\n", style="dim")


def _print_ending(
    console: Console, plan: Plan, reason: str | None, seconds: float, best: bool
) -> None:
    config = plan.config
    name = _quoted(config.study)
    nas = _program()
    again = f"{nas} search --study {name}"
    where = _where(config)
    if reason == TIME_OVER:
        lines = [
            f"The time budget is over ({format_duration(seconds)}). What ran is kept; to go on:",
            f"  {again}{where} --time-budget 10m",
        ]
    elif reason:
        why = f"Stopped by {reason}" if reason in EXIT_CODES else f"Stopped: {reason}"
        lines = [f"{why}; everything is stored. To go on:", f"  {again}{where}"]
    else:
        lines = [
            f"All {config.trials} trials ended ({format_duration(seconds)}). For more:",
            f"  {again}{where} --trials {2 * config.trials}",
        ]
    lines += ["To see all of it:", f"  {nas} show {name}{where}"]
    if best:
        lines += [
            "To train the winner for longer and ship it:",
            f"  {nas} retrain {name}{where} --output winner.pt",
        ]
    for line in lines:
        console.print(line, markup=False)


def _print_outage(console: Console, plan: Plan) -> None:
    again = f"nas search --study {_quoted(plan.config.study)}"
    for line in [
        f"The study database {shown(plan.config.storage)} cannot be reached.",
        f"What it does not have yet is in {plan.outbox}. To write that and go on:",
        f"  {again}{_where(plan.config)}",
    ]:
        console.print(line, markup=False)


def _where(config: SearchConfig) -> str:
    return "" if config.storage == DEFAULT_STORAGE else f" --storage {shown(config.storage)}"


def _program() -> str:
    """How to call this program from the user's shell, whose PATH may lack our environment."""
    if shutil.which("nas"):
        return "nas"
    script = Path(sys.executable).with_name("nas")
    if not script.exists():
        return f"{sys.executable} -m nas"
    beside = os.path.relpath(script)
    return str(script) if beside.startswith("..") else beside


def _quoted(name: str) -> str:
    return (
        name if re.fullmatch(r"[A-Za-z0-9._-]+", name) else "'" + name.replace("'", r"'\''") + "'"
    )
