"""What a search refuses before it begins."""

import hashlib
import shlex
from pathlib import Path

import numpy as np
import pytest
from conftest import new_postgres_database

from nas.cost import cost
from nas.data import open_dataset
from nas.data.fashion_mnist import fingerprint
from nas.errors import ConfigError, NasError
from nas.search.machine import Machine, Node
from nas.search.plan import Plan, prepare, run_name
from nas.search.probe import software
from nas.search.resolving import read_config_file, resolve
from nas.space import SearchSpace
from nas.study.provenance import provenance
from nas.study.record import StudyRecord
from nas.study.shell import nas_command
from nas.study.store import StudyStore

LAPTOP = Machine(cpus=2, gpus=0)

CLUSTER = Machine.of([Node(64, 0)] * 3, "the Ray cluster at head:6379")
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
    one = Machine.of([Node(64, 0)], "the Ray cluster at head:6379")
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
    assert plan.record.provenance == {**provenance(), "software": software()}
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


def test_a_duration_of_a_file_is_printed_as_a_person_types_it(stored, tmp_path):
    file = tmp_path / "search.yaml"
    file.write_text("time-budget: 480\ntrial-timeout: none\n")
    plan = prepare({**read_config_file(file), "study": "it's", "storage": URL}, HERE)
    assert plan.command().endswith("--time-budget 8m --trial-timeout none")


def test_the_time_that_a_number_of_trials_takes_is_printed_where_that_number_is_not(tmp_path):
    asked = {"space": "resnext", "study": "many", "storage": f"sqlite:///{tmp_path}/nas.db"}
    asked |= {"objective": "synthetic", "trials": 40}
    plan = prepare(asked, HERE)
    assert plan.config.time_budget is None
    assert "--time-budget none" in plan.command()
    assert "--time-budget" not in plan.command(trials=80)
    del asked["trials"]
    assert "--time-budget" not in prepare(asked, HERE).command()


def test_what_the_machine_alone_decides_is_not_taken_from_the_study(stored):
    """A study that moves to another machine: none of the first one's places and shares."""
    bare = prepare({"study": "it's", "storage": URL}, Machine(cpus=8, gpus=0)).config
    fresh = resolve({"study": "it's", "storage": URL}, {"trials": 4}, Machine(cpus=8, gpus=0))
    for name in (
        "runs", "time_budget", "max_consecutive_failures", "trial_timeout", "concurrency",
        "cpus_per_trial", "gpus_per_trial", "data", "device", "log_to", "address", "insecure",
    ):  # fmt: skip
        assert getattr(bare, name) == getattr(fresh, name), name
    assert bare.objective == "synthetic"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"runs": "notes.txt"}, "runs: .*notes.txt is a file, not a folder"),
        ({"runs": "notes.txt/below"}, "runs: .*notes.txt is a file, not a folder"),
        ({"runs": "/proc/runs"}, "runs: cannot write in /proc"),
        ({"runs": "file:///tmp/runs"}, "runs is 'file:///tmp/runs', a URL of a kind"),
        ({"runs": "s3:/bucket/runs"}, "runs is 's3:/bucket/runs', a URL"),
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


# --- message by message ---


def refusal(given, machine=LAPTOP):
    with pytest.raises(NasError) as refused:
        prepare(given, machine)
    return str(refused.value)


def steady(architecture, config, report):
    """An objective of a user's own, which may use what GPUs it gets."""
    report(val_accuracy=0.5)


def test_a_training_on_two_gpus_is_refused_but_not_an_objective_of_ones_own(given):
    machine = Machine(cpus=8, gpus=2)
    assert refusal({**given, "gpus_per_trial": 2}, machine) == (
        "gpus-per-trial is 2, but a training uses one device; accepted: at most 1, such as 0.25"
    )
    own = {**given, "objective": steady, "gpus_per_trial": 2}
    assert prepare(own, machine).config.gpus_per_trial == 2


@pytest.mark.parametrize("nodes", [2, 3])
def test_a_cluster_of_two_nodes_or_more_needs_postgresql(given, nodes):
    cluster = Machine.of([Node(64, 0)] * nodes, "box")
    assert refusal(given, cluster) == (
        f"storage: SQLite is for one machine, and box has {nodes} nodes; use PostgreSQL: "
        "postgresql+psycopg://user:password@host/database"
    )


def test_what_the_space_searches_is_not_given_too(given):
    assert refusal({**given, "training": {"peak_lr": 0.2}}) == (
        "training: peak_lr is 0.2, but resnext searches it; leave it out there or here"
    )


def test_trials_of_which_no_two_are_trained_alike_do_not_inherit(given, data_folder):
    asked = {**given, "objective": "fashion_mnist", "data": str(data_folder), "inherit": True}
    assert refusal({**asked, "epochs": 2}) == (
        "inherit is given, but resnext searches training.peak_lr among numbers from 0.05 to 0.5, "
        "so no two trials have the same, and a trial inherits from none that has another one; "
        "accepted: a choice, a range with a step, or a space without, as resnext_bench is"
    )
    peak_lr = {"choice": [0.1, 0.3]}
    stepped = {**SearchSpace.load("resnext").to_dict(), "training": {"peak_lr": peak_lr}}
    space = SearchSpace.from_dict(stepped)
    assert prepare({**asked, "epochs": 2, "space": space}, LAPTOP).config.inherit


def test_a_space_of_an_earlier_study_that_no_training_takes_is_none_for_a_new_one(given):
    """Its file would be refused, but the study has it whole, and hands it over in Python."""
    smoothing = {"label_smoothing": {"choice": [0.0, 1.0]}, "erasing": {"choice": [0.5]}}
    document = {**SearchSpace.load("resnext").to_dict(), "training": smoothing}
    earlier = SearchSpace.from_dict(document, stored=True)
    assert refusal({**given, "space": earlier, "study": "new"}) == (
        "training: label_smoothing is 1.0; it must be less than 1 (resnext searches "
        '{"label_smoothing": 1.0, "erasing": 0.5})'
    )


def test_options_of_a_plan_are_those_in_which_it_differs_from_the_study(given):
    first = prepare({**given, "study": "s", "trials": 4, "sampler": "random"}, LAPTOP)
    endlessly = {"time_budget": "none"}  # as a number of trials was given; the study keeps that one
    assert first.options == endlessly
    again = nas_command("search", study="s", storage=given["storage"], **endlessly)
    assert first.command() == again
    begin(first)
    more = prepare({"storage": given["storage"], "study": "s", "trials": 9}, LAPTOP)
    assert more.options == {"trials": 9, **endlessly}
    again = nas_command("search", study="s", storage=given["storage"], trials=9)
    assert more.command() == again
    assert more.command(trials=18) == again.replace("--trials 9", "--trials 18")
    same = prepare({"storage": given["storage"], "study": "s", "trials": 4}, LAPTOP)
    assert same.options == endlessly
    endless = prepare({"storage": given["storage"], "study": "s", "time_budget": None}, LAPTOP)
    assert endless.options == endlessly
    named = {"storage": given["storage"], "study": "s", "space": "resnext", "epochs": 4}
    assert prepare(named, LAPTOP).options == {}


def test_a_plan_without_options_has_none(given):
    plan = prepare(given, LAPTOP)
    bare = Plan(plan.config, plan.space, plan.record, False, plan.objective)
    assert bare.options == {}


def test_a_study_is_continued_with_the_space_that_it_has_within_its_own_limits(given):
    begin(prepare({**given, "study": "s", "max_macs": "20M"}, LAPTOP))
    again = prepare({"storage": given["storage"], "study": "s"}, LAPTOP)
    assert again.space.to_dict()["limits"]["macs"]["max"] == 20_000_000
    assert again.record.space_hash == again.space.hash
    assert "'s' exists" in refusal({**given, "study": "s", "max_macs": "10M"})


def test_a_space_that_is_empty_is_refused_before_anything_is_made(given, tmp_path):
    assert refusal({**given, "max_macs": 1}).startswith("resnext: limits.macs.max is 1 but the ")
    assert list(tmp_path.iterdir()) == []


def test_a_record_has_what_the_study_is_made_of(given):
    plan = prepare(given, LAPTOP)
    assert isinstance(plan.record, StudyRecord)
    assert plan.record.untrained is not None
    images = prepare({**given, "objective": "fashion_mnist"}, LAPTOP)
    assert images.record.dataset == fingerprint()  # from wherever this machine has it


# --- the data set of a search ---

SPACE = """
name: small
stem: {width: 4}
each_stage: {block: basic, width: {choice: [4, 8]}, depth: 1, stride: 2}
stages: [{}]
"""


@pytest.fixture
def digits(tmp_path, monkeypatch):
    """``digits(said, **options)``: the plan of a search on digits; ``said`` ends the space."""
    monkeypatch.chdir(tmp_path)

    def prepared(said="", **options):
        (tmp_path / "small.yaml").write_text(SPACE + said)
        given = {"storage": URL, "space": "small.yaml", "dataset": "digits", **options}
        return prepare(given, HERE)

    return prepared


def test_a_space_that_leaves_its_images_out_takes_those_of_the_data_set(digits):
    plan = digits()
    assert (plan.space.input_shape, plan.space.num_classes) == ((1, 8, 8), 10)
    assert plan.record.space["input_shape"] == [1, 8, 8]
    assert plan.record.dataset == open_dataset("digits").fingerprint
    assert plan.record.config["dataset"] == "digits"
    images = plan.record.images
    assert (images.title, images.training, images.validation) == ("Digits", 1151, 287)
    assert len(plan.record.provenance["images"]["classes"]) == 10


def test_a_space_that_leaves_its_images_out_is_the_same_as_before_on_fashion_mnist(given):
    plan = prepare({**given, "objective": "fashion_mnist"}, LAPTOP)
    assert plan.space.hash == SearchSpace.load("resnext").hash
    assert plan.record.images.text == "20,000 training images of Fashion-MNIST"


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            "input_shape: [1, 28, 28]",
            "small is for images of 1×28×28, but Digits has images of 1×8×8, not of 1×28×28; "
            "accepted: that size, or another one with resize",
        ),
        (
            "input_shape: [3, 8, 8]",
            "small is for images of 3×8×8, but Digits has images of 1×8×8, not of 3×8×8; accepted: "
            "1 channel",
        ),
        (
            "classes: 100",
            "small says classes: 100, but Digits has 10; accepted: that, or a space file without "
            "classes",
        ),
    ],
)
def test_a_space_for_other_images_is_refused_by_name(digits, tmp_path, said, message):
    with pytest.raises(NasError) as refused:
        digits(said)
    assert str(refused.value) == message
    assert [path.name for path in tmp_path.iterdir()] == ["small.yaml"]


def test_a_bundled_space_for_colour_images_is_refused_for_fashion_mnist(given):
    """Which it was silently trained on before, with the costs of 3×32×32."""
    with pytest.raises(NasError, match="resnext_a is for images of 3×32×32, but Fashion-MNIST has"):
        prepare({**given, "objective": "fashion_mnist", "space": "resnext_a"}, LAPTOP)


def test_images_are_resized_where_that_is_asked_for(digits):
    plan = digits("input_shape: [1, 12, 16]", resize=True)
    assert plan.space.input_shape == plan.dataset.input_shape == (1, 12, 16)
    assert plan.dataset.train.images.shape == (1438, 1, 12, 16)
    assert plan.record.config["resize"] is True


def test_costs_are_those_of_what_is_trained(digits):
    plan = digits()
    network = plan.space.sample(0)
    assert plan.space.cost(network) == cost(network, (1, 8, 8), 10)
    with pytest.raises(NasError, match="macs"):
        digits(max_macs=100)


@pytest.mark.parametrize(("asked", "used"), [(None, None), (1151, 1151), (10, 10)])
def test_no_more_images_train_than_there_are(digits, asked, used):
    """Nobody asked for the 20,000 that suit a machine without a GPU."""
    options = {} if asked is None else {"train_images": asked}
    assert digits(**options).config.train_images == used


def test_more_images_than_there_are_are_refused(digits):
    with pytest.raises(ConfigError) as refused:
        digits(train_images=1152)
    assert str(refused.value) == (
        "train-images is 1,152, but Digits has 1,151 that do not validate; accepted: 10 to 1,151, "
        "or none for all"
    )
    with pytest.raises(ConfigError, match="Digits has 717 that do not validate"):
        digits(train_images=1000, training={"validation": 0.5})


def test_more_images_in_an_epoch_than_are_used_are_refused(digits):
    assert digits(train_images=100, epoch_images=100).config.epoch_images == 100
    with pytest.raises(ConfigError) as refused:
        digits(train_images=100, epoch_images=101)
    assert str(refused.value) == (
        "epoch-images is 101, but 100 images of Digits are trained on; accepted: 10 to 100, or "
        "none for all"
    )


def test_a_study_goes_on_with_its_data_set_and_refuses_another(digits, tmp_path):
    begin(digits(study="s"))
    again = prepare({"storage": URL, "study": "s"}, HERE)
    assert again.config.dataset == "digits"
    assert again.space.input_shape == (1, 8, 8)
    with pytest.raises(NasError) as refused:
        prepare({"storage": URL, "study": "s", "dataset": "fashion_mnist"}, HERE)
    assert 'exists and is another one: dataset is "digits", not "fashion_mnist"' in str(
        refused.value
    )


def test_options_of_another_study_are_that_before_they_contradict_the_stored_ones(digits):
    begin(digits(study="s", epochs=3))
    for options, difference in (
        ({"inherit": True}, "inherit is false, not true"),
        ({"epochs": 1}, "epochs is 3, not 1"),  # and grace, 2, would be above it
    ):
        with pytest.raises(NasError) as refused:
            prepare({"storage": URL, "study": "s", **options}, HERE)
        assert str(refused.value) == (
            f"study 's' exists and is another one: {difference}; choose another --study, or leave "
            "these options out"
        )


def test_images_that_moved_are_the_same_and_changed_ones_are_not(digits, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (20, 6, 6), dtype=np.uint8)
    np.savez("a.npz", images=images, labels=np.arange(20) % 2)
    begin(digits(study="s", dataset="npz:a.npz"))
    Path("a.npz").rename("b.npz")
    assert prepare({"storage": URL, "study": "s", "dataset": "npz:b.npz"}, HERE).continued
    assert prepare({"storage": URL, "study": "s", "data": "b.npz"}, HERE).continued
    with pytest.raises(NasError, match=r"a\.npz: no such file"):
        prepare({"storage": URL, "study": "s"}, HERE)
    np.savez("b.npz", images=255 - images, labels=np.arange(20) % 2)
    with pytest.raises(NasError, match="is another one: dataset is "):
        prepare({"storage": URL, "study": "s", "data": "b.npz"}, HERE)


def test_an_objective_that_trains_nothing_needs_no_data_set(given):
    plan = prepare({**given, "dataset": "folder:/nowhere"}, LAPTOP)
    assert plan.dataset is None


def test_a_sampler_that_only_a_database_names_is_not_imported(given):
    given = {**given, "objective": "synthetic", "study": "s", "trials": 4}
    first = prepare({**given, "sampler": "optuna.samplers:CmaEsSampler"}, LAPTOP)
    begin(first)
    again = {"storage": given["storage"], "study": "s"}
    assert refusal(again) == (
        "study 's' was searched with the sampler optuna.samplers:CmaEsSampler, whose code is not "
        "in the database; give it again: --sampler optuna.samplers:CmaEsSampler, or sampler= in "
        "Python"
    )
    plan = prepare({**again, "sampler": "optuna.samplers:CmaEsSampler"}, LAPTOP)
    assert plan.options == {"sampler": "optuna.samplers:CmaEsSampler"}
    assert prepare({**again, "sampler": "tpe"}, LAPTOP).config.sampler == "tpe"
