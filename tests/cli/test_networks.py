"""Networks on a terminal of any width, and from standard input."""

import io
import json

import pytest
from rich.console import Console

from nas import cost, preset, summary
from nas.cli.app import main
from nas.cli.networks import print_summary
from nas.quantity import count
from nas.space import SearchSpace


@pytest.mark.parametrize("width", [80, 100, 160])
def test_a_summary_fits_the_terminal_and_no_number_is_broken(width):
    found = summary(preset("resnext50_32x4d"), (3, 224, 224), 1000)
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    print_summary(console, found)
    said = console.file.getvalue()
    assert max(map(len, said.splitlines())) <= width
    for row in (*found, found.total):
        for number in (row.params, row.macs, row.activations):
            assert f"{number:,}" in said


def test_a_summary_for_a_file_has_a_line_for_each_part():
    found = summary(preset("resnext50_32x4d"), (3, 224, 224), 1000)
    console = Console(file=io.StringIO(), width=80)
    print_summary(console, found)
    assert console.file.getvalue() == f"{found}\n"


def test_what_nas_sample_writes_nas_cost_reads(monkeypatch, capsys):
    assert main(["sample", "resnext", "-n", "3"]) == 0
    monkeypatch.setattr("sys.stdin", io.StringIO(capsys.readouterr().out))
    assert main(["cost", "-"]) == 0
    lines = capsys.readouterr().out.splitlines()
    space = SearchSpace.load("resnext")
    for seed, line in enumerate(lines):
        network = space.sample(seed)
        spent = cost(network)
        assert line.split()[:3] == [str(seed), network.key[:12], count(spent.params)]
        assert f"{count(spent.macs)} MACs" in line
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("no json", "line 2 is 'no json'; accepted: one network a line, as nas sample writes it"),
        ("[1]", "line 2 is '[1]'"),
        ("[" * 5000, "line 2 is '[[["),
        ('{"stages": []}', "line 2: "),
        ('{"\x1b[31m": 1}', "line 2"),
    ],
)
def test_a_line_that_is_no_network_is_refused_by_its_number(line, said, monkeypatch, capsys):
    good = json.dumps(preset("resnet20").to_dict())
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{good}\n{line}\n"))
    assert main(["cost", "-"]) == 2
    refused = capsys.readouterr().err
    assert said in refused
    assert "\x1b" not in refused
