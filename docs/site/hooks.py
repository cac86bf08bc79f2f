"""What the site has beside the files of docs/: pages generated from the code, and others' files.

The reference of commands is made from the commands themselves, that of Python from what the package
offers, that of spaces from their files, so none of them can be behind the code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import nas
from nas import analysis
from nas.cli.app import app
from nas.space import SearchSpace, available

ROOT = Path(__file__).parents[2]
# Files that lie elsewhere in the repository, where text links to them, and their place in the site
TAKEN = {
    "studies/README.md": "studies.md",
    "CHANGELOG.md": "changes.md",
    "CONTRIBUTING.md": "contributing.md",
}
WRITTEN_UP = (".svg", ".csv", ".md", ".sqlite")
_MENTION = re.compile(r"(?<!\[)`docs/([a-z-]+)\.md`")
_LINK = re.compile(r"\]\((?:\.\./)?([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages, and what is taken from elsewhere."""
    pages = {
        "reference/commands.md": commands(),
        "reference/python.md": python(),
        "reference/analysis.md": statistics(),
        "reference/spaces.md": spaces(),
        "how-to/block.md": block(),
    }
    pages |= {page: (ROOT / path).read_text() for path, page in TAKEN.items()}
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    for file in sorted((ROOT / "studies").rglob("*")):  # what the write-up of the studies links to
        name = file.relative_to(ROOT / "studies")
        if file.suffix in WRITTEN_UP and str(name) != "README.md":
            files.append(File.generated(config, name.as_posix(), abs_src_path=str(file)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let what is mentioned be linked, and links lead to the places that files have in the site."""
    up = "../" * page.file.src_uri.count("/")

    def linked(found: re.Match[str]) -> str:
        place = TAKEN.get(found[1])
        if place is None and found[1].startswith("docs/"):
            place = found[1].removeprefix("docs/")
        return found[0] if place is None else f"]({up}{place}{found[2] or ''})"

    text = _MENTION.sub(lambda found: f"[{found[1]}]({up}{found[1]}.md)", markdown)
    return _LINK.sub(linked, text)


def commands() -> str:
    """Every command with its arguments and options."""
    lines = ["# Commands", "", "`nas COMMAND --help` says the same.", ""]
    root = typer.main.get_command(app)
    for name, command in _commands(root, "nas"):
        lines += [
            f"## {name}",
            "",
            _prose(command.help or ""),
            "",
            f"```\n{_usage(name, command)}\n```",
            "",
        ]
        rows = [row for one in command.params if (row := _option(one))]
        if rows:
            lines += ["| | | default |", "|---|---|---|", *rows, ""]
    return "\n".join(lines)


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Those that do something, by their full names."""
    for word, one in sorted(getattr(command, "commands", {}).items()):
        if getattr(one, "commands", None):
            yield from _commands(one, f"{name} {word}")
        else:
            yield f"{name} {word}", one


def _usage(name: str, command: Any) -> str:
    context = command.make_context(name, [], resilient_parsing=True)
    return f"{name} {' '.join(command.collect_usage_pieces(context))}"


def _option(one: Any) -> str:
    """A row of a table."""
    if one.name == "help":
        return ""
    names = one.name.upper() if one.param_type_name == "argument" else ", ".join(one.opts)
    default = (
        "" if one.default in (None, False, ()) or callable(one.default) else f"`{one.default}`"
    )
    return f"| `{_cell(names)}` | {_cell(_prose(one.help or ''))} | {_cell(default)} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _prose(text: str) -> str:
    """Help as Markdown: what looks like HTML or a placeholder stays text."""
    return text.replace("<", "&lt;").replace("\b", "").strip()


def python() -> str:
    """The public names of the package."""
    shown = [name for name in nas.__all__ if name not in ("plots", "__version__")]
    parts = [f"::: nas.{name}" for name in shown]
    return "\n\n".join(["# Python", "What `import nas` offers.", *parts]) + "\n"


def statistics() -> str:
    """The statistics and figures."""
    parts = [
        "# Statistics and figures",
        "`nas.analysis` has the statistics, `nas.plots` the figures.",
    ]
    parts += [f"::: nas.analysis.{name}" for name in analysis.__all__ if name != "plots"]
    parts.append("## Figures\n\n::: nas.plots\n    options:\n      heading_level: 3\n")
    return "\n\n".join(parts)


def spaces() -> str:
    """The bundled spaces, and what each searches."""
    parts = ["# Design spaces", "Bundled: `nas search --space NAME`. Yours is a file like these."]
    for name in available():
        space = SearchSpace.load(name)
        knobs = "\n".join(f"| `{path}` | {_cell(str(d))} |" for path, d in space.parameters.items())
        parts.append(
            f"## {name}\n\n{_prose(space.description)}. {space.size():,} settings.\n\n"
            f"| knob | values |\n|---|---|\n{knobs}"
        )
    return "\n\n".join(parts) + "\n"


def block() -> str:
    """The recipe of a block, which is a part of CONTRIBUTING.md that a test follows."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    start = text.index("### A block: two files")
    recipe = text[start : text.index("\n### ", start + 4)]
    return recipe.replace("### A block: two files", "# A block of your own: two files")
