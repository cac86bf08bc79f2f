"""A table of every network of the tiny space, two seeds, of the synthetic objective."""

import sqlite3

import pytest
from searches import Search

from nas.study.database.clock import utc_now

SPACE = {
    "name": "tiny",
    "stem": {"width": 8},
    "each_stage": {"block": "basic", "depth": {"int": [1, 2]}, "stride": 2},
    "stages": [{"width": {"choice": [8, 16]}}, {"width": {"choice": [16, 24, 32]}}],
}
NETWORKS = 24
EPOCHS = 3


def write_table(path, *, space=SPACE, seeds=(0, 1), networks=NETWORKS, **options):
    for seed in seeds:
        asked = {"trials": networks, "epochs": EPOCHS, "scheduler": "none", "sampler": "qmc"}
        study = f"tiny-seed{seed}"
        one = Search(f"sqlite:///{path}", utc_now, space, study=study, seed=seed, **asked | options)
        one.run()
        one.store.close()
    return path


@pytest.fixture(scope="session")
def whole_table(tmp_path_factory):
    return write_table(tmp_path_factory.mktemp("table") / "tiny.sqlite")


@pytest.fixture
def table_file(whole_table, tmp_path):
    """A file of its own, named as a user would."""
    copy = tmp_path / "tiny.sqlite"
    with sqlite3.connect(whole_table) as source, sqlite3.connect(copy) as target:
        source.backup(target)
    return copy
