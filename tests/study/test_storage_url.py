"""Which database is meant."""

from nas.study.storage_url import storage_url


def test_the_storage_that_is_given_goes_before_the_environment_before_the_default(monkeypatch):
    monkeypatch.setenv("NAS_STORAGE", "sqlite:///of-the-environment.db")
    assert storage_url("sqlite:///given.db") == "sqlite:///given.db"
    assert storage_url(None) == "sqlite:///of-the-environment.db"
    assert storage_url() == "sqlite:///of-the-environment.db"
    monkeypatch.delenv("NAS_STORAGE")
    assert storage_url() == "sqlite:///nas.db"
