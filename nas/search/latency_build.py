"""Build a table of latencies: measure a space's blocks, fit some networks, try it on others."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from nas.architecture import Architecture
from nas.errors import SpaceError
from nas.search.budget import device_name
from nas.search.parts import Part, parts
from nas.search.predicting import Conditions, Errors, LatencyTable
from nas.space import SearchSpace

if TYPE_CHECKING:
    import torch

_Item = TypeVar("_Item")
FITTED, HELD_OUT = 25, 50  # networks
SAMPLED = 1000  # networks whose blocks are looked at
BLOCKS = 1000  # at most so many of them are measured, those first that occur most
IN_A_ROW = 300  # draws that find no new network: there are no more, or next to none
TURNS = 11  # of a part
TOGETHER = 32  # in turns: those of a large space have no room in memory at once


def build_table(
    space: SearchSpace,
    *,
    batch: int = 1,
    blocks: int = BLOCKS,
    fitted: int = FITTED,
    held_out: int = HELD_OUT,
    device: str = "cpu",
    seed: int = 0,
    tell: Callable[[str], None] = lambda _: None,
) -> LatencyTable:
    """Measure, fit, try and store; the table is in place at the end.

    Args:
        space: whose networks are drawn; the table is of the space without its limits, whose blocks
            are the same.
        batch: images at a time.
        blocks: at most so many different parts are measured, of those of ``SAMPLED`` random
            networks; the others get their time from their sizes, by a rule fitted to these.
        fitted: random networks that are measured whole, to fit what the sum leaves out.
        held_out: others that the error is of.
        device: as ``choose_device`` takes it.
        seed: of the random networks.
        tell: is told what is being done.

    Raises:
        ConfigError: there is no such device here.
        SpaceError: the space has too few different networks.
    """
    import torch

    from nas.training.latency import THREADS
    from nas.training.numerics import choose_device

    begun, where = time.monotonic(), choose_device(device)
    networks = _distinct(space, fitted + held_out, seed)
    chosen = _parts_of(space, networks[:fitted], blocks, seed)
    tell(f"measuring {len(chosen)} parts and {len(networks)} networks on {device_name(where)}")
    seconds = dict(zip(chosen, _times_of_parts(chosen, batch, where), strict=True))
    whole = np.array([*_times_of_networks(space, networks, batch, where)])
    conditions = Conditions.of(space, device_name(where), batch, THREADS)
    rules, largest = _rules(seconds)
    raw = LatencyTable(
        conditions,
        {part.name: value for part, value in seconds.items()},
        rules,
        largest,
        offset=0.0,
        scale=1.0,
        range=(0.0, float("inf")),
        errors=Errors(0, 0.0, 0.0, 0.0, 0.0),
    )
    sums = np.array([raw.predict(network).seconds for network in networks])
    offset, scale = _fit(sums[:fitted], whole[:fitted])
    predicted = offset + scale * sums
    macs = np.array([space.cost(network).macs for network in networks])
    about = {
        "torch": str(torch.__version__),
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - begun, 1),
        "space": space.name,
    }
    table = LatencyTable(
        conditions,
        raw.seconds,
        rules,
        largest,
        offset,
        scale,
        range=(float(predicted[:fitted].min()), float(predicted[:fitted].max())),
        errors=_errors(predicted[fitted:], whole[fitted:], macs[fitted:]),
        about=about,
    )
    table.save()
    return table


def _distinct(space: SearchSpace, count: int, seed: int) -> list[Architecture]:
    """So many different random networks."""
    rng, found = random.Random(seed), dict[str, Architecture]()
    known = 0  # draws in a row
    while known < IN_A_ROW:
        network = space.architecture(space.sample_setting(rng))
        known = known + 1 if network.key in found else 0
        found.setdefault(network.key, network)
        if len(found) == count:
            return list(found.values())
    raise SpaceError(
        f"{space.name} has too few different networks: {len(found)} were found of the {count} that "
        "a table is fitted to and tried on; measure them all instead (nas latency STUDY)"
    )


def _parts_of(
    space: SearchSpace, networks: Sequence[Architecture], most: int, seed: int
) -> list[Part]:
    """Those of ``networks``, and then of the space's own draws, by how often they occur."""
    shape, classes = space.input_shape, space.num_classes
    rng, counts = random.Random(seed + 1), Counter[Part]()
    drawn = (space.architecture(space.sample_setting(rng)) for _ in range(SAMPLED))
    for network in (*networks, *drawn):
        counts.update(set(parts(network, shape, classes)))
    return [part for part, _ in counts.most_common(most)]


def _times_of_parts(chosen: Sequence[Part], batch: int, device: torch.device) -> Iterator[float]:
    import torch

    from nas.training.latency import time_in_turns

    for together in _groups(chosen):
        cases: list[Any] = []
        with torch.random.fork_rng(devices=[]):
            for part in together:
                images = torch.randn(batch, *part.input_shape)  # (N, C, H, W)
                cases.append((part.module().to(device), images.to(device)))
        yield from (one.seconds for one in time_in_turns(cases, repeats=TURNS))


def _times_of_networks(
    space: SearchSpace, networks: Sequence[Architecture], batch: int, device: torch.device
) -> Iterator[float]:
    from nas.training.latency import measure_latencies

    shape, classes = space.input_shape, space.num_classes
    for together in _groups(networks):
        measured = measure_latencies(together, shape, classes, batch=batch, device=device)
        yield from (one.seconds for one in measured)


def _groups(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    for first in range(0, len(items), TOGETHER):
        yield items[first : first + TOGETHER]


def _rules(
    seconds: dict[Part, float],
) -> tuple[dict[str, tuple[float, ...]], dict[str, tuple[float, ...]]]:
    """By family: time per unit of each size, none below 0, by least squares on the relative
    errors; and the largest sizes."""
    from scipy.optimize import nnls

    rules, largest = {}, {}
    for family in {part.family for part in seconds}:
        own = [part for part in seconds if part.family == family]
        sizes = np.array([part.sizes() for part in own])  # (n, sizes)
        times = np.array([seconds[part] for part in own])
        units = np.maximum(sizes.max(axis=0), 1)  # of equal weight to the solver
        found, _ = nnls(sizes / units / times[:, None], np.ones(len(own)))
        rules[family] = tuple(float(one) for one in found / units)
        largest[family] = tuple(float(one) for one in sizes.max(axis=0))
    return rules, largest


def _fit(sums: Any, whole: Any) -> tuple[float, float]:
    """Offset and scale, by least squares on the relative errors: a network of 1 ms counts as much
    as one of 10."""
    weighted = np.stack([1 / whole, sums / whole], axis=1)
    (offset, scale), *_ = np.linalg.lstsq(weighted, np.ones(len(whole)), rcond=None)
    return float(offset), float(scale)


def _errors(predicted: Any, whole: Any, macs: Any) -> Errors:
    from scipy.stats import spearmanr

    relative = np.abs(predicted / whole - 1)
    return Errors(
        networks=len(whole),
        median=float(np.median(relative)),
        most=float(np.quantile(relative, 0.9)),
        rank=float(spearmanr(predicted, whole).statistic),
        rank_of_macs=float(spearmanr(macs, whole).statistic),
    )
