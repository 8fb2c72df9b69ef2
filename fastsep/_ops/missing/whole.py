"""Filters of images with missing pixels, one whole array after the other: any filter, any border, any number of axes.

Besides its result a program takes some four arrays of the image's size; `in_blocks` runs it for a part at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import Any, Self

import numpy as np

from fastsep._call import FilterProgram, Operation, PerPixel, Program, Request
from fastsep._engine.execution import Runner
from fastsep._engine.memory import empty
from fastsep._ops.choice import CorrelationProgram
from fastsep._ops.missing.options import Missing
from fastsep._ops.missing.selection import Selected, engine_axes, is_partial, pixel_dtype, select
from fastsep._plan import description, dtypes
from fastsep._plan.description import Description, Stage
from fastsep._plan.pieces import unit_of
from fastsep._plan.plan import Plan
from fastsep._plan.spec import Box, Dense, Filter, Separable
from fastsep._validation import filter_kernels
from fastsep._validation.array_like import Array, DType

#: Pixels along an axis of the image of ones of which `total` is found: the kernel takes the ways of larger ones, too.
ONES = 16
#: Where terms cancel each other, sums of weights which should be 0 are not larger than this part of the total.
ROUNDING = {np.dtype(np.float32): 2.0**-20, np.dtype(np.float64): 2.0**-49}


def of_weights(what: Filter) -> Filter:
    """The filter that the weights run through.

    Its sums are not cast. Beyond a constant border pixels have weight 1, and what the first pass makes of them has its
    sum of taps.
    """
    if isinstance(what, Separable):
        return replace(what, chained=False, cast=False, whole=False)
    return replace(what, cast=False) if isinstance(what, Box | Dense) else what


def runner_of_weights(what: Filter, request: Request, missing: Missing, acc: DType) -> Runner:
    """K(w), in the dtype of the arithmetic."""
    return request_of_weights(request, missing, acc).runner(of_weights(what))


def request_of_weights(request: Request, missing: Missing, acc: DType) -> Request:
    return request._replace(source=acc, target=acc, cval=missing.border_weight, scale=1.0)


def total_of(what: Filter, request: Request, acc: DType) -> float:
    """What the kernel makes of weights of 1: the sum of its taps, in its own order."""
    return float(_of_ones(what, request_of_ones(what, request, acc)).flat[0])


def totals_of(what: Filter, request: Request, acc: DType) -> tuple[float, float]:
    """The least and the most that it makes of them, where beyond a constant border they are 1, too.

    The second pass sees the sum of taps there, which the first pass rounds in its own way.
    """
    lengths = [2 * max(sides) + 1 for sides in what.halo()]
    ones = _of_ones(what, _small(what, request, acc, lengths))
    return float(ones.min()), float(ones.max())


def request_of_ones(what: Filter, request: Request, acc: DType) -> Request:
    """For a small image of weights of 1 that goes on beyond its borders."""
    modes = tuple("reflect" if mode == "constant" else mode for mode in request.modes)
    return _small(what, request._replace(modes=modes), acc, [ONES] * len(modes))


def _of_ones(what: Filter, request: Request) -> Array:
    return request.runner(of_weights(what)).run(np.ones(request.shape, request.source), None, 1)


def _small(what: Filter, request: Request, acc: DType, lengths: Sequence[int]) -> Request:
    """For an image of weights that is along no axis longer than these lengths; beyond a constant border they are 1."""
    request = request.of_whole
    sizes = list(request.shape)
    spatial = range(request.first, request.first + len(request.modes))
    for axis, idle, length in zip(spatial, what.idle(), lengths, strict=True):
        # A short axis that is left alone may count as one of channels.
        sizes[axis] = min(sizes[axis], 5 if idle else length)
    if request.first:
        sizes[0] = 1
    return request._replace(shape=tuple(sizes), source=acc, target=acc, cval=1.0, scale=1.0)


def same_sums(one: Plan, other: Plan) -> bool:
    """Whether two plans, for results of other dtypes, make the same sums."""
    chains = [[plan for chain in each.passes for plan in chain] for each in (one, other)]
    return (
        one.strategy == other.strategy
        and one.kernel[:-1] == other.kernel[:-1]
        and len(chains[0]) == len(chains[1])
        and all(map(same_sums, *chains))
    )


def is_rounded_float(what: Filter, request: Request, plan: Plan) -> bool:
    """Whether the plain filter's results are floats, or what the same sums in floats are rounded to."""
    if request.target.kind == "f":
        return True
    return plan.acc.kind == "f" and not what.cast and same_sums(plan, request._replace(target=plan.acc).plan(what))


class Normalized:
    """K(w f), K(w) / total, and whether all weights under the kernel are 1."""

    def __init__(self, what: Filter, request: Request, missing: Missing, weights: PerPixel | None, acc: DType) -> None:
        """`acc`: the dtype of the arithmetic and of all results."""
        self.what, self.request, self.missing, self.acc = what, request, missing, acc
        self.source = pixel_dtype(request, weights, acc)
        self.numerator = request._replace(source=self.source, target=acc).runner(what)
        self.denominator = runner_of_weights(what, request, missing, acc)
        self.total = total_of(what, request, acc)
        self.full_shares = (1.0, 1.0)  # as what shares full weight is found
        if missing.counts(request.modes):
            least, most = (float(acc.type(each) / acc.type(self.total)) for each in totals_of(what, request, acc))
            self.full_shares = (min(least, most, 1.0), max(least, most, 1.0))
        cancels = isinstance(what, Separable) and len(what.terms) > 1
        self.least = ROUNDING[acc] if cancels else 0.0
        self.lacking: Runner | None = None  # of weights whose mean may be 1 by chance
        if is_partial(weights):
            self.lacking = runner_of_weights(what, request, missing._replace(ignored=(True,)), acc)

    @property
    def runners(self) -> list[Runner]:
        return [self.numerator, self.denominator]

    def weighed(self, selected: Selected, workers: int | None, inner: Any = ...) -> tuple[Array, Array]:
        """The numerator and the share of the kernel that found weights, of a part of the image."""
        return self.numerator.run(selected.pixels, None, workers)[inner], self.share(selected, workers, inner)

    def share(self, selected: Selected, workers: int | None, inner: Any = ...) -> Array:
        """K(w) / total: exactly 1 where all weights are."""
        share: Array = self.denominator.run(selected.weights, None, workers)[inner]
        share /= self.acc.type(self.total)
        least, most = map(self.acc.type, self.full_shares)
        if least < most:
            share[(share >= least) & (share <= most)] = 1
        return share

    def full(self, selected: Selected, share: Array, workers: int | None, inner: Any = ...) -> Array:
        """Where all weights under the kernel are 1."""
        if self.lacking is None or selected.whole is None:
            return np.equal(share, 1)
        lacking = (selected.weights != 1).astype(self.acc)
        found: Array = self.lacking.run(lacking, None, workers)[inner] == 0
        return found

    def absent(self, share: Array, selected: Selected, inner: Any = ...) -> Array:
        """Where there is no result."""
        absent: Array = ~(share > self.least)
        if self.missing.min_weight > 0:
            absent |= (share < self.missing.min_weight) & (share != 1)
        return absent | (selected.weights[inner] == 0) if self.missing.keep_nan else absent


class Incomplete(Program):
    """A program of an image with missing pixels."""

    def __init__(self, request: Request, missing: Missing, weights: PerPixel | None, absent: PerPixel | None) -> None:
        """`absent`: an array of bools, in which to tell where there is no result."""
        super().__init__(request)
        # What is missing is told by the pixels as they are: converted, two integers may be one.
        self.source = None
        self.request, self.missing, self.weights, self.absent = request, missing, weights, absent

    def of(self, weights: PerPixel | None, absent: PerPixel | None) -> Self:
        """The same for other weights, of the dtype and shape of those that it was made for."""
        other = copy(self)
        other.weights, other.absent = weights, absent
        return other

    def selected(self, image: Array, source: DType, acc: DType) -> Selected:
        return select(image, self.missing, self.weights, self.request, source, acc)

    def run_part(self, image: Array, outs: Sequence[Array], inner: Any, workers: int | None) -> None:
        """`run` for a part of the results, into arrays of any layout."""
        results = [empty(self.shape, self.target) for _ in outs]
        self.run(image, results, workers)
        for result, out in zip(results, outs, strict=True):
            out[...] = result[inner]


class WholeArrays(Incomplete):
    """One filter."""

    def __init__(
        self, what: Filter, request: Request, missing: Missing, weights: PerPixel | None, absent: PerPixel | None
    ) -> None:  # fmt: skip
        super().__init__(request, missing, weights, absent)
        filter_kernels.need_one_sign(taps_of(what))
        plan = request.plan(what)
        acc = plan.acc if plan.acc.kind == "f" and not what.cast else np.dtype(np.float64)
        self.quotient = Normalized(uncast(what), request, missing, weights, acc)
        self.what, self.acc = what, acc
        # Integers that are made in another way than floats: that of the plain filter, where no pixel is missing.
        self.plain: Runner | None = None
        if not is_rounded_float(what, request, plan):
            self.plain = Runner(plan)

    @property
    def unit(self) -> int:
        return max(unit_of(runner.plan) for runner in self.quotient.runners)

    @property
    def bytes_a_pixel(self) -> int:
        """What it takes meanwhile, about: pixels, weights, sums of both, and which pixels count."""
        return (4 if self.quotient.lacking is None else 7) * self.acc.itemsize + 2

    def run(self, image: Array, outs: Sequence[Array], workers: int | None) -> None:
        self.run_part(image, outs, ..., workers)

    @np.errstate(all="ignore")
    def run_part(self, image: Array, outs: Sequence[Array], inner: Any, workers: int | None) -> None:
        (out,) = outs
        selected = self.selected(image, self.quotient.source, self.acc)
        values, share = self.quotient.weighed(selected, workers, inner)
        absent = self.quotient.absent(share, selected, inner)
        if out.dtype == values.dtype:
            np.divide(values, share, out=out)
        else:
            out[...] = dtypes.finish(np.divide(values, share, out=values), self.target)
        if absent.any():
            out[absent] = self.missing.fill
        if self.absent is not None:
            engine_axes(self.absent.values[0], self.request)[inner] = absent
        if self.plain is not None:
            full = self.quotient.full(selected, share, workers, inner) & ~absent
            pixels = selected.own if image.dtype.kind == "f" else engine_axes(image, self.request)
            pixels = np.ascontiguousarray(pixels, self.plain.plan.src)
            np.copyto(out, self.plain.run(pixels, None, workers)[inner], where=full)

    def describe(self) -> Description:
        stages = [
            Stage("pixels times weights", (self.quotient.what,), (self.quotient.numerator.plan,)),
            Stage("weights", (of_weights(self.what),), (self.quotient.denominator.plan,)),
        ]
        if self.plain is not None:
            stages.append(Stage("integers of complete pixels", (self.what,), (self.plain.plan,)))
        return side_by_side(stages, self.acc)


def single_filter(what: Filter | Operation, request: Request) -> Filter:
    """The filter that an operation takes for an image which may have NaN."""
    if isinstance(what, Filter):
        return what
    program = what.prepare(request)
    if isinstance(program, CorrelationProgram):
        assert program.narrow is not None
        return program.narrow
    if isinstance(program, FilterProgram):
        return program.what
    raise ValueError("`axes` must be in ascending order for an image with missing pixels.")


def taps_of(what: Filter) -> list[Array]:
    """Of a filter whose terms are no more than one."""
    if isinstance(what, Dense):
        return [what.kernel]
    return [np.array(line.taps) for term in what.terms for line in term.lines if line and len(what.terms) == 1]


def surroundings(marked: Array, request: Request, halo: Sequence[tuple[int, int]]) -> tuple[slice, ...] | None:
    """The part of an image that holds the pixels that are marked and so many around them; None if none is marked."""
    place = [slice(None)] * marked.ndim
    for axis, (mode, (before, after)) in enumerate(zip(request.modes, halo, strict=True), start=request.first):
        along = np.flatnonzero(marked.any(axis=tuple(other for other in range(marked.ndim) if other != axis)))
        if not along.size:
            return None
        if mode != "wrap":
            place[axis] = slice(max(int(along[0]) - before, 0), int(along[-1]) + 1 + after)
    return tuple(place)


def uncast(what: Filter) -> Filter:
    """The filter without casts between its axes."""
    if what.cast:
        return replace(what, cast=False, exact=False) if isinstance(what, Separable) else replace(what, cast=False)  # type: ignore[type-var]
    return what


def side_by_side(stages: Sequence[Stage], acc: DType) -> Description:
    """Filters of the image and of its weights, none of which reads what another one makes."""
    told = description.of_stages("whole arrays, numerator by denominator", acc, stages, True, ())
    halos = [what.halo() for stage in stages for what in stage.filters]
    widest = tuple(
        (max(before for before, _ in sides), max(after for _, after in sides)) for sides in zip(*halos, strict=True)
    )
    return told._replace(halo=widest)
