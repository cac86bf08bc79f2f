"""One step from a design space to a smaller one: propose, write the file, train, judge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.text import Text

from nas.analysis.comparison import compare
from nas.analysis.narrowing import Proposal, proposals
from nas.analysis.population import population as sample
from nas.cli.console import Table, plain
from nas.errors import ConfigError
from nas.output import check_file
from nas.populations.training import opened, population, train
from nas.populations.verdicts import said
from nas.quantity import count, plural
from nas.search.config import SearchConfig
from nas.space import SearchSpace
from nas.study.reader import Study, open_study
from nas.study.shell import nas_command

# what a population of the child must share with its parent's, to be compared with it
SHARED = (
    "objective",
    "epochs",
    "train_images",
    "training",
    "seed",
    "band",
    "max_params",
    "max_macs",
)


def narrow(
    source: str,
    name: str,
    storage: str,
    *,
    console: Console,
    take: int,
    models: int | None,
    margin: float,
    error_rate: float,
    output: Path | None,
    data: str | None,
    quiet: bool,
) -> int:
    """Narrow the space ``source`` by what its random study ``name`` supports.

    Returns the exit code: 0, 1 where the data support nothing smaller, or that of the search.

    Raises:
        NasError: the study is none of random networks of that space, or an option is wrong.
    """
    space, study = SearchSpace.load(source), open_study(storage, name)
    config = SearchConfig(**{**study.record.config, "storage": storage})
    if config.within(space).hash != study.record.space_hash:
        raise ConfigError(f"study {name!r} is not of {source!r}, but of {study.space.name!r}")
    trials = study.frame()
    drawn = sample(trials, {})
    found = proposals(space, drawn.trials)
    if not found:
        many = f"{plural(len(drawn.distinct), 'network')} of {space.name}"
        console.print(f"{many} are no evidence for a smaller space.", markup=False)
        return 1
    if take > len(found):
        raise ConfigError(f"take is {take}; accepted: 1 to {len(found)}")
    console.print(_table(space, found))
    chosen = found[take - 1]
    path = output or Path(f"{chosen.name}.yaml")
    _write(chosen, path)
    console.print(f"\n{path} has {chosen.change}, and its lineage.", markup=False)
    size = len(trials) if models is None else models
    if size == 0:
        return 0
    options: dict[str, Any] = {key: getattr(config, key) for key in SHARED}
    options = {key: value for key, value in options.items() if value not in (None, {})}
    child = population(path, size, {**options, **({"data": data} if data else {})})
    again = nas_command(
        "narrow",
        source,
        study=name,
        take=take,
        models=models,
        margin=margin,
        error_rate=error_rate,
        output=output,
        data=data,
        storage=storage,
    )
    code = train([child], storage, again, quiet=quiet)
    if code:
        return code
    _judge(console, opened([child], storage)[0], study, margin, error_rate)
    further = nas_command("narrow", str(path), study=child.study, data=data, storage=storage)
    console.print(Text(f"\nThe next step:  {further}"), soft_wrap=True)
    return 0


def _judge(console: Console, child: Study, parent: Study, margin: float, error_rate: float) -> None:
    frames = [one.frame().assign(study=one.space.name) for one in (child, parent)]
    comparison = compare(*frames, level=1 - error_rate)
    for line in (comparison.verdict, said(comparison, comparison.decide(margin, error_rate))):
        console.print(f"\n{line}", markup=False, soft_wrap=True)


def _table(space: SearchSpace, found: list[Proposal]) -> Table:
    table = Table(title=f"What would make {space.name} ({count(space.size())}) smaller")
    table.add_column("", justify="right")
    table.add_column("rule")
    table.add_column("settings", justify="right")
    table.add_column("evidence")
    for number, one in enumerate(found, start=1):
        table.add_row(str(number), plain(one.change), count(one.child.size()), plain(one.evidence))
    table.caption = "found in these data: whether it holds is for a fresh population to say"
    return table


def _write(proposal: Proposal, path: Path) -> None:
    """The child's file; one that is there already must be the same space."""
    if path.exists():
        if SearchSpace.load(path).hash != proposal.child.hash:
            raise ConfigError(f"{path} exists and is another space; choose another --output")
        return
    check_file(path, "output", (".yaml", ".yml"))
    path.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(proposal.child.to_dict(), sort_keys=False, allow_unicode=True, width=100)
    path.write_text(text, encoding="utf-8")
