"""Filters that are combined of several ones, for images with missing pixels.

Where all weights under the widest kernel are 1, results are the plain filter's. Elsewhere each filter is normalized by
itself, in float64, through arrays of the part of the image around the missing pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from fastsep._call import FilterProgram, Operation, PerPixel, Request
from fastsep._engine.execution import is_within
from fastsep._ops.missing.options import Missing
from fastsep._ops.missing.parts import Combination
from fastsep._ops.missing.selection import Selected, counting, engine_axes, pixel_dtype
from fastsep._ops.missing.whole import Incomplete, Normalized, of_weights, side_by_side, surroundings
from fastsep._plan import dtypes
from fastsep._plan.description import Description, Stage
from fastsep._plan.spec import Filter, Halo
from fastsep._validation.array_like import Array

DOUBLE = np.dtype(np.float64)


class OfParts(Incomplete):
    """The plain filter first; then results that depend on pixels of other weights than 1, in the part around those."""

    def __init__(
        self, plain: Filter | Operation, halo: Halo, request: Request, missing: Missing, weights: PerPixel | None,
        absent: PerPixel | None,
    ) -> None:  # fmt: skip
        super().__init__(request, missing, weights, absent)
        operation = plain if isinstance(plain, Operation) else Operation(partial(FilterProgram, plain))
        self.plain, self.around = operation.prepare(request), halo

    @np.errstate(all="ignore")
    def run(self, image: Array, outs: Sequence[Array], workers: int | None) -> None:
        assert self.plain.source is not None
        moved = engine_axes(image, self.request)
        if self._is_complete(moved, workers):
            self.plain.run(moved, outs, workers)
            return
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

    def _is_complete(self, image: Array, workers: int | None) -> bool:
        """Whether a look at the pixels as they lie tells that none is missing; infinity may be taken for one."""
        return (
            self.weights is None
            and not any(self.missing.ignored)
            and image.dtype == self.plain.source
            and image.dtype.kind == "f"
            and image.shape == self.shape
            and image.flags.c_contiguous
            and image.flags.aligned
            and is_within(image, math.inf, workers)
        )

    def quotients(
        self, part: Selected, pixels: Array, request: Request, workers: int | None
    ) -> tuple[Sequence[Array], Array, Array]:
        """Results for a part of the image, where there is none, and where all weights are 1. `pixels`: of all of it."""
        raise NotImplementedError

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
        super().__init__(what.plain, what.filters[-1].halo(), request, missing, weights, absent)
        self.what = what

    @property
    def look(self) -> Callable[..., bool] | None:
        return None if self.plain.look is None else partial(has_no_negative, self.missing)

    def quotients(
        self, part: Selected, pixels: Array, request: Request, workers: int | None
    ) -> tuple[Sequence[Array], Array, Array]:
        results, absent = [], np.zeros(part.weights.shape, bool)
        for blur in self._blurs(request):
            values, share = blur.weighed(part, workers)
            absent |= blur.absent(share, part)
            results.append(np.divide(values, share, out=values))
        own = np.multiply(part.own, request.scale, dtype=DOUBLE)
        result = self.what.combine(own, part.weights > 0, *results)
        negative = dtypes.has_negative(pixels) if request.within is None else not request.within
        bounds = self.what.ranges[negative]
        full = blur.full(part, share, workers)  # of the widest kernel, which comes last
        return [result if bounds is None else np.clip(result, *bounds)], absent, full

    def _blurs(self, request: Request) -> list[Normalized]:
        return [Normalized(each, request, self.missing, self.weights, DOUBLE) for each in self.what.filters]

    def describe(self) -> Description:
        stages = []
        for blur in self._blurs(self.request):
            stages.append(Stage("pixels times weights", (blur.what,), (blur.numerator.plan,)))
            stages.append(Stage("weights", (of_weights(blur.what),), (blur.denominator.plan,)))
        return around_missing([*stages, Stage("combination")])


def around_missing(stages: Sequence[Stage]) -> Description:
    """Of programs of parts."""
    return side_by_side(stages, DOUBLE)._replace(why="the plain filter, and quotients of arrays around missing pixels")


def has_no_negative(missing: Missing, image: Array, weights: Array | None = None, workers: int | None = None) -> bool:
    """Whether no pixel that counts is below zero; NaN is not."""
    return not dtypes.has_negative(np.where(counting(image, missing, weights), image, image.dtype.type(0)))
