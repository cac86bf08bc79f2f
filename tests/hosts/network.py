"""Hosts with addresses and names of their own, on one machine: network namespaces at one switch.

All of it lies in namespaces of the kernel that end with their last process; the machine's own
network is left alone. The hosts share their files, but for folders that are a host's own.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

NETWORK = "10.77.0"
_WAIT = "echo ready && exec sleep infinity"


def not_allowed() -> str | None:
    """Why there can be no such hosts here, if that is so."""
    if shutil.which("ip") is None:
        return "there is no ip here (Debian: iproute2)"
    probe = "ip link add switch0 type bridge && ip link add p0 type veth peer name net0"
    tried = subprocess.run(
        ["unshare", "--net", "--mount", "--uts", "sh", "-c", probe], capture_output=True, text=True
    )
    return f"no network namespaces here: {tried.stderr.strip()}" if tried.returncode else None


class Network:
    """A switch, and the hosts at it."""

    def __init__(self) -> None:
        self._switch = _begin(["unshare", "--net"], f"ip link add switch0 type bridge && {_WAIT}")
        self._run(["ip", "link", "set", "switch0", "up"])
        self.hosts: list[Host] = []

    def host(self, name: str, own: Sequence[Path] = ()) -> Host:
        """A new one, to which the folders ``own`` are empty, and its own."""
        number = len(self.hosts) + 1
        made = Host(name, f"{NETWORK}.{number}", own)
        port = f"p{number}"
        self._run(["ip", "link", "add", port, "type", "veth", "peer", "name", "net0"])
        self._run(["ip", "link", "set", "net0", "netns", str(made.process.pid)])
        self._run(["ip", "link", "set", port, "master", "switch0", "up"])
        for command in (
            ["ip", "link", "set", "lo", "up"],
            ["ip", "address", "add", f"{made.address}/24", "dev", "net0"],
            ["ip", "link", "set", "net0", "up"],
        ):
            made.run(command)
        self.hosts.append(made)
        return made

    def connect(self, host: Host, connected: bool) -> None:
        """Plug a host's cable in, or pull it out: nobody is told."""
        port = f"p{self.hosts.index(host) + 1}"
        self._run(["ip", "link", "set", port, "up" if connected else "down"])

    def lose(self, host: Host) -> None:
        """A power cut: no connection is closed, no process ends in order."""
        self.connect(host, connected=False)
        host.end()

    def close(self) -> None:
        for host in self.hosts:
            host.end()
        self._switch.kill()
        self._switch.wait()

    def _run(self, command: Sequence[str]) -> None:
        subprocess.run([*_inside(self._switch, "--net"), *command], check=True)


class Host:
    """One machine of a ``Network``."""

    def __init__(self, name: str, address: str, own: Sequence[Path]) -> None:
        self.name = name
        self.address = address
        mounts = "".join(f"mount -t tmpfs none '{folder}' && " for folder in own)
        self.process = _begin(
            ["unshare", "--net", "--uts", "--mount"], f"hostname {name} && {mounts}{_WAIT}"
        )

    def start(
        self,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        cwd: Path | str = "/",
        **options: Any,
    ) -> subprocess.Popen[str]:
        """A process there."""
        return subprocess.Popen(
            [*_inside(self.process, "--net", "--uts", "--mount", f"--wdns={cwd}"), *command],
            env={**os.environ, **(environment or {})},
            text=True,
            **options,
        )

    def run(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
        """What a command printed there; it has to succeed."""
        done = self.start(command, environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        said, _ = done.communicate(timeout=120)
        assert done.returncode == 0, f"{self.name}: {command}: {said}"
        return said

    def end(self) -> None:
        """Kill all processes that are there."""
        network = _network_of(self.process.pid)
        if network is None:
            return
        inside = [pid for pid in psutil.pids() if _network_of(pid) == network]
        for pid in inside:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()


def _begin(unshare: Sequence[str], script: str) -> subprocess.Popen[str]:
    """A process that holds namespaces, once they are as ``script`` makes them."""
    process = subprocess.Popen([*unshare, "sh", "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def _inside(process: subprocess.Popen[str], *namespaces: str) -> list[str]:
    return ["nsenter", "--target", str(process.pid), *namespaces]


def _network_of(pid: int) -> str | None:
    try:
        return str(Path(f"/proc/{pid}/ns/net").readlink())
    except OSError:
        return None
