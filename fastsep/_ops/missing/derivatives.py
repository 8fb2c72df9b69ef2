"""Gradients of images with missing pixels: the derivative of what a normalized Gaussian makes of them.

By the rule for quotients the derivative of m = K(w f) / K(w) is (K'(w f) - m K'(w)) / K(w), with K' the derivative of
the Gaussian along an axis (Knutsson and Westin, "Normalized and differential convolution", 1993). Its terms cancel: it
is computed in float64.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastsep._call import PerPixel, Request
from fastsep._engine.execution import Runner
from fastsep._ops.gradient import orientation
from fastsep._ops.missing.combined import DOUBLE, OfParts, around_missing
from fastsep._ops.missing.options import Missing
from fastsep._ops.missing.parts import Derivatives
from fastsep._ops.missing.selection import Selected, pixel_dtype
from fastsep._ops.missing.whole import Normalized, of_weights, runner_of_weights
from fastsep._plan import operators
from fastsep._plan.description import Description, Stage
from fastsep._plan.spec import Separable
from fastsep._validation.array_like import Array


class Gradients(OfParts):
    """Derivatives along some axes, their magnitude and orientation."""

    def __init__(
        self, what: Derivatives, request: Request, missing: Missing, weights: PerPixel | None, absent: PerPixel | None
    ) -> None:  # fmt: skip
        self.what, self.ndim = what, len(request.modes)
        self.blur = operators.gaussian(what.sigma, (0,) * self.ndim, what.truncate)
        super().__init__(what.plain, self.blur.halo(), request, missing, weights, absent)
        needed = {item for item in what.wanted if isinstance(item, int)}
        needed |= set(what.over) if "magnitude" in what.wanted else set()
        needed |= {self.ndim - 2, self.ndim - 1} if "orientation" in what.wanted else set()
        self.slopes = {
            axis: operators.gaussian(what.sigma, [int(k == axis) for k in range(self.ndim)], what.truncate)
            for axis in sorted(needed)
        }

    def quotients(
        self, part: Selected, pixels: Array, request: Request, workers: int | None
    ) -> tuple[Sequence[Array], Array, Array]:
        blur = Normalized(self.blur, request, self.missing, self.weights, DOUBLE)
        mean, share = blur.weighed(part, workers)
        weight = share * blur.total
        mean /= weight
        slopes = {}
        for axis, what in self.slopes.items():
            above, below = self._runners(what, request)
            slope = below.run(part.weights, None, workers)
            slope *= mean
            np.subtract(above.run(part.pixels, None, workers), slope, out=slope)
            slope /= weight
            slopes[axis] = slope
        results = [self._output(item, slopes, workers) for item in self.what.wanted]
        return results, blur.absent(share, part), blur.full(part, share, workers)

    def _runners(self, what: Separable, request: Request) -> tuple[Runner, Runner]:
        """Of the pixels times their weights, and of the weights."""
        source = pixel_dtype(request, self.weights, DOUBLE)
        pixels = request._replace(source=source, target=DOUBLE).runner(what)
        return pixels, runner_of_weights(what, request, self.missing, DOUBLE)

    def _output(self, item: int | str, parts: dict[int, Array], workers: int | None) -> Array:
        if item == "orientation":
            return orientation(parts[self.ndim - 2], parts[self.ndim - 1], workers)
        if item == "magnitude":
            return np.sqrt(sum(np.square(parts[axis]) for axis in self.what.over))
        return parts[item]  # type: ignore[index]

    def describe(self) -> Description:
        filters = (self.blur, *self.slopes.values())
        plans = [tuple(runner.plan for runner in self._runners(what, self.request)) for what in filters]
        above, below = zip(*plans, strict=True)
        stages = [
            Stage("pixels times weights, and their derivatives", filters, above),
            Stage("weights, and their derivatives", tuple(map(of_weights, filters)), below),
            Stage("quotients"),
        ]
        return around_missing(stages)
