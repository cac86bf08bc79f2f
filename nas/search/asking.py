"""One short task on each node of the Ray that this process is connected to, all at once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

# isort: off
import nas.search.ray_settings  # noqa: F401 - before ray, which reads some of what it sets

# isort: on
import ray
from ray import cloudpickle
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from nas.search import probe
from nas.search.probe import Report


def ask_nodes(question: Mapping[str, Any], seconds: float) -> list[Report]:
    """What each node answers to ``question`` (see ``probe.look``) within so many seconds.

    The task needs no CPU, so that a busy cluster answers, too. A node that leaves meanwhile is
    none: the cluster may learn of a power cut only now.
    """
    cloudpickle.register_pickle_by_value(probe)  # type: ignore[no-untyped-call]
    try:
        task = ray.remote(num_cpus=0, max_retries=0)(probe.look)
        asked = time.time()
        waiting = {
            task.options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            ).remote(dict(question)): node
            for node in _alive()
        }
    finally:
        cloudpickle.unregister_pickle_by_value(probe)  # type: ignore[no-untyped-call]
    end = time.monotonic() + seconds
    reports: list[tuple[str, Report]] = []
    while waiting:
        done, _ = ray.wait(list(waiting), timeout=max(0.0, end - time.monotonic()))
        if not done:
            break
        for answer in done:
            node = waiting.pop(answer)
            reports.append((node["NodeID"], _report(answer, node, asked)))
    for answer, node in waiting.items():
        ray.cancel(answer, force=True)
        late = f"does not answer within {seconds:g} s"
        silent = Report(host_of(node), {}, asked, time.time(), problem=late, silent=True)
        reports.append((node["NodeID"], silent))
    there = {node["NodeID"] for node in _alive()}
    kept = [report for node_id, report in reports if node_id in there or not report.problem]
    return sorted(kept, key=lambda one: one.host)


def _alive() -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]


def _report(answer: Any, node: Mapping[str, Any], asked: float) -> Report:
    try:
        said = ray.get(answer)
    except Exception as error:  # whatever went wrong on a node that is not as ours
        cause = getattr(error, "cause", None) or error
        problem = f"cannot run a task: {' '.join(str(cause).split())[:300]}"
        return Report(host_of(node), {}, asked, time.time(), problem=problem)
    return Report(host_of(node), said, asked, time.time())


def host_of(node: Mapping[str, Any]) -> str:
    """The address of a node of ``ray.nodes()``, and its name where that is another one."""
    address, name = str(node["NodeManagerAddress"]), str(node["NodeManagerHostname"])
    return f"{name} ({address})" if name != address else address
