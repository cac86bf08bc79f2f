"""What ``nas space info`` tells of a space."""

import random
import re

import numpy as np
import pytest
import yaml

from nas.cli.app import main
from nas.cli.spaces import DRAWS, facts
from nas.cost import cost
from nas.quantity import count
from nas.space import SearchSpace


def printed(capsys, monkeypatch, *arguments):
    monkeypatch.setenv("COLUMNS", "160")
    assert main(["space", "info", *arguments]) == 0
    return capsys.readouterr().out


def test_info_tells_size_rules_knobs_and_costs(capsys, monkeypatch):
    text = printed(capsys, monkeypatch, "anynetx_e_28")
    space = SearchSpace.load("anynetx_e_28")
    assert f"{space.size():,} settings (259M)" in text
    assert "tie      group_width, bottleneck" in text
    assert "depth nondecreasing, width nondecreasing" in text
    assert "params at most 2,000,000, macs at least 1,000,000 and at most 30,000,000" in text
    assert "whole numbers from 8 to 256 in steps of 8, on a log scale" in text
    assert "sampler  rejection" in text
    assert space.hash in text
    assert all(path in text for path in space.parameters)
    assert "activations" in text


def test_the_facts_of_a_space_are_a_line_each():
    document = {
        "name": "small",
        "stem": {"width": 8},
        "each_stage": {"block": "basic", "depth": {"int": [1, 2]}, "width": {"choice": [8, 16]}},
        "stages": [{}, {"stride": 2}],
        "tie": ["depth"],
        "order": {"width": "nondecreasing"},
    }
    space = SearchSpace.from_dict(document)
    # 2 depths, and 3 of the 4 pairs of widths
    assert list(facts(space)) == [
        "small: a design space",
        "size     6 settings, exactly, without the limits",
        "tie      depth",
        "order    width nondecreasing",
        "inside   100 % of the draws without limits are inside them (estimated from 2,000 draws)",
        "sampler  rejection",
        f"hash     {space.hash}",
    ]
    limits = {"depth": {"min": 3, "max": 9000}, "params": {"max": 2_000_000}}
    told = list(facts(SearchSpace.from_dict(document | {"limits": limits, "description": "few"})))
    assert told[0] == "small: few"
    assert told[4] == "limits   depth at least 3 and at most 9,000, params at most 2,000,000"


def test_only_knobs_on_a_log_scale_are_said_to_be_so(capsys, monkeypatch, tmp_path):
    width = {"int": [8, 64], "step": 8, "log": True}
    depth, rate = {"int": [1, 4]}, {"float": [0.5, 2.0], "log": True}
    stage = {
        "block": "basic",
        "width": width,
        "depth": depth,
        "residual": {"choice": [True, False]},
    }
    document = {"name": "small", "stem": {"width": 8}, "stages": [stage]}
    document["training"] = {"peak_lr": rate, "momentum": {"float": [0.5, 0.9]}}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(document))
    lines = printed(capsys, monkeypatch, str(tmp_path / "small.yaml")).splitlines()
    knobs = {path: line for line in lines for path in ("width", "depth", "residual", "peak_lr",
             "momentum") if path in line.partition("│")[2].partition("│")[0]}  # fmt: skip
    assert {path for path, line in knobs.items() if ", on a log scale" in line} == {
        "width", "peak_lr"
    }  # fmt: skip
    assert len(knobs) == 5


def test_info_within_a_band_tells_its_share(capsys, monkeypatch):
    free = SearchSpace.load("resnet_vs_plain")
    narrow = free.with_limits({"macs": (7_000_000, 7_050_000)})
    assert (free.sampler, narrow.sampler) == ("rejection", "exact")
    text = printed(capsys, monkeypatch, "resnet_vs_plain", "--band", "macs=7M:7050k")
    assert "sampler  exact" in text
    # the same number, from the band's mass and by counting draws of the whole space
    wide = free.with_limits({"macs": (6_000_000, 8_000_000)})
    share, _ = wide.share()
    parts = [
        free.with_limits({"macs": (least + 1, least + 100_000)}).share()[0]
        for least in range(5_999_999, 7_999_999, 100_000)
    ]
    assert sum(parts) == pytest.approx(share, abs=0.04)


def test_info_tells_the_lineage(capsys, monkeypatch, tmp_path):
    wider = SearchSpace.load("resnext")
    parent = {"name": "resnext", "hash": wider.hash, "evidence": "[red]a tie costs nothing"}
    (tmp_path / "child.yaml").write_text(yaml.safe_dump(wider.to_dict() | {"parent": parent}))
    text = printed(capsys, monkeypatch, str(tmp_path / "child.yaml"))
    assert f"resnext ({wider.hash[:12]}) [red]a tie costs nothing" in text


def test_info_tells_which_knobs_are_nested_and_why_others_are_not(capsys, monkeypatch):
    text = printed(capsys, monkeypatch, "resnet_vs_plain")
    cells = {
        row[1].strip(): row[3].strip()
        for line in text.splitlines()
        if len(row := line.split("│")) > 4
    }
    nesting = SearchSpace.load("resnet_vs_plain").is_nested()
    assert cells["stages.1.width"] == "yes, larger contain smaller" and cells["residual"] == "no"
    assert {path: knob.verdict for path, knob in nesting.knobs.items()}.items() <= cells.items()
    assert "not nested where stages.0.depth: a block without a shortcut is not the identity" in text


def test_a_band_that_is_none_is_refused(capsys):
    assert main(["space", "info", "resnext", "--band", "macs"]) == 2
    assert "is no band; accepted: measure=least:most" in capsys.readouterr().err


def test_info_shows_the_ends_and_the_median_of_each_cost(capsys, monkeypatch):
    space, rng = SearchSpace.load("resnext"), random.Random(0)
    networks = [space.architecture(space.sample_setting(rng)) for _ in range(DRAWS)]
    costs = [cost(network, space.input_shape, space.num_classes) for network in networks]
    table = printed(capsys, monkeypatch, "resnext").translate(dict.fromkeys(map(ord, "│┃"), " "))
    rows = [row.split() for row in table.splitlines()]
    # numbers stand to the right, under each other
    (line,) = [line for line in table.splitlines() if line.split()[:1] == ["activations"]]
    (other,) = [line for line in table.splitlines() if line.split()[:1] == ["depth"]]
    assert [m.end() for m in re.finditer(r"\S+", line)][1:] == [
        m.end() for m in re.finditer(r"\S+", other)
    ][1:]
    assert ["of", str(DRAWS), "networks", "least", "median", "most"] in rows
    measured = {
        "params": [one.params for one in costs],
        "macs": [one.macs for one in costs],
        "activations": [one.activations for one in costs],
        "depth": [network.depth for network in networks],
    }
    for measure, values in measured.items():
        shown = [count(value) for value in (min(values), np.median(values), max(values))]
        assert [measure, *shown] in rows
