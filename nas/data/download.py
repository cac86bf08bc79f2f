"""Downloads: by torchvision, in a process of its own, so that nothing here imports torch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from nas.errors import DataError

# Given up when the mirror has sent nothing in 8 s; a download that goes on may take its time.
TORCHVISION = """
import json, os, socket, sys, threading
from pathlib import Path
from torchvision import datasets

def give_up_unless_begun():
    if not any(path.is_file() for path in Path(sys.argv[1]).rglob("*")):
        print("the mirror does not answer", file=sys.stderr, flush=True)
        os._exit(1)

socket.setdefaulttimeout(8)
watch = threading.Timer(8, give_up_unless_begun)
watch.daemon = True
watch.start()
for options in json.loads(sys.argv[3]):
    getattr(datasets, sys.argv[2])(sys.argv[1], download=True, **options)
"""


def by_torchvision(name: str, folder: Path, options: str = "[{}]") -> None:
    """Bring the data set that torchvision calls ``name`` into ``folder``.

    ``options`` is a JSON list: of each of its parts, the arguments that name it.

    Raises:
        DataError: it cannot be had; the message is torchvision's last line.
    """
    folder.mkdir(parents=True, exist_ok=True)
    run(sys.executable, "-c", TORCHVISION, str(folder), name, options)


def run(*command: str, cwd: Path | None = None) -> None:
    """Run ``command`` in silence; its last words are the error's."""
    try:
        subprocess.run(
            command,
            cwd=cwd,
            env={**os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=600,
        )
    except OSError as error:
        raise DataError(f"{command[0]} cannot be run ({error})") from None
    except subprocess.TimeoutExpired:
        raise DataError("gave up after 10 minutes") from None
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or [f"exit code {error.returncode}"]
        raise DataError(lines[-1]) from None
