"""When a trial is stopped before its last epoch: rules over plain numbers, a module each.

A rule sees the learning curves that the study database holds and nothing else, so a decision is the
same after a restart, and drivers that share a study decide alike. docs/stopping.md compares them.
"""

from nas.stopping.contract import SCHEDULERS, Evidence, Scheduler, Stopper
from nas.stopping.finding import find_stopper

__all__ = ["SCHEDULERS", "Evidence", "Scheduler", "Stopper", "find_stopper"]
