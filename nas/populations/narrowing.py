"""One step from a design space to a smaller one: propose, write the file, train, judge."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nas.analysis.comparison import compare
from nas.analysis.narrowing import Proposal, proposals
from nas.analysis.population import population as sample
from nas.errors import ConfigError, SpaceError
from nas.output import check_file
from nas.populations.comparing import own_options
from nas.populations.training import Population, population, silently, train
from nas.populations.verdicts import format_decision
from nas.search.config import Scope, SearchConfig, options
from nas.search.job import Watcher
from nas.search.plan import Plan
from nas.space import SearchSpace
from nas.study.reader import Study, open_study
from nas.study.storage_url import storage_url


def narrow_space(space: str | Path, study: str, *, storage: str | None = None) -> Proposals:
    """Smaller design spaces that a study of random networks of ``space`` supports.

    Args:
        space: a bundled space's name or the path of a space file.
        study: the name of a study of random networks of it, as ``nas.compare_spaces`` makes.
        storage: URL of the study database; by default ``NAS_STORAGE``, else ``sqlite:///nas.db``.

    Raises:
        NasError: the study is none of random networks of that space.

    >>> proposals = narrow_space("resnext", "mine", storage=storage)
    >>> all(one.child.size() < proposals.space.size() for one in proposals)
    True
    """
    loaded, found = SearchSpace.load(space), open_study(storage_url(storage), study)
    another = f"study {study!r} is not of {str(space)!r}, but of {found.space.name!r}"
    try:  # what its file leaves to the data set is as it was in the study
        loaded = loaded.for_images(found.space.input_shape, found.space.num_classes, study)
    except SpaceError as error:
        raise ConfigError(f"{another}: {error}") from None
    if _config(found).within(loaded).hash != found.record.space_hash:
        raise ConfigError(another)
    drawn = sample(found.frame(), {})
    return Proposals(loaded, found, tuple(proposals(loaded, drawn.trials)), len(drawn.distinct))


@dataclass(frozen=True)
class Proposals:
    """Smaller spaces with their evidence, the best supported first."""

    space: SearchSpace
    study: Study
    found: tuple[Proposal, ...]
    networks: int
    """How many different networks they rest on."""

    def __len__(self) -> int:
        return len(self.found)

    def __iter__(self) -> Iterator[Proposal]:
        return iter(self.found)

    def __repr__(self) -> str:
        lines = (f"{k}. {one.change} ({one.evidence})" for k, one in enumerate(self, start=1))
        return "\n".join([f"<{len(self)} proposals for {self.space.name}>", *lines])

    def take(self, number: int) -> Proposal:
        """One of them, counted from 1.

        Raises:
            ConfigError: there is none of that number.
        """
        if not 1 <= number <= len(self):
            raise ConfigError(f"take is {number}; accepted: 1 to {len(self)}")
        return self.found[number - 1]

    def judge(
        self,
        path: Path | str,
        models: int | None = None,
        *,
        margin: float = 0.005,
        error_rate: float = 0.05,
        watcher: Watcher | None = None,
        **more: Any,
    ) -> Judged:
        """Train random networks of a smaller space within the same costs, and judge it.

        Args:
            path: its file, as ``write_space`` makes it.
            models: how many networks, at least 8; by default as many as the study has.
            margin: a difference of accuracy that does not matter, as a fraction of 1.
            error_rate: how often the verdict may be wrong.
            watcher: told of all that happens.
            more: options of the search: ``data``, ``runs``, …

        Raises:
            NasError: they cannot be trained, or allow no verdict.
        """
        asked = {} if models is None else {"models": models}
        by = own_options({"margin": margin, "error_rate": error_rate, **asked})
        child = self.child(path, self.study.trials if models is None else models, more)
        return self.judged(child, silently(watcher), by.margin, by.error_rate, keep=True)

    def child(self, path: Path | str, models: int, more: dict[str, Any]) -> Population:
        """The population of a smaller space that can be compared with the study."""
        config = _config(self.study)
        # both are compared: trained alike, within the same limits
        shared = {name: getattr(config, name) for name in options(Scope.FIXED, Scope.LIMIT)}
        shared = {key: value for key, value in shared.items() if value not in (None, {})}
        return population(path, models, {**shared, **more})

    def judged(
        self,
        child: Population,
        run: Callable[[Plan], object],
        margin: float,
        error_rate: float,
        *,
        keep: bool = False,
    ) -> Judged:
        """Train the ``child`` as ``train`` does, and compare it with the study."""
        [study] = train([child], self.study.url, run, keep=keep)
        frames = [one.frame().assign(study=one.space.name) for one in (study, self.study)]
        comparison = compare(*frames, level=1 - error_rate)
        decision = comparison.decide(margin, error_rate)
        return Judged(study, (comparison.verdict, format_decision(comparison, decision)))


@dataclass(frozen=True)
class Judged:
    """What a population of a smaller space says of it."""

    study: Study
    lines: tuple[str, ...]


def _config(study: Study) -> SearchConfig:
    """The options that a study was searched with."""
    return SearchConfig(**{**study.record.config, "storage": study.url})


def write_space(proposal: Proposal, path: Path) -> None:
    """Write a proposal's file; one that is there already must be the same space.

    Raises:
        ConfigError: it is another one, or cannot be written.
    """
    if path.exists():
        if SearchSpace.load(path).hash != proposal.child.hash:
            raise ConfigError(f"{path} exists and is another space; choose another --output")
        return
    check_file(path, "output", (".yaml", ".yml"))
    path.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(proposal.child.to_dict(), sort_keys=False, allow_unicode=True, width=100)
    path.write_text(text, encoding="utf-8")
