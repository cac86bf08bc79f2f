"""Commands as they are shown to a person: pasted into a shell, they do what is meant.

All commands that any part of nas prints are built here. A password is never part of one: a database
whose URL has one is named without it, and PGPASSWORD or NAS_STORAGE say it.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

from nas.study.storage_url import DEFAULT_STORAGE, default_storage, without_password


def nas_command(
    verb: str, *arguments: str, storage: str = DEFAULT_STORAGE, here: bool = True, **options: object
) -> str:
    """``nas verb arguments``, as one line for a POSIX shell.

    Args:
        verb: such as ``search`` or ``db upgrade``.
        arguments: what has a place instead of a name.
        storage: the study database; named where the command would take another one.
        here: for this process's own shell and environment; else for whoever reads it elsewhere.
        options: by name, with _ for -; True stands for a flag, None and False for nothing.

    >>> nas_command("search", study="it's mine", here=False, storage="sqlite:///a b.db")
    'nas search --study \\'it\\'"\\'"\\'s mine\\' --storage \\'sqlite:///a b.db\\''
    """
    words = [*(program() if here else ["nas"]), *verb.split()]
    hidden = any(argument.startswith("-") for argument in arguments)  # it would pass for an option
    words += [] if hidden else arguments
    if storage != (default_storage() if here else DEFAULT_STORAGE):
        options = {**options, "storage": without_password(storage)}
    for name, value in options.items():
        if value is None or value is False:
            continue
        option = f"--{name.replace('_', '-')}"
        if value is True:
            words.append(option)
        elif str(value).startswith("-"):
            words.append(f"{option}={value}")
        else:
            words += [option, str(value)]
    words += ["--", *arguments] if hidden else []
    return " ".join(map(_quoted, words))


def install_command(extra: str) -> str:
    """What brings the libraries of one of nas's extras into this environment."""
    return " ".join(map(_quoted, [_beside(Path(sys.executable)), "-m", "pip", "install"])) + (
        f" 'nas[{extra}]'"
    )


def program() -> list[str]:
    """How to call this program from the user's shell, whose PATH may lack our environment."""
    script = Path(sys.executable).with_name("nas")
    if not script.exists():
        return [sys.executable, "-m", "nas"]
    found = shutil.which("nas")
    if found and Path(found).samefile(script):  # and no other program of that name
        return ["nas"]
    return [_beside(script)]


def needs_password(url: str) -> bool:
    """Whether ``nas_command`` leaves out a password that the environment does not have."""
    return url != default_storage() and without_password(url) not in (url, default_storage())


def _beside(path: Path) -> str:
    """The path, relative where it lies below the working directory."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def _quoted(word: str) -> str:
    """As one word of a shell; what cannot be seen is written as bytes, which bash and zsh read."""
    if word.isprintable():
        return shlex.quote(word)
    codes = (f"\\x{byte:02x}" for byte in os.fsencode(word))
    return f"$'{''.join(codes)}'"
