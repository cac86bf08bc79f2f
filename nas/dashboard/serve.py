"""Starts the web page: this process becomes Streamlit's server."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from contextlib import closing
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import NoReturn

from nas.errors import ConfigError
from nas.study.progress import Progress
from nas.study.shell import install_command
from nas.study.storage_url import VARIABLE

APP = Path(__file__).with_name("app.py")
READ_ONLY = "--read-only"  # an argument of the script that the server runs
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def serve(
    url: str, host: str = "127.0.0.1", port: int = 8501, *, read_only: bool = False
) -> NoReturn:
    """Serve the studies at ``url`` until the process is ended; does not return.

    Visitors may write notes unless it is ``read_only``.

    Raises:
        ConfigError: Streamlit is missing, or the address cannot be listened on.
        StorageError: the database cannot be read, or has no studies of nas in it.
    """
    if find_spec("streamlit") is None:
        raise ConfigError(f"the dashboard needs Streamlit; run: {install_command('dashboard')}")
    Progress(url).read()
    _check_address(host, port)
    os.execve(sys.executable, command(host, port, read_only=read_only), environment(url))


def command(host: str, port: int, *, read_only: bool = False) -> list[str]:
    """Streamlit's command line; the database is not in it, as all users of a machine see that."""
    options = {
        "server.address": host,
        "server.port": port,
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "server.enableCORS": "true",
        "server.enableXsrfProtection": "true",
        "server.enableStaticServing": "false",
        "browser.gatherUsageStats": "false",
        # blue as the charts: Streamlit's red would read as an error; for each mode, else there is
        # one. White words stand on it, and it stands on black.
        "theme.light.primaryColor": "#0072B2",
        "theme.dark.primaryColor": "#2B7FB8",
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",  # they stand in the terminal
        "client.disableDataExport": "true",  # our own download defuses formulas
    }
    arguments = [f"--{name}={value}" for name, value in options.items()]
    if is_loopback(host):  # else a page from elsewhere could have its name resolved to here
        arguments += [f"--server.allowedHosts={name}" for name in LOOPBACK]
    script = ["--", READ_ONLY] if read_only else []
    return [sys.executable, "-m", "nas.dashboard", "run", str(APP), *arguments, *script]


def environment(url: str, inherited: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What the server is told besides: the URL, which may hold a password."""
    kept = {k: v for k, v in inherited.items() if not k.startswith("STREAMLIT_")}
    return {**kept, VARIABLE: url}


def is_loopback(host: str) -> bool:
    """Whether nobody on another machine can reach the address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_address(host: str, port: int) -> None:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(
            f"cannot listen on {host} port {port} ({reason}); choose another --host or --port"
        ) from None
