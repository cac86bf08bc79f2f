"""What is said before and after a search, with the commands that a person may want next."""

import os
import re
import shutil
import sys
from itertools import islice
from pathlib import Path

from rich.console import Console

from nas.quantity import count
from nas.search.config import SearchConfig
from nas.search.duration import format_duration
from nas.search.plan import Plan
from nas.search.sampling import ENUMERATED, things
from nas.search.signals import EXIT_CODES
from nas.study.commands import DEFAULT_STORAGE
from nas.study.database import shown

TIME_OVER = "time budget"


def print_header(console: Console, plan: Plan) -> None:
    """What is going to happen, and where."""
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
    few = space.distinct_settings(ENUMERATED)
    if few is not None and (known := len(list(islice(few, config.trials)))) < config.trials:
        lines.insert(1, f"the space has {things(space, known)}: no more than these are trained")
    for line in lines:
        console.print(line, markup=False)


def print_ending(
    console: Console,
    plan: Plan,
    reason: str | None,
    exhausted: str | None,
    seconds: float,
    best: bool,
) -> None:
    """Why the search is over, and the commands that a person may want next."""
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
    elif exhausted:
        lines = [
            f"The space is exhausted ({format_duration(seconds)}): {exhausted}.",
            "More trials would train nothing new; a larger space would.",
        ]
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


def print_outage(console: Console, plan: Plan) -> None:
    """Where results are that the database could not take."""
    again = f"nas search --study {_quoted(plan.config.study)}"
    for line in [
        f"The study database {shown(plan.config.storage)} cannot be reached or written.",
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
