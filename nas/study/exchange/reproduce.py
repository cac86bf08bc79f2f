"""What runs a study again: its space and its options as files, and the command that reads them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import yaml

from nas.duration import spelled
from nas.study.record import StudyRecord
from nas.study.shell import nas_command

SPACE_FILE, CONFIG_FILE = "space.yaml", "search.yaml"
_OF_ANOTHER_FILE = ("space", "study", "runs", "data", "start_from")
DURATIONS = ("time_budget", "trial_timeout")  # seconds, where a person types 30m
# none is no limit; left out, they get one from the machine or by default
UNLIMITED = (*DURATIONS, "train_images")


def space_file(record: StudyRecord) -> str:
    """The design space, whole, as ``nas search --space`` reads it."""
    return _yaml(record.space)


def config_file(record: StudyRecord) -> str:
    """The resolved options, as ``nas search --config`` reads them.

    Without what is of the call and not of the study: the folder of its runs, that of the images,
    what it started from, which is in this database, and the design space, a file of its own.
    """
    options = {
        name.replace("_", "-"): _typed(name, value)
        for name, value in record.config.items()
        if name not in _OF_ANOTHER_FILE and (value is not None or name in UNLIMITED)
    }
    return _yaml(options)


def _typed(name: str, value: Any) -> Any:
    """An option as a person writes it."""
    if value is None:
        return "none"
    seconds = type(value) in (int, float) and 0 < value < math.inf
    return spelled(value) if name in DURATIONS and seconds else value


def command(name: str) -> str:
    """The command that makes the study anew in another database, from the two files."""
    return nas_command(
        "search",
        space=SPACE_FILE,
        config=CONFIG_FILE,
        study=name,
        storage="sqlite:///again.db",
        here=False,
    )


def _yaml(document: Mapping[str, Any]) -> str:
    # plain JSON types first: YAML would write tuples and subclasses with tags
    text: str = yaml.safe_dump(
        json.loads(json.dumps(document)), sort_keys=False, allow_unicode=True, width=100
    )
    return text
