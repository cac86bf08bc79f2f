"""What a table is made of."""

from dataclasses import replace
from statistics import fmean, variance

import pytest
from tables import EPOCHS, NETWORKS, write_table

from nas.errors import NasError
from nas.study.reader import open_study
from nas.study.table import table_of


def test_a_table_has_the_curves_of_all_seeds_and_the_mean_of_their_last_values(table_file):
    table = table_of(f"table:{table_file}")
    assert len(table.curves) == NETWORKS and table.epochs == EPOCHS
    frames = [open_study(f"sqlite:///{table_file}", f"tiny-seed{s}").frame() for s in (0, 1)]
    values = [dict(zip(f["key"], f["val_accuracy"], strict=True)) for f in frames]
    for key in table.curves:
        assert table.value(key) == pytest.approx(fmean(one[key] for one in values), abs=1e-12)
    pairs = [[one[key] for one in values] for key in table.curves]
    assert table.spread == pytest.approx(fmean(variance(pair) for pair in pairs) ** 0.5)
    assert table.machine_seconds == pytest.approx(2 * NETWORKS * EPOCHS * 0.001)


def test_a_table_is_read_whatever_signs_its_path_has(table_file):
    odd = table_file.rename(table_file.with_name("100%41 of it? #1.sqlite"))
    assert len(table_of(f"table:{odd}").curves) == NETWORKS


def test_an_epoch_takes_the_shortest_time_that_one_of_a_network_took(table_file):
    table = table_of(f"table:{table_file}")
    curves = {
        key: [[{**result, "seconds": more + n} for n, result in enumerate(curve)] for curve in own]
        for more, (key, own) in enumerate(table.curves.items(), 2)
    }
    seconds = [replace(table, curves=curves).seconds(key) for key in curves]
    assert seconds == list(range(2, 2 + NETWORKS))


def test_a_result_of_a_table_is_what_was_recorded(table_file):
    table = table_of(f"table:{table_file}")
    study = open_study(f"sqlite:///{table_file}", "tiny-seed0")
    rows = study.epochs().query("number == 4").to_dict("records")
    key = study.frame()["key"][4]
    recorded = [curve for curve in table.curves[key] if curve[0]["val_loss"] == rows[0]["val_loss"]]
    assert [[result["val_accuracy"] for result in curve] for curve in recorded] == [
        [row["val_accuracy"] for row in rows]
    ]
    seen = table.curve(key, 7)
    assert [table.result(key, 7, n)["val_loss"] for n in range(1, EPOCHS + 1)] == [
        result["val_loss"] for result in seen
    ]


def test_trials_that_were_stopped_early_are_no_curves_of_a_table(tmp_path):
    file = write_table(tmp_path / "t.sqlite", scheduler="asha", reduction=2, seeds=(0,))
    complete = (open_study(f"sqlite:///{file}", "tiny-seed0").frame()["state"] == "COMPLETE").sum()
    assert 0 < len(table_of(f"table:{file}").curves) == complete < NETWORKS


@pytest.mark.parametrize("other", [{"epochs": 2}, {"training": {"peak_lr": 0.2}}])
def test_studies_of_different_recipes_are_no_table(tmp_path, other):
    file = write_table(tmp_path / "t.sqlite", seeds=(0,), networks=2)
    write_table(file, seeds=(1,), networks=2, **other)
    name = next(iter(other))
    with pytest.raises(NasError, match=f"'tiny-seed0' and 'tiny-seed1' differ in {name}"):
        table_of(f"table:{file}")
