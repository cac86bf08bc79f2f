"""How much faster the exact draws under narrow limits are than drawing until a network fits.

    python benchmarks/sampling.py [space] [least] [most]

Three arms in one process on one core, with the same closed form of the cost: the space's own
sampler; naive rejection, which draws each parameter by itself and keeps what breaks neither an
order nor the limits; and rejection from draws that keep the orders by construction. What counts
are feasible settings a second of processor time; the set-up of the exact sampler, once for a space,
is told beside it.
"""

import random
import sys
import time
from collections import Counter
from collections.abc import Callable

from nas.errors import InfeasibleError
from nas.space import SearchSpace, Setting
from nas.space.counting import DIRECTIONS

NAIVE = 200_000  # draws at least
TURN = 0.5  # seconds of processor time


def naive(space: SearchSpace, rng: random.Random) -> bool:
    """Whether values drawn one by one are a setting of the space."""
    setting = {path: domain.sample(rng) for path, domain in space.parameters.items()}
    if not in_order(space, setting):  # before the network is built, as that costs more
        return False
    try:
        space.architecture(setting)
    except InfeasibleError:
        return False
    return True


def ordered(space: SearchSpace, rng: random.Random) -> bool:
    """Whether a draw that keeps ties and orders by construction is inside the limits."""
    return not any(space._limits.violations(space._build(space._draw(rng))))


def in_order(space: SearchSpace, setting: Setting) -> bool:
    """Whether the setting keeps the orders of the space."""
    for key, word in space.document.order.given().items():
        values = [setting[path] for path in setting if path.endswith(f".{key}")]
        if not all(map(DIRECTIONS[word], values, values[1:])):
            return False
    return True


def main(name: str = "anynetx_e", least: str = "360M", most: str = "400M") -> None:
    """Time the arms and print their rates and ratios."""
    space = SearchSpace.load(name).with_limits({"macs": (least, most)})
    print(f"{name}, macs of {least} to {most}; sampler: ", end="", flush=True)
    start = time.perf_counter()
    method = space.sampler
    print(f"{method}, set up in {time.perf_counter() - start:.1f} s")

    rng = random.Random(0)
    arms: dict[str, Callable[[], bool]] = {
        "naive rejection": lambda: naive(space, rng),
        "ordered rejection": lambda: ordered(space, rng),
        "the sampler": lambda: bool(space.sample_setting(rng)),
    }
    draws, hits, seconds = Counter[str](), Counter[str](), Counter[str]()
    while draws["naive rejection"] < NAIVE:
        for arm, draw in arms.items():  # in turn, as other programs may want the core too
            start = time.process_time()
            while (spent := time.process_time() - start) < TURN:
                hits[arm] += draw()
                draws[arm] += 1
            seconds[arm] += spent
    rates = {arm: hits[arm] / seconds[arm] for arm in arms}
    for arm, rate in rates.items():
        print(f"{arm:18}{hits[arm]:7,} of {draws[arm]:9,} draws {rate:10.1f} feasible a second")
        if hits[arm] and arm != "the sampler":
            print(f"{'':18}the sampler has {rates['the sampler'] / rate:.1f} times as many")


if __name__ == "__main__":
    main(*sys.argv[1:])
