"""Filters of images with missing pixels in one sweep, without arrays in between: the bits of `whole` in less time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from fastsep._call import PerPixel, Request
from fastsep._engine.normalized import Normalized, Rules, takes
from fastsep._ops.missing.options import Missing
from fastsep._ops.missing.selection import engine_axes, given_weights, is_partial
from fastsep._ops.missing.whole import Incomplete, WholeArrays, same_sums
from fastsep._ops.missing.whole import Normalized as Quotient
from fastsep._plan.description import Description
from fastsep._plan.plan import Plan
from fastsep._plan.spec import Filter
from fastsep._validation.array_like import Array

#: Weights that kernels read, and as what.
WEIGHTS = {name: np.dtype("uint8" if name == "bool" else name) for name in ("bool", "float32", "float64")}


class Swept(Incomplete):
    """What `whole` does, some rows at a time."""

    def __init__(self, whole: WholeArrays, runs: Normalized, shared: bool) -> None:
        """`shared`: channels share their weights."""
        super().__init__(whole.request, whole.missing, whole.weights, whole.absent)
        self.source = whole.request.source  # which tells the pixels that are missing
        self.whole, self.runs, self.shared = whole.of(None, None), runs, shared

    @property
    def unit(self) -> int:
        return self.whole.unit

    def run(self, image: Array, outs: Sequence[Array], workers: int | None) -> None:
        weights = as_read(given_weights(self.weights, self.request), self.shared, self.request)
        if self.absent is None:
            self.runs.run(image, weights, outs[0], None, workers)
            return
        told = engine_axes(self.absent.values[0], self.request)  # nowhere, so far
        absent = told if told.flags.c_contiguous else np.zeros(told.shape, bool)
        self.runs.run(image, weights, outs[0], absent, workers)
        if absent is not told:
            told[...] = absent

    def describe(self) -> Description:
        return self.whole.describe()._replace(why="once over the image, numerator beside denominator")


def program(
    what: Filter, request: Request, missing: Missing, weights: PerPixel | None, absent: PerPixel | None
) -> Incomplete:  # fmt: skip
    """One sweep for a filter, or whole arrays where it has to be (see `runs`).

    That is also so where floats become integers in another way than by rounding, integers that have weights other than
    0 and 1, and integers of 64 bits.
    """
    whole = WholeArrays(what, request, missing, weights, absent)
    over = whole.plain is not None
    if over and (request.source.kind == "f" or is_partial(weights) or request.target.itemsize > 4):
        return whole
    plain = request.plan(what)
    if not over and plain.acc != whole.acc:
        return whole
    made = runs(whole.quotient, plain, request, missing, weights, over=over, told=absent is not None)
    return whole if made is None else Swept(whole, made, _shares(weights, request))


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
        made.run(image, as_read(given, shared, request), out, where, workers)

    return fill


def as_read(given: Array | None, shared: bool, request: Request) -> Array | None:
    """Weights as kernels read them. `shared`: by all channels."""
    if given is None:
        return None
    if shared:
        given = given.take(0, 0 if request.first else -1)
    return np.ascontiguousarray(given).view(np.uint8 if given.dtype == np.bool_ else given.dtype)


def runs(
    quotient: Quotient, plain: Plan, request: Request, missing: Missing, weights: PerPixel | None, **ways: bool
) -> Normalized | None:  # fmt: skip
    """One sweep that takes this quotient, beside a plan of the plain filter.

    None where taps reach along more than two axes or round the ends of columns, and where rows are too long to be kept.
    """
    pixels, totals = (runner.plan for runner in quotient.runners)
    if weights is not None and weights.values[0].dtype.name not in WEIGHTS:
        return None
    if not (_tells_missing(request, missing) and takes((plain, pixels, totals))):
        return None
    least = np.nextafter(quotient.acc.type(quotient.least), quotient.acc.type(math.inf))  # more than that
    shared, cols, channels = _shares(weights, request), *plain.view[3:]
    lines = math.prod(plain.view) // (cols * channels)
    if shared and request.first:
        lines //= request.shape[0]
    rules = Rules(
        ignore_nan=missing.ignore_nan, nodata=missing.nodata,
        weights=None if weights is None else WEIGHTS[weights.values[0].dtype.name], weight_lines=lines,
        weight_channels=1 if shared and not request.first else channels, counts=missing.counts(request.modes),
        total=quotient.total, full=quotient.full_shares, least=max(float(least), missing.min_weight),
        fill=float(missing.fill), keep=missing.keep_nan, **ways,
    )  # fmt: skip
    return Normalized(plain, pixels, totals, same_sums(plain, pixels), rules)


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
