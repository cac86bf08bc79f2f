"""Where the options of a search come from, and what is said of one that cannot be.

A value comes from the command line, else from the ``--config`` file, else from the study that is
continued, else from the defaults for this machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from nas.errors import ConfigError, NasError, choose
from nas.options import mismatch
from nas.quantity import plural
from nas.search.config import Scope, SearchConfig, options
from nas.search.machine import Machine
from nas.space.messages import read_yaml


def resolve(
    given: Mapping[str, Any], stored: Mapping[str, Any] | None, machine: Machine
) -> SearchConfig:
    """The config from what was given, the stored study's, and the defaults of the machine.

    Who says how many trials gets so many: a default time budget does not hold then.
    """
    anew = options(Scope.CALL, Scope.SECRET)
    defaults = machine.defaults()
    if "trials" in given:
        defaults.pop("time_budget", None)
    kept = {name: value for name, value in (stored or {}).items() if name not in anew}
    try:
        config = SearchConfig(**{**defaults, **kept, **given})
    except ValidationError as error:
        raise ConfigError(complaint(error)) from None
    if config.gpus_per_trial == "auto" and not machine.gpus:
        raise ConfigError(f"gpus-per-trial is auto, but {machine} has no GPU; leave it out")
    slots = machine.slots(config.cpus_per_trial, config.least_gpus)
    if config.concurrency is None:
        return config.model_copy(update={"concurrency": min(slots, config.trials)})
    if config.concurrency > slots and not machine.nodes:  # a cluster may get more of them
        raise ConfigError(
            f"concurrency is {config.concurrency}, but {machine} has room for "
            f"{plural(slots, 'trial')} of {plural(config.cpus_per_trial, 'CPU', '{:g}'.format)} "
            f"and {plural(config.least_gpus, 'GPU', '{:g}'.format)}"
        )
    return config


def checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """Some options of a search, each as ``SearchConfig`` has it.

    Raises:
        ConfigError: one of them cannot be, or two of them not together.
    """
    try:  # with the most of what must be there, so that nothing contradicts it
        config = SearchConfig(**{"trials": 1, "epochs": 10_000, **given})
    except ValidationError as error:
        raise ConfigError(complaint(error)) from None
    return {name: getattr(config, name) for name in given}


def read_config_file(
    path: Path,
    check: Callable[[Mapping[str, Any]], dict[str, Any]] = checked,
    also: Sequence[str] = (),
) -> dict[str, Any]:
    """The options of a YAML file, those of a search and ``also`` others; - and _ are the same.

    ``check`` gives each option its type.

    Raises:
        NasError: no such file, no YAML, no mapping of options, an unknown option, or one that
            cannot be; the message names the file and the option.
    """
    document = read_yaml(path)
    if not isinstance(document, dict):
        raise ConfigError(f"{path} is not a mapping of options, such as trials: 20")
    options = {}
    for name, value in document.items():
        field = str(name).replace("-", "_")
        accepted = (*also, *SearchConfig.model_fields)
        if field not in accepted:
            known = [f.replace("_", "-") for f in accepted]
            raise ConfigError(f"{path}: unknown option {name!r}; {choose(name, known)}")
        if field in options:
            raise ConfigError(f"{path}: {name!r} occurs twice, with - and with _")
        options[field] = value
    try:
        return check(options)
    except NasError as error:
        raise ConfigError(f"{path}: {error}") from None


def complaint(error: ValidationError) -> str:
    """The first complaint of pydantic, as ``option is found; it must be …``."""
    first = error.errors()[0]
    name = str(first["loc"][0]).replace("_", "-")
    if first["type"] == "extra_forbidden":
        return f"unknown option {name!r}"
    if first["input"] is None:
        return f"{name} has no value; give one, or leave the option out"
    if first["type"] == "value_error":
        return f"{name}: {first['ctx']['error']}"
    if first["type"] == "literal_error":
        words = get_args(SearchConfig.model_fields[str(first["loc"][0])].annotation)
        return f"{name} is {first['input']!r:.60}; {choose(first['input'], words)}"
    return f"{name} is {mismatch(first)}"
