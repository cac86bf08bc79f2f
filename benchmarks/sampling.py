"""How much faster the exact draws under narrow limits are than drawing until a network fits.

    python benchmarks/sampling.py [space] [least] [most]

Three arms in one process on one core, with the same closed form of the cost: the space's own
sampler; naive rejection, which draws each parameter by itself and keeps what breaks neither an
order nor the limits; and rejection from draws that keep the orders by construction. What counts is
feasible settings a second; the set-up of the exact sampler, once for a space, is told beside it.
"""

import random
import sys
import time

from nas.errors import InfeasibleError
from nas.space import SearchSpace, Setting
from nas.space.counting import DIRECTIONS

NAIVE = 200_000  # draws at least
SECONDS = 20  # at least, for each of the other two


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


def in_order(space: SearchSpace, setting: Setting) -> bool:
    """Whether the setting keeps the orders of the space."""
    for key, word in space.document.order.given().items():
        values = [setting[path] for path in setting if path.endswith(f".{key}")]
        if not all(map(DIRECTIONS[word], values, values[1:])):
            return False
    return True


def main(name: str = "anynetx_e", least: str = "360M", most: str = "400M") -> None:
    """Time the arms and print their rates and ratios."""
    free = SearchSpace.load(name)
    space = free.with_limits({"macs": (least, most)})
    print(f"{name}, macs of {least} to {most}; sampler: ", end="", flush=True)
    start = time.perf_counter()
    method = space.sampler
    print(f"{method}, set up in {time.perf_counter() - start:.1f} s")

    rng, hits = random.Random(0), 0
    start = time.perf_counter()
    for _ in range(NAIVE):
        hits += naive(space, rng)
    naive_rate = hits / (time.perf_counter() - start)
    print(f"naive rejection   {hits:7,} of {NAIVE:9,} draws  {naive_rate:10.1f} feasible a second")

    ordered, draws = 0, 0
    start = time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        drawn = space._draw(rng)  # the sampler's own proposals, before the limits are looked at
        ordered += not any(space._limits.violations(space._build(drawn)))
        draws += 1
    rate = ordered / (time.perf_counter() - start)
    print(f"ordered rejection {ordered:7,} of {draws:9,} draws  {rate:10.1f} feasible a second")

    found = 0
    start = time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        space.sample_setting(rng)
        found += 1
    exact_rate = found / (time.perf_counter() - start)
    print(f"the sampler       {found:7,}                     {exact_rate:10.1f} feasible a second")
    for arm, of_arm in (("naive", naive_rate), ("ordered", rate)):
        ratio = f"{exact_rate / of_arm:.1f}" if of_arm else "unknown: it found none"
        print(f"ratio to {arm} rejection {ratio}")


if __name__ == "__main__":
    main(*sys.argv[1:])
