"""Searches without Ray, for all tests of this folder."""

import sys

import pytest
from searches import search, stored  # noqa: F401
from small_studies import clock  # noqa: F401
from tables import table_file, whole_table  # noqa: F401


@pytest.fixture(scope="module", autouse=True)
def ray_as_it_was():
    """What Ray remembers of tokens does not outlast the tests of a file that gave it others."""
    yield
    if "ray" in sys.modules:
        from ray._raylet import AuthenticationTokenLoader, Config

        AuthenticationTokenLoader.instance().reset_cache()
        Config.initialize("")
