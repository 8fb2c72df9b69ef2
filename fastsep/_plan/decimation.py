"""Wide Gaussians along one axis by way of fewer pixels: smoothed and thinned out, blurred, and filled in between.

A Gaussian is nearly a B-spline, a Gaussian between every `factor`-th pixel, and the same B-spline again. The B-spline
is a box of `factor` pixels, convolved with itself: it has zeros wherever thinning out folds the spectrum, and those of
its taps that belong to one phase sum to the same as those of any other, so that what is flat stays flat (M. Unser, A.
Aldroubi and M. Eden, "Fast B-spline transforms for continuous image representation and interpolation", IEEE PAMI 13(3),
1991, doi:10.1109/34.75515). The Gaussian between has the variance that is left, and takes back the fourth cumulant of
both B-splines, too. How far this is from the Gaussian's own taps is not estimated but added up, for each phase.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from fastsep._plan.operators import gaussian_line
from fastsep._plan.spec import Line

#: One pixel of so many stays.
FACTORS = (64, 56, 48, 40, 32, 28, 24, 20, 16, 14, 12, 10, 8, 7, 6, 5, 4, 3, 2)
#: Boxes in a B-spline: even numbers, so that its taps have a middle. (With 8 hardly any factor is larger.)
ORDERS = (4, 6)
#: With fewer pixels left to a sigma than this no bound was kept (measured, with 4 to 10 boxes).
LEAST_SIGMA = 1.4


class Decimation(NamedTuple):
    """Blurs an axis in three steps."""

    factor: int
    order: int
    spline: tuple[float, ...]  # the taps of the first step; those of the last one are `factor` times as large
    blur: Line  # of every `factor`-th pixel
    error: float  # the largest L1 norm, of all phases, of what these steps together differ from the Gaussian's taps

    @property
    def before(self) -> int:
        """How many pixels that are left a result needs before the last one that is not behind its own place."""
        return self.order // 2 - 1

    def first_phases(self) -> tuple[tuple[float, ...], ...]:
        """Taps of the first step by phase: number p has those of pixels p, p + factor ... from the first one on."""
        taps = (*self.spline, *(0.0,) * (self.order * self.factor - len(self.spline)))
        return tuple(taps[p :: self.factor] for p in range(self.factor))

    def last_phases(self) -> tuple[tuple[float, ...], ...]:
        """Taps of the last step by phase: number p has those of results p pixels behind one that is left."""
        middle = len(self.spline) // 2
        places = range(-self.before, self.order - self.before)
        return tuple(
            tuple(
                self.factor * self.spline[middle + p - place * self.factor]
                if abs(p - place * self.factor) <= middle
                else 0.0
                for place in places
            )
            for p in range(self.factor)
        )

    def halo(self) -> tuple[int, int]:
        """Pixels that a result needs before and behind its own."""
        middle, reach = len(self.spline) // 2, self.blur.centre * self.factor
        before = (self.before + 1) * self.factor - 1 + reach + middle
        return before, (self.before + 1) * self.factor + reach + self.order * self.factor - 1 - middle


def decimations(sigma: float, truncate: float, tol: float) -> Iterator[Decimation]:
    """For each order the one of the largest factor whose error is no more than `tol`, if there is any."""
    exact = gaussian_line(sigma, 0, truncate)
    if exact is None:
        return
    for order in ORDERS:
        for factor in FACTORS:
            found = _decimation(sigma, truncate, factor, order) if factor * LEAST_SIGMA <= sigma else None
            if found is None:
                continue
            # Phases are symmetric; one shows most of what cannot be.
            error = _error(found, exact, (factor // 2,))
            if error <= tol:
                error = _error(found, exact, range(factor // 2 + 1))
            if error <= tol:
                yield found._replace(error=error)
                break


def _decimation(sigma: float, truncate: float, factor: int, order: int) -> Decimation | None:
    """One whose error is not known yet; None: the B-splines are too wide."""
    # Of one box in pixels that are left; both B-splines have as many boxes.
    variance, fourth = (1 - factor**-2) / 12, -(1 - factor**-4) / 120
    left = (sigma / factor) ** 2 - 2 * order * variance
    if left <= 0:
        return None
    spread = math.sqrt(left)
    more = -2 * order * fourth / (24 * left * left)
    half = []
    for x in range(int(truncate * spread + 0.5) + 1):
        z = x * x / left
        half.append(math.exp(-0.5 * z) * (1 + more * (z * z - 6 * z + 3)))
    total = math.fsum(half[:0:-1] + half)
    half = [value / total for value in half]
    taps = np.ones(1, np.int64)  # no larger than 64**8
    for _ in range(order):
        taps = np.convolve(taps, np.ones(factor, np.int64))
    spline = tuple((taps / float(factor) ** order).tolist())
    return Decimation(factor, order, spline, Line((*half[:0:-1], *half), len(half) - 1), math.inf)


def _error(what: Decimation, exact: Line, phases: range | tuple[int, ...]) -> float:
    """The largest L1 norm of what the taps of these phases differ by from the exact ones."""
    factor, spline = what.factor, np.array(what.spline)
    # What the first two steps make of pixels, counted from the one at the place of their result.
    reach = len(spline) // 2 + what.blur.centre * factor
    middle = np.zeros(2 * reach + 1)
    for k, tap in enumerate(what.blur.taps):
        middle[k * factor : k * factor + len(spline)] += tap * spline
    worst, last = 0.0, what.last_phases()
    side = max(reach + what.order * factor, exact.centre)
    for p in phases:
        difference = np.zeros(2 * side + 1)
        difference[side - exact.centre : side + exact.centre + 1] -= exact.taps
        for k, tap in enumerate(last[p]):
            at = side + (k - what.before) * factor - p - reach
            difference[at : at + len(middle)] += tap * middle
        # One after the other, the same on every CPU; `sum` may not be, and `fsum` takes ten times as long.
        worst = max(worst, float(np.cumsum(np.abs(difference))[-1]))
    return worst
