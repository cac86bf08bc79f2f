"""How fast a large study becomes pandas frames, beside Optuna's own way to one.

    python benchmarks/frames.py

10,000 trials of 20 epochs in a SQLite file, made up by ``tests/study_factory.py``. Both arms open
the study anew each time and alternate in one process; the ratio is that of their medians. Optuna's
frame has settings, values and attributes, but no learning curves.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import optuna

import nas

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from study_factory import write_study

TRIALS, EPOCHS, REPEATS = 10_000, 20, 5


def ours(url: str) -> int:
    study = nas.open_study(url, "s")
    return len(study.frame()) + len(study.epochs())


def optunas(url: str) -> int:
    return len(optuna.load_study(study_name="s", storage=url).trials_dataframe())


def main() -> None:
    """Time both arms and print their medians and ratio."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/nas.db"
        write_study(url, "s", TRIALS, EPOCHS, pruned=0)
        seconds: dict[str, list[float]] = {"frame and epochs": [], "trials_dataframe": []}
        for _ in range(REPEATS):
            for (name, times), arm in zip(seconds.items(), (ours, optunas), strict=True):
                start = time.perf_counter()
                rows = arm(url)
                times.append(time.perf_counter() - start)
                assert rows >= TRIALS, name
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    for name, times in seconds.items():
        print(f"{name:17} {medians[name]:6.2f} s  ({min(times):.2f} to {max(times):.2f})")
    print(f"ratio             {medians['trials_dataframe'] / medians['frame and epochs']:6.1f}")


if __name__ == "__main__":
    main()
