"""Filters of images with missing pixels in one sweep, without arrays in between: the bits of `whole` in less time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastsep._call import FilterProgram, PerPixel, Program, Request
from fastsep._engine.execution import Runner
from fastsep._engine.normalized import Normalized, Rules, takes
from fastsep._engine.pipeline import Pipeline
from fastsep._ops.clipping import ClippedProgram
from fastsep._ops.missing.combined import Combined, OfParts, has_no_negative
from fastsep._ops.missing.derivatives import Gradients
from fastsep._ops.missing.in_blocks import InBlocks
from fastsep._ops.missing.options import Missing
from fastsep._ops.missing.selection import engine_axes, given_weights, is_partial
from fastsep._ops.missing.sums import at_once
from fastsep._ops.missing.whole import Incomplete, WholeArrays, same_sums
from fastsep._ops.missing.whole import Normalized as Quotient
from fastsep._ops.stages import Sweep
from fastsep._plan.description import Description
from fastsep._plan.plan import Plan
from fastsep._plan.spec import Filter, Separable
from fastsep._validation.array_like import Array

#: Weights that kernels read, and as what.
WEIGHTS = {name: np.dtype("uint8" if name == "bool" else name) for name in ("bool", "float32", "float64")}


class Swept(Incomplete):
    """What a program of whole arrays does, some rows at a time."""

    def __init__(self, whole: WholeArrays | OfParts, shared: bool) -> None:
        """`shared`: channels share their weights."""
        super().__init__(whole.request, whole.missing, whole.weights, whole.absent)
        self.source = whole.request.source  # which tells the pixels that are missing
        self.whole, self.shared = whole.of(None, None), shared

    @property
    def unit(self) -> int:
        return self.whole.unit

    def given(self) -> Array | None:
        """Weights as kernels read them."""
        return as_read(given_weights(self.weights, self.missing, self.request), self.shared, self.request)

    def describe(self) -> Description:
        return self.whole.describe()._replace(why="once over the image, numerator beside denominator")


class SweptFilter(Swept):
    """One filter."""

    def __init__(self, whole: WholeArrays, runs: Normalized, shared: bool) -> None:
        super().__init__(whole, shared)
        self.runs = runs

    def run(self, image: Array, outs: Sequence[Array], workers: int | None) -> None:
        weights = self.given()
        if self.absent is None:
            self.runs.run(image, weights, outs[0], workers)
            return
        told = engine_axes(self.absent.values[0], self.request)  # nowhere, so far
        absent = told if told.flags.c_contiguous else np.zeros(told.shape, bool)
        self.runs.run(image, weights, outs[0], workers, (absent,))
        if absent is not told:
            told[...] = absent


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
    """One sweep for a filter, or whole arrays, block by block, where it has to be (see `runs`).

    That is also so where floats become integers in another way than by rounding, integers that have weights other than
    0 and 1, and integers of 64 bits.
    """
    whole = WholeArrays(what, request, missing, weights, absent)
    over = whole.plain is not None
    if over and (request.source.kind == "f" or is_partial(weights) or request.target.itemsize > 4):
        return InBlocks(whole)
    plain = request.plan(what)
    if not over and plain.acc != whole.acc:
        return InBlocks(whole)
    made = runs(whole.quotient, plain, request, missing, weights, over=over, told=absent is not None)
    return InBlocks(whole) if made is None else SweptFilter(whole, made, _shares(weights, request))


def filling(
    quotient: Quotient, request: Request, missing: Missing, weights: PerPixel | None
) -> Callable[[Array, Array | None, Array, Array, int | None], None] | None:
    """One sweep that makes the results for some pixels only: of (image, weights, out, where, workers).

    None where there is none, as for integers of 64 bits, which kernels do not write.
    """
    if request.target.kind != "f" and request.target.itemsize > 4:
        return None
    plain = quotient.numerator.plan._replace(src=request.source, dst=request.target)  # which does not run
    made = runs(quotient, plain, request, missing, weights, over=False, told=False, only=True)
    if made is None:
        return None
    shared = _shares(weights, request)

    def fill(image: Array, given: Array | None, out: Array, where: Array, workers: int | None) -> None:
        made.run(image, as_read(given, shared, request), out, workers, (where,))

    return fill


def as_read(given: Array | None, shared: bool, request: Request) -> Array | None:
    """Weights as kernels read them. `shared`: by all channels."""
    if given is None:
        return None
    if shared:
        given = given.take(0, 0 if request.first else -1)
    if given.dtype == np.bool_:
        return np.ascontiguousarray(given).view(np.uint8)
    return np.ascontiguousarray(given, WEIGHTS[given.dtype.name])  # in the byte order of this machine


def runs(
    quotient: Quotient, plain: Plan, request: Request, missing: Missing, weights: PerPixel | None, **ways: bool
) -> Normalized | None:  # fmt: skip
    """One sweep that takes this quotient, beside a plan of the plain filter.

    None where taps reach along more than two axes or round the ends of columns, and where rows are too long to be kept.
    """
    pixels, totals = (runner.plan for runner in quotient.runners)
    if weights is not None and weights.values[0].dtype.name not in WEIGHTS:
        return None
    if not (_tells_missing(request, missing) and takes(plain, (pixels, totals))):
        return None
    least = np.nextafter(quotient.acc.type(quotient.least), quotient.acc.type(math.inf))  # more than that
    numbers = (quotient.total, max(float(least), missing.min_weight), float(missing.fill), *quotient.full_shares)
    rules = _rules(request, missing, weights, plain, numbers, **ways)
    return Normalized(plain, pixels, totals, same_sums(plain, pixels), rules)


def program_of_parts(whole: Combined | Gradients) -> Incomplete:
    """The same for what is made of several sums.

    Weights of pixels have to be 0 or 1, for their sum tells where all are 1; and a kernel has to be so narrow that each
    pixel under it shows there.
    """
    request, missing, weights = whole.request, whole.missing, whole.weights
    if whole.absent is not None or missing.counts(request.modes) or is_partial(weights):
        return InBlocks(whole)
    sums = whole.sums(request)
    found = _plain_of(whole.plain)
    pixels = at_once(sums.whats, sums.of_pixels)
    if not found or pixels is None or not _tells_missing(request, missing) or not _shows(whole.widest):
        return InBlocks(whole)
    kept = pixels.src if pixels.src.kind == "f" else np.dtype(np.float32)  # most often that of one kernel for both
    totals = at_once(sums.whats_of_weights, sums.of_weights(kept))
    if totals is None or not all(takes(plain, (pixels, totals)) for plain in found):
        return InBlocks(whole)
    runs = []
    for plain in found:
        numbers, ending = _numbers(whole, plain)
        runs.append(
            Normalized(plain, pixels, totals, False, _rules(request, missing, weights, pixels, numbers, ending=ending))
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
    request: Request, missing: Missing, weights: PerPixel | None, plan: Plan, numbers: tuple[float, ...], **ways: Any
) -> Rules:
    """What a kernel is told. `plan`: one that sees the image as it does."""
    shared, cols, channels = _shares(weights, request), *plan.view[3:]
    lines = math.prod(plan.view) // (cols * channels)
    if shared and request.first:
        lines //= request.shape[0]
    return Rules(
        ignore_nan=missing.ignore_nan, nodata=missing.nodata,
        weights=None if weights is None else WEIGHTS[weights.values[0].dtype.name], weight_lines=lines,
        weight_channels=1 if shared and not request.first else channels, counts=missing.counts(request.modes),
        numbers=numbers, keep=missing.keep_nan, **ways,
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
