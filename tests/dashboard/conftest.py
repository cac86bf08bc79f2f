"""Studies that searches made, a dashboard that serves them, and a browser that looks at it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator

import pytest
from browser import CHROMIUM, DRIVER, MISSING, Browser, browsing
from dashboard_page import DashboardPage
from dashboards import Search, inherits, serving


@pytest.fixture(autouse=True)
def own_main(monkeypatch):
    """Streamlit's AppTest leaves its page in the place of ``__main__``, which the processes that
    later tests start would run."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


@pytest.fixture(scope="session")
def studies(tmp_path_factory) -> str:
    """A study of pairs, a random one of two spaces each, one that inherits, and a guided one with
    stopped and failed trials."""
    folder = tmp_path_factory.mktemp("studies")
    url = f"sqlite:///{folder}/nas.db"
    options = {"sampler": "random", "scheduler": "none", "flip": "residual"}
    Search(url, "pairs", "resnet_vs_plain", trials=24, **options).run()
    Search(url, "resnet", "resnet", sampler="random", scheduler="none", trials=16).run()
    Search(url, "resnext", sampler="random", scheduler="none", trials=16).run()
    inherits(url, "inheriting", folder)
    Search(url, "guided", trials=24, reduction=2).run(
        failing={3: "loss is not finite", 5: "loss is not finite"}, dying=[7]
    )
    return url


@pytest.fixture(scope="session")
def server(studies, tmp_path_factory):
    """(address, process, log) of one dashboard for all tests that only look."""
    with serving(studies, tmp_path_factory.mktemp("dashboard")) as served:
        yield served


@pytest.fixture(scope="session")
def dashboard(server) -> str:
    return server[0]


@pytest.fixture(scope="session")
def chromium(tmp_path_factory) -> Browser:
    if not (CHROMIUM and DRIVER):
        pytest.skip(MISSING)
    with browsing(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def browser(chromium) -> Iterator[Browser]:
    """At an empty page, without the complaints of the test before."""
    chromium.open("about:blank")
    chromium.complaints()
    shutil.rmtree(chromium.downloads, ignore_errors=True)
    yield chromium
    chromium.open("about:blank")  # a page that is left open asks its server again and again


@pytest.fixture
def visit(browser):
    """``visit(address)``: a page there."""
    return lambda address: DashboardPage(browser, address)


@pytest.fixture
def page(visit, dashboard):
    """At the dashboard for all; in the end nothing may have complained."""
    page = visit(dashboard)
    yield page
    assert page.complaints() == []
