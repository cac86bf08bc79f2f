"""Puts small bugs into the code, one at a time, and lists those that the nearest tests let pass.

``make mutants SAMPLE=300`` judges a random sample, the same on every machine; more of a sample, or
of the same after a kill, goes on from what is judged. What was noticed stays so while the changed
code is the same; what survived is judged again when tests near it have changed. ``survivors.yaml``
gives each survivor its reason, and says which change nothing that could be noticed.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
REASONS = Path(__file__).with_name("survivors.yaml")
FORKS = multiprocessing.get_context("fork")

os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")  # a core for each process

from judge import (  # noqa: E402
    LIBRARIES,
    NEAREST,
    NOT_MUTATED,
    Tests,
    copied,
    digest,
    judge,
    nearest,
    survey,
)  # fmt: skip
from mutations import Mutant, mutants_of  # noqa: E402


def main() -> None:
    options = _options()
    results = options.results / "results.jsonl"
    sample = _sample(options.only, options.sample, options.seed)
    for library in LIBRARIES:
        import_module(library)
    open_ones = _open(sample, _read(results))
    print(f"{len(sample)} mutants, {len(open_ones)} of them to be judged; {results}", flush=True)
    options.results.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # which clears away
    workers = [
        # daemons end when this process does
        FORKS.Process(target=_work, args=(share, results), daemon=True)
        for share in (open_ones[number :: options.processes] for number in range(options.processes))
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print(_summary(sample, _read(results), yaml.safe_load(REASONS.read_text()) or {}))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("--sample", type=int, default=300, help="how many mutants; 0 for all")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=list(NEAREST), help="files or folders of nas")
    parser.add_argument("--results", type=Path, default=ROOT / ".mutants", help="a folder")
    return parser.parse_args()


def _sample(only: Iterable[str], size: int, seed: int) -> list[Mutant]:
    """The first ``size`` by a digest of seed and name: a larger sample holds a smaller one."""
    files = [
        str(path.relative_to(ROOT))
        for place in only
        for path in (
            sorted((ROOT / place).rglob("*.py")) if (ROOT / place).is_dir() else [ROOT / place]
        )
    ]
    mutants = [
        mutant
        for path in dict.fromkeys(files)
        if path not in NOT_MUTATED and "/migrations/" not in path
        for mutant in mutants_of(ROOT, path)
    ]
    mutants.sort(key=lambda mutant: hashlib.sha256(f"{seed} {mutant.name}".encode()).digest())
    chosen: list[Mutant] = []
    for mutant in mutants:
        if size and len(chosen) == size:
            break
        if mutant.is_legal():
            chosen.append(mutant)
    return chosen


def _read(results: Path) -> dict[str, dict[str, Any]]:
    """The last result of each mutant; a line that a kill cut short counts for nothing."""
    found = {}
    for line in results.read_text().splitlines() if results.exists() else []:
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        found[row["name"]] = row
    return found


def _open(sample: list[Mutant], judged: dict[str, dict[str, Any]]) -> list[Mutant]:
    """Those without a result that still holds, in the order of the sample.

    Those that are judged first are a random sample, too.
    """
    now = {part: digest(ROOT, part) for part in NEAREST}
    return [
        mutant
        for mutant in sample
        if mutant.name not in judged
        or judged[mutant.name]["outcome"] == "unclear"
        or (
            judged[mutant.name]["outcome"] == "survived"
            and judged[mutant.name]["tests_digest"] != now[nearest(mutant.path)]
        )
    ]


def _work(mutants: list[Mutant], results: Path) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="mutants") as scratch,
        copied(ROOT, Path(scratch) / "tree") as folder,
        results.open("a", buffering=1) as output,
    ):
        parent = multiprocessing.parent_process()
        surveys: dict[str, Tests] = {}
        for mutant in mutants:
            if parent is None or not parent.is_alive():
                break  # it was killed, and the same command will go on
            part = nearest(mutant.path)
            if part not in surveys:
                surveys[part] = survey(folder, part, results.parent)
            verdict = judge(folder, mutant.path, mutant.source(), surveys[part], mutant.line)
            about = {"name": mutant.name, "line": mutant.line, "diff": mutant.diff()}
            row = {**about, **verdict, "tests_digest": digest(folder, part)}
            output.write(json.dumps(row, ensure_ascii=False) + "\n")
            print(f"{verdict['outcome']:9}{verdict['seconds']:6.1f} s  {mutant.name}", flush=True)


def _summary(
    sample: list[Mutant], judged: dict[str, dict[str, Any]], reasons: dict[str, dict[str, Any]]
) -> str:
    """How many were noticed, and each survivor with its reason or its diff."""
    found = [judged[mutant.name] for mutant in sample if mutant.name in judged]
    rows = [row for row in found if row["outcome"] != "unclear"]
    survivors = [row for row in rows if row["outcome"] == "survived"]
    lines = []
    for row in survivors:
        reason = reasons.get(row["name"], {})
        if not reason.get("equivalent"):
            lines += ["", row["name"] + f" (line {row['line']}, {row['tests']} tests)"]
            lines.append(reason.get("reason") or row["diff"])
    equal = [row for row in survivors if reasons.get(row["name"], {}).get("equivalent")]
    without = [row for row in survivors if row["name"] not in reasons]
    noticed, real = len(rows) - len(survivors), len(rows) - len(equal)
    parts = Counter(nearest(row["name"].partition(":")[0]) for row in rows)
    passed = Counter(
        nearest(row["name"].partition(":")[0]) for row in rows if row["outcome"] == "noticed"
    )
    lines += ["", *(f"{part}: {passed[part]} of {parts[part]} noticed" for part in sorted(parts))]
    share = f"{noticed / real:.1%}" if real else "none"
    return "\n".join(
        [
            *lines,
            f"{len(rows)} of {len(sample)} were judged, {len(found) - len(rows)} are unclear",
            f"{noticed} of {real} mutants that are not equivalent were noticed: {share}",
            f"{len(survivors)} survived, {len(equal)} of them equivalent; {len(without)} without a "
            f"reason in {REASONS.relative_to(ROOT)}",
        ]
    )


if __name__ == "__main__":
    main()
