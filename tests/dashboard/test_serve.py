"""What the command starts, what it refuses, and who can reach it."""

import http.client
import socket
import sys
from urllib.parse import urlsplit

import pytest
import study_factory
from dashboards import serving

from nas.cli.app import main
from nas.dashboard.serve import is_loopback

CANARY = "s3cr3t-canary"


@pytest.fixture
def database(tmp_path) -> str:
    url = f"sqlite:///{tmp_path}/nas.db"
    study_factory.write_study(url, trials=10, epochs=2)
    return url


def test_it_listens_on_this_machine_alone(server):
    _, process, _ = server
    addresses = {c.laddr.ip for c in process.net_connections() if c.status == "LISTEN"}
    assert addresses == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("host", "alone"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False)]
)
def test_loopback_is_known_by_its_names(host, alone):
    assert is_loopback(host) is alone


def upgrade(address, host) -> int:
    """The answer to a browser that wants a page's connection under the name ``host``."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
    headers = {
        "Host": host,
        "Origin": f"http://{host}",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    connection.request("GET", "/_stcore/stream", headers=headers)
    with connection.getresponse() as response:
        return response.status


def test_a_name_that_another_site_resolves_to_here_is_refused(dashboard):
    assert upgrade(dashboard, urlsplit(dashboard).netloc) == 101
    assert upgrade(dashboard, "evil.example") == 403


def test_the_password_is_in_no_argument_no_page_and_no_log(postgres_database, tmp_path, visit):
    url = postgres_database.replace("postgres:@", f"postgres:{CANARY}@")
    assert CANARY in url
    study_factory.write_study(url, trials=10, epochs=2)
    with serving(url, tmp_path, "--read-only") as (address, process, log):
        page = visit(address)
        page.says("trials ended")
        page.go("Trial")
        assert CANARY not in page.says("What to do with it")
        assert not page.browser.all("textarea")  # no note can be written
        page.go("Run it again")
        assert CANARY not in page.browser.driver.page_source
        assert CANARY not in " ".join(process.cmdline())
        assert CANARY in process.environ()["NAS_STORAGE"]
        assert page.complaints() == []
    assert CANARY not in log.read_text()


def test_usage_is_not_reported_and_no_file_watched(server):
    _, process, _ = server
    arguments = process.cmdline()
    assert "--browser.gatherUsageStats=false" in arguments
    assert "--server.fileWatcherType=none" in arguments


def test_without_streamlit_it_says_what_to_install(monkeypatch, capsys, database):
    monkeypatch.setitem(sys.modules, "streamlit", None)  # as if it were not installed
    assert main(["dashboard", "--storage", database]) == 2
    assert capsys.readouterr().err.strip().endswith("-m pip install 'nas[dashboard]'")


def test_a_database_that_is_not_there_is_refused_in_one_line(capsys, tmp_path):
    assert main(["dashboard", "--storage", f"sqlite:///{tmp_path}/none.db"]) == 2
    assert "there is no study database" in capsys.readouterr().err


def test_a_port_in_use_is_refused_in_one_line(capsys, database):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["dashboard", "--storage", database, "--port", str(port)]) == 2
    error = capsys.readouterr().err
    assert "choose another --host or --port" in error
    assert error.count("\n") == 1
