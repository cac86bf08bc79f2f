"""What a search refuses before it begins."""

import shlex

import pytest
from conftest import new_postgres_database

from nas.errors import ConfigError, NasError
from nas.search.config import resolve
from nas.search.machine import Machine
from nas.search.plan import prepare
from nas.study.store import StudyStore

CLUSTER = Machine(cpus=64, gpus=0, name="the Ray cluster at head:6379", nodes=3)
HERE = Machine(cpus=4, gpus=0)
URL = "sqlite:///nas.db"
OF_THE_CALL = {
    "runs": "my runs",
    "time_budget": "1h",
    "max_consecutive_failures": 3,
    "trial_timeout": "9m",
    "concurrency": 1,
    "cpus_per_trial": 1.5,
    "data": "some where",
    "device": "cpu",
    "log_to": "tensorboard:curves 100 %",
}


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


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """A study of the database nas.db in the working directory, made with options of one call."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NAS_STORAGE", raising=False)
    plan = prepare({**options(URL), "study": "it's", "trials": 4, **OF_THE_CALL}, HERE)
    StudyStore(URL, "it's", plan.record, owner="a").close()
    return plan


def test_the_printed_command_carries_the_study_on_in_the_same_way(stored):
    words = shlex.split(stored.command(trials=9))
    assert words[words.index("search") :][:3] == ["search", "--study", "it's"]
    flags = dict(
        zip(
            words[words.index("search") + 1 :: 2],
            words[words.index("search") + 2 :: 2],
            strict=True,
        )
    )
    given = {name.removeprefix("--").replace("-", "_"): value for name, value in flags.items()}
    assert set(given) == {"study", "trials", *OF_THE_CALL}
    typed = {**given, "trials": 9, "concurrency": 1, "cpus_per_trial": 1.5}
    typed |= {"max_consecutive_failures": 3}
    again = prepare({**typed, "storage": URL}, HERE)
    assert again.config == stored.config.model_copy(update={"trials": 9})
    assert (again.outbox, again.log) == (stored.outbox, stored.log)


def test_what_the_machine_alone_decides_is_not_taken_from_the_study(stored):
    """A study that moves to another machine: none of the first one's places and shares."""
    bare = prepare({"study": "it's", "storage": URL}, Machine(cpus=8, gpus=0)).config
    fresh = resolve({"study": "it's", "storage": URL, "trials": 4}, None, Machine(cpus=8, gpus=0))
    for name in (
        "runs", "time_budget", "max_consecutive_failures", "trial_timeout", "concurrency",
        "cpus_per_trial", "gpus_per_trial", "data", "device", "log_to",
    ):  # fmt: skip
        assert getattr(bare, name) == getattr(fresh, name), name
    assert bare.objective == "synthetic"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"runs": "notes.txt"}, "runs: .*notes.txt is a file, not a folder"),
        ({"runs": "notes.txt/below"}, "runs: .*notes.txt is a file, not a folder"),
        ({"runs": "/proc/runs"}, "runs: cannot write in /proc"),
        ({"runs": "s3://bucket/runs"}, "runs is 's3://bucket/runs', a URL"),
        ({"runs": "gs://bucket/runs"}, "a URL"),
        ({"runs": "file:///tmp/runs"}, "a URL"),
        ({"runs": "x" * 300}, "runs: File name too long"),
        ({"log_to": "tensorboard:notes.txt"}, "log-to: .*notes.txt is a file"),
        ({"log_to": "tensorboard:/proc/curves"}, "log-to: cannot write in /proc"),
        ({"log_to": "tensorboard:s3://bucket/x"}, "log-to is 's3://bucket/x', a URL"),
        ({"objective": "fashion_mnist", "data": "s3://bucket/x"}, "s3:/+bucket/x"),
        ({"objective": "fashion_mnist", "data": "notes.txt"}, "notes.txt"),
    ],
)
def test_a_place_that_cannot_be_used_is_refused_before_anything_starts(
    given, said, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(NasError, match=said):
        prepare({**options(URL), **given}, HERE)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_folders_for_runs_and_curves_are_made_when_the_search_begins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    prepare({**options(URL), "runs": "a/new one", "log_to": "tensorboard:b/c"}, HERE)
    assert list(tmp_path.iterdir()) == []
