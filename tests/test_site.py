"""The documentation site is what the code says, and the tutorial works as it is typed."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml

import nas
from nas.cli.app import app

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_tutorial_works_as_it_is_typed(tmp_path):
    """In one shell's environment, one step after another; each must succeed."""
    typed = tmp_path / "typed"
    typed.mkdir()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    environment.pop("NAS_STORAGE", None)
    said = []
    for language, name, text in BLOCK.findall((DOCS / "tutorial.md").read_text()):
        if language == "yaml":
            (typed / name).write_text(text)
            continue
        shell = ["bash", "-euc"] if language == "bash" else [sys.executable, "-c"]
        done = subprocess.run(
            [*shell, text], cwd=typed, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{text}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        said.append(done.stdout)
    assert {"nas.db", "front.png", "report.html", "curves.png", "winner.pt"} <= {
        path.name for path in typed.iterdir()
    }
    assert said[-1].strip() == "torch.Size([2, 10])"
    assert "first: all is well" in "".join(said)


# --- the site, where mkdocs is installed: make docs ---


@pytest.fixture(scope="module")
def hooks():
    pytest.importorskip("mkdocs")
    found = importlib.util.spec_from_file_location("hooks", DOCS / "site" / "hooks.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def commands(command, name="nas"):
    for word, one in command.commands.items():
        full = f"{name} {word}"
        yield from commands(one, full) if hasattr(one, "commands") else [(full, one)]


def test_every_command_and_option_is_in_the_reference(hooks):
    page = hooks.commands()
    for name, command in commands(typer.main.get_command(app)):
        assert command.help, name
        start = page.index(f"\n## {name}\n")
        section = page[start : page.find("\n## ", start + 1)]
        for one in command.params:
            if one.name != "help":
                assert one.help, f"{name} {one.name}"
                assert one.opts[0] in section or one.param_type_name == "argument"


def test_every_public_name_is_in_the_reference(hooks):
    page = hooks.python()
    assert all(f"::: nas.{name}\n" in page for name in {*nas.__all__} - {"plots", "__version__"})
    assert "## resnext\n" in hooks.spaces()
    assert "nas/blocks/separable.py" in hooks.block()


def test_what_is_mentioned_is_linked_and_links_lead_to_the_site(hooks):
    class Page:
        class file:  # noqa: N801
            src_uri = "how-to/one.md"

    text = "`docs/frames.md` and [ours](../studies/README.md#first), [x](other.md), `docs/frames`"
    assert hooks.on_page_markdown(text, Page, None, None) == (
        "[frames](../frames.md) and [ours](../studies.md#first), [x](other.md), `docs/frames`"
    )


def test_every_page_has_its_place_in_the_navigation():
    def pages(entry):
        if isinstance(entry, str):
            yield entry
        elif isinstance(entry, dict):
            for one in entry.values():
                yield from pages(one)
        else:
            for one in entry:
                yield from pages(one)

    placed = set(pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    written = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    assert written <= placed


@pytest.mark.slow
def test_the_site_is_built_without_a_dead_link(hooks, tmp_path):
    build = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(tmp_path)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "reference" / "commands.html").exists()
