"""Fair draws of settings that keep the limits: by rejection where many do, else from a band.

Both draw from one distribution: that of the space without limits, on the condition that they hold.
A few hundred draws with a seed of their own decide, so that equal spaces draw alike.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from nas.errors import SpaceError
from nas.space.domains import Setting
from nas.space.limits import Limits, Violation, explain_emptiness

if TYPE_CHECKING:  # with NumPy, which only narrow limits need
    from nas.space.draw.band import BandDraws
    from nas.space.draw.cost_graph import CostGraph

# Draws against the limits before a space counts as empty: about a second's work
TRIES = 10_000
STAGES_TRIED = 30_000  # in all: a space of more stages gets fewer draws
BAND_TRIES = 2_000  # of draws from a band, most of which are inside
SHARE_DRAWS = 2_000
PILOT = 400  # draws that decide how the others are made
ENOUGH = 20  # of them inside the limits: rejection it is


class FeasibleDraws:
    """Settings of one space, without the training's, inside its limits."""

    def __init__(
        self,
        limits: Limits,
        stages: int,
        draw: Callable[[random.Random], Setting],
        violations: Callable[[Setting], Iterator[Violation]],
        cost_graph: Callable[[str], CostGraph] | None,
    ) -> None:
        """``cost_graph`` gives a measure's bands; None where a space has none."""
        self._limits = limits
        self._stages = stages
        self._draw = draw
        self._violations = violations
        self._cost_graph = cost_graph
        self._limits_unreachable = (
            False  # whether the least that is wanted is above the most there is
        )

    @property
    def method(self) -> str:
        """How it draws: rejection, or exact."""
        return "rejection" if self._band is None and not self._limits_unreachable else "exact"

    def draw(self, rng: random.Random) -> Setting:
        """One setting.

        Raises:
            SpaceError: none is inside the limits, or none was found.
        """
        band = self._band
        if self._limits_unreachable or (band is not None and band.empty):
            raise SpaceError(self._nearest(0))
        tries = min(TRIES, STAGES_TRIED // self._stages) if band is None else BAND_TRIES
        rejected: list[list[Violation]] = []
        for _ in range(tries):
            drawn = self._draw(rng) if band is None else band.setting(rng)
            broken = list(self._violations(drawn))
            if not broken:
                return drawn
            rejected.append(broken)
        if band is None:
            raise SpaceError(explain_emptiness(rejected))
        own = f"limits.{self._measure}."
        if all(violation.rule.startswith(own) for broken in rejected for violation in broken):
            raise SpaceError(self._nearest(tries))
        least, most = self._bounds(self._measure)
        among = f"among networks with {self._measure} of {_range(least, most)}"
        others = [[one for one in broken if not one.rule.startswith(own)] for broken in rejected]
        raise SpaceError(f"{among}, {explain_emptiness([one for one in others if one])}")

    def share(self) -> tuple[float, str]:
        """How much of the draws without limits is inside them, and how that was found."""
        rng, band = random.Random(0), self._band
        if self._limits_unreachable or (band is not None and band.empty):
            return 0.0, "proven"
        draws = SHARE_DRAWS if band is None else SHARE_DRAWS // 4
        inside = 0
        for _ in range(draws):
            drawn = self._draw(rng) if band is None else band.setting(rng)
            inside += not any(self._violations(drawn))
        if band is None:
            return inside / draws, f"estimated from {draws:,} draws"
        exact = "of the band's exact share, corrected by"
        return inside / draws * band.mass / self._bands.mass(), f"{exact} {draws:,} draws in it"

    @cached_property
    def pilot(self) -> tuple[int, int, Counter[str]]:
        """Draws, how many of them were inside, and how often each measure was outside."""
        rng, inside, outside = random.Random(0), 0, Counter[str]()
        draws = 0
        while draws < PILOT and inside < ENOUGH:
            draws += 1
            rules = {violation.rule for violation in self._violations(self._draw(rng))}
            inside += not rules
            outside.update({rule.split(".")[1] for rule in rules if rule.startswith("limits.")})
        return draws, inside, outside

    @cached_property
    def _measure(self) -> str:
        """The one that is outside its limits most often; empty if none ever is."""
        outside = self.pilot[2]
        return outside.most_common(1)[0][0] if outside else ""

    @cached_property
    def _band(self) -> BandDraws | None:
        if self._cost_graph is None or self.pilot[1] == ENOUGH or not self._measure:
            return None
        from nas.space.draw.stage_costs import TooLargeError

        try:
            self._bands = self._cost_graph(self._measure)
            least, most = self._bounds(self._measure)
            if most is None:
                extremes = self._bands.extremes()
                self._limits_unreachable = extremes is None or extremes[1] < least
                if extremes is None or self._limits_unreachable:  # nothing to compute
                    return None
                most = extremes[1]
            return self._bands.band(least, most)
        except TooLargeError:
            return None

    def _nearest(self, tries: int) -> str:
        """Why nothing is in the band, of which ``tries`` draws were just outside."""
        from nas.space.draw.stage_costs import TooLargeError

        measure, (least, most) = self._measure, self._bounds(self._measure)
        none = f"none of {tries:,} networks drawn near it has" if tries else "no network has"
        none = f"{none} {measure} of {_range(least, most)}"
        try:
            extremes = self._bands.extremes()
        except TooLargeError:  # without limits there is more of it
            return none
        if extremes is None:
            return f"input_shape: no network leaves a pixel of {self._limits.input_shape}"
        if most is not None and extremes[0] > most:
            return f"limits.{measure}.max is {most:,} but the smallest network has {extremes[0]:,}"
        if most is None or extremes[1] < least:
            return f"limits.{measure}.min is {least:,} but the largest network has {extremes[1]:,}"
        nearest = " and ".join(f"{one:,}" for one in self._bands.nearest(least, most))
        return f"{none}; the nearest found have {nearest}"

    def _bounds(self, measure: str) -> tuple[int, int | None]:
        bounds = self._limits.bounds[measure]
        return bounds.min or 0, bounds.max


def _range(least: int, most: int | None) -> str:
    return f"{least:,} or more" if most is None else f"{least:,} to {most:,}"
