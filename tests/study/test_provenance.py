"""What a study says of how it came about."""

import json
import os
import platform
import subprocess
from dataclasses import replace
from importlib.metadata import version

import pytest

import nas.study.provenance
from nas.cli.app import main
from nas.study.provenance import LIBRARIES, code, processor, provenance
from nas.study.reader import open_study


@pytest.fixture
def repository(tmp_path):
    """A git repository that holds a package."""
    package = tmp_path / "repository" / "package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("x = 1\n")
    git(package.parent, "init", "--quiet")
    git(package, "add", ".")
    git(package, "commit", "--quiet", "--message", "first")
    return package.parent


def git(folder, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_code_is_named_by_its_commit(repository):
    commit = git(repository, "rev-parse", "HEAD")
    assert code(repository / "package") == {"commit": commit, "dirty": False}


def test_changed_and_new_code_is_dirty_and_what_lies_beside_it_is_not(repository):
    package = repository / "package"
    (repository / "nas.db").write_text("results")
    assert code(package)["dirty"] is False
    (package / "new.py").write_text("")
    assert code(package)["dirty"] is True
    (package / "new.py").unlink()
    (package / "__init__.py").write_text("x = 2\n")
    assert code(package)["dirty"] is True


def test_a_package_installed_below_a_repository_has_no_commit_of_it(repository, tmp_path):
    installed = repository / "venv" / "nas"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("")
    nothing = {"commit": None, "dirty": None}
    assert code(installed) == nothing
    assert code(tmp_path) == nothing


def test_libraries_and_hardware_are_named():
    found = provenance()
    assert json.loads(json.dumps(found)) == found
    assert list(found["libraries"]) == list(LIBRARIES)
    assert found["libraries"]["optuna"] == version("optuna")
    assert found["libraries"]["torch"] == version("torch")
    assert found["cores"] == os.cpu_count()
    assert found["processor"]
    assert isinstance(found["gpus"], list)


def test_show_prints_all_that_is_stored(store, helpers, database_url, capsys):
    for depth, numerics in ((1, "float32"), (2, "bfloat16"), (3, "float32")):
        number = helpers.add(store, depth)
        attempt = store.attempts.start(number)
        store.record_epoch(number, attempt, helpers.result(1) | {"numerics": numerics})
    store.attempts.start(helpers.add(store, 4))  # has run nowhere yet
    assert main(["show", "s", "--provenance", "--storage", database_url]) == 0
    printed = json.loads(capsys.readouterr().out)
    record = open_study(database_url, "s").record
    assert printed == {
        "provenance": record.provenance,
        "devices": [
            {"device": "cpu", "numerics": "float32", "attempts": 2},
            {"device": "cpu", "numerics": "bfloat16", "attempts": 1},
        ],
        "other_software": [],
        "dataset": record.dataset,
        "config": record.config,
        "space": record.space,
    }


def test_workers_with_other_software_than_the_study_began_with_are_told(
    open_store, helpers, database_url, capsys
):
    own = {"python": "3.11.9", "nas": "0.1.0 (aa)", "torch": "2.15.0"}
    first, later = (  # the later driver began nothing
        open_store(record=replace(helpers.record, provenance={"software": {**own, "torch": torch}}))
        for torch in ("2.15.0", "9")
    )
    for store, depth, software in (
        (first, 1, own), (first, 2, {**own, "torch": "2.14.1"}), (later, 3, {**own, "nas": "0.2"}),
        (later, 4, {**own, "torch": "2.14.1"}), (later, 5, own),
    ):  # fmt: skip
        number = helpers.add(store, depth)
        attempt = store.attempts.start(number)
        for epoch in (1, 2):
            result = helpers.result(epoch) | {"software": json.dumps(software)}
            store.record_epoch(number, attempt, result)
    assert open_study(database_url, "s").other_software() == [
        {**own, "torch": "2.14.1", "attempts": 2},
        {**own, "nas": "0.2", "attempts": 1},
    ]
    assert main(["check", "s", "--storage", database_url]) in (0, 1)
    said = capsys.readouterr().out.splitlines()
    why = "with other software than the study began with:"
    assert said[0] == f"note: 2 attempts {why} torch 2.14.1 (not 2.15.0)"
    assert said[1] == f"note: 1 attempt {why} nas 0.2 (not 0.1.0 (aa))"


def test_of_a_study_that_does_not_say_what_it_began_with_each_attempt_does(
    open_store, helpers, database_url, capsys
):
    store = open_store(record=replace(helpers.record, provenance={}))  # of an earlier nas
    number = helpers.add(store, 1)
    attempt = store.attempts.start(number)
    store.record_epoch(number, attempt, helpers.result(1))  # so is its worker
    store.record_epoch(number, attempt, helpers.result(2) | {"software": '{"torch": "2.14.1"}'})
    assert open_study(database_url, "s").other_software() == [{"torch": "2.14.1", "attempts": 1}]
    main(["check", "s", "--storage", database_url])
    assert "began with: torch 2.14.1\n" in capsys.readouterr().out


def test_the_processor_is_the_model_that_the_kernel_names(monkeypatch, tmp_path):
    file = tmp_path / "cpuinfo"
    monkeypatch.setattr(nas.study.provenance, "Path", lambda _: file)
    monkeypatch.setattr(platform, "processor", lambda: "of the platform")
    assert processor() == "of the platform"  # no such file
    file.write_text("processor\t: 0\nBogoMIPS\t: 50.00\n")
    assert processor() == "of the platform"  # as on ARM
    file.write_text("processor\t: 0\nmodel name\t: A 3000: fast\nmodel name\t: B\n")
    assert processor() == "A 3000: fast"


def test_gpus_are_named_by_nvidias_own_program(monkeypatch, tmp_path):
    program = tmp_path / "nvidia-smi"
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    asked = "--query-gpu=name,driver_version --format=csv,noheader"
    program.write_text(
        f'#!/bin/sh\n[ "$*" = "{asked}" ] || exit 7\nprintf " H100, 550.1 \\n\\nH200, 550.1\\n"\n'
    )
    program.chmod(0o755)
    assert provenance()["gpus"] == ["H100, 550.1", "H200, 550.1"]
    program.write_text("#!/bin/sh\necho broken; exit 9\n")
    assert provenance()["gpus"] == []


def test_each_part_is_what_the_system_says(repository, monkeypatch):
    package = repository / "package"
    monkeypatch.setattr(nas.study.provenance, "__file__", str(package / "study" / "provenance.py"))
    found = provenance()
    assert found.pop("libraries") == {
        name: version(name)
        for name in (
            "nas", "torch", "torchvision", "optuna", "ray", "numpy", "pandas", "pydantic",
            "sqlalchemy", "alembic", "psycopg",
        )
    }  # fmt: skip
    assert isinstance(found.pop("gpus"), list)
    assert found == {
        "code": {"commit": git(repository, "rev-parse", "HEAD"), "dirty": False},
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
    }


def test_a_library_that_is_not_there_has_no_version(monkeypatch):
    monkeypatch.setattr(nas.study.provenance, "LIBRARIES", ("numpy", "no-such-library"))
    assert provenance()["libraries"] == {"numpy": version("numpy"), "no-such-library": None}
