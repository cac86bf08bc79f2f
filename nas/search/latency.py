"""Measure the latency of a study's networks on this machine, and store it with the study."""

from __future__ import annotations

from nas.errors import ConfigError, StorageError, choose
from nas.study.database.engines import check_url
from nas.study.latencies import record_latencies
from nas.study.provenance import processor
from nas.study.reader import Study
from nas.training.latency import THREADS, measure_latencies

WHICH = ("front", "best", "all")
BEST = 5
TOGETHER = 32  # networks that take turns: those of a large study have no room in memory at once


def measure_study(study: Study, which: str = "front", batch: int = 1) -> dict[int, float]:
    """Measure and store; milliseconds by the number of the trial, from the fastest.

    ``which`` is front (the Pareto front of accuracy and MACs), best (the five most accurate) or all
    (every network of the study). ``batch`` images go through a network at a time.

    Raises:
        ConfigError: no such choice.
        StorageError: there is no such trial yet, or the database cannot be written.
    """
    if which not in WHICH:
        raise ConfigError(f"trials is {which!r}; {choose(which, WHICH)}")
    check_url(study.url)  # before minutes are spent on what cannot be stored
    chosen = {"front": study.front, "best": lambda: study.best(BEST), "all": study.frame}[which]()
    chosen = chosen[chosen["macs"].notna()].drop_duplicates("key")
    if chosen.empty:
        hint = "; --trials all takes those that were not trained in full, too"
        raise StorageError(
            f"study {study.name!r} has no trial to measure yet{hint if which != 'all' else ''}"
        )
    numbers = [int(number) for number in chosen["number"]]
    milliseconds: dict[int, float] = {}
    for first in range(0, len(numbers), TOGETHER):
        together = numbers[first : first + TOGETHER]
        networks = [study.architecture(number) for number in together]
        shape, classes = study.space.input_shape, study.space.num_classes
        times = measure_latencies(networks, shape, classes, batch=batch)
        milliseconds |= {n: t.milliseconds for n, t in zip(together, times, strict=True)}
    by_key = {key: milliseconds[n] for key, n in zip(chosen["key"], numbers, strict=True)}
    device = f"cpu {processor()}".strip()
    record_latencies(study, by_key, device=device, batch=batch, threads=THREADS)
    return dict(sorted(milliseconds.items(), key=lambda measured: measured[1]))
