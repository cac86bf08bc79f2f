"""The rule of a study, by name."""

from collections.abc import Sequence

from nas.metrics import Direction
from nas.stopping.contract import Scheduler, Stopper
from nas.stopping.extrapolation import Extrapolation
from nas.stopping.halving import Halving, rungs
from nas.stopping.hyperband import Hyperband
from nas.stopping.pasha import Pasha


def find_stopper(
    name: Scheduler, *, grace: int, reduction: int, epochs: int, directions: Sequence[Direction]
) -> Stopper | None:
    """The rule that stops trials of ``epochs`` epochs early; None where none is stopped.

    Args:
        name: asha, curves, hyperband, none or pasha.
        grace: epochs before a trial can be stopped.
        reduction: one in so many goes on at a rung.
        epochs: of a trial that is not stopped.
        directions: of what is judged: that of the curves, then "minimize" for each cost.

    >>> find_stopper("asha", grace=1, reduction=3, epochs=9, directions=["maximize"])
    Halving(rungs=(1, 3), reduction=3, directions=('maximize',))
    """
    steps, ways = tuple(rungs(grace, reduction, epochs)), tuple(directions)
    match name:
        case "asha":
            return Halving(steps, reduction, ways)
        case "hyperband":
            return Hyperband(steps, reduction, ways)
        case "pasha":
            return Pasha(steps, reduction, ways)
        case "curves":
            return Extrapolation(steps, reduction, grace, epochs, ways)
        case "none":
            return None
