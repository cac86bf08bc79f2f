"""Small studies, for all tests of this folder."""

from small_studies import by_hand, clock, disk, helpers, open_store, searched, store  # noqa: F401
from tables import table_file, whole_table  # noqa: F401
