"""What a case of the table in `cases` is: a filter as the package runs it, as the oracle does, and how they compare."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import reference
from helpers import UNITS
from reference import assert_close

import fastsep
from fastsep import _call
from fastsep._call import PerPixel
from fastsep._kernels import selection
from fastsep._plan import operators
from fastsep._plan.spec import Box, Dense, Extremum, Filter, FlatExtremum, Line, Rank, Roberts, Separable, Term


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
