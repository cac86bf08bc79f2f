"""Which rows of a frame an expression is true of: ``accuracy > 90 % and stages.0.depth in (1, 2)``.

The text comes from an address that anybody may have written. It is read by the grammar below and
nothing of it is ever run:

    any        = all, {"or", all}
    all        = one, {"and", one}
    one        = "not", one | "(", any, ")" | column, ("<" | "<=" | ">" | ">=" | "=" | "!="), value
               | column, ["not"], "in", "(", value, {",", value}, ")" | column, "has", text
    column     = macs | stages.0.width | "of any name"
    value      = 12 | 8.5M | 90 % | true | false | COMPLETE | "any text"
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from nas.errors import AnalysisError, choose
from nas.metrics import FRACTIONS
from nas.quantity import NUMBER, read_number

LONGEST = 1_000  # characters of an expression
DEEPEST = 20  # parentheses and negations within each other
OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "<=": operator.le, ">=": operator.ge, "!=": operator.ne, "==": operator.eq,
    "<": operator.lt, ">": operator.gt, "=": operator.eq,
}  # fmt: skip
SAME = ("=", "==", "!=")
_TOKEN = re.compile(
    rf"\s*(?:(?P<number>-?{NUMBER}(?:\s*%)?)(?![\w.])"
    r"|(?P<word>[A-Za-z_][\w.]*)"
    r"|(?P<quoted>\"[^\"]*\"|'[^']*')"
    r"|(?P<sign><=|>=|!=|==|[<>=(),]))"
)
Value = float | int | bool | str


def matching(frame: pd.DataFrame, expression: str, names: Mapping[str, str]) -> pd.Series:
    """Of each row, whether the expression is true; of a row without the value, it is not.

    Args:
        frame: of trials.
        expression: as above; an empty one is true of all.
        names: columns by further names that they may be called: {"accuracy": "val_accuracy"}.

    Raises:
        AnalysisError: it cannot be read, or there is no such column.

    >>> rows = pd.DataFrame({"macs": [1e6, 9e6], "state": ["FAIL", "COMPLETE"]})
    >>> matching(rows, "macs > 2M and not state = FAIL", {}).tolist()
    [False, True]
    """
    if len(expression) > LONGEST:
        raise AnalysisError(f"the filter has {len(expression):,} signs; accepted: {LONGEST:,}")
    if not expression.strip():
        return pd.Series(True, index=frame.index)
    return _Reader(frame, expression, names).whole()


class _Reader:
    """Reads an expression from left to right; each method, one rule of the grammar."""

    def __init__(self, frame: pd.DataFrame, expression: str, names: Mapping[str, str]) -> None:
        self._frame = frame
        self._names = {str(column): str(column) for column in frame.columns} | dict(names)
        self._tokens = list(_tokens(expression))
        self._at = 0
        self._depth = 0

    def whole(self) -> pd.Series:
        found = self._any()
        if self._at < len(self._tokens):
            raise AnalysisError(f"{self._here()} is not understood; accepted: and, or, or the end")
        return found

    def _any(self) -> pd.Series:
        found = self._all()
        while self._take("or"):
            found |= self._all()
        return found

    def _all(self) -> pd.Series:
        found = self._one()
        while self._take("and"):
            found &= self._one()
        return found

    def _one(self) -> pd.Series:
        self._depth += 1
        if self._depth > DEEPEST:
            raise AnalysisError(f"the filter is nested deeper than {DEEPEST} times")
        if self._take("not"):
            found = ~self._one()
        elif self._take("("):
            found = self._any()
            self._need(")")
        else:
            found = self._comparison()
        self._depth -= 1
        return found

    def _comparison(self) -> pd.Series:
        kind, name = self._next("a column")
        name = name[1:-1] if kind == "quoted" else name
        if kind not in ("word", "quoted") or name not in self._names:
            raise AnalysisError(f"there is no column {name!r:.60}; {choose(name, self._names)}")
        column = self._names[name]
        values = self._frame[column]
        absent = self._take("not")
        if self._take("in"):
            self._need("(")
            wanted = [self._value(name, values)]
            while self._take(","):
                wanted.append(self._value(name, values))
            self._need(")")
            inside = values.isin(wanted)
            return _sure(~inside & values.notna() if absent else inside)
        if not absent and self._take("has"):
            return self._has(name, values)
        _, sign = self._next("a comparison")
        if absent or sign not in OPERATORS:
            raise AnalysisError(
                f"after {name} stands {sign!r:.60}; accepted: {', '.join(OPERATORS)}, in (…), has"
            )
        value = self._value(name, values)
        if isinstance(value, str | bool) and sign not in SAME:
            raise AnalysisError(f"{name} {sign} {value}: accepted are =, != and in (…) alone")
        return _sure(OPERATORS[sign](values, value)) & values.notna()

    def _has(self, name: str, values: pd.Series) -> pd.Series:
        if pd.api.types.is_numeric_dtype(values):
            raise AnalysisError(f"{name} is no text; accepted: {', '.join(OPERATORS)}, in (…)")
        part = str(self._value(name, values))
        return _sure(values.astype("string").str.contains(part, case=False, regex=False))

    def _value(self, name: str, values: pd.Series) -> Value:
        kind, token = self._next("a value")
        numeric = pd.api.types.is_numeric_dtype(values)
        flags = pd.api.types.is_bool_dtype(values)
        if flags and token in ("true", "false"):
            return token == "true"
        if numeric and not flags and kind == "number":
            return _number(name, token, self._names[name] in FRACTIONS)
        if not numeric and kind in ("word", "quoted", "number"):
            return token[1:-1] if kind == "quoted" else token
        accepted = "true, false" if flags else "a number" if numeric else "a text"
        raise AnalysisError(f"{name} is compared with {token!r:.60}; accepted: {accepted}")

    def _next(self, wanted: str) -> tuple[str, str]:
        if self._at == len(self._tokens):
            raise AnalysisError(f"the filter ends where {wanted} has to stand")
        self._at += 1
        return self._tokens[self._at - 1]

    def _take(self, text: str) -> bool:
        there = self._at < len(self._tokens) and self._tokens[self._at][1] == text
        self._at += there
        return there

    def _need(self, text: str) -> None:
        if not self._take(text):
            raise AnalysisError(f"{self._here()} stands where {text!r} has to")

    def _here(self) -> str:
        return repr(self._tokens[self._at][1]) if self._at < len(self._tokens) else "the end"


def _tokens(expression: str) -> list[tuple[str, str]]:
    found, at, text = [], 0, expression.rstrip()
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise AnalysisError(f"{text[at:].strip()!r:.60} is not understood")
        kind = str(token.lastgroup)
        found.append((kind, token[kind]))
        at = token.end()
    return found


def _number(name: str, token: str, is_fraction: bool) -> float:
    value = read_number(token.rstrip("% "))
    assert value is not None  # by the pattern of tokens
    if token.endswith("%"):
        return value / 100
    if is_fraction and not 0 <= value <= 1:
        raise AnalysisError(f"{name} {token}: write {token} %, or a fraction of 1")
    return value


def _sure(found: object) -> pd.Series:
    """Without a third value: what is not known is not so."""
    return pd.Series(found).fillna(False).astype(bool)
