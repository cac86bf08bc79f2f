"""A space file read as plain data, and every mistake in it as one line.

YAML here is data only: no tags that build objects, no key written twice (YAML would keep the last
in silence), no aliases (a few lines of them can expand without end).
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from nas.errors import SpaceError

MAX_BYTES = 1_000_000
MAX_NESTING = 20


def read_yaml(path: Path) -> Any:
    """The content of one YAML file.

    Raises:
        SpaceError: it cannot be read, or is not plain YAML; the message has the line and column.
    """
    try:
        if not path.is_file():
            raise SpaceError(f"{path} is not a file")
        if path.stat().st_size > MAX_BYTES:
            raise SpaceError(f"{path} is larger than {MAX_BYTES:,} bytes; no space file is")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SpaceError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SpaceError(f"{path} is not UTF-8 text (byte {error.start})") from None
    try:
        return yaml.load(text, _PlainLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        what = ", ".join(filter(None, (error.context, error.problem)))
        raise SpaceError(one_line(f"{path}: {where}{what}")) from None
    except yaml.YAMLError as error:  # a character that YAML does not accept
        raise SpaceError(one_line(f"{path}: not YAML: {error}")) from None


def shown(value: object) -> str:
    """A value as a file spells it, cut at 60 characters."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:59]}…"


def explain(error: ValidationError) -> str:
    """The first mistake that pydantic found, as ``key.path: what is wrong``."""
    first = error.errors(include_url=False)[0]
    path = ".".join(map(str, first["loc"]))
    match first["type"]:
        case "missing":
            return f"{path} is missing"
        case "list_type" | "tuple_type":
            message = f"{shown(first['input'])} is not a list"
        case "too_short":
            message = "the list is empty; give one or more"
        case "too_long":
            message = f"the list is longer than {first['ctx']['max_length']}"
        case _:
            message = first["msg"]
    return one_line(f"{path}: {message}" if path else message)


def one_line(text: str) -> str:
    """``text`` without line breaks."""
    return " ".join(text.split())


class _PlainLoader(yaml.SafeLoader):
    """SafeLoader without aliases, repeated keys and deep nesting, and with numbers as people write
    them: 1e-3 is one in spite of YAML 1.1, 1:30 is none (there 90), and 010 is ten (there 8)."""

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [pair for pair in pairs if not pair[0].endswith((":int", ":float"))]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    nesting = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise _refused("an alias (*); write it out, or put it in each_stage", event)
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            raise _refused(f"nested more than {MAX_NESTING} deep", event)
        node = super().compose_node(parent, index)
        self.nesting -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            word = (key_node.tag, str(key_node.value))
            if word in seen:
                raise _refused(f"the key {shown(key_node.value)} occurs twice", key_node)
            seen.add(word)
        return super().construct_mapping(node, deep)

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError):  # a date of month 99, a number of 5,000 digits
            kind = node.tag.rpartition(":")[2]
            raise _refused(f"{shown(node.value)} is not a valid {kind}", node) from None


_PlainLoader.add_implicit_resolver(
    "tag:yaml.org,2002:int",
    re.compile(r"^[-+]?(0|[1-9](_?[0-9])*|0x[0-9a-fA-F]+)$"),
    list("-+0123456789"),
)
_PlainLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^([-+]?([0-9](_?[0-9])*(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan)$",
        re.IGNORECASE,
    ),
    list("-+0123456789."),
)


def _refused(problem: str, at: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=at.start_mark)
