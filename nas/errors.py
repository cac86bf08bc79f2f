"""The whole error tree. Everything that a user can cause is a ``NasError``.

The command line prints the message of a ``NasError`` as one line and exits with code 2; any other
exception is our own mistake and keeps its traceback.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class NasError(Exception):
    """Base of everything that a user can cause; the message says what is accepted."""


class ArchitectureError(NasError):
    """A description that is no network: unknown key, indivisible groups, depth 0."""


class SpaceError(NasError):
    """A space file that cannot be read, does not fit the schema, or describes an empty space."""


class InfeasibleError(SpaceError):
    """One setting of a space that breaks a rule of it (order, limit, divisibility)."""


class DataError(NasError):
    """A dataset that is missing, incomplete or not what it claims to be."""


class ShapeError(DataError):
    """A dataset whose images have another shape than those that are asked for."""


class ConfigError(NasError):
    """An option, or a combination of options, that cannot be carried out."""


class StorageError(NasError):
    """A study database that cannot be reached, read or written, or contradicts the request."""


class DamagedError(StorageError):
    """A study database that holds what nas cannot have written; ``problems`` are all of them."""

    def __init__(self, message: str, problems: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.problems = list(problems) or [message]


class CheckpointError(NasError):
    """A checkpoint that cannot be read, or belongs to another training."""


class ExportError(NasError):
    """A network that computes something else in the form that it was to be exported to."""


class AnalysisError(NasError):
    """Trials that a statistic cannot honestly use, or an option of it that there is not.

    The message is ``reason`` and, for who calls it from Python or a shell, a ``remedy``. Where
    another choice of one of the rules would help, ``rule`` names it: a page that has a control for
    it says so instead.
    """

    def __init__(self, reason: str, remedy: str = "", rule: str = "") -> None:
        super().__init__(f"{reason}; {remedy}" if remedy else reason)
        self.reason = reason
        self.rule = rule


class SearchFailedError(NasError):
    """A search that ended itself: so many trials in a row failed that it made no sense to go on."""


class TrialFailedError(NasError):
    """A trial that cannot go on (a loss that is not finite, for one); the search does."""


class MachineError(NasError):
    """A machine that cannot train what another one can: no GPU where one was given, for one."""


class OverBudgetError(TrialFailedError):
    """A trial whose network was measured to be above max-latency or max-memory: not trained."""


def in_a_line(error: BaseException) -> str:
    r"""Class and message of an exception that is not ours, in one line of some 500 characters.

    >>> in_a_line(ValueError("no\n  digits"))
    'ValueError: no digits'
    """
    return f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"


def choose(word: object, accepted: Iterable[str]) -> str:
    """The end of an error message: the nearest accepted word, then all of them.

    >>> choose("tpes", ["tpe", "random"])
    'did you mean tpe? accepted: tpe, random'
    """
    words = list(accepted)
    if not words:
        return "there is none to choose from"
    near = get_close_matches(str(word), words, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"{hint}accepted: {', '.join(words)}"
