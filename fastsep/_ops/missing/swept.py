"""Filters of images with missing pixels in one sweep, without arrays in between: the bits of `whole` in less time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from fastsep._call import FilterProgram, PerPixel, Program, Request
from fastsep._engine.execution import Runner
from fastsep._engine.normalized import Normalized, Rules, takes
from fastsep._engine.pipeline import Pipeline
from fastsep._ops.clipping import ClippedProgram
from fastsep._ops.missing.combined import Combined, OfParts, has_no_negative
from fastsep._ops.missing.derivatives import Gradients
from fastsep._ops.missing.options import Missing
from fastsep._ops.missing.selection import engine_axes, is_partial
from fastsep._ops.missing.sums import at_once
from fastsep._ops.missing.whole import Incomplete, WholeArrays, same_sums
from fastsep._ops.stages import Sweep
from fastsep._plan.description import Description
from fastsep._plan.plan import Plan
from fastsep._plan.spec import Filter, Separable
from fastsep._validation import arrays
from fastsep._validation.array_like import Array

#: Weights that kernels read, and as what.
WEIGHTS = {name: np.dtype("uint8" if name == "bool" else name) for name in ("bool", "float32", "float64")}


class Swept(Incomplete):
    """What a program of whole arrays does, some rows at a time."""

    def __init__(self, whole: WholeArrays | OfParts, shared: bool) -> None:
        """`shared`: channels share their weights."""
        super().__init__(whole.request, whole.missing, whole.weights, None)
        self.source = whole.request.source  # which tells the pixels that are missing
        self.whole, self.shared = whole.of(None, None), shared

    @property
    def unit(self) -> int:
        return self.whole.unit

    def given(self) -> Array | None:
        """Weights as kernels read them."""
        if self.weights is None:
            return None
        own = engine_axes(arrays.checked_weights(self.weights.values[0]), self.request)
        if self.shared:
            own = own.take(0, 0 if self.request.first else -1)
        return np.ascontiguousarray(own).view(np.uint8 if own.dtype == np.bool_ else own.dtype)

    def describe(self) -> Description:
        return self.whole.describe()._replace(why="once over the image, numerator beside denominator")


class SweptFilter(Swept):
    """One filter."""

    def __init__(self, whole: WholeArrays, runs: Normalized, shared: bool) -> None:
        super().__init__(whole, shared)
        self.runs = runs

    def run(self, image: Array, outs: Sequence[Array], workers: int | None) -> None:
        self.runs.run(image, self.given(), outs[0], workers)


class SweptParts(Swept):
    """What is made of several sums."""

    def __init__(self, whole: OfParts, runs: Sequence[Normalized], shared: bool) -> None:
        """`runs`: of an image with a pixel below zero, and of others where these are clipped in another way."""
        super().__init__(whole, shared)
        self.runs = tuple(runs)

    @property
    def look(self) -> Callable[..., bool] | None:
        return self.whole.look

    def run(self, image: Array, outs: Sequence[Array], workers: int | None) -> None:
        weights = self.given()
        runs, results, plain = self.runs[0], outs, self.whole.plain
        if len(self.runs) > 1 and self._has_no_negative(image, workers):
            runs = self.runs[1]
        if isinstance(plain, Sweep):
            results = [outs[place] for place in plain.order]
        runs.run(image, weights, results[0], workers, results[1:])
        if isinstance(plain, Sweep):
            plain.repeat(outs)

    def _has_no_negative(self, image: Array, workers: int | None) -> bool:
        if self.request.within is not None:
            return self.request.within
        weights = None if self.weights is None else engine_axes(self.weights.values[0], self.request)
        return has_no_negative(self.missing, image, weights, workers)


def program(
    what: Filter, request: Request, missing: Missing, weights: PerPixel | None, absent: PerPixel | None
) -> Incomplete:  # fmt: skip
    """One sweep for a filter, or whole arrays where it has to be.

    That is so where a constant beyond the border counts as pixels, integers are cast or made in another way than
    floats, taps reach along more than two axes or round the ends of columns, rows are too long to be kept, and where
    somebody wants to be told which results are missing.
    """
    whole = WholeArrays(what, request, missing, weights, absent)
    if absent is not None or what.cast or whole.plain is not None or missing.counts(request.modes):
        return whole
    if weights is not None and weights.values[0].dtype.name not in WEIGHTS:
        return whole
    plain = request.plan(what)
    pixels, totals = (runner.plan for runner in whole.quotient.runners)
    if not _tells_missing(request, missing) or plain.acc != whole.acc or not takes(plain, (pixels, totals)):
        return whole
    least = np.nextafter(whole.acc.type(whole.quotient.least), whole.acc.type(math.inf))  # more than that
    numbers = (whole.quotient.total, max(float(least), missing.min_weight), float(missing.fill))
    rules = _rules(request, missing, weights, plain, numbers, "quotient")
    return SweptFilter(
        whole, Normalized(plain, pixels, totals, same_sums(plain, pixels), rules), _shares(weights, request)
    )


def program_of_parts(whole: OfParts) -> Incomplete:
    """The same for what is made of several sums.

    Weights of pixels have to be 0 or 1, for their sum tells where all are 1; and a kernel has to be so narrow that each
    pixel under it shows there.
    """
    request, missing, weights = whole.request, whole.missing, whole.weights
    if whole.absent is not None or missing.counts(request.modes) or is_partial(weights):
        return whole
    sums = whole.sums(request)
    found = _plain_of(whole.plain)
    pixels = at_once(sums.whats, sums.of_pixels)
    if not found or pixels is None or not _tells_missing(request, missing) or not _shows(whole.widest):
        return whole
    kept = pixels.src if pixels.src.kind == "f" else np.dtype(np.float32)  # most often that of one kernel for both
    totals = at_once(sums.whats_of_weights, sums.of_weights(kept))
    if totals is None or not all(takes(plain, (pixels, totals)) for plain in found):
        return whole
    runs = []
    for plain in found:
        numbers, ending = _numbers(whole, plain)
        runs.append(
            Normalized(plain, pixels, totals, False, _rules(request, missing, weights, pixels, numbers, ending))
        )
    return SweptParts(whole, runs, _shares(weights, request))


def _plain_of(program: Program) -> list[Plan | Pipeline]:
    """What the plain program runs: for any image, and for one without a pixel below zero."""
    if isinstance(program, Sweep):
        runs = program.runs
        return [runs.plan if isinstance(runs, Runner) else runs]
    if isinstance(program, ClippedProgram):
        return [program.any.plan, program.positive.plan]
    return [program.runner.plan] if isinstance(program, FilterProgram) else []


def _numbers(whole: OfParts, plain: Plan | Pipeline) -> tuple[tuple[float, ...], str]:
    """What results are made with, and what they are (see `simd.missing.combine`)."""
    sums = whole.sums(whole.request)
    *narrow, total = sums.totals() if isinstance(whole, Combined) else sums.totals()[:1]
    numbers = (total, sums.least(total), float(whole.missing.fill))
    if isinstance(whole, Gradients):
        return numbers, whole.outputs()
    assert isinstance(whole, Combined)
    amount = whole.what.amount
    if amount is None:
        return (*numbers, narrow[0], sums.least(narrow[0])), "difference"
    assert isinstance(plain, Plan)
    assert isinstance(plain.what, Separable)
    bounds = plain.what.clip or (-math.inf, math.inf)
    return (*numbers, 1.0 + amount, amount, *bounds, whole.request.scale), "unsharp"


def _shows(widest: Filter) -> bool:
    """Whether a sum of weights tells that one of them is 0: the smallest product of taps is not lost in rounding."""
    (term,) = widest.terms
    lines = [line for line in term.lines if line is not None]
    smallest = math.prod(min(map(abs, line.taps)) for line in lines)
    return smallest > 4 * sum(len(line.taps) for line in lines) * EPSILON * widest.gain()


#: Of float64.
EPSILON = float(np.finfo(np.float64).eps)


def _rules(
    request: Request, missing: Missing, weights: PerPixel | None, plan: Plan, numbers: tuple[float, ...], ending: str
) -> Rules:
    """What a kernel is told. `plan`: one that sees the image as it does."""
    shared, cols, channels = _shares(weights, request), *plan.view[3:]
    lines = math.prod(plan.view) // (cols * channels)
    if shared and request.first:
        lines //= request.shape[0]
    return Rules(
        ignore_nan=missing.ignore_nan, nodata=missing.nodata,
        weights=None if weights is None else WEIGHTS[weights.values[0].dtype.name], weight_lines=lines,
        weight_channels=1 if shared and not request.first else channels, numbers=numbers, keep=missing.keep_nan,
        ending=ending,
    )  # fmt: skip


def _tells_missing(request: Request, missing: Missing) -> bool:
    """Whether pixels as the engine reads them tell which are missing: no two integers have become one."""
    dtype = request.frame.dtype
    clamped = request.scale != 1.0 and dtype.kind == "i"
    return missing.nodata is None or (dtype.itemsize <= 4 and not clamped)


def _shares(weights: PerPixel | None, request: Request) -> bool:
    """Whether channels share their weights."""
    if weights is None or request.frame.channel is None:
        return False
    strides = getattr(weights.values[0], "strides", None)  # an array of dask has none
    return strides is not None and strides[request.frame.channel] == 0
