"""What is settled before a search begins."""

import pytest

from nas.cli.session import check, storage_of
from nas.errors import ConfigError


def test_the_storage_that_is_given_goes_before_the_environment_before_the_default(monkeypatch):
    monkeypatch.setenv("NAS_STORAGE", "sqlite:///of-the-environment.db")
    assert storage_of({"storage": "sqlite:///given.db"}) == "sqlite:///given.db"
    assert storage_of({"storage": None}) == "sqlite:///of-the-environment.db"
    assert storage_of({}) == "sqlite:///of-the-environment.db"
    monkeypatch.delenv("NAS_STORAGE")
    assert storage_of({}) == "sqlite:///nas.db"


def test_a_check_refuses_what_a_search_would_and_makes_nothing(monkeypatch, tmp_path):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("NAS_STORAGE", f"sqlite:///{tmp_path}/nas.db")
    given = {"objective": "synthetic", "space": "resnext", "trials": 3}
    check(given)
    with pytest.raises(ConfigError, match="concurrency is 100000, but this machine"):
        check({**given, "concurrency": 100_000})
    with pytest.raises(ConfigError, match="device is cuda, but trials get no GPU"):
        check({**given, "device": "cuda", "gpus_per_trial": 0})
    assert list(tmp_path.iterdir()) == []
