"""Filters of images with missing pixels in one sweep, without arrays in between: the bits of `whole` in less time."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fastsep._call import PerPixel, Request
from fastsep._engine.normalized import Normalized, Rules, takes
from fastsep._ops.missing.options import Missing
from fastsep._ops.missing.selection import engine_axes, is_partial
from fastsep._ops.missing.whole import Incomplete, WholeArrays, same_sums
from fastsep._plan.description import Description
from fastsep._plan.spec import Filter
from fastsep._validation import arrays
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
        weights = None
        if self.weights is not None:
            own = engine_axes(arrays.checked_weights(self.weights.values[0]), self.request)
            if self.shared:
                own = own.take(0, 0 if self.request.first else -1)
            weights = np.ascontiguousarray(own).view(np.uint8 if own.dtype == np.bool_ else own.dtype)
        told, absent = None, None
        if self.absent is not None:
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
    """One sweep for a filter, or whole arrays where it has to be.

    That is so where floats become integers in another way than by rounding, or integers that have weights other than 0
    and 1, taps reach along more than two axes or round the ends of columns, and rows are too long to be kept.
    """
    whole = WholeArrays(what, request, missing, weights, absent)
    if weights is not None and weights.values[0].dtype.name not in WEIGHTS:
        return whole
    over = whole.plain is not None
    if over and (request.source.kind == "f" or is_partial(weights)):
        return whole
    plain = request.plan(what)
    pixels, totals = (runner.plan for runner in whole.quotient.runners)
    if not (_tells_missing(request, missing) and (over or plain.acc == whole.acc) and takes((plain, pixels, totals))):
        return whole
    least = np.nextafter(whole.acc.type(whole.quotient.least), whole.acc.type(math.inf))  # more than that
    shared, cols, channels = _shares(weights, request), *plain.view[3:]
    lines = math.prod(plain.view) // (cols * channels)
    if shared and request.first:
        lines //= request.shape[0]
    rules = Rules(
        ignore_nan=missing.ignore_nan, nodata=missing.nodata,
        weights=None if weights is None else WEIGHTS[weights.values[0].dtype.name], weight_lines=lines,
        weight_channels=1 if shared and not request.first else channels, counts=missing.counts(request.modes),
        total=whole.quotient.total, full=whole.quotient.full_shares, least=max(float(least), missing.min_weight),
        fill=float(missing.fill), keep=missing.keep_nan, over=over, told=absent is not None,
    )  # fmt: skip
    return Swept(whole, Normalized(plain, pixels, totals, same_sums(plain, pixels), rules), shared)


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
