"""What a search refuses before it begins."""

import hashlib
from pathlib import Path

import pytest
from conftest import new_postgres_database

from nas.errors import ConfigError, NasError
from nas.search.config import resolve
from nas.search.machine import Machine
from nas.search.plan import prepare, run_name
from nas.space import SearchSpace
from nas.study.provenance import provenance
from nas.study.store import StudyStore
from nas.training.fashion_mnist import fingerprint

LAPTOP = Machine(cpus=2, gpus=0)

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


@pytest.fixture
def given(tmp_path):
    """Options of a synthetic search in a database of its own."""
    return options(f"sqlite:///{tmp_path}/nas.db")


def begin(plan):
    """The study is in its database, without a trial."""
    store = StudyStore(plan.config.storage, plan.config.study, plan.record, owner="a")
    store.close()


def test_a_plan_holds_what_is_stored_and_where_things_go(given):
    plan = prepare({**given, "max_macs": "20M", "runs": "some runs", "seed": 3}, LAPTOP)
    assert plan.space == SearchSpace.load("resnext").with_limits({"macs": (None, 20_000_000)})
    assert plan.record.space == plan.space.to_dict()
    assert plan.record.space_hash == plan.space.hash
    assert plan.record.config == plan.config.to_dict()
    assert plan.record.dataset == "synthetic"
    assert plan.record.provenance == provenance()
    assert not plan.continued
    folder = Path("some runs") / run_name(plan.config)
    assert (plan.log, plan.outbox) == (folder / "search.log", folder / "outbox.jsonl")


def test_a_study_is_named_after_its_space_unless_it_is_named(given):
    assert prepare(given, LAPTOP).config.study == "resnext"
    assert prepare({**given, "space": "anynetx_a_28"}, LAPTOP).config.study == "anynetx_a_28"
    assert prepare({**given, "study": "mine"}, LAPTOP).config.study == "mine"
    del given["space"]
    assert prepare(given, LAPTOP).config.study == "resnext"


def test_a_study_of_images_records_which(given, data_folder):
    plan = prepare({**given, "objective": "fashion_mnist", "data": str(data_folder)}, LAPTOP)
    assert plan.record.dataset == fingerprint()
    with pytest.raises(NasError, match="no such folder"):
        prepare({**given, "objective": "fashion_mnist", "data": "/nowhere"}, LAPTOP)


def test_a_study_is_continued_with_its_space_and_options(given):
    begin(prepare({**given, "study": "s", "space": "anynetx_a_28", "epochs": 7}, LAPTOP))
    again = prepare({"storage": given["storage"], "study": "s"}, LAPTOP)
    assert again.continued
    assert (again.space, again.config.epochs) == (SearchSpace.load("anynetx_a_28"), 7)
    with pytest.raises(NasError, match="space"):
        prepare({**given, "study": "s", "space": "resnext"}, LAPTOP)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"device": "cuda"}, "device is cuda, but trials get no GPU; add --gpus-per-trial"),
        ({"max_macs": 1}, "macs"),
        ({"flip": "depth", "sampler": "random"}, "flip is 'depth'"),
        ({"space": "no such space"}, "no such space"),
        ({"storage": "nonsense"}, "nonsense"),
    ],
)
def test_what_cannot_be_carried_out_is_refused_before_anything_is_made(given, tmp_path, more, said):
    with pytest.raises(NasError) as refused:
        prepare({**given, **more}, LAPTOP)
    assert said in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_a_gpu_that_trials_get_may_be_asked_for(given):
    plan = prepare({**given, "device": "cuda", "gpus_per_trial": 1}, Machine(cpus=4, gpus=1))
    assert plan.config.device == "cuda"


@pytest.mark.parametrize(
    ("study", "readable"),
    [
        ("resnext", "resnext"),
        ("a b/../c", "a_b_.._c"),
        ("..", "study"),
        ("x" * 70, "x" * 60),
        ("_ü_", "study"),
    ],
)
def test_a_folder_is_named_after_study_and_database(study, readable):
    config = resolve({"study": study, "storage": "sqlite:///a.db"}, None, LAPTOP)
    digest = hashlib.sha256(f"sqlite:///a.db\n{study}".encode()).hexdigest()
    assert run_name(config) == f"{readable}-{digest[:8]}"
    other = resolve({"study": study, "storage": "sqlite:///b.db"}, None, LAPTOP)
    assert run_name(other) != run_name(config)
