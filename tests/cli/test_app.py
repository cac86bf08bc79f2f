"""The command line as a person meets it: what it prints, and how it refuses."""

import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from nas.cli.app import app, main
from nas.cost import cost
from nas.presets import preset
from nas.quantity import count
from nas.space import SearchSpace, available
from nas.summary import summary

SPACE = """\
name: tiny
stem: {kernel: 3, stride: 1, width: 8}
stages:
  - {block: basic, depth: %s, width: 8, stride: 2}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """A user's folder with nothing in it but a few wrong files."""
    monkeypatch.delenv("NAS_STORAGE", raising=False)
    monkeypatch.delenv("NAS_DATA", raising=False)
    folder = tmp_path / "user"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "notes.db").write_text("dear diary, " * 100)
    (folder / "list.yaml").write_text("- a\n- b\n")
    (folder / "broken.yaml").write_text("name: [\n")
    for name, depth in {
        "reversed": "{int: [4, 1]}",
        "log": "{int: [0, 4], log: true}",
        "empty": "{choice: []}",
        "twice": "{choice: [1, 1]}",
        "bool": "true",
        "good": "{int: [1, 4]}",
    }.items():
        (folder / f"{name}.yaml").write_text(SPACE % depth)
    (folder / "big.yaml").write_text(SPACE % "{int: [1, 4]}" + "limits: {params: {max: 10}}\n")
    (folder / "options.yaml").write_text("trails: 4\n")
    (folder / "spaces.yaml").write_text("space: [a]\n")
    data = folder / "data"
    data.mkdir()
    (data / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"not images"))
    return folder


BAD = [
    ("--space resnex", "did you mean resnext?"),
    ("--space missing.yaml", "missing.yaml does not exist"),
    ("--space list.yaml", "list.yaml"),
    ("--space broken.yaml", "broken.yaml: line"),
    ("--space reversed.yaml", "reversed.yaml: stages.0.depth"),
    ("--space log.yaml", "log.yaml: stages.0.depth"),
    ("--space empty.yaml", "empty.yaml: stages.0.depth"),
    ("--space twice.yaml", "twice.yaml: stages.0.depth"),
    ("--space bool.yaml", "bool.yaml: stages.0.depth"),
    ("--space big.yaml", "limits.params.max"),
    ("--space good.yaml --max-params 10", "params"),
    ("--space data", "is a folder"),
    ("--trials 0", "trials is 0"),
    ("--trials -3", "trials is -3"),
    ("--trials many", "trials is 'many'; it must be a whole number"),
    ("--epochs 0", "epochs is 0"),
    ("--concurrency 0", "concurrency is 0"),
    ("--concurrency 10000", "has room for"),
    ("--epochs 2 --grace 3", "grace must not be above it"),
    ("--reduction 1", "reduction is 1"),
    ("--time-budget 1:30", "accepted: 90 (seconds), 45s, 10m, 1h30m"),
    ("--time-budget 0m", "no time at all"),
    ("--gpus-per-trial 512", "gpus-per-trial"),
    ("--cpus-per-trial 4096", "cpus-per-trial"),
    ("--sampler tp", "did you mean tpe?"),
    ("--scheduler median", "accepted: asha, curves, hyperband, none, pasha"),
    ("--device tpu", "accepted: auto, cpu, cuda, mps"),
    ("--max-failures -1", "max-failures is -1"),
    ("--seed -1", "seed is -1"),
    ("--train-images 5", "train-images is 5"),
    ("--storage nas.db", "write sqlite:///nas.db"),
    ("--storage mongodb://host/db", "unknown scheme 'mongodb'"),
    ("--storage postgres://host/db", "write postgresql+psycopg://"),
    ("--storage sqlite:///no/such/folder/nas.db", "there is no folder no/such/folder"),
    ("--storage sqlite:////proc/nas.db", "cannot write in folder /proc"),
    ("--storage sqlite:///notes.db", "is no SQLite database"),
    ("--storage sqlite:///:memory:", "must outlive its process"),
    ("--storage postgresql+psycopg://me:canary@127.0.0.1:1/db", "me:***@127.0.0.1:1/db"),
    ("--study=", "study is ''"),
    (f"--study={'x' * 201}", "study is"),
    ("--data data", "train-images-idx3-ubyte.gz"),
    ("--data missing", "missing"),
    ("--config missing.yaml", "missing.yaml is not a file"),
    ("--config list.yaml", "is not a mapping of options"),
    ("--config options.yaml", "did you mean trials?"),
    ("--config spaces.yaml", "spaces.yaml: space is ['a']; it must be text"),
    ("--log-to tensorbord", "did you mean tensorboard?"),
    ("--log-to tensorboard:", "accepted: none, tensorboard, tensorboard:FOLDER"),
    ("--objective cifar", "accepted: fashion_mnist, synthetic"),
    ("--trails 3", "No such option: --trails"),
    ("--trials", "--trials"),
]


@pytest.mark.parametrize(("options", "said"), BAD, ids=[options[:60] for options, _ in BAD])
def test_bad_input_is_one_line_and_leaves_nothing_behind(options, said, folder, capsys):
    before = sorted(folder.rglob("*"))
    assert main(["search", *options.split()]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err
    assert printed.err.count("\n") == 1
    assert "canary" not in printed.err
    assert "Traceback" not in printed.err
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("show", "Missing argument 'study'. For those that there are: nas studies"),
        ("space info", "Missing argument 'space'. For those that there are: nas spaces"),
        ("predict", "Missing argument 'network'."),
        ("plot s", "Missing option '--output' / '-o'."),
    ],
)
def test_what_is_missing_is_named_with_what_lists_its_values(command, said, capsys):
    assert main(command.split()) == 2
    assert capsys.readouterr().err == f"nas: {said}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("sample good.yaml -n 0", "'-n': 0; it must be greater than or equal to 1"),
        ("sample good.yaml -n 1.5", "'-n': 1.5; it must be a whole number, such as 20, 1k or 1e3"),
        ("sample good.yaml --seed nan", "'--seed': 'nan'; it must be a whole number"),
        ("cost resnet18 --classes many", "'--classes': 'many'; it must be a whole number"),
        ("cost resnet18 --input 1x²x2", "accepted: channels x height x width"),
        ("cost resnet18 --input 1x28", "accepted: channels x height x width"),
        ("show s --rows 0", "'--rows': 0; it must be greater than or equal to 1"),
        ("latency s --batch 8k", "'--batch': 8000; it must be less than or equal to 4096"),
        ("dashboard --port 1e5", "'--port': 100000; it must be less than or equal to 65535"),
        ("retrain s -o w.pt --epochs 0", "'--epochs': 0; it must be greater than or equal to 1"),
        ("retrain s -o w.pt --trial -1", "'--trial': -1; it must be greater than or equal to 0"),
        ("plot s -o f.png --epochs 0", "'--epochs': 0; it must be greater than or equal to 1"),
        ("narrow a --study s --take 0", "'--take': 0; it must be greater than or equal to 1"),
        ("narrow a --study s --models -1", "'--models': -1; it must be greater than or equal to 0"),
        ("narrow a --study s --models 7", "models is 7; it must be greater than or equal to 8"),
        ("narrow a --study s --margin 0", "margin is 0; it must be greater than 0"),
        ("narrow a --study s --error-rate 0.5", "error-rate is 0.5; it must be less than 0.5"),
        ("narrow a --study s --margin 2", "margin is 2; it must be less than or equal to 1"),
        ("narrow a --study s --error-rate 0", "error-rate is 0; it must be greater than or equal"),
    ],
)
def test_a_number_that_an_option_cannot_be_is_refused_before_anything_is_read(
    arguments, said, capsys
):
    assert main(arguments.split()) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert said in printed.err


@pytest.mark.parametrize(
    "arguments",
    [
        "sample good.yaml -n {} --seed {}",
        "cost resnet18 --classes {} --input 1x{}x{}",
        "show s --rows {}",
        "latency s --batch {}",
        "retrain s -o w.pt --epochs {} --trial {}",
        "plot s -o f.png --epochs {}",
        "narrow good.yaml --study s --take {} --models {}",
        "narrow good.yaml --study s --margin {} --error-rate 50e-3",
    ],
)
def test_every_option_that_is_a_number_takes_the_forms_that_people_write(arguments, capsys):
    def said(number):
        ending = main(arguments.replace("{}", number).split())
        return ending, *capsys.readouterr()

    plain = said("0.4" if "margin" in arguments else "40")
    assert "must be" not in plain[2]
    for form in ("4e-1", "0.40") if "margin" in arguments else ("4e1", "4_0", "40.0", "0.04k"):
        assert said(form) == plain


@pytest.mark.parametrize("module", ["nas", "nas.search"])
def test_a_process_ends_with_code_2_and_without_traceback(module, folder):
    arguments = ["search"] if module == "nas" else []
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments, "--space", "resnex"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("nas: no space is named 'resnex'; did you mean resnext?")


@pytest.mark.parametrize(
    ("set_by_user", "spins"),
    [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, None)],
)
def test_threads_give_way_unless_the_environment_says_how_they_wait(
    set_by_user, spins, monkeypatch, capsys
):
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    for name, value in set_by_user.items():
        monkeypatch.setenv(name, value)
    assert main(["spaces"]) == 0
    assert os.environ.get("GOMP_SPINCOUNT") == spins


def test_help_names_every_option_in_groups(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["search", "--help"]) == 0
    text = capsys.readouterr().out
    names = """space study storage trials epochs sampler scheduler grace reduction time-budget
        concurrency cpus-per-trial gpus-per-trial max-failures seed data train-images device
        max-params max-macs log-to config quiet"""
    options = [f"--{name}" for name in names.split()]
    assert [option for option in options if option not in text] == []
    for group in ("─ What ─", "─ How ─", "─ Where ─"):
        assert group in text


def commands(command, path=()):
    """Every command below one, by its words."""
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from commands(inner, (*path, name))
    else:
        yield path, command


COMMANDS = dict(commands(get_command(app)))


def words(text):
    return " ".join(re.sub("[─│╭╮╰╯]", " ", text).split())


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_and_option_has_help_that_is_shown_whole(path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    assert main([*path, "--help"]) == 0
    shown = words(capsys.readouterr().out)
    command = COMMANDS[path]
    assert words(command.help) in shown
    for parameter in command.params:
        if parameter.name != "help":
            assert len(parameter.help) > 5, parameter.name
            assert words(parameter.help) in shown


def test_cost_prints_the_published_numbers(capsys):
    assert main(["cost", "resnext50_32x4d", "--input", "3x224x224", "--classes", "1000"]) == 0
    text = capsys.readouterr().out
    assert "25,028,904" in text
    assert "4,230,480,872" in text


def test_cost_prints_the_parts_and_the_totals_of_a_network_for_its_images(capsys):
    for options, shape, classes in (
        ([], (1, 28, 28), 10),
        (["--input", "3×64X32", "--classes", "7"], (3, 64, 32), 7),
    ):
        assert main(["cost", "resnet18", *options]) == 0
        network = preset("resnet18")
        total = cost(network, shape, classes)
        assert capsys.readouterr().out == (
            f"{summary(network, shape, classes)}\n\n"
            f"{total.params:,} parameters ({count(total.params)}), {total.macs:,} MACs "
            f"({count(total.macs)}), {total.activations:,} activations "
            f"({count(total.activations)})\n"
        )


@pytest.mark.parametrize("text", ["3x224", "ax1x1", "0x1x1", "3,224,224"])
def test_an_input_that_is_no_shape_is_refused(text, capsys):
    assert main(["cost", "resnet18", "--input", text]) == 2
    assert "as 3x224x224" in capsys.readouterr().err


def test_sample_prints_architectures_of_the_space(capsys):
    assert main(["sample", "resnext", "-n", "5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    space = SearchSpace.load("resnext")
    assert [json.loads(line) for line in lines] == [space.sample(k).to_dict() for k in range(5)]


def test_spaces_lists_every_bundled_space(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["spaces"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in available())
    assert main(["spaces", "--schema"]) == 0
    assert json.loads(capsys.readouterr().out)["type"] == "object"


def test_a_study_that_is_not_there_is_refused_with_those_that_are(capsys):
    assert main(["show", "resnext"]) == 2
    assert "there is no study database nas.db" in capsys.readouterr().err
    assert main(["studies", "--storage", "sqlite:///notes.db"]) == 2
    assert "is no SQLite database" in capsys.readouterr().err
