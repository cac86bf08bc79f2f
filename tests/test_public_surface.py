"""What `import nas` offers and loads, and which of its modules may know of which."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import nas

PACKAGE = Path(nas.__file__).parent

NAMES = {
    "Architecture", "Containment", "Cost", "NasError", "SearchSpace", "Stage", "Stem", "Study",
    "TrainingConfig", "Watcher", "__version__", "build", "compare_spaces", "contains", "cost",
    "fit", "grow", "load",
    "make_table",
    "narrow_space", "open_study", "plots", "preset", "run_search", "shrink",
    "studies", "summary",
}  # fmt: skip


def test_the_public_names_are_these():
    assert set(nas.__all__) == NAMES
    assert list(nas.__all__) == sorted(nas.__all__)
    assert dir(nas) == sorted(NAMES)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_public_name_is_documented(name):
    assert getattr(nas, name).__doc__


def test_a_name_there_is_not_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'nas' has no attribute 'biuld'"):
        nas.biuld  # noqa: B018


def loaded_by(statement):
    """Top-level packages that a fresh Python has loaded after the statement."""
    program = f"{statement}\nimport sys\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_importing_nas_loads_nothing_that_was_not_asked_for():
    heavy = {"torch", "torchvision", "ray", "optuna", "pandas", "numpy", "sqlalchemy", "pydantic"}
    assert not loaded_by("import nas; nas.cost(nas.preset('resnet50'))") & heavy


def test_the_names_of_spaces_load_no_torch_and_those_of_networks_no_ray():
    assert not loaded_by("from nas import SearchSpace") & {"torch", "ray"}
    assert "ray" not in loaded_by("from nas import build, fit, TrainingConfig")


@pytest.mark.parametrize("module", ["space", "data", "samplers", "study", "analysis", "dashboard"])
def test_spaces_studies_and_analyses_load_neither_torch_nor_ray(module):
    assert not loaded_by(f"import nas.{module}") & {"torch", "ray"}


# --- the arrows: what each part of nas may import, besides itself ---

BASE = {
    "errors",
    "duration",
    "output",
    "quantity",
    "text",
    "options",
    "faults",
    "importing",
    "metrics",
    "causes",
}
DATA = BASE | {"blocks", "architecture", "cost", "summary", "presets"}
MAY_IMPORT = {
    "errors": set(),
    "output": {"errors"},
    "text": set(),
    "faults": {"errors"},
    "importing": {"errors"},
    "causes": {"errors"},
    "quantity": {"errors"},
    "duration": {"errors", "quantity"},
    "metrics": {"errors", "quantity"},
    "dominance": {"metrics"},
    "options": {"quantity"},
    "blocks": set(),
    "architecture": BASE | {"blocks"},
    "cost": BASE | {"blocks", "architecture"},
    "summary": BASE | {"architecture", "cost"},
    "presets": BASE | {"architecture"},
    # the order of architectures, and the bounds of hyper-parameters: both without torch
    "space": DATA | {"nested.elements", "nested.order", "training.config"},
    "network": DATA,
    "nested": DATA | {"network"},  # its growth alone: the order is free of torch
    "data": BASE,
    "training": DATA | {"space", "network", "nested", "data"},
    "samplers": BASE | {"dominance"},
    "study": DATA | {"space", "nested.order", "training.config", "data.registry"},
    "stopping": {"metrics", "dominance"},
    "objectives": DATA | {"data", "training"},
    "search": DATA
    | {"space", "nested.order", "network", "data", "training", "samplers"}
    | {"study", "stopping", "objectives"},
    "analysis": DATA | {"space", "study"},
    "plots": {"analysis"},
    "report": DATA | {"space", "study", "analysis", "plots"},
    "shipping": DATA | {"data", "training", "network", "study", "search", "report"},
    "populations": DATA
    | {"space", "data.registry", "training.recipes", "study", "objectives", "search", "analysis"},
    "dashboard": DATA | {"space", "study", "analysis", "report", "search.pace", "search.watched"},
    "cli": {
        *DATA,
        "space",
        "network",
        "data",
        "training",
        "samplers",
        "study",
        "objectives",
        "search",
        "analysis",
        "report",
        "populations",
        "shipping",
        "dashboard",
    },
}
# and which of the large libraries
LIBRARIES = {
    "torch": {"network", "nested", "training", "objectives", "search", "shipping"},
    "torchvision": set(),
    "PIL": {"data"},
    "sklearn": {"data"},
    "ray": {"search"},
    "optuna": {"samplers", "search", "study", "analysis", "cli"},
    "sqlalchemy": {"search", "study"},
    "pandas": {"study", "analysis", "report", "populations", "dashboard", "cli"},
    "typer": {"cli"},
    "rich": {"cli"},
    "plotille": {"cli"},
    "jinja2": {"report"},
    "onnx": {"shipping"},
    "onnxruntime": {"shipping"},
    "streamlit": {"dashboard"},
    "altair": {"dashboard"},
}
MODULES = sorted(PACKAGE.rglob("*.py"))


def is_entry(path):
    """``python -m`` of a package is above everything."""
    return path.name == "__main__.py"


def part_of(path):
    """``space`` for nas/space/anything.py and ``cost`` for nas/cost.py."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports_of(path):
    """Dotted names of all modules imported anywhere in the file, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            if node.module == "nas" or (PACKAGE.parent / node.module.replace(".", "/")).is_dir():
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            yield node.module


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    if path == PACKAGE / "__init__.py" or is_entry(path):
        return
    part = part_of(path)
    for name in imports_of(path):
        top, *rest = name.split(".")
        if top == "nas" and rest:
            accepted = MAY_IMPORT[part] | {part}
            assert accepted & {rest[0], ".".join(rest[:2])}, f"{part} imports {name}"
        assert top != "nas" or rest or MAY_IMPORT[part] >= DATA, f"{part} imports all of nas"
        assert part in LIBRARIES.get(top, {part}), f"{part} imports {name}"


def test_no_two_modules_import_each_other():
    names = {dotted(path): path for path in MODULES}
    graph = {
        name: {other for other in imports_of(path) if other in names and other != name}
        for name, path in names.items()
        if name != "nas"
    }
    assert list(TopologicalSorter(graph).static_order())


def dotted(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")
