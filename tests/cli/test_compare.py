"""What ``nas compare`` and ``nas narrow`` print of how to go on: Ray's part is left out."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from nas.cli.app import main
from nas.search import run as searching
from nas.study.reader import studies
from nas.study.store import StudyStore

SPACE = """\
name: tiny
stem: {width: 8}
each_stage: {block: basic, width: 8, stride: 2, residual: {choice: [true, false]}}
stages: [{depth: {int: [1, 4]}}, {depth: {int: [1, 4]}}]
tie: [residual]
"""
PUBLISHED = Path(__file__).parents[2] / "studies"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A user's folder, where a search is stopped before its first trial."""
    for name in ("NAS_STORAGE", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    def stopped(plan, *_):
        config = plan.config
        StudyStore(config.storage, config.study, plan.record, owner="a").close()
        return "SIGTERM", None

    monkeypatch.setattr(searching, "_run", stopped)
    (tmp_path / "a b.yaml").write_text(SPACE)
    return tmp_path


def to_go_on(words, capfd):
    """The command that a stopped one prints, as words."""
    assert main(words) == 143
    said = capfd.readouterr().out
    (command,) = re.findall(r"everything is stored\. To go on:\n  (.*)\n", said)
    program, *words = shlex.split(command)
    assert program.rpartition("/")[2] == "nas"
    return words


@pytest.mark.parametrize(
    ("storage", "more"),
    [
        ("sqlite:///nas.db", ["--config", "c.yaml"]),
        (
            "sqlite:///a b.db",
            ["--band", "macs=:8M", "--seed", "3", "--time-budget", "1h", "--output", "over there"],
        ),
    ],
)
def test_a_stopped_comparison_prints_the_command_that_carries_it_on(
    storage, more, folder, capfd, monkeypatch
):
    (folder / "c.yaml").write_text("epochs: 1\n")
    words = ["compare", "a b.yaml", "--flip", "residual", "--models", "8"]
    words += ["--objective", "synthetic", *more]
    given = ["--storage", storage] * (storage != "sqlite:///nas.db")
    again = to_go_on([*words, *given, "--quiet"], capfd)
    (name,) = studies(storage)["study"]
    assert sorted(again) == sorted([*words, *given])
    assert to_go_on([*again, "--quiet"], capfd) == again
    monkeypatch.setenv("NAS_STORAGE", storage)  # which then names it
    assert "--storage" not in to_go_on([*words, "--quiet"], capfd)
    assert list(studies(storage)["study"]) == [name]  # each time the same one


def test_a_stopped_step_to_a_smaller_space_prints_the_command_that_carries_it_on(
    folder, data_folder, capfd
):
    name = "anynetx_a_28-macs-4M-8M-2ep"
    shutil.copyfile(PUBLISHED / f"{name}.sqlite", folder / "a b.db")
    assert main(["db", "upgrade", "--storage", "sqlite:///a b.db"]) == 0
    words = ["narrow", "anynetx_a_28", "--study", name, "--storage", "sqlite:///a b.db"]
    words += ["--models", "8", "--take", "2", "--output", "child here.yaml", "--margin", "0.01"]
    words += ["--data", str(data_folder)]
    again = to_go_on([*words, "--quiet"], capfd)
    assert sorted(again) == sorted(words)
    assert (folder / "child here.yaml").exists()
