"""RegNet: stages from a linear rule (Radosavovic et al. 2020, arXiv:2003.13678, section 3.3).

Block j < d of the plan is uⱼ = w₀ + wₐ·j wide; with kⱼ = round(log(uⱼ/w₀)/log(w_m)) it becomes
w₀·w_m^kⱼ, rounded to a multiple of 8. Blocks of one width are a stage, whose width pycls' rule then
makes divisible by the group width. As in pycls' sampler, a plan counts if its kⱼ are 0, 1, …, n − 1
for the n stages of the space, none left out and no two of one width.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache, partial
from itertools import accumulate, pairwise, product
from math import prod

from nas.architecture import Architecture, Stage
from nas.errors import InfeasibleError, SpaceError
from nas.space.domains import Domain, Knob, Setting, Value, options
from nas.space.file.schema import RegNetPart
from nas.space.stages import adjusted

KEYS = ("depth", "w_0", "w_a", "w_m", "group_width", "bottleneck")
MULTIPLE = 8  # of all widths, before they are made divisible
TRIES = 100_000  # draws of a plan, of which one in a few counts
FEW_TRIES = 200  # before they are counted


class RegNetRule:
    """The settings of a RegNet space; see ``nas.space.body.Body``."""

    def __init__(self, part: RegNetPart) -> None:
        given = part.given()
        self.knobs: Mapping[str, Knob] = {key: given[key] for key in KEYS}
        self.length = len(part.strides)
        self._strides = part.strides
        self._slopes = sorted(map(float, options(self.knobs["w_a"])))

    def draw(self, rng: random.Random) -> Setting:
        """A setting whose plan counts, drawn until one does."""
        drawn = self._drawn(rng, TRIES)
        if drawn is None:
            raise SpaceError(f"regnet: none of {TRIES:,} plans has {self.length} stages")
        return drawn

    def build(self, setting: Mapping[str, Value]) -> tuple[Stage, ...]:
        """The stages of a setting.

        Raises:
            InfeasibleError: its plan has another number of stages.
        """
        whole = {key: setting.get(key, knob) for key, knob in self.knobs.items()}
        values: dict[str, Value] = {k: v for k, v in whole.items() if not isinstance(v, Domain)}
        plan = self._plan(values)
        if isinstance(plan, str):
            raise InfeasibleError(plan)
        stages = []
        for (width, depth), stride in zip(plan, self._strides, strict=True):
            bottleneck = float(values["bottleneck"])
            width, groups = adjusted(width, bottleneck, int(values["group_width"]))
            stages.append(Stage("bottleneck", depth, width, stride, groups, bottleneck))
        return tuple(stages)

    def count(self) -> int:
        """How many settings have a plan that counts.

        Not one by one: at a given w₀ and w_m, block j has kⱼ ≥ k from some wₐ on.
        """
        import numpy as np

        slopes = np.array(self._slopes)
        depths = np.array([int(depth) for depth in options(self.knobs["depth"])])
        last = depths[depths > 1] - 2  # the last block, counted from the second
        blocks = np.arange(1, depths.max())
        total = 0
        for w_0, w_m in product(options(self.knobs["w_0"]), options(self.knobs["w_m"])):
            if not _widths(int(w_0), float(w_m), self.length):
                continue
            # since[k - 1][j - 1]: the first of the slopes by which block j has a step of k or more
            since = []
            for k in range(1, self.length + 1):
                least = (float(w_m) ** (k - 0.5) - 1) * int(w_0) / blocks
                tie = 1e-12 if k % 2 else -1e-12  # a tie goes to the even step
                since.append(np.searchsorted(slopes, least * (1 + tie)))
            counts = np.ones(len(slopes), bool)
            for low, high in pairwise(since[:-1]):  # some block has this step
                edges = np.zeros(len(slopes) + 1, np.int64)
                np.add.at(edges, low, 1)
                np.add.at(edges, high, -1)
                counts &= np.cumsum(edges)[:-1] > 0
            before = np.concatenate([[0], np.cumsum(counts)])
            total += int((before[since[-1][last]] - before[since[-2][last]]).sum())
        return total * prod(len(options(self.knobs[key])) for key in ("group_width", "bottleneck"))

    def settings(self) -> Iterator[Setting]:
        """All settings whose plan counts, one after another."""
        for values in product(*(options(knob) for knob in self.knobs.values())):
            setting = dict(zip(self.knobs, values, strict=True))
            if not isinstance(self._plan(setting), str):
                yield setting

    def match(self, architecture: Architecture) -> Setting | None:
        """A setting that gives these stages, if there is one."""
        stages = _runs(architecture)
        if [stage.stride for stage in stages] != list(self._strides):
            return None
        depths = [stage.depth for stage in stages]
        if sum(depths) not in options(self.knobs["depth"]):
            return None
        for setting in self._candidates(stages, depths):
            try:
                built = self.build(setting)
            except InfeasibleError:
                continue
            if _exact(built) == _exact(stages):
                return setting
        return None

    def check_not_empty(self) -> None:
        """Raise SpaceError if no plan counts."""
        if self._drawn(random.Random(0), FEW_TRIES) is None and not self.count():
            raise SpaceError(
                f"regnet: no setting has a plan of {self.length} stages; widen w_a, w_m or "
                "depth, or give another number of strides"
            )

    def _drawn(self, rng: random.Random, tries: int) -> Setting | None:
        for _ in range(tries):
            drawn: Setting = {
                key: knob.sample(rng) if isinstance(knob, Domain) else knob
                for key, knob in self.knobs.items()
            }
            # the last block decides most plans
            last = self._step(drawn, int(drawn["depth"]) - 1)
            if last == self.length - 1 and not isinstance(self._plan(drawn), str):
                return drawn
        return None

    def _candidates(self, stages: Sequence[Stage], depths: Sequence[int]) -> Iterator[Setting]:
        """Settings that may give these stages, and all that do."""
        starts = list(accumulate(depths))[:-1]  # the first block of each stage but the first
        wanted = [(stage.width, stage.inner_width // stage.groups) for stage in stages]
        columns = (options(self.knobs[key]) for key in ("w_0", "group_width", "bottleneck"))
        for w_0, group_width, bottleneck in product(*columns):
            fitted = partial(_fitted, float(bottleneck), int(group_width))
            if fitted(_rounded(Fraction(int(w_0)))) != wanted[0]:
                continue
            for w_m in options(self.knobs["w_m"]):
                widths = _widths(int(w_0), float(w_m), self.length)
                if [fitted(width) for width in widths] != wanted:
                    continue
                least, most = 0.0, math.inf
                for k, start in enumerate([*starts, sum(depths)], start=1):
                    slope = (float(w_m) ** (k - 0.5) - 1) * int(w_0)  # times the number of a block
                    if k < self.length:
                        least = max(least, slope / start)
                    if start > 1:
                        most = min(most, slope / (start - 1))
                # a little more than what is possible, for rounding errors: all is tried
                first = bisect_left(self._slopes, least * (1 - 1e-9))
                for w_a in self._slopes[first : bisect_right(self._slopes, most * (1 + 1e-9))]:
                    values = (sum(depths), w_0, w_a, w_m, group_width, bottleneck)
                    yield dict(zip(KEYS, values, strict=True))

    def _plan(self, values: Mapping[str, Value]) -> list[tuple[int, int]] | str:
        """(width, depth) of each stage, or why the plan does not count."""
        steps = Counter(self._step(values, block) for block in range(int(values["depth"])))
        widths = _widths(int(values["w_0"]), float(values["w_m"]), self.length)
        if sorted(steps) != list(range(self.length)) or not widths:
            return (
                f"regnet: the plan of depth {values['depth']}, w_0 {values['w_0']}, w_a "
                f"{values['w_a']} and w_m {values['w_m']} has not {self.length} stages"
            )
        return [(width, steps[k]) for k, width in enumerate(widths)]

    def _step(self, values: Mapping[str, Value], block: int) -> int:
        """kⱼ of one block; what is a tie but for rounding errors goes to the even number."""
        w_0 = int(values["w_0"])
        grown = math.log((w_0 + float(values["w_a"]) * block) / w_0)
        return round(round(grown / math.log(float(values["w_m"])), 12))


@lru_cache(maxsize=100_000)
def _widths(w_0: int, w_m: float, stages: int) -> tuple[int, ...]:
    """The widths of all stages; none if two are equal."""
    factor = Fraction(repr(w_m))
    widths = tuple(_rounded(w_0 * factor**k) for k in range(stages))
    return widths if len(set(widths)) == stages else ()


def _fitted(bottleneck: float, group_width: int, width: int) -> tuple[int, int]:
    """Width and channels of a group, as pycls' rule makes them."""
    fitted, groups = adjusted(width, bottleneck, group_width)
    return fitted, round(fitted * bottleneck) // groups


def _rounded(width: Fraction) -> int:
    """The nearest multiple of 8, of two the one that is even in eights; 8 at least."""
    return max(1, round(width / MULTIPLE)) * MULTIPLE


def _runs(architecture: Architecture) -> list[Stage]:
    """The stages, those that only go on from the one before made one."""
    runs: list[Stage] = []
    for stage in architecture.stages:
        last = runs[-1] if runs else None
        if last and _exact([stage]) == _exact([replace(last, depth=stage.depth, stride=1)]):
            runs[-1] = replace(last, depth=last.depth + stage.depth)
        else:
            runs.append(stage)
    return runs


def _exact(stages: Sequence[Stage]) -> list[Stage]:
    """The stages with the multiplier that their inner width says."""
    return [replace(stage, bottleneck=stage.inner_width / stage.width) for stage in stages]
