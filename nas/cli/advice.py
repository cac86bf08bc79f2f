"""What is said before and after a search, with the commands that a person may want next."""

from collections.abc import Iterable
from itertools import islice

from rich.console import Console
from rich.text import Text

from nas.cost import Cost
from nas.metrics import COST_WORDS
from nas.quantity import count, format_duration, plural
from nas.search.budget import Budget
from nas.search.inheriting import proven
from nas.search.plan import Plan
from nas.search.run import Outcome
from nas.search.sampling import ENUMERATED, things
from nas.search.signals import TIME_OVER
from nas.study.database.engines import shown
from nas.study.shell import nas_command, needs_password
from nas.text import visible

# Options that keep the networks of a search small, or fast
BUDGETS = ("max_macs", "max_params", "max_latency", "max_memory", "band")


def print_header(console: Console, plan: Plan) -> None:
    """What is going to happen, and where."""
    config, space = plan.config, plan.space
    images = plan.record.images
    part = f", {config.epoch_images:,} in each epoch" if config.epoch_images else ""
    trained_on = f" on {images.training:,} training images{part}" if images else ""
    console.print(f"[bold]{'Continuing' if plan.continued else 'Searching'}[/] ", end="")
    console.print(
        f"{config.study}: {space.name} ({plural(space.size(), 'architecture', count)}) on "
        f"{images.title}"
        if images
        else f"{config.study}: {space.name} with the objective {visible(config.objective)}"
        if plan.record.is_own
        else f"{config.study}: {space.name} with the synthetic objective",
        markup=False,
    )
    budget = f", at most {format_duration(config.time_budget)}" if config.time_budget else ""
    lines = [
        f"{plural(config.trials, 'trial')} of up to {plural(config.epochs, 'epoch')}{trained_on}, "
        f"{config.concurrency} at a time{budget}",
        f"sampler {config.sampler}, scheduler {config.scheduler}, seed {config.seed}",
        f"study database  {shown(config.storage)}",
        f"log             {plan.log}",
    ]
    if budget := str(Budget.of(config)):
        lines.insert(1, f"trains no network above {budget}, as measured by its worker")
    if config.minimize:
        costs = " and ".join(COST_WORDS[name] for name in config.minimize)
        lines.insert(1, f"searched is the front of {plan.record.accuracy} against {costs}")
    if config.inherit:
        part = f"{config.inherit_epochs} of {plural(config.epochs, 'epoch')}"
        at_end = proven(config.trials)
        last = f"the last {at_end} trials train" if at_end > 1 else "the last trial trains"
        lines.insert(
            1,
            f"a trial whose network contains a trained one begins with its weights, and trains for "
            f"{part}; {last} the best of these from scratch",
        )
    few = space.distinct_settings(ENUMERATED)
    if few is not None and (known := len(list(islice(few, config.trials)))) < config.trials:
        lines.insert(1, f"the space has {things(space, known)}: no more than these are trained")
    if plan.record.untrained:
        lines.insert(1, plan.record.untrained)
    if plan.dataset is not None and (uneven := plan.dataset.imbalance()):
        lines.insert(1, uneven)
    lines[1:1] = plan.notes
    for line in lines:
        console.print(line, markup=False)


def print_ending(
    console: Console,
    outcome: Outcome,
    *,
    trials: int,
    best: bool,
    winner: Cost | None = None,
    over_budget: int = 0,
    again: str | None = None,
) -> None:
    """Why the search is over, and the commands that a person may want next.

    ``trials`` are those of the study, of which so many were above a measured budget; ``best`` says
    whether one of them was completed, and ``winner`` what the best one costs; ``again`` is the
    command that goes on, by default this search's own.
    """
    plan, reason, exhausted, seconds = (
        outcome.plan,
        outcome.reason,
        outcome.exhausted,
        outcome.seconds,
    )
    config = plan.config
    study, storage = config.study, config.storage
    if over_budget:
        were = f"{over_budget:,} of {plural(trials, 'trial')} trained nothing"
        console.print(Text(f"{were}: their networks were measured above {Budget.of(config)}."))
        if config.max_latency is not None and plan.proposed in (None, plan.space):
            console.print(Text("nas latency build SPACE predicts which ones: docs/budgets.md"))
    for host, why in outcome.avoided.items():
        console.print(Text(f"Node {visible(host)} got no more trials: {visible(why)}"))
    asked = (config.minimize, *(getattr(config, name) for name in BUDGETS))
    if winner is not None and not any(asked):
        console.print(Text(_size(winner)))
    if reason == TIME_OVER:
        why = f"The time budget is over ({format_duration(seconds)}). What ran is kept; to go on:"
        commands = [(why, again or plan.command())]
    elif reason:
        why = f"Stopped by {reason}" if outcome.exit_code else f"Stopped: {reason}"
        commands = [(f"{why}; everything is stored. To go on:", again or plan.command())]
    elif exhausted:
        console.print(
            Text(
                f"The space is exhausted ({format_duration(seconds)}): {exhausted}.\n"
                "More trials would train nothing new; a larger space would."
            )
        )
        commands = []
    else:
        ended = f"{'All ' * (trials > 1)}{plural(trials, 'trial')} ended"
        why = f"{ended} ({format_duration(seconds)}). For more:"
        commands = [(why, plan.command(trials=2 * trials))]
    commands.append(("To see all of it:", nas_command("show", study, storage=storage)))
    if best and plan.record.is_retrainable:
        retrain = nas_command("retrain", study, output="winner.pt", storage=storage)
        one = f"the {plan.record.measure.superlative} one (--trial names another)"
        which = one if config.minimize else "the winner"
        commands.append((f"To train {which} for longer and ship it:", retrain))
    _print(console, storage, commands)


def _size(winner: Cost) -> str:
    """That of the winner, and what would bound it."""
    flags = [f"--{name.replace('_', '-')}" for name in BUDGETS]
    return (
        f"The winner has {count(winner.params)} parameters and {count(winner.macs)} MACs. For the "
        f"best one within a budget: {', '.join(flags[:-1])} or {flags[-1]}."
    )


def print_outage(console: Console, plan: Plan, again: str | None = None) -> None:
    """Where results are that the database could not take."""
    storage = plan.config.storage
    console.print(Text(f"The study database {shown(storage)} cannot be reached or written."))
    why = f"What it does not have yet is in {plan.outbox}. To write that and go on:"
    _print(console, storage, [(why, again or plan.command())])


def _print(console: Console, storage: str, commands: Iterable[tuple[str, str]]) -> None:
    for why, command in commands:
        console.print(Text(why))
        console.print(Text(f"  {command}"), soft_wrap=True)  # a command that is cut is another one
    if needs_password(storage):
        console.print(Text("The password is not shown: set PGPASSWORD, or NAS_STORAGE to the URL."))
