"""How busy the workers of a study were, from its attempts."""

from __future__ import annotations

import pandas as pd

UNPLACED = "before its first epoch"  # a worker tells its name with its first result


def spans(attempts: pd.DataFrame, now: pd.Timestamp) -> pd.DataFrame:
    """The attempts with a ``worker`` (host/process) and an end: ``now`` where they still run."""
    worker = attempts["host"].fillna(UNPLACED)
    return attempts.assign(worker=worker, ended=attempts["ended"].fillna(now))


def occupancy(spans: pd.DataFrame) -> pd.DataFrame:
    """One row per worker of ``spans``, by its first start.

    Columns: worker, attempts, first, last (UTC), busy (s: at least one of its attempts ran), idle
    (s: none did, between its first and its last moment), busy_share (fraction of 1; NaN for a
    worker that was there for no time).
    """
    rows = [_worker(str(worker), own) for worker, own in spans.groupby("worker")]
    columns = ["worker", "attempts", "first", "last", "busy", "idle", "busy_share"]
    return pd.DataFrame(rows, columns=columns).sort_values("first", ignore_index=True)


def _worker(worker: str, own: pd.DataFrame) -> tuple[object, ...]:
    own = own.sort_values("started")
    reached = own["ended"].cummax().shift()  # the end of all attempts before this one
    fresh = own["started"].where(reached.isna() | (own["started"] > reached), reached)
    busy = (own["ended"] - fresh).dt.total_seconds().clip(lower=0).sum()
    first, last = own["started"].min(), own["ended"].max()
    there = (last - first).total_seconds()
    share = busy / there if there else float("nan")
    idle = max(0.0, there - busy)  # no -1e-15, which prints as -0.0
    return worker, len(own), first, last, busy, idle, share
