"""Gradients of images with missing pixels: the derivative of what a normalized Gaussian makes of them.

By the rule for quotients the derivative of m = K(w f) / K(w) is (K'(w f) - m K'(w)) / K(w), with K' the derivative of
the Gaussian along an axis (Knutsson and Westin, "Normalized and differential convolution", 1993). Its terms cancel: it
is computed in float64. `swept` makes the same bits in one sweep.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastsep._call import PerPixel, Request
from fastsep._ops.gradient import orientation
from fastsep._ops.missing.combined import OfParts, around_missing
from fastsep._ops.missing.options import Missing
from fastsep._ops.missing.parts import Derivatives
from fastsep._ops.missing.selection import Selected
from fastsep._ops.missing.sums import Sums
from fastsep._ops.stages import Sweep
from fastsep._plan import operators
from fastsep._plan.description import Description
from fastsep._validation.array_like import Array


class Gradients(OfParts):
    """Derivatives along some axes, their magnitude and orientation."""

    def __init__(
        self, what: Derivatives, request: Request, missing: Missing, weights: PerPixel | None, absent: PerPixel | None
    ) -> None:  # fmt: skip
        self.what, self.ndim = what, len(request.modes)
        self.blur = operators.gaussian(what.sigma, (0,) * self.ndim, what.truncate)
        super().__init__(what.plain, self.blur, request, missing, weights, absent)
        needed = {item for item in what.wanted if isinstance(item, int)}
        needed |= set(what.over) if "magnitude" in what.wanted else set()
        needed |= {self.ndim - 2, self.ndim - 1} if "orientation" in what.wanted else set()
        # The last axis first: its derivative has the lines along the others in common with the blur.
        self.slopes = {
            axis: operators.gaussian(what.sigma, [int(k == axis) for k in range(self.ndim)], what.truncate)
            for axis in sorted(needed, reverse=True)
        }

    def quotients(
        self, part: Selected, pixels: Array, request: Request, workers: int | None
    ) -> tuple[Sequence[Array], Array, Array]:
        sums = self.sums(request)
        total = sums.totals()[0]
        (mean, *above), (weight, *below) = sums.weighed(part, workers)
        full = self.full(part, weight, total, request, workers)
        absent = ~(weight >= sums.least(total)) & ~full
        if self.missing.keep_nan:
            absent |= part.weights == 0
        inverse = np.divide(1.0, weight, out=weight)
        mean *= inverse
        slopes = {}
        for axis, slope, other in zip(self.slopes, above, below, strict=True):
            slope -= np.multiply(mean, other, out=other)
            slope *= inverse
            slopes[axis] = slope
        return [self._output(item, slopes, workers) for item in self.what.wanted], absent, full

    def outputs(self) -> str:
        """The results, in the order in which the plain program's kernel makes them."""
        if isinstance(self.plain, Sweep):
            return "+".join(self.plain.outputs)
        return ("dy", "dx")[self.what.wanted[0] + 2 - self.ndim]  # type: ignore[operator]

    def sums(self, request: Request) -> Sums:
        return Sums((self.blur, *self.slopes.values()), request, self.missing, self.weights)

    def _output(self, item: int | str, parts: dict[int, Array], workers: int | None) -> Array:
        if item == "orientation":
            return orientation(parts[self.ndim - 2], parts[self.ndim - 1], workers)
        if item == "magnitude":
            return np.sqrt(sum(np.square(parts[axis]) for axis in self.what.over))
        return parts[item]  # type: ignore[index]

    def describe(self) -> Description:
        return around_missing(self.sums(self.request), "quotients")
