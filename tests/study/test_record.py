"""What makes a study another one: each part of its record that results depend on."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import optuna
import pandas as pd
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import create_trial

from nas.errors import DamagedError, StorageError
from nas.search.config import Scope, options
from nas.study.reader import studies
from nas.study.record import StudyRecord, label_of, read_record, table_path, untrained

OURS = StudyRecord(
    space={"name": "s", "stages": [{"depth": 1}, {"depth": 2}]},
    space_hash="0" * 64,
    config={
        "objective": "synthetic",
        "epochs": 3,
        "train_images": 1000,
        "training": {"peak_lr": 0.1},
        "scheduler": "asha",
        "grace": 1,
        "reduction": 3,
        "seed": 0,
        "stream": "a",
        "flip": None,
        "trials": 9,
        "sampler": "tpe",
        "runs": "here",
    },
    dataset="d" * 64,
    provenance={"python": "3.11"},
    fixed=options(Scope.FIXED),
)
OTHER = {
    "dataset": "folder:/data/birds",
    "resize": True,
    "objective": "fashion_mnist",
    "epochs": 4,
    "train_images": None,
    "epoch_images": 500,
    "training": {"peak_lr": 0.1, "momentum": 0.5},
    "scheduler": "none",
    "grace": 2,
    "reduction": 4,
    "seed": 1,
    "stream": "b",
    "flip": "residual",
    "max_latency": 0.002,
    "max_memory": 64_000_000,
    "latency_batch": 256,
    "minimize": ["macs", "latency"],
    "inherit": True,
    "inherit_epochs": 2,
}
SAID = {
    "dataset": 'dataset is "fashion_mnist", not "folder"',
    "resize": "resize is false, not true",
    "objective": 'objective is "synthetic", not "fashion_mnist"',
    "epochs": "epochs is 3, not 4",
    "train_images": "train_images is 1000, not null",
    "epoch_images": "epoch_images is null, not 500",
    "training": "training.momentum is null, not 0.5",
    "scheduler": 'scheduler is "asha", not "none"',
    "grace": "grace is 1, not 2",
    "reduction": "reduction is 3, not 4",
    "seed": "seed is 0, not 1",
    "stream": 'stream is "a", not "b"',
    "flip": 'flip is null, not "residual"',
    "max_latency": "max_latency is null, not 0.002",
    "max_memory": "max_memory is null, not 64000000",
    "latency_batch": "latency_batch is 1, not 256",
    "minimize": 'minimize is "none", not "macs, latency"',
    "inherit": "inherit is false, not true",
    "inherit_epochs": "inherit_epochs is null, not 2",
}


def with_config(**changed):
    return replace(OURS, config={**OURS.config, **changed})


def test_each_fixed_option_is_tried_here():
    assert set(OTHER) == set(SAID) == set(options(Scope.FIXED))


@pytest.mark.parametrize("part", OTHER)
def test_each_part_that_results_depend_on_makes_another_study(part):
    assert OURS.differences(with_config(**{part: OTHER[part]})) == [SAID[part]]


def test_a_study_from_before_an_option_had_what_held_then():
    assert "latency_batch" not in OURS.config
    assert OURS.differences(with_config(latency_batch=1)) == []


def test_the_budget_the_sampler_and_the_machine_make_no_other_study():
    same = with_config(trials=99, sampler="random", runs="there")
    assert OURS.differences(replace(same, provenance={"python": "3.12"})) == []
    OURS.refuse_another(same, "s")


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({"name": "t", "stages": [{"depth": 1}, {"depth": 2}]}, ['space.name is "s", not "t"']),
        (
            {"name": "s", "stages": [{"depth": 1}, {"depth": 3}]},
            ["space.stages.1.depth is 2, not 3"],
        ),
        (
            {"name": "s", "stages": [{"depth": 1}]},
            ['space.stages is [{"depth": 1}, {"depth": 2}], not [{"depth": 1}]'],
        ),
        (
            {"stages": [{"depth": 1}, {"depth": 2, "width": 8}]},
            ['space.name is "s", not null', "space.stages.1.width is null, not 8"],
        ),
    ],
)
def test_a_space_differs_where_its_values_do(space, said):
    assert OURS.differences(replace(OURS, space=space, space_hash="1" * 64)) == said
    assert OURS.differences(replace(OURS, space=space)) == []  # as the hash says: written otherwise


def test_a_data_set_differs_by_the_first_12_of_its_digits():
    said = ["dataset is dddddddddddd, not eeeeeeeeeeee"]
    assert OURS.differences(replace(OURS, dataset="e" * 64)) == said


def test_files_of_a_data_set_may_move_as_long_as_they_are_the_same():
    here, there = (with_config(dataset=f"folder:/{place}/birds") for place in "ab")
    assert here.differences(there) == []
    assert here.differences(replace(there, dataset="e" * 64)) == [
        "dataset is dddddddddddd, not eeeeeeeeeeee"
    ]


def test_a_study_that_says_nothing_of_its_images_is_of_fashion_mnist():
    images = OURS.images
    assert (images.title, images.training, images.validation) == ("Fashion-MNIST", 1000, 10_000)
    assert with_config(train_images=None).images.text == "50,000 training images of Fashion-MNIST"


def test_an_objective_without_a_data_set_of_ours_has_no_images():
    assert replace(OURS, dataset="synthetic").images is None


def test_a_study_says_what_its_images_were():
    about = {"images": {"title": "birds", "training": 900, "validation": 100, "classes": ["a"]}}
    birds = replace(with_config(train_images=None), provenance=about)
    assert birds.images.text == "900 training images of birds"
    assert replace(OURS, provenance={"images": {"validation": 3}}).images.validation == 3


@pytest.mark.parametrize("wrong", [0, -1, "many", None, 1.5, True, 10**12])
def test_numbers_of_images_that_cannot_be_are_damage(wrong):
    with pytest.raises(DamagedError, match="its number of images is"):
        replace(OURS, provenance={"images": {"validation": wrong}}).images  # noqa: B018


def test_the_refusal_names_three_differences_and_what_to_do():
    with pytest.raises(StorageError) as refused:
        OURS.refuse_another(with_config(epochs=4, grace=2, reduction=4, seed=1), "mine")
    assert str(refused.value) == (
        "study 'mine' exists and is another one: epochs is 3, not 4; grace is 1, not 2; reduction "
        "is 3, not 4; choose another --study, or leave these options out"
    )


# --- as stored ---


@pytest.fixture
def stored(by_hand, tmp_path):
    """``stored(statement)``: the URL of a copy of "hand" in which it was carried out."""

    def change(statement="SELECT 1"):
        shutil.copyfile(by_hand, tmp_path / "nas.db")
        with closing(sqlite3.connect(tmp_path / "nas.db")) as connection:
            connection.executescript(statement)
        return f"sqlite:///{tmp_path}/nas.db"

    return change


def refused(url, name="hand"):
    with pytest.raises(StorageError) as error:
        read_record(url, name)
    return str(error.value)


def test_where_there_is_no_study_there_is_no_record(stored, helpers, tmp_path):
    assert read_record(f"sqlite:///{tmp_path}/none.db", "hand") is None
    assert not (tmp_path / "none.db").exists()
    (tmp_path / "empty.db").touch()
    assert read_record(f"sqlite:///{tmp_path}/empty.db", "hand") is None
    assert read_record(stored(), "other") is None
    config = {"epochs": 2, "seed": 0, "trials": 9, "objective": "fashion_mnist"}
    assert read_record(stored(), "hand") == replace(helpers.record, config=config)


def test_a_name_that_is_no_text_is_refused():
    said = refused("sqlite:///nas.db", "a\udcff")
    assert said == "study 'a\\udcff' is not text in this terminal's encoding"


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("trials", "0", "0"),
        ("trials", "10000001", "10000001"),
        ("epochs", "0", "0"),
        ("epochs", "10000001", "10000001"),
        ("epochs", "-1", "-1"),
        ("trials", "1.0", "1.0"),
        ("trials", "true", "True"),
        ("epochs", "null", "None"),
        ("epochs", '"' + 50 * "x" + '"', 40 * "x"),
    ],
)
def test_a_count_of_the_config_that_no_search_can_have_is_damage(stored, name, value, shown):
    config = {"trials": "1", "epochs": "1", name: value}
    text = ", ".join(f'"{key}": {count}' for key, count in config.items())
    said = f"study 'hand' is damaged: {name} of its config is '{shown}', not a whole number"
    assert refused(stored(f"UPDATE nas_studies SET config = '{{{text}}}'")) == said


@pytest.mark.parametrize("count", [1, 10_000_000])
def test_a_study_has_at_least_one_and_at_most_ten_million_trials_and_epochs(stored, count):
    config = f'{{"trials": {count}, "epochs": {count}}}'
    record = read_record(stored(f"UPDATE nas_studies SET config = '{config}'"), "hand")
    assert record.config == {"trials": count, "epochs": count}


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("space_hash", "x'00'", "its space_hash is not text"),
        ("dataset", "x'00'", "its dataset is not text"),
        ("config", "'x'", "its config is not JSON"),
        ("config", "'[]'", "its config is not a mapping"),
        ("space", "'[]'", "its space is not a mapping"),
        ("provenance", "'5'", "its provenance is not a mapping"),
    ],
)
def test_a_damaged_record_names_its_part(stored, column, value, said):
    url = stored(f"UPDATE nas_studies SET {column} = {value}")
    with pytest.raises(DamagedError) as error:
        read_record(url, "hand")
    assert str(error.value) == f"study 'hand' is damaged: {said}"
    assert error.value.problems == [said]
    (row,) = studies(url).to_dict("records")
    assert row["problem"] == said
    assert pd.isna(row["planned"]) and pd.isna(row["created"]) and pd.isna(row["objective"])


def test_a_record_is_read_whatever_its_time_of_creation_is(stored):
    url = stored("UPDATE nas_studies SET created = x'00'")
    assert read_record(url, "hand").space_hash == "0" * 64
    assert studies(url)["problem"].tolist() == [
        "its time of creation is not a time: \"b'\\\\x00'\""
    ]


@pytest.mark.parametrize(
    ("objective", "shown"),
    [("5", "'5'"), ("[]", "'[]'"), ('"' + 50 * "x" + '"', None), ("null", None)],
)
def test_an_objective_is_a_text_or_missing(stored, objective, shown):
    config = f'{{"trials": 1, "epochs": 1, "objective": {objective}}}'
    (row,) = studies(stored(f"UPDATE nas_studies SET config = '{config}'")).to_dict("records")
    if shown:
        assert row["problem"] == f"objective of its config is {shown}, not text"
    else:
        assert pd.isna(row["problem"]) and row["planned"] == 1


def test_a_name_that_is_not_text_is_a_problem_in_the_list(stored):
    found = studies(stored("UPDATE studies SET study_name = 5.5 || x'00'"))
    assert len(found) == 1 and found["trials"].tolist() == [7]
    found = studies(stored("UPDATE studies SET study_name = x'6162'"))
    assert found["study"].tolist() == ["b'ab'"]
    assert found["problem"].tolist() == ["its name is not text"]


# --- what its numbers are called ---


@pytest.mark.parametrize(
    ("objective", "sentence", "accuracy"),
    [
        (
            "synthetic",
            "The objective is synthetic: no network was trained, the accuracies are a function of "
            "the architecture.",
            "synthetic accuracy",
        ),
        ("fashion_mnist", None, "validation accuracy"),
        (None, None, "validation accuracy"),
    ],
)
def test_results_of_no_training_are_called_so(objective, sentence, accuracy):
    record = with_config(objective=objective)
    assert (record.untrained, record.accuracy) == (sentence, accuracy)
    assert (untrained(objective), label_of(objective)) == (sentence, accuracy)
    assert replace(OURS, config={}).untrained is None


# --- a study of Optuna's without a record of ours ---


def foreign(path, directions=("maximize",), trials=()):
    """What is said of one in a database of its own."""
    url = f"sqlite:///{path}/theirs.db"
    study = optuna.create_study(storage=url, study_name="theirs", directions=list(directions))
    for names in trials:
        domains = {name: FloatDistribution(0, 1) for name in names}
        params = dict.fromkeys(names, 0.5)
        values = [0.5] * len(directions)
        study.add_trial(create_trial(params=params, distributions=domains, values=values))
    return refused(url, "theirs")


@pytest.mark.parametrize(
    ("trials", "said"),
    [
        ([""], "1 trial in it, not by nas"),
        (["a"], "1 trial of 'a' in it, not by nas"),
        (["cab", "b"], "2 trials of 'a', 'b', 'c' in it, not by nas"),
        (["db", "ca"], "2 trials of 'a', 'b', 'c', … in it, not by nas"),
    ],
)
def test_a_foreign_study_is_told_by_its_first_three_parameters(tmp_path, trials, said):
    assert foreign(tmp_path, trials=trials) == (
        f"study 'theirs' exists and was made by another program: {said}; choose another --study"
    )


def test_a_foreign_study_is_told_by_its_direction(tmp_path):
    begin = "study 'theirs' exists and was made by another program: its direction is "
    assert (
        foreign(tmp_path, ["minimize"]) == f"{begin}minimize, not maximize; choose another --study"
    )
    with closing(sqlite3.connect(tmp_path / "theirs.db")) as connection:
        connection.execute("DELETE FROM study_directions")
        connection.commit()
    assert refused(f"sqlite:///{tmp_path}/theirs.db", "theirs") == (
        f"{begin}not set, not maximize; choose another --study"
    )


@pytest.mark.parametrize(
    ("objective", "path"),
    [
        ("table:a:b.db", Path("a:b.db")), ("table:", None), ("table", None), ("synthetic", None),
        ("package.module:name", None), (None, None),
    ],
)  # fmt: skip
def test_a_table_is_named_by_its_word_and_its_file(objective, path):
    assert table_path(objective) == path
