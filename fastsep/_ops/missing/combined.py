"""Filters that are combined of several ones, for images with missing pixels.

Where all weights under the widest kernel are 1, results are the plain filter's. Elsewhere each filter is normalized by
itself, in float64, through arrays of the part of the image around the missing pixels. `swept` makes the same bits in
one sweep, and `in_blocks` runs these programs where it cannot.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from fastsep._call import FilterProgram, Operation, PerPixel, Program, Request
from fastsep._ops.missing.options import Missing
from fastsep._ops.missing.parts import Combination
from fastsep._ops.missing.selection import Selected, counting, engine_axes, pixel_dtype
from fastsep._ops.missing.sums import DOUBLE, Sums
from fastsep._ops.missing.whole import Incomplete, of_weights, runner_of_weights, side_by_side, surroundings
from fastsep._plan import dtypes
from fastsep._plan.description import Description, Stage
from fastsep._plan.spec import Filter
from fastsep._validation.array_like import Array

#: Pixels among which one below zero is looked for together.
LOOKED_AT = 1 << 16


class OfParts(Incomplete):
    """The plain filter first; then results that depend on pixels of other weights than 1, in the part around those."""

    def __init__(
        self, plain: Filter | Operation, widest: Filter, request: Request, missing: Missing, weights: PerPixel | None,
        absent: PerPixel | None,
    ) -> None:  # fmt: skip
        """`widest`: the filter under whose kernel weights of 1 make the plain filter's results."""
        super().__init__(request, missing, weights, absent)
        self.operation = plain if isinstance(plain, Operation) else Operation(partial(FilterProgram, plain))
        self.plain, self.widest, self.around = self.plain_for(request), widest, widest.halo()

    def plain_for(self, request: Request) -> Program:
        """What filters complete images."""
        return self.operation.prepare(request)

    @np.errstate(all="ignore")
    def run(self, image: Array, outs: Sequence[Array], workers: int | None) -> None:
        assert self.plain.source is not None
        selected = self.selected(image, pixel_dtype(self.request, self.weights, DOUBLE), DOUBLE)
        self.plain.run(selected.own.astype(self.plain.source, copy=False), outs, workers)
        place = self._place(selected.weights)
        if place is not None:
            part = selected.part(place)
            request = self.request._replace(shape=part.weights.shape)
            results, absent, full = self.quotients(part, selected.own, request, workers)
            for result, out in zip(results, outs, strict=True):
                np.copyto(out[place], dtypes.finish(result, self.target), where=~full)
                out[place][absent] = self.missing.fill
        if self.absent is not None and place is not None:
            engine_axes(self.absent.values[0], self.request)[place] = absent

    def quotients(
        self, part: Selected, pixels: Array, request: Request, workers: int | None
    ) -> tuple[Sequence[Array], Array, Array]:
        """Results for a part of the image, where there is none, and where all weights are 1. `pixels`: of all of it."""
        raise NotImplementedError

    def sums(self, request: Request) -> Sums:
        """What results are made of, for an image or a part of it."""
        raise NotImplementedError

    @property
    def bytes_a_pixel(self) -> int:
        """What it takes meanwhile, about: pixels, weights, sums of both, and what is made of two of them."""
        return (2 + 2 * len(self.sums(self.request).whats) + 3) * DOUBLE.itemsize

    def full(self, part: Selected, weight: Array, total: float, request: Request, workers: int | None) -> Array:
        """Where all weights under the widest kernel are 1. `weight`: their sum, `total` what it is there."""
        partial_weights = part.whole is not None
        if not (partial_weights or self.missing.counts(request.modes)):
            full: Array = weight == total
            return full
        # A constant beyond the border: rows next to it are added up in another way.
        lacking = (part.weights != 1).astype(DOUBLE)
        runner = runner_of_weights(self.widest, request, self.missing._replace(ignored=(True,)), DOUBLE)
        full = runner.run(lacking, None, workers) == 0
        return full

    def _place(self, weights: Array) -> tuple[slice, ...] | None:
        """The part of the image outside of which results depend on weights of 1 only; None if that is everywhere."""
        if any(self.missing.ignored):
            return (slice(None),) * weights.ndim
        # A result needs pixels within the halo, and is needed for pixels within it.
        return surroundings(weights != 1, self.request, [(2 * max(sides) + 1,) * 2 for sides in self.around])


class Combined(OfParts):
    """A combination of filters."""

    def __init__(
        self, what: Combination, request: Request, missing: Missing, weights: PerPixel | None, absent: PerPixel | None
    ) -> None:  # fmt: skip
        super().__init__(what.plain, what.filters[-1], request, missing, weights, absent)
        self.what = what

    @property
    def look(self) -> Callable[..., bool] | None:
        return None if self.plain.look is None else partial(has_no_negative, self.missing)

    def quotients(
        self, part: Selected, pixels: Array, request: Request, workers: int | None
    ) -> tuple[Sequence[Array], Array, Array]:
        sums = self.sums(request)
        totals = sums.totals()
        above, below = sums.weighed(part, workers)
        full = self.full(part, below[-1], totals[-1], request, workers)  # the widest kernel comes last
        absent = part.weights == 0 if self.missing.keep_nan else np.zeros(part.weights.shape, bool)
        for total, weight, values in zip(totals, below, above, strict=True):
            absent |= ~(weight >= sums.least(total)) & ~full
            values *= total / weight
        if self.what.amount is None:
            narrow, wide = above
            return [narrow - wide], absent, full
        own = np.multiply(part.own, request.scale, dtype=DOUBLE)
        (blurred,) = above
        result = (1.0 + self.what.amount) * own - self.what.amount * blurred
        # A pixel that is missing stands as high as those around it.
        result = np.where(part.weights > 0, result, blurred)
        negative = dtypes.has_negative(pixels) if request.within is None else not request.within
        bounds = self.what.ranges[negative]
        return [result if bounds is None else np.clip(result, *bounds)], absent, full

    def sums(self, request: Request) -> Sums:
        return Sums(self.what.filters, request, self.missing, self.weights)  # type: ignore[arg-type]

    def describe(self) -> Description:
        return around_missing(self.sums(self.request), "combination")


def around_missing(sums: Sums, last: str) -> Description:
    """Of programs of parts."""
    above, below = sums.plans()
    stages = [
        Stage("pixels times weights", sums.whats, above),
        Stage("weights", tuple(map(of_weights, sums.whats)), below),
        Stage(last),
    ]
    return side_by_side(stages, DOUBLE)._replace(why="the plain filter, and quotients of arrays around missing pixels")


def has_no_negative(missing: Missing, image: Array, weights: Array | None = None, workers: int | None = None) -> bool:
    """Whether no pixel that counts is below zero; NaN is not."""
    if image.dtype.kind in "bu" or image.ndim == 0:
        return True
    # Some rows at a time: no array of the image's size is made.
    step = max(LOOKED_AT // max(math.prod(image.shape[1:]), 1), 1)
    for first in range(0, len(image), step):
        rows = slice(first, first + step)
        if image[rows].min() >= 0:  # not so if there is NaN
            continue
        below = image[rows] < 0
        if below.any() and (below & counting(image[rows], missing, None if weights is None else weights[rows])).any():
            return False
    return True
