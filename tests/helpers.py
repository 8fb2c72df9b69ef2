"""What tests share: one table of cases that together reach every kernel family, images, and processes of their own."""

import ctypes
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import pytest
import reference
from reference import assert_close

import fastsep
from fastsep import _call, filters
from fastsep._call import FilterProgram, PerPixel
from fastsep._engine import memory
from fastsep._engine.levels import for_level
from fastsep._kernels import arguments, jit, selection
from fastsep._ops.choice import CorrelationProgram
from fastsep._plan import operators, tuning
from fastsep._plan.spec import Box, Dense, Extremum, Filter, FlatExtremum, Line, Rank, Roberts, Separable, Term

MODES = ("reflect", "constant", "nearest", "mirror", "wrap")
#: Of x86-64: those whose vectors are smaller than the largest there are.
LEVELS = ("x86-64-v3", "x86-64-v2")
UNITS = {"uint8": 255, "int8": 127, "uint16": 65535, "int16": 32767}

F4, F8, U1 = ("float32", "float32"), ("float64", "float64"), ("uint8", "uint8")
U1_F8, U1_F4, U1_I2 = ("uint8", "float64"), ("uint8", "float32"), ("uint8", "int16")
I2, U2, I2_F4, F4_U1, U2_F8 = (
    ("int16", "int16"),
    ("uint16", "uint16"),
    ("int16", "float32"),
    ("float32", "uint8"),
    ("uint16", "float64"),
)


def edge_filters():
    """Every public filter that a row of the table of edge operators makes, as the oracle takes it for 2-D images."""
    found = {}
    for operator in operators.EDGES:
        for name, axes in ((operator, (0, 1)), (f"{operator}_h", (0,)), (f"{operator}_v", (1,))):
            if name in filters.__all__:  # an operator that scikit-image lacks may do without the last two
                found[name] = operators.edges(operator, 2, axes)
    return found


@dataclass(frozen=True)
class Case:
    """A filter, as the package runs it and as the oracle does."""

    kernel: tuple[str, ...]  # what the key of its kernel starts with
    run: Callable[..., np.ndarray]
    what: Filter
    dtypes: tuple[tuple[str, str], ...]  # of image and result
    channels: int = 0  # 0: no such axis
    rescales: bool = True

    @property
    def ndim(self):
        if isinstance(self.what, Box | Extremum):
            return len(self.what.sizes)
        if isinstance(self.what, Dense):
            return self.what.kernel.ndim
        if isinstance(self.what, FlatExtremum | Rank):
            return self.what.footprint.ndim
        return 2 if isinstance(self.what, Roberts) else len(self.what.terms[0].lines)

    def shape(self, *spatial):
        return (*spatial, self.channels) if self.channels else spatial

    def call(self, image, **options):
        if self.channels:
            options["channel_axis"] = -1
        return self.run(image, **options)

    def scale(self, src, dst):
        """What the filter multiplies images of dtype `src` by."""
        return 1 / UNITS[src] if self.rescales and src in UNITS and np.dtype(dst).kind == "f" else 1.0

    def expected(self, image, dst, modes, cval):
        """The oracle's result in float64, and the largest value on the way to it."""
        scale = self.scale(image.dtype.name, dst)
        exact = reference.exact(self.what, image, modes=modes, cval=cval, scale=scale)
        values = np.abs(image.astype(float)) * scale
        largest = max(values[np.isfinite(values)].max(initial=0), abs(cval))
        return exact, np.array(largest * self.gain())

    def gain(self):
        """How much larger than the image the sum of all products may be."""
        if isinstance(self.what, Box | Extremum | FlatExtremum | Roberts):
            return 2.0
        if isinstance(self.what, Dense):
            return max(float(np.abs(self.what.kernel).sum()), 1.0)
        return sum(weight(term) for term in self.what.terms)

    def check(self, result, image, dst, modes, cval):
        """Compare a result with the oracle's."""
        assert result.dtype == dst
        expected, largest = self.expected(image, dst, modes, cval)
        if self.subtracts:
            result, expected = without_infinity(result), without_infinity(expected)
        assert_close(result, expected, largest)

    @property
    def subtracts(self):
        """Whether differences of pixels are taken before all else."""
        words = ("differences", "slopes", "gradient_of_sum")
        return any(word in part for part in self.kernel for word in words)

    def empty(self, shape, dst):
        """Shape and dtype of the result for an image of `shape`."""
        return shape, dst


def without_infinity(values):
    """NaN for infinity: the difference of two infinite pixels is NaN where a sum of their products may be infinite."""
    return np.where(np.isinf(values), np.nan, values).astype(values.dtype) if values.dtype.kind == "f" else values


def weight(term):
    """How much larger than the image what a term makes of it may be."""
    return float(np.prod([max(sum(map(abs, line.taps)), 1.0) for line in term.lines if line]))


@dataclass(frozen=True)
class Gradients(Case):
    """All results of a gradient, one behind the other in one array: derivatives, magnitude, orientation."""

    smoothing: Filter | None = None

    @property
    def ndim(self):
        return len(self.what)

    def empty(self, shape, dst):
        return (self.ndim + 2, *shape), dst

    def check(self, result, image, dst, modes, cval):
        assert result.dtype == dst
        derivatives, magnitude, orientation = result[:-2], result[-2], result[-1].astype(float)
        scale = self.scale(image.dtype.name, dst)
        values = np.abs(image.astype(float)) * scale
        largest = np.array(max(values[np.isfinite(values)].max(initial=0), abs(cval)))
        if self.smoothing is not None:
            image = reference.exact(self.smoothing, image, modes=modes, cval=cval, scale=scale)
            scale = 1.0
        exact = [reference.exact(what, image, modes=modes, cval=cval, scale=scale) for what in self.what]
        # Of the derivatives that came out: where both are small their rounding turns the gradient.
        expected = np.arctan2(*derivatives[-2:].astype(float))
        np.testing.assert_allclose(orientation, expected, rtol=0, atol=1e-6 if dst == "float32" else 1e-12)
        if self.subtracts:
            *exact, derivatives, magnitude = (without_infinity(values) for values in (*exact, derivatives, magnitude))
        for derivative, expected, what in zip(derivatives, exact, self.what, strict=True):
            assert_close(derivative, expected, largest * weight(what.terms[0]))
        with np.errstate(all="ignore"):
            expected = np.sqrt(sum(e * e for e in exact))
        assert_close(magnitude, expected, largest * sum(weight(what.terms[0]) for what in self.what))


@dataclass(frozen=True)
class Edges(Case):
    """Canny's edges; `dtypes` are those of the image and of the arithmetic."""

    ndim = 2

    def empty(self, shape, dst):
        return shape, "bool"

    def check(self, result, image, dst, modes, cval):
        from skimage.feature import canny
        from skimage.util import img_as_float32

        assert result.dtype == bool
        with np.errstate(all="ignore"):
            expected = canny(
                img_as_float32(image) if dst == "float32" else image, **self.what, mode=modes[0], cval=cval
            )  # fmt: skip
        # In float32 the order of operations differs: a close decision may fall the other way, and take the short
        # edge that it belongs to with it.
        assert np.count_nonzero(result != expected) <= (8 if dst == "float32" else 0)


@dataclass(frozen=True)
class Connected(Case):
    """Hysteresis: `what` are the two thresholds, and the number of axes."""

    @property
    def ndim(self):
        return self.what[2]

    def check(self, result, image, dst, modes, cval):
        from skimage.filters import apply_hysteresis_threshold

        assert result.dtype == bool
        np.testing.assert_array_equal(result, apply_hysteresis_threshold(image, *self.what[:2]))


@dataclass(frozen=True)
class Casts(Case):
    """Integers that equal SciPy's to the last bit."""

    def check(self, result, image, dst, modes, cval):
        if isinstance(self.what, Dense):
            modes = modes[:1] * len(modes)
        images = np.moveaxis(image, -1, 0) if self.channels else image[None]
        expected = [reference.in_turn(each, self.what, dst, modes, cval) for each in images]
        assert result.dtype == dst
        np.testing.assert_array_equal(result, np.stack(expected, -1) if self.channels else expected[0])


def smooth(radius):
    """Any symmetric taps of this radius, none zero, that sum to one on each axis."""
    down = [1.0 + 0.25 * k for k in range(radius + 1)]
    across = [0.5 + 0.75 * k * k for k in range(radius + 1)]
    lines = [half + half[-2::-1] for half in (down, across)]
    return tuple(tuple(t / sum(line) for t in line) for line in lines)


def from_taps(lines, kernel, dtypes, channels=0):
    lines = tuple(lines)

    def run(image, **options):
        return fastsep.separable_filter(image, lines, **options)

    return Case(kernel, run, operators.separable(lines), dtypes, channels, rescales=False)


def named(name, what, kernel, dtypes, channels=0, rescales=True, **arguments):
    def run(image, **options):
        return getattr(fastsep, name)(image, **arguments, **options)

    return Case(kernel, run, what, dtypes, channels, rescales)


def edge(name, ndim, axes, kernel, dtypes, channels=0):
    axis = None if len(axes) == ndim else axes
    return named(name, operators.edges(name, ndim, axes), kernel, dtypes, channels, axis=axis)


def box(sizes, kernel, dtypes, channels=0):
    return named("box", Box(sizes), kernel, dtypes, channels, rescales=False, size=sizes)


def casts(what, kernel, dtypes, channels=0):
    """A filter under SciPy's rules for dtypes."""

    def build(frame):
        return what

    def run(image, *, dtype=None, mode=("reflect",), cval=0.0, channel_axis=None, out=None, workers=None):
        dtype = None if dtype is None else np.dtype(dtype)
        mode = mode[0] if isinstance(what, Dense) else mode
        mode = mode[0] if len(mode) == 1 else mode
        return _call.apply(build, (), image, mode, cval, channel_axis, _call.NDIMAGE, dtype, out, workers)

    return Casts(kernel, run, what, dtypes, channels, rescales=False)


def cast_lines(*taps):
    """One term whose sums are cast after each axis."""
    lines = tuple(None if line is None else Line(line, len(line) // 2) for line in taps)
    return Separable((Term(lines),), chained=True, cast=True)


def build_extremum(frame, which, sizes, centres):
    return Extremum(which, sizes, centres)


def build_flat(frame, which, footprint, centre):
    pixels = np.array(footprint, bool)  # from nested tuples, as parameters are keys
    return Extremum(which, pixels.shape, centre) if pixels.all() else FlatExtremum(which, pixels, centre)


def extremum(which, sizes, centres, kernel, dtypes, channels=0):
    """A minimum or maximum, whose results have the dtype of the image."""

    def run(image, *, dtype=None, mode="reflect", cval=0.0, channel_axis=None, out=None, workers=None):
        parameters = (which, sizes, centres)
        return _call.apply(build_extremum, parameters, image, mode, cval, channel_axis, _call.ORDER, None, out, workers)

    return Case(kernel, run, Extremum(which, sizes, centres), dtypes, channels, rescales=False)


def flat(seed, which, shape, centre, dtypes, channels=0):
    """The same over a footprint of any form."""
    footprint = np.random.default_rng(seed).random(shape) < 0.6

    def run(image, *, dtype=None, mode="reflect", cval=0.0, channel_axis=None, out=None, workers=None):
        parameters = (which, footprint, centre)
        return _call.apply(build_flat, parameters, image, mode, cval, channel_axis, _call.ORDER, None, out, workers)

    return Case(("flat", which), run, FlatExtremum(which, footprint, centre), dtypes, channels, rescales=False)


def dense(seed, shape, dtypes, channels=0, *, zeros=0.3, whole=False, form="sums"):
    """Any kernel, some of its taps zero, tap by tap; with the form "differences" its taps sum to zero."""
    rng = np.random.default_rng(seed)
    kernel = rng.integers(-4, 5, shape).astype(float) if whole else rng.standard_normal(shape)
    used = rng.random(shape) >= zeros
    kernel[~used] = 0
    if form == "differences":
        kernel[used] -= kernel[used].mean()
    what = Dense(kernel, tuple(n // 2 for n in shape))

    def run(image, **options):
        return fastsep.correlate(image, kernel, method="direct", **options)

    return Case(("dense", form), run, what, dtypes, channels, rescales=False)


@dataclass(frozen=True)
class Order(Case):
    """Order statistics, in the dtype of the image; exact."""

    def check(self, result, image, dst, modes, cval):
        assert result.dtype == dst
        np.testing.assert_array_equal(result, reference.exact(self.what, image, modes=modes, cval=cval))


def rank(footprint, form, dtypes, channels=0, *, centre=None, number=None):
    """A rank, by default the median's, within a footprint, by default seen from its middle."""
    footprint = np.asarray(footprint, bool)
    centre = tuple(n // 2 for n in footprint.shape) if centre is None else centre
    number = np.count_nonzero(footprint) // 2 if number is None else number
    what = Rank(footprint, centre, int(number))
    if form in ("rows", "registers"):  # a network that is compiled
        form += f" {channels or 1}" * (form == "registers")
        form += f" {selection.name(footprint[None], number, selection.height(footprint[None]))}"

    def run(image, *, dtype=None, mode="reflect", cval=0.0, channel_axis=None, out=None, workers=None):
        parameters = (PerPixel(what.footprint), what.centre, what.rank)
        return _call.apply(ranks, parameters, image, mode, cval, channel_axis, _call.ORDER, None, out, workers)

    kernel = (form,) if form in ("histogram", "cumulative") else ("rank", form)
    return Order(kernel, run, what, tuple((name, name) for name in dtypes), channels, rescales=False)


def ranks(frame, footprint, centre, number):
    return Rank(*footprint.values, centre, int(number))


def cross(reach):
    """The pixels of a row and of a column."""
    footprint = np.zeros((2 * reach + 1,) * 2, bool)
    footprint[reach] = footprint[:, reach] = True
    return footprint


def disk(radius):
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return y * y + x * x <= radius * radius


def gradients(operator, kernel, dtypes, channels=0, *, ndim=2, sigma=None):
    names = (*("dz", "dy", "dx")[-ndim:], "magnitude", "orientation")
    if operator == "gaussian":
        smoothing = None
        what = [operators.gaussian(sigma, [int(k == axis) for k in range(ndim)], 4.0) for axis in range(ndim)]
    else:
        smoothing = None if sigma is None else operators.gaussian(sigma, (0,) * ndim, 4.0)
        what = [operators.edges(operator, ndim, (axis,)) for axis in range(ndim)]

    def run(image, *, dtype, out=None, **options):
        if out is None:
            out = np.empty((len(names), *image.shape), dtype)
        results = fastsep.gradient(image, operator, sigma=sigma, output=names, dtype=dtype, out=tuple(out), **options)
        assert len(results) == len(names)
        return out

    return Gradients(kernel, run, tuple(what), dtypes, channels, smoothing=smoothing)


def canny(sigma, kernel, dtypes):
    def run(image, *, mode=("constant",), **options):
        return fastsep.canny(image, sigma, mode=mode[0], **options)

    return Edges(kernel, run, {"sigma": sigma}, dtypes)


def connected(low, high, ndim, dtypes):
    def run(image, *, out=None, workers=None, **others):
        return fastsep.apply_hysteresis_threshold(image, low, high, out=out, workers=workers)

    return Connected(("hysteresis",), run, (low, high, ndim), dtypes)


ODD, EVEN = (0.5, -1.0, 0.0, 2.0, 0.25, 0.125, -0.75), (1.0, -0.5, 0.0, 3.0)
WHOLE, WHOLE_EVEN = (3.0, -1.0, 2.0, 0.0, 1.0), (1.0, 4.0, -2.0, 1.0, 0.0, 1.0)
BOTH = "magnitude+orientation"
KERNEL = np.outer(ODD[:5], EVEN[:3]) / 3 + np.eye(5, 3)
GAUSS = operators.gaussian((1.6, 2.3), (0, 0), 4.0)
CASES = {
    # sweeps
    "smooth 1": from_taps(smooth(1), ("sweep", "smooth1", "1"), (F4, U1)),
    "smooth 2": from_taps(smooth(2), ("sweep", "smooth2", "1"), (F8, U1_F4)),
    "smooth 3": from_taps(smooth(3), ("sweep", "smooth3", "1"), (F4, U2)),
    "smooth 4": from_taps(smooth(4), ("sweep", "smooth4", "1"), (F4, U1_F8)),
    "smooth 1 RGB": from_taps(smooth(1), ("sweep", "smooth1", "3"), (U1, F8), 3),
    "smooth 2, 2 channels": from_taps(smooth(2), ("sweep", "smooth2", "2"), (F4,), 2),
    "dy": edge("sobel", 2, (0,), ("sweep", "dy", "1"), (F4, I2_F4)),
    "dx": edge("scharr", 2, (1,), ("sweep", "dx", "1"), (F8, F4_U1)),
    "dx in int16": from_taps(((1, 2, 1), (-1, 0, 1)), ("sweep", "dx", "1", "uint8", "int16"), (U1_I2,)),
    "magnitude": edge("sobel", 2, (0, 1), ("sweep", "magnitude", "1"), (F4, U1_F8)),
    "magnitude RGB": edge("prewitt", 2, (0, 1), ("sweep", "magnitude", "3"), (F4, U1_F8), 3),
    "farid": edge("farid", 2, (0, 1), ("sweep", "wide2 magnitude", "1"), (F4, U1_F4, F8)),
    "farid RGB": edge("farid", 2, (0, 1), ("sweep", "wide2 magnitude", "3"), (F4, U1_F8), 3),
    "farid dy": edge("farid", 2, (0,), ("sweep", "wide2 dy", "1"), (F4, U1_F4)),
    "farid dx": edge("farid", 2, (1,), ("sweep", "wide2 dx", "1"), (F4, I2_F4, F8)),
    "roberts": named("roberts", Roberts("magnitude"), ("sweep", "roberts_magnitude"), (F4, U1_F8)),
    "roberts +": named("roberts_pos_diag", Roberts("pos_diag"), ("sweep", "roberts_pos"), (F4, U2_F8)),
    "roberts -": named("roberts_neg_diag", Roberts("neg_diag"), ("sweep", "roberts_neg"), (F4,)),
    "magnitude of a volume": edge("sobel", 3, (0, 1, 2), ("sweep_volume", "magnitude", "1"), (F4, U1_F4, U1_F8, F8)),
    "magnitude of a volume RGB": edge("prewitt", 3, (0, 1, 2), ("sweep_volume", "magnitude", "3"), (F4, U1_F8), 3),
    "dz": edge("scharr", 3, (0,), ("sweep_volume", "dz", "1"), (F4, I2_F4)),
    "dy of a volume": edge("prewitt", 3, (1,), ("sweep_volume", "dy", "1"), (F8, F4_U1)),
    "dx of a volume, 2 channels": edge("scharr", 3, (2,), ("sweep_volume", "dx", "2"), (F4, U1_F8), 2),
    # taps of any length
    "gaussian": named("gaussian", GAUSS, ("fir", "plane"), (F4, U1, F8), sigma=(1.6, 2.3)),
    "gaussian RGB": named("gaussian", GAUSS, ("fir", "plane"), (U1, F4), 3, sigma=(1.6, 2.3)),
    "wide gaussian": named(
        "gaussian",
        operators.gaussian((14.0, 6.0), (1, 0), 4.0),
        ("fir", "plane"),
        (F4, F8),
        sigma=(14, 6),
        order=(1, 0),
    ),
    "odd and even taps": from_taps((ODD, EVEN), ("fir", "plane"), (F4, F8)),
    "whole taps": from_taps((WHOLE_EVEN, WHOLE), ("fir", "plane"), (U1, U1_I2)),
    "one axis": from_taps((None, ODD), ("fir", "plane"), (F4,)),
    "laplace": named("laplace", operators.laplace(2), ("sweep", "laplace", "1"), (F4, U1_F8)),
    "laplace RGB": named("laplace", operators.laplace(2), ("sweep", "laplace", "3"), (F4, U1), 3),
    # differences first
    "farid of five channels": edge("farid", 2, (0, 1), ("fir", "plane differences terms"), (F4, U1_F4), 5),
    "farid of five channels in float64": edge("farid", 2, (0, 1), ("fir", "plane terms"), (F8, U1_F8), 5),
    "farid dx of five channels": edge("farid", 2, (1,), ("fir", "plane differences"), (F4, U1_F4), 5),
    "second derivative": named(
        "gaussian",
        operators.gaussian((1.6, 2.3), (2, 1), 4.0),
        ("fir", "plane differences"),
        (F4, U1_F4),
        sigma=(1.6, 2.3),
        order=(2, 1),
    ),
    "derivative along rows RGB": named(
        "gaussian",
        operators.gaussian((2.3, 1.6), (0, 2), 4.0),
        ("fir", "plane differences"),
        (F4, F4_U1),
        3,
        sigma=(2.3, 1.6),
        order=(0, 2),
    ),
    "any taps of sum zero": from_taps((EVEN, (0.5, -0.75, 0.0, 0.25)), ("fir", "plane differences"), (F4, U1_F4)),
    "any taps of sum zero, down": from_taps(((0.5, -0.75, 0.25), ODD), ("fir", "plane differences"), (F4, I2_F4)),
    "difference of gaussians": named(
        "difference_of_gaussians",
        operators.difference_of_gaussians((0.7, 1.1), (1.4, 2.5), 4.0),
        ("fir", "plane slopes terms"),
        (F4, U1_F4),
        low_sigma=(0.7, 1.1),
        high_sigma=(1.4, 2.5),
    ),
    "difference RGB": named(
        "difference_of_gaussians",
        operators.difference_of_gaussians((0.7, 0.7), (1.4, 1.4), 4.0),
        ("fir", "plane slopes terms"),
        (F4,),
        3,
        low_sigma=0.7,
        high_sigma=1.4,
    ),
    "difference of distant gaussians": named(
        "difference_of_gaussians",
        operators.difference_of_gaussians((1.1, 0.7), (2.5, 2.4), 4.0),
        ("fir", "plane slopes terms"),
        (F4, F4_U1),
        low_sigma=(1.1, 0.7),
        high_sigma=(2.5, 2.4),
    ),
    "difference of distant gaussians RGB": named(
        "difference_of_gaussians",
        operators.difference_of_gaussians((0.7, 0.5), (1.4, 2.4), 4.0),
        ("fir", "plane slopes terms"),
        (F4, U1_F4),
        3,
        low_sigma=(0.7, 0.5),
        high_sigma=(1.4, 2.4),
    ),
    "laplacian of gaussian": named(
        "gaussian_laplace",
        operators.gaussian_laplace((1.6, 2.3), 4.0),
        ("fir", "plane slopes terms"),
        (F4, I2_F4),
        rescales=False,
        sigma=(1.6, 2.3),
    ),
    "gradient magnitude of gaussian": named(
        "gaussian_gradient_magnitude",
        operators.gaussian_gradient_magnitude((1.6, 2.3), 4.0),
        ("fir", "plane slopes terms"),
        (F4, U1_F4),
        rescales=False,
        sigma=(1.6, 2.3),
    ),
    "gradient magnitude of gaussian RGB": named(
        "gaussian_gradient_magnitude",
        operators.gaussian_gradient_magnitude((2.3, 1.6), 4.0),
        ("fir", "plane slopes terms"),
        (F4,),
        3,
        rescales=False,
        sigma=(2.3, 1.6),
    ),
    "unsharp": named(
        "unsharp_mask",
        operators.unsharp((1.7, 1.7), 2.0, 4.0, None),
        ("fir", "plane terms"),
        (F4, F8),
        rescales=False,
        radius=1.7,
        amount=2.0,
        preserve_range=True,
    ),
    "volume": named("gaussian", operators.gaussian((1.1,) * 3, (0,) * 3, 4.0), ("fir", "volume"), (F4, U1), sigma=1.1),
    "volume, any taps": from_taps((EVEN, ODD, WHOLE), ("fir", "volume"), (F4,)),
    "volume terms": edge("sobel", 3, (0, 1, 2), ("fir", "volume terms"), (F8, U1_F8), 5),
    "volume terms, differences": edge("sobel", 3, (0, 1), ("fir", "volume differences terms"), (F4, U1_F4)),
    "volume, differences of rows": edge("scharr", 3, (1,), ("fir", "volume differences"), (F4,), 5),
    "volume, differences of columns": edge("sobel", 3, (2,), ("fir", "volume differences"), (F4, I2_F4), 5),
    "volume, second derivative": named(
        "gaussian",
        operators.gaussian((0.7, 1.1, 0.9), (0, 1, 2), 4.0),
        ("fir", "volume differences"),
        (F4,),
        3,
        sigma=(0.7, 1.1, 0.9),
        order=(0, 1, 2),
    ),
    "difference in a volume": named(
        "difference_of_gaussians",
        operators.difference_of_gaussians((0.7, 1.1, 0.8), (1.4, 1.5, 2.0), 4.0),
        ("fir", "volume differences terms"),
        (F4, U1_F4),
        low_sigma=(0.7, 1.1, 0.8),
        high_sigma=(1.4, 1.5, 2.0),
    ),
    "curvature of a volume": named(
        "gaussian_laplace",
        operators.gaussian_laplace((0.7, 1.1, 0.9), 4.0),
        ("fir", "volume differences terms"),
        (F4,),
        rescales=False,
        sigma=(0.7, 1.1, 0.9),
    ),
    "volume, any taps of sum zero": from_taps(
        (EVEN, (0.5, -0.75, 0.0, 0.25), WHOLE), ("fir", "volume differences"), (F4, U1_F4)
    ),
    # any kernel
    "dense": dense(1, (5, 7), (F4, U1, F8)),
    "dense, even": dense(2, (4, 6), (F8, U2_F8), zeros=0),
    "dense, wide": dense(3, (3, 21), (F4,)),
    "dense, tall RGB": dense(4, (11, 2), (F4, U1_F4), 3),
    "dense, whole": dense(5, (3, 3), (U1_F8, U1_I2), whole=True),
    "dense, differences": dense(9, (7, 6), (F4, U1_F4), zeros=0, form="differences"),
    "dense, differences, RGB": dense(10, (5, 4), (F4, U1_F4), 3, form="differences"),
    "dense of a volume": dense(6, (3, 4, 3), (F4, U1_F8)),
    "dense of a volume of one column": dense(7, (2, 3, 1), (F8, I2_F4), 2),
    "dense in four axes": dense(8, (2, 3, 2, 3), (F4,)),
    "laplace of a volume": named("laplace", operators.laplace(3), ("dense", "differences"), (F4, U1_F4)),
    "laplace of five channels": named("laplace", operators.laplace(2), ("dense", "differences"), (F4, U1), 5),
    # boxes
    "small box": box((3, 4), ("fir", "plane"), (F4, U1_F8)),
    "large box": box((29, 18), ("box",), (F4, U1, F8)),
    "large box RGB": box((5, 67), ("box",), (F4, U1), 3),
    "tall box": box((29, 4), ("box",), (F4,)),
    "small box of integers": box((4, 3), ("small_box",), (U2, ("int16", "int16"))),
    "small box of bytes": box((4, 5), ("small_box",), (U1, U1_I2)),
    "small box of bytes RGB": box((16, 7), ("small_box",), (U1,), 3),
    "small box along rows": box((1, 21), ("small_box",), (U1,)),
    # minima and maxima
    "minimum": extremum("minimum", (3, 3), (1, 1), ("extremum", "minimum"), (U1, F4)),
    "maximum, even": extremum("maximum", (2, 6), (1, 3), ("extremum", "maximum"), (F4, U2)),
    "minimum, beside the pixel": extremum("minimum", (7, 5), (0, 4), ("extremum", "minimum"), (U1, F8)),
    "maximum, tall": extremum("maximum", (29, 4), (11, 0), ("extremum", "maximum"), (U1, I2)),
    "minimum, wide": extremum("minimum", (12, 170), (6, 85), ("extremum", "minimum"), (U1, F4)),
    "maximum RGB": extremum("maximum", (9, 11), (4, 5), ("extremum", "maximum"), (U1, F4), 3),
    "minimum along rows": extremum("minimum", (1, 21), (0, 10), ("extremum", "minimum"), (U1, U2)),
    "maximum along columns": extremum("maximum", (40, 1), (20, 0), ("extremum", "maximum"), (U1, F8)),
    "minimum, any footprint": flat(11, "minimum", (5, 7), (2, 3), (U1, F4)),
    "maximum, wide footprint": flat(12, "maximum", (2, 40), (1, 3), (U1, F4)),
    "minimum, any footprint RGB": flat(13, "minimum", (7, 4), (6, 0), (U1, F4), 3),
    "maximum of a footprint in a volume": flat(14, "maximum", (3, 4, 3), (1, 2, 1), (U1, F8)),
    # integers as SciPy's
    "cast gaussian": casts(cast_lines(*smooth(8)), ("fir", "plane cast"), (U1, ("float32", "int16"))),
    "cast odd and even taps": casts(cast_lines(ODD, EVEN), ("fir", "plane cast"), (U1, I2)),
    "cast RGB": casts(cast_lines(ODD, smooth(3)[1]), ("fir", "plane cast"), (U1, I2), 3),
    "cast of a volume": casts(cast_lines(smooth(2)[0], EVEN, ODD), ("fir", "volume cast"), (U1, I2)),
    "cast of four axes": casts(cast_lines(*smooth(1), *smooth(1)), ("passes",), (U1,)),
    "cast derivative": casts(cast_lines((-1.0, 0.0, 1.0), (1.0, 2.0, 1.0)), ("sweep", "dy", "1"), (U1, I2)),
    "cast means": casts(Box((5, 4), cast=True), ("small_box",), (U1, U2)),
    "cast means of large windows": casts(Box((29, 30), cast=True), ("box", "cast"), (U1, I2)),
    "cast kernel": casts(Dense(KERNEL, (2, 1), cast=True), ("dense", "ordered cast"), (U1, I2)),
    # ranks
    "median of nine": rank(np.ones((3, 3)), "registers", ("uint8", "float32")),
    "median of nine, RGB": rank(np.ones((3, 3)), "registers", ("uint8", "int8"), 3),
    "median of nine, many channels": rank(np.ones((3, 3)), "rows", ("uint8",), 5),
    "median, even": rank(np.ones((4, 5)), "rows", ("uint8", "uint16", "float64"), centre=(1, 0)),
    "median RGB": rank(np.ones((5, 5)), "rows", ("uint8", "float32"), 3),
    "median of a cross": rank(cross(1), "registers", ("uint8", "int16")),
    "median of a line": rank(np.ones((1, 3)), "rows", ("uint8", "float32")),
    "rank in a disk": rank(disk(3), "table", ("uint8", "float32"), number=20),
    "rank in a corner": rank([[0, 1, 0], [0, 0, 1]], "table", ("uint8", "float64"), centre=(0, 2)),
    "rank of a large window": rank(np.ones((9, 12)), "table", ("uint8", "float32"), 2, number=90),
    "median by cumulative histograms": rank(np.ones((15, 13)), "cumulative", ("uint8", "int8"), centre=(4, 7)),
    "rank by cumulative histograms RGB": rank(np.ones((12, 19)), "cumulative", ("uint8", "int8"), 3, number=90),
    "median by histograms": rank(np.ones((15, 19)), "histogram", ("uint8", "int8"), centre=(4, 7)),
    "rank by histograms RGB": rank(np.ones((14, 19)), "histogram", ("uint8", "int8"), 3, number=90),
    "median of a volume": rank(np.ones((3, 3, 3)), "table", ("uint8", "float32")),
    "rank in four axes": rank(np.ones((2, 1, 2, 3)), "table", ("uint8", "float32"), number=0),
    # axis after axis
    "minimum of a volume": extremum("minimum", (3, 10, 4), (1, 5, 2), ("passes",), (U1, F4)),
    "box of a volume": box((3, 17, 4), ("passes",), (F4, U1)),
    "four axes": named("gaussian", operators.gaussian((0.8,) * 4, (0,) * 4, 4.0), ("passes",), (F4,), sigma=0.8),
    "edges of four axes": edge("sobel", 4, (0, 1, 2, 3), ("passes",), (F4,)),
    # several results
    "gradient": gradients("sobel", ("sweep", f"dy+dx+{BOTH}", "1"), (F4, F8)),
    "gradient of five taps": gradients("farid", ("sweep", f"wide2 dy+dx+{BOTH}", "1"), (F4, U1_F8)),
    "gradient RGB": gradients("scharr", ("sweep", f"dy+dx+{BOTH}", "3"), (F4, F8), 3),
    "gradient of a volume": gradients("prewitt", ("polar", "orientation"), (F4, U1_F8), ndim=3, sigma=(0.6, 0.9, 1.1)),
    # one behind the other
    "smoothed gradient": gradients("sobel", ("sweep", f"dy+dx+{BOTH}", "1"), (F8, U1_F8), sigma=(1.2, 0.7)),
    "smoothed gradient RGB": gradients("sobel", ("sweep", f"dy+dx+{BOTH}", "3"), (F8, U1_F8), 3, sigma=(0, 1.5)),
    "gradient of a sum": gradients("sobel", ("gradient_of_sum", f"dy+dx+{BOTH}", "1"), (F4, U1_F4), sigma=(1.2, 0.7)),
    "gradient of a sum RGB": gradients(
        "scharr", ("gradient_of_sum", f"dy+dx+{BOTH}", "3"), (F4, I2_F4), 3, sigma=(0, 1.5)
    ),
    "smoothed farid": gradients("farid", ("sweep", f"wide2 dy+dx+{BOTH}", "1"), (F4, F8), sigma=(0.8, 1.7)),
    "central differences": gradients("central", ("polar", f"dy+dx+{BOTH}"), (F4, I2_F4)),
    "smoothed central differences": gradients("central", ("polar", f"dy+dx+{BOTH}"), (F4, F8), 2, sigma=(1.1, 0)),
    "gradient of a gaussian": gradients("gaussian", ("polar", f"dy+dx+{BOTH}"), (F4, U1_F8), sigma=(1.3, 0.9)),
    "canny": canny(0.8, ("suppress", "float64"), (F8, U1_F8)),
    "canny, wide": canny((2.1, 0), ("suppress", "float64"), (U2_F8, F8)),
    "canny in float32": canny(0.8, ("suppress", "float32"), (F4, U1_F4)),
    # connected pixels
    "hysteresis": connected(0.2, 0.97, 2, (("float32", "bool"), ("float64", "bool"))),
    "hysteresis of bytes": connected(110, 252, 2, (("uint8", "bool"),)),
    "hysteresis in a volume": connected(0.4, 0.97, 3, (("float32", "bool"),)),
}
#: Of these only slow tests: they differ from others by a number of channels, or a dtype, that kernels are compiled for.
SELDOM = {
    "smooth 1 RGB", "smooth 2, 2 channels", "dx in int16", "farid RGB", "laplace RGB", "gradient RGB",
    "smoothed gradient RGB", "magnitude of a volume RGB", "dx of a volume, 2 channels",
    "median of nine, many channels", "median RGB", "median of a line",
}  # fmt: skip


def cases(chosen=lambda case: True):
    """Names of cases as parameters of a test."""
    return [
        pytest.param(name, marks=[pytest.mark.slow] * (name in SELDOM)) for name, case in CASES.items() if chosen(case)
    ]


def make_image(rng, dtype, shape):
    """Values all over the range that becomes [-1, 1] or [0, 1], both ends included, of a dtype of the engine."""
    if np.dtype(dtype).kind == "f":
        return (rng.random(shape) * 2 - 1).astype(dtype)
    unit = UNITS[dtype]
    low = -unit if np.dtype(dtype).kind == "i" else 0
    image = rng.integers(low, unit, shape, dtype, endpoint=True)
    image.flat[2::7] = unit
    image.flat[4::11] = low
    return image


def noise(rng, dtype, shape=(29, 41)):
    """Values all over the range of any real dtype, both ends of an integer one included; floats in [-1, 1)."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind == "f":
        return (rng.random(shape) * 2 - 1).astype(dtype)
    info = np.iinfo(dtype)
    image = rng.integers(info.min, info.max, shape, dtype.newbyteorder("="), endpoint=True)
    image.flat[::13] = info.min  # which rescaling has to raise
    image.flat[5::11] = info.max
    return image.astype(dtype)


def read_only(array):
    """`array`, which may not be written into from here on."""
    array.flags.writeable = False
    return array


def layouts(image):
    """The same image, laid out in memory in other ways."""
    misaligned = np.empty(image.nbytes + 1, np.uint8)[1:].view(image.dtype).reshape(image.shape)
    misaligned[...] = image
    spread = np.zeros((2 * image.shape[0], 3 * image.shape[1]), image.dtype)[::2, ::3]
    spread[...] = image
    return {
        "read-only": read_only(image.copy()),
        "Fortran": np.asfortranarray(image),
        "strided": spread,
        "reversed": image[::-1, ::-1].copy()[::-1, ::-1],
        "misaligned": misaligned,
        "other byte order": image.astype(image.dtype.newbyteorder()),
        "list": image.tolist() if image.dtype == np.float64 else image,
    }


def kernels_of(case, src, dst, shape):
    """Keys of the kernels that a case runs on; of a filter, its plan's."""
    fastsep.clear_caches()
    asked = []
    load = jit.kernel

    def kernel(*key):
        asked.append(key)
        return load(*key)

    jit.kernel = kernel
    try:
        case.call(np.zeros(shape, src), dtype=dst)
    finally:
        jit.kernel = load
    filters = (call.program for call in _call._calls.values())
    return [
        program.runner.plan.kernel for program in filters if isinstance(program, FilterProgram | CorrelationProgram)
    ] or asked


def same_bits(one, other):
    """Whether two arrays are the same to the last bit, signs of zeros and NaN included."""
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


def assert_refused(call, exceptions, pattern):
    """The call fails, as every one of the exceptions, with one short line that matches."""
    for exception in exceptions if isinstance(exceptions, tuple) else (exceptions,):
        with pytest.raises(exception) as caught:
            call()
        message = str(caught.value)
        assert re.search(pattern, message), message
        assert "\n" not in message
        assert len(message) < 200


#: Of so few multiply-adds a thread, images of any size are cut into as many bands as there are workers.
NO_WORK = 1e-9


def cut_all_images():
    """For scripts; tests have the fixture `small_images_go_parallel`."""
    tuning.SHARED_WORK = tuning.WOKEN_WORK = tuning.BAND_WORK = NO_WORK


class OneAfterTheOther:
    """In place of the pool: runs the bands of a call in one thread, with the memory of each of its threads in turn."""

    def __init__(self):
        self.lock = threading.Lock()

    def helpers(self, wanted, outlasts):
        return wanted

    def run(self, kernel, block, stride, bands, threads):
        function = jit.BAND(kernel)
        for band in range(bands):
            own = block
            if stride and band % threads:
                own += band % threads * stride
                ctypes.memmove(own, block, memory.BLOCK_BYTES)
                ctypes.c_int64.from_address(own + 8 * arguments.SCRATCH).value = own + memory.BLOCK_BYTES
            function(jit.UNUSED, jit.UNUSED, own, band)


MIB = 1 << 20
# The stacks of the threads, the argument block, scratch in cache, and what the allocator keeps.
SLACK = 24 * MIB

# VmHWM is the largest resident size so far: it is compared with the size after a small call, which
# has compiled the kernels and started the threads.
_PEAK = """
import sys
import numpy as np
import fastsep

def status(name):
    with open("/proc/self/status") as file:
        (line,) = (line for line in file if line.startswith(name + ":"))
    return int(line.split()[1]) * 1024

shape, dtype, name, options = eval(sys.argv[1]), sys.argv[2], sys.argv[3], eval(sys.argv[4])
run = getattr(fastsep, name)
run(np.ones([min(size, 1024) for size in shape], dtype), **options)
before = status("VmRSS")
image = np.ones(shape, dtype)
image[::2] = 0
result = run(image, **options)
del result
result = run(image, **options)  # the same call again takes a shorter way
results = result if isinstance(result, (tuple, list)) else (result,)
size = sum(each.nbytes for each in results)
print(status("VmHWM") - before - image.nbytes - size, results[0].dtype, float(results[0].flat[5]))
"""


def peak_memory(name, options, shape, dtype, first=""):
    """Bytes alive at most beside image and results, and the results' dtype; after `first` in the same process."""
    command = [sys.executable, "-c", f"{first}\n{_PEAK}", repr(shape), dtype, name, repr(options)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    extra, got, _ = done.stdout.split()
    return int(extra), got


def start_script(file, *arguments, **environment):
    """Start a test file as a script; a Numba of this process's settings would not be what is tested."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_", "OMP_"))}
    variables.update(environment)
    command = [sys.executable, str(file), *arguments]
    return subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def slow(*values):
    """Values of a parameter for slow tests only: what they reach has kernels of its own, or is more of the same."""
    return [pytest.param(value, marks=pytest.mark.slow) for value in values]


#: What minima, maxima and ranks are tested with: each dtype has kernels of its own.
ORDER_DTYPES = (
    "bool", "uint8", "float32",
    *slow("int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float64"),
)  # fmt: skip


def on_level(level):
    """A context in which calls run as on a CPU of a level of x86-64; "native": as on this one."""
    return nullcontext() if level == "native" else for_level(level)


def skip_without(level):
    """Skip a test where this machine cannot run a level."""
    try:
        jit.level_target(level)
    except ValueError as error:
        pytest.skip(str(error))


def finish_script(process, limit=300):
    """Exit status and output of a script; a process that hangs is ended and fails the test."""
    try:
        output, _ = process.communicate(timeout=limit)
    finally:
        process.kill()
    return process.returncode, output


def say(*words):
    """What a script tells the test that started it."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def replace_everywhere(monkeypatch, function, replacement):
    """Let every module of the package that has imported `function` call `replacement`."""
    modules = [module for name, module in sys.modules.items() if name.startswith("fastsep.")]
    for module in modules:
        for name in [name for name, value in vars(module).items() if value is function]:
            monkeypatch.setattr(module, name, replacement)
