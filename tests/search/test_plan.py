"""What a search refuses before it begins."""

import pytest
from conftest import new_postgres_database

from nas.errors import ConfigError
from nas.search.machine import Machine
from nas.search.plan import prepare

CLUSTER = Machine(cpus=64, gpus=0, name="the Ray cluster at head:6379", nodes=3)


def options(storage):
    return {"storage": storage, "objective": "synthetic", "space": "resnext"}


def test_sqlite_is_refused_for_a_cluster_with_what_to_use(tmp_path):
    with pytest.raises(ConfigError, match=r"has 3 nodes; use PostgreSQL: postgresql\+psycopg://"):
        prepare(options(f"sqlite:///{tmp_path}/nas.db"), CLUSTER)
    assert list(tmp_path.iterdir()) == []


def test_postgresql_is_good_for_a_cluster_and_sqlite_for_one_node(postgres, tmp_path):
    assert prepare(options(new_postgres_database(postgres)), CLUSTER).config.concurrency > 1
    one = Machine(cpus=64, gpus=0, name="the Ray cluster at head:6379")
    prepare(options(f"sqlite:///{tmp_path}/nas.db"), one)
