"""What is an objective, by its name or as it is, and what is refused in one line."""

import sys
from functools import partial

import pytest

from nas.cli.app import main
from nas.errors import ConfigError
from nas.metrics import ACCURACY, Measure
from nas.objectives import fashion_mnist
from nas.objectives.contract import find_objective

MODULE = """
import sys

number = 3

def function(architecture, config, report): ...

def few(architecture): ...

def generator(architecture, config):
    yield {}

class Whole:
    direction = "maximize"
    def __init__(self, architecture, config): ...
    def epoch(self): ...
    def save(self, path): ...
    def load(self, path): ...

class Partial:
    def __init__(self, architecture, config): ...
    def epoch(self): ...

class Bare(Whole):
    def __init__(self): ...

def up(architecture, config, report): ...
up.direction = "up"

async def later(architecture, config, report): ...
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with the module ``mytask`` and one that cannot be imported."""
    (tmp_path / "mytask.py").write_text(MODULE)
    (tmp_path / "mybroken.py").write_text("import no_such_thing")
    (tmp_path / "myexit.py").write_text("import sys; sys.exit(3)")
    monkeypatch.chdir(tmp_path)
    path = list(sys.path)
    yield tmp_path
    sys.path[:] = path
    for name in ("mytask", "mybroken", "myexit"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("name", "kind", "measure"),
    [
        ("mytask:function", "function", ACCURACY),
        ("mytask:generator", "generator", ACCURACY),
        ("mytask:Whole", "class", Measure("score", "maximize")),
    ],
)
def test_a_name_is_imported_from_the_current_folder(folder, name, kind, measure):
    found = find_objective(name)
    assert (found.name, found.kind, found.measure) == (name, kind, measure)
    assert found.resumes == (kind == "class")
    assert len(found.source) == 64
    assert found.by_name


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cifar", "accepted: fashion_mnist, synthetic, table:FILE, package.module:name"),
        ("sinthetic", "did you mean synthetic?"),
        ("mytask:", "accepted: fashion_mnist, synthetic, table:FILE, package.module:name"),
        ("nowhere:train", "there is no module nowhere, neither in"),
        ("nowhere.deep:train", "there is no module nowhere, neither in"),
        ("mybroken:train", "importing mybroken fails: ModuleNotFoundError: No module named"),
        ("myexit:train", "importing myexit fails: SystemExit: 3"),
        ("mytask:fonction", "mytask has no fonction; did you mean function?"),
        ("mytask:number", "a int that cannot be called; accepted: a function of"),
        ("mytask:few", "a function that does not take (architecture, config, report)"),
        ("mytask:Partial", "a class without save and load"),
        ("mytask:Bare", "a class that does not take (architecture, config)"),
        ("mytask:up", "whose direction is 'up'; accepted: maximize, minimize"),
        ("mytask:later", "which is async"),
        ("__main__:train", "of a script or a notebook; hand the function itself to"),
    ],
)
def test_what_is_no_objective_is_refused_in_one_line_before_anything_is_made(
    folder, capsys, name, said
):
    assert main(["search", "--objective", name]) == 2
    found = capsys.readouterr()
    assert (found.out, found.err.count("\n")) == ("", 1)
    assert found.err.startswith("nas: objective")
    assert said in found.err
    assert not list(folder.glob("nas*"))


def test_functions_and_classes_are_taken_as_they_are():
    def train(architecture, config, report): ...

    def rows(size, architecture, config):
        yield {}

    found = find_objective(train)
    name = "test_functions_and_classes_are_taken_as_they_are.<locals>.train"
    assert (found.name, found.kind) == (f"{__name__}:{name}", "function")
    assert not found.by_name
    assert find_objective(partial(rows, 3)).kind == "generator"
    assert find_objective(partial(rows, 3)).source == find_objective(rows_of(4)).source is not None
    assert find_objective(fashion_mnist).kind == "class"
    with pytest.raises(ConfigError, match=r"does not take \(architecture, config\)"):
        find_objective(rows)


def rows_of(size):
    def rows(size, architecture, config):
        yield {}

    return partial(rows, size)


def test_the_built_in_ones_are_known_by_name_and_loaded_on_demand():
    assert find_objective("classification").name == "fashion_mnist"
    assert find_objective("fashion_mnist").loaded() is fashion_mnist
    assert find_objective("synthetic").resumes
    assert find_objective("synthetic").source is None
