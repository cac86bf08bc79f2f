"""A report on paper: printed to PDF by a Chromium that this machine has."""

import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from nas.errors import ConfigError

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SECONDS = 120


def find_chromium() -> str:
    """The program's path.

    Raises:
        ConfigError: there is none on PATH.
    """
    for name in NAMES:
        path = shutil.which(name)
        if path:
            return path
    raise ConfigError(
        f"pdf: needs one of {', '.join(NAMES)} on PATH, and there is none; leave --pdf out and "
        "print the report from any browser"
    )


def print_pdf(chromium: str, page: Path, output: Path) -> None:
    """Print ``page`` to ``output``.

    Raises:
        ConfigError: Chromium did not.
    """
    with TemporaryDirectory() as profile:
        command = [
            chromium, "--headless", "--disable-gpu", f"--user-data-dir={profile}",
            "--no-pdf-header-footer", f"--print-to-pdf={output.absolute()}",
            *(["--no-sandbox"] if os.geteuid() == 0 else []),  # Chromium refuses root otherwise
            page.absolute().as_uri(),
        ]  # fmt: skip
        output.unlink(missing_ok=True)
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
            said = done.stderr.strip().splitlines()
        except (OSError, subprocess.TimeoutExpired) as error:
            said = [str(error)]
    if not output.is_file():
        raise ConfigError(f"pdf: {chromium} did not print it ({said[-1] if said else 'no reason'})")
