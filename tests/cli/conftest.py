"""Searches without Ray and small studies, for all tests of this folder."""

from searches import search, stored  # noqa: F401
from small_studies import by_hand, clock, disk, helpers, open_store, searched, store  # noqa: F401
