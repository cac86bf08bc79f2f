"""Whether a search can run on a cluster: every node is asked, and what it says is judged.

``examine`` judges everything, for a person; ``preflight`` what would make trials fail, before a
search on several nodes begins.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from nas.data.cache import told_folders
from nas.errors import ConfigError, NasError
from nas.quantity import plural
from nas.search import probe
from nas.search.joining import connected, machine
from nas.search.machine import Machine, cluster_address
from nas.search.probe import Report
from nas.search.resolving import checked
from nas.search.stores import check_runs, marked, tune_path
from nas.study.database.clock import DatabaseClock, utc_now
from nas.study.database.engines import (
    POSTGRESQL,
    check_url,
    engine_for,
    shown,
    sqlite_path,
    translate_errors,
)
from nas.study.storage_url import storage_url

if TYPE_CHECKING:
    from nas.search.plan import Plan

log = logging.getLogger(__name__)

SECONDS = 15.0  # that all nodes together have to answer a person
PATIENCE = 60.0  # and a search, which goes on without those that do not
DATA_SECONDS = 8.0  # of these, to bring the data set
CLOCK_SECONDS = 5.0  # that two clocks may differ
DISK = 2 * 10**9  # bytes that should be free
MEMORY = 512 * 10**6  # of /dev/shm: 64 MB, as containers have it, is not enough for Ray


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    ok: bool
    found: str
    advice: str = ""
    """What to do, where it is not as it should be."""
    needed: bool = False
    """Whether trials fail without it."""


def examine(given: Mapping[str, Any]) -> list[Finding]:
    """All findings about what a search with these options would run on.

    Args:
        given: ``address``, ``insecure``, ``storage``, ``runs``, ``dataset`` and ``data``, as
            ``nas search`` has them.

    Raises:
        NasError: an option cannot be, or the cluster cannot be joined.

    >>> all(one.ok for one in examine({"dataset": "digits", "runs": f"{folder}/runs"}))
    True
    """
    options = checked({"runs": "nas-runs", "dataset": "fashion_mnist", **given})
    url = storage_url(given.get("storage"))
    with machine(options) as found:
        check_runs(options["runs"])
        question = {"dataset": options["dataset"], "data": options.get("data")}
        here, reports = ask(options["runs"], SECONDS, **question)
        findings = [
            _nodes(found, reports),
            *_versions(here, reports),
            _data(options["dataset"], reports),
            _shared(options["runs"], reports),
            _database(url, found),
            _clocks(reports),
            _free(reports, "disk", DISK, "free some where Ray keeps its files"),
            _free(reports, "/dev/shm", MEMORY, "docker run --shm-size=2g"),
            _token(options.get("address")),
        ]
    return [one for one in findings if one is not None]


def preflight(plan: Plan) -> None:
    """Do nothing if the nodes of the cluster that is joined can carry out a search.

    A node that does not answer in time stops no search: it may be busy.

    Raises:
        ConfigError: they cannot; the message names what, where, and what to do.
    """
    here, reports = ask(plan.config.runs, PATIENCE)
    for report in reports:
        if report.silent:
            log.warning("node %s %s", report.host, report.problem)
    findings = [one for one in _versions(here, reports) if one.needed]
    if plan.objective.resumes:
        findings.append(_shared(plan.config.runs, reports))
    wrong = [f"{one.what}: {one.found}; {one.advice}" for one in findings if not one.ok]
    if wrong:
        raise ConfigError(
            f"the nodes of the cluster cannot run this search: {'. '.join(wrong)}. "
            "nas doctor shows all of it"
        )


def ask(
    runs: str, seconds: float, dataset: str | None = None, data: str | None = None
) -> tuple[Mapping[str, Any], list[Report]]:
    """What this machine says of itself, and each node of the Ray that is connected to."""
    question: dict[str, Any] = {"text": uuid.uuid4().hex, "seconds": DATA_SECONDS}
    with marked(runs, question["text"]) as marker:
        question["marker"] = marker
        here = probe.look(question)
        question |= {"dataset": dataset, "data": data and str(Path(data).absolute())}
        question |= {"folders": told_folders()}
        if connected():
            from nas.search.asking import ask_nodes

            return here, ask_nodes(question, seconds)
        asked = time.time()
        return here, [Report(here["host"], probe.look(question), asked, time.time())]


def _nodes(found: Machine, reports: Sequence[Report]) -> Finding:
    kinds = sorted({name for one in reports for name in one.said.get("gpus", ())})
    bad = [f"{one.host} {one.problem}" for one in reports if one.problem]
    is_ok = found.cpus > 0 and not bad
    said = f"{found}{': ' * bool(kinds)}{', '.join(kinds)}"
    advice = "each node needs this machine's python, ray and nas; one that is late may be busy"
    advice = "" if is_ok else advice
    return Finding("nodes", is_ok, "; ".join([said, *bad]), advice, needed=True)


def _versions(here: Mapping[str, Any], reports: Sequence[Report]) -> list[Finding]:
    """Those of each node against ours; a node that cannot answer at all has others."""
    findings = []
    for name in probe.COMPARED:
        others = [one for one in reports if one.said and one.said[name] != here[name]]
        found = "; ".join(f"{one.said[name]} on {one.host}" for one in others)
        findings.append(
            Finding(
                name,
                not others,
                f"{here[name]} here, {found}" if others else f"{here[name]} everywhere",
                f"install {name} {here[name]} on each node" if others else "",
                needed=name != "torch",
            )
        )
    failed = [one for one in reports if one.problem and not one.silent]
    if failed:
        said = "; ".join(f"{one.host}: {one.problem}" for one in failed)
        advice = "install this machine's python, ray and nas on each node"
        findings.append(Finding("tasks", False, said, advice, needed=True))
    return findings


def _shared(runs: str, reports: Sequence[Report]) -> Finding:
    wrong = [f"{one.said['runs']}, on {one.host}" for one in reports if one.said.get("runs")]
    found = "; ".join(wrong) or f"{tune_path(runs)} is the same on all, and written by all"
    advice = "name what all nodes share in --runs, such as a folder on NFS, or s3://bucket/path"
    advice = advice if wrong else ""
    return Finding("runs folder", not wrong, found, advice, needed=True)


def _data(name: str, reports: Sequence[Report]) -> Finding:
    wrong = [f"{one.said['data']}, on {one.host}" for one in reports if one.said.get("data")]
    advice = "see docs/data.md, or give --data" if wrong else ""
    return Finding("data set", not wrong, "; ".join(wrong) or f"{name} is on all", advice)


def _free(reports: Sequence[Report], what: str, least: int, advice: str) -> Finding:
    free = [(one.said[what], one.host) for one in reports if one.said]
    known = [(found, host) for found, host in free if found is not None]
    if not known:
        return Finding(what, True, "there is none")
    fewest, host = min(known)
    is_ok = fewest >= least
    needed = "" if is_ok else f"; {least / 1e9:.1f} GB are needed"
    said = f"{fewest / 1e9:.1f} GB are free{' at least' * is_ok}, on {host}{needed}"
    return Finding(what, is_ok, said, "" if is_ok else advice)


def _clocks(reports: Sequence[Report]) -> Finding:
    off = [(one.host, one.seconds_off) for one in reports if one.said]
    wrong = [f"{host} is {by:+.0f} s off" for host, by in off if abs(by) > CLOCK_SECONDS]
    found = "; ".join(wrong) or f"no node is more than {CLOCK_SECONDS:g} s off"
    return Finding("clocks", not wrong, found, "run an NTP client on each node" if wrong else "")


def _database(url: str, found: Machine) -> Finding:
    """Whether this machine reaches it, and how far its clock is off; the nodes need not."""
    try:
        if sqlite_path(check_url(url)):
            if found.is_cluster:
                said = f"{shown(url)} is a file, for {plural(len(found.nodes), 'node')}"
                return Finding(
                    "database", False, said, f"use PostgreSQL: {POSTGRESQL}", needed=True
                )
            return Finding("database", True, f"{shown(url)}, on this machine", needed=True)
        engine = engine_for(url)
        try:
            with translate_errors(url), engine.connect() as connection:
                connection.execute(text("SELECT 1"))
            off = (DatabaseClock(engine)() - utc_now()).total_seconds()
        finally:
            engine.dispose()
    except NasError as error:
        advice = "start it, or correct --storage; only this machine has to reach it"
        return Finding("database", False, str(error), advice, needed=True)
    said = f"{shown(url)} answers, its clock {off:+.1f} s off"
    advice = "" if abs(off) <= CLOCK_SECONDS else "run an NTP client on its machine and on this one"
    return Finding("database", not advice, said, advice, needed=True)


def _token(address: str | None) -> Finding | None:
    named = cluster_address(address)
    if named is None:
        return None
    from nas.search.head import TOKEN, reached

    if reached(named).mode == TOKEN:
        return Finding("token", True, "the cluster asks for one, and takes the one that is here")
    advice = "start its nodes with RAY_AUTH_MODE=token and one token (docs/cluster.md)"
    return Finding("token", False, "whoever reaches the cluster can run code on it", advice)
