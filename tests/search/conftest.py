"""Searches without Ray, for all tests of this folder."""

from searches import search, stored  # noqa: F401
from small_studies import clock  # noqa: F401
from tables import table_file, whole_table  # noqa: F401
