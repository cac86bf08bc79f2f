"""The examples in docstrings, run as they stand."""

import doctest
import importlib
from pathlib import Path

import pytest
import ray
from searches import Search

import nas
from nas.study.database.clock import utc_now

PACKAGE = Path(nas.__file__).parent
MODULES = [
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted(PACKAGE.rglob("*.py"))
    if ">>>" in path.read_text()
]

TINY = {
    "name": "tiny",
    "stem": {"width": 8},
    "stages": [{"block": "basic", "depth": {"int": [1, 2]}, "width": {"choice": [8, 16]}}],
}


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """What examples find: a folder, a database with a study called mine, and a tiny space."""
    folder = tmp_path_factory.mktemp("examples")
    storage = f"sqlite:///{folder}/mine.db"
    options = {"trials": 60, "epochs": 2, "sampler": "random", "scheduler": "none"}
    space = nas.SearchSpace.load("resnext").to_dict()
    one = Search(storage, utc_now, space, study="mine", **options)
    one.run()
    one.store.close()
    tiny = nas.SearchSpace.from_dict(TINY)
    yield {"folder": folder, "storage": storage, "tiny": tiny}
    ray.shutdown()


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_a_module_do_what_they_say(module, names, monkeypatch):
    monkeypatch.delenv("NAS_STORAGE", raising=False)
    found = importlib.import_module(module)
    assert doctest.testmod(found, extraglobs=names).failed == 0


@pytest.mark.parametrize("name", [name for name in nas.__all__ if name[0].islower()])
def test_every_public_function_has_an_example(name):
    function = getattr(nas, name)
    assert not callable(function) or ">>>" in function.__doc__
