"""Non-dominated ranks: what "best" means with several objectives.

The order of NSGA-II (Deb et al. 2002): of parents among results, and, as in MO-ASHA (Schmucker et
al. 2021, arXiv:2106.12639), of trials at the rungs of successive halving.
"""

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nas.metrics import Direction

Floats = npt.NDArray[np.float64]


def losses(values: npt.ArrayLike, directions: Sequence[Direction]) -> Floats:
    """The values, a row each, with the sign by which less is better in all columns."""
    signs = [1.0 if direction == "minimize" else -1.0 for direction in directions]
    return np.atleast_2d(np.asarray(values, dtype=float)) * signs  # (n, k)


def dominate(values: npt.ArrayLike, own: npt.ArrayLike, directions: Sequence[Direction]) -> bool:
    """Whether a row of ``values`` is as good as ``own`` in all and better in one.

    >>> dominate([[0.9, 4.0], [0.8, 2.0]], [0.8, 3.0], ["maximize", "minimize"])
    True
    """
    rows, one = losses(values, directions), losses(own, directions)
    return bool(((rows <= one).all(1) & (rows < one).any(1)).any())


def ranks(values: npt.ArrayLike, directions: Sequence[Direction]) -> npt.NDArray[np.int64]:
    """The non-dominated rank of each row: 0 in the front, 1 in the front of what is left, …

    Equal rows have equal ranks.

    >>> ranks([[0.9, 4.0], [0.8, 2.0], [0.7, 3.0]], ["maximize", "minimize"]).tolist()
    [0, 0, 1]
    """
    # in order of the first column, then the second, …: no row is dominated by a later one
    rows, places = np.unique(losses(values, directions), axis=0, return_inverse=True)
    found = _of_pairs(rows) if rows.shape[1] == 2 else _of_any(rows)
    return found[places.reshape(-1)]


def _of_any(rows: Floats) -> npt.NDArray[np.int64]:
    """One more than the highest rank of those that dominate the row."""
    found = np.zeros(len(rows), dtype=np.int64)
    columns = np.ascontiguousarray(rows[:, 1:].T)
    for index in range(len(rows)):
        ahead = np.ones(index, dtype=bool)
        for column in columns:
            ahead &= column[:index] <= column[index]
        found[index] = found[:index][ahead].max(initial=-1) + 1
    return found


def _of_pairs(rows: Floats) -> npt.NDArray[np.int64]:
    """The same in n log n: the least second value of the rows of a rank so far ascends from rank to
    rank, and those that are not above a row's own dominate it."""
    found = np.zeros(len(rows), dtype=np.int64)
    least: list[float] = []
    for index, value in enumerate(rows[:, 1].tolist()):
        found[index] = rank = bisect_right(least, value)
        least[rank : rank + 1] = [value]
    return found
