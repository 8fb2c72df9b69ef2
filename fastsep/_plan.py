"""What to compute, and the decision how: from a filter, a shape and dtypes to a `Plan`. No pixels.

A filter is a sum of rank-1 terms, or the root of the sum of their squares; or a box, or Roberts'
cross, which are not of that form. A plan names the kernel that runs it and the arithmetic, and folds
the scale of the values into the taps. It holds no address, does not depend on the number of
threads, and on the CPU only by the width of its vectors.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fastsep import _transforms
from fastsep._transforms import Blocks

Dtype = np.dtype[Any]
Array = np.ndarray[Any, Dtype]


@dataclass(frozen=True, slots=True)
class Line:
    """1-D taps in correlation order: result[i] = sum_k taps[k] * x[i + k - centre]."""

    taps: tuple[float, ...]
    centre: int

    def scaled(self, factor: float) -> Line:
        return self if factor == 1 else Line(tuple(t * factor for t in self.taps), self.centre)


IDENTITY = Line((1.0,), 0)


@dataclass(frozen=True, slots=True)
class Term:
    """One rank-1 term: a `Line` per spatial axis; None leaves the axis alone."""

    lines: tuple[Line | None, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Divisors:
    """What the results of a filter of one term are divided by.

    Row r of the table belongs to row r of the image near its top, the last ones to those near its
    bottom, and the one between, number `centre` of the line along y, to all others. So do columns.
    """

    table: Array  # (2 * centre + 1 or all rows, 2 * margin + 1 or all columns)
    margin: int  # columns at either end that differ from those in the middle
    cols: int  # of the image
    start: int  # the first column that is wanted

    @property
    def middle(self) -> float:
        """The divisor of all pixels but those of the margins."""
        rows, cols = self.table.shape
        return float(self.table[rows // 2, cols // 2])

    def columns(self, count: int) -> Array:
        """The divisors of so many columns."""
        column = np.arange(self.start, self.start + count)
        column = np.maximum(np.minimum(column, self.margin), column - (self.cols - self.table.shape[1]))
        return self.table[:, column]


@dataclass(frozen=True, slots=True)
class Separable:
    """Sum of rank-1 terms, or the root of the sum of their squares.

    Beyond a constant border, pass n sees `cval` if `chained`, as in a chain of correlate1d; else
    `cval` times the tap sums of the passes before it, as a dense kernel would. With `skip_zeros`
    a NaN under a zero tap does not count.
    """

    terms: tuple[Term, ...]
    combine: str = "sum"
    chained: bool = False
    skip_zeros: bool = False
    whole: bool = False  # of whole numbers it makes whole numbers, whatever its taps are
    clip: tuple[float, float] | None = None
    exact: bool = False  # one term of symmetric taps: SciPy's order of operations, and so its bits
    divisors: Divisors | None = None  # one term of symmetric taps, on one channel

    def only(self, lines: tuple[Line | None, ...]) -> Separable:
        """One term, with the same rules for borders and zero taps."""
        return Separable((Term(lines),), "sum", self.chained, self.skip_zeros, self.whole)


@dataclass(frozen=True, slots=True)
class Box:
    """Mean over a window: axis covers i - size // 2 .. i - size // 2 + size - 1."""

    sizes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Roberts:
    """Roberts' cross: "pos_diag", "neg_diag" or "magnitude"."""

    which: str


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """Correlation with any kernel: result[i] = sum_k kernel[k] * x[i + k - centre]; zero taps are skipped."""

    kernel: Array  # float64, one axis per spatial axis
    centre: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Fourier:
    """The same by way of the Fourier transform: for finite images only."""

    kernel: Array
    centre: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Suppress:
    """Canny's non-maximum suppression: of (dy, dx, magnitude) a byte for each pixel."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Corner:
    """Of a 2 x 2 matrix for each pixel, three planes, how much of a corner it is there."""

    factor: float


@dataclass(frozen=True, slots=True)
class Hessian:
    """Second differences along all pairs of two axes."""


Filter = Separable | Box | Roberts | Dense | Fourier
Step = Suppress | Corner | Hessian  # of a pipeline


class Alternatives:
    """Several ways to compute the same, of which `choose` takes one (see `_strategy`)."""

    def choose(self, make: Callable[[Filter], Plan], tame: bool) -> Any:
        """`tame`: what lies beyond the border is neither NaN nor infinite."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Plan:
    """How one filter runs on images of one shape and dtype.

    The image is seen as (planes, depth, rows, cols, channels); `modes` are those of depth, rows
    and cols. The filter in `what` is that of these three axes, scale included.
    """

    strategy: str  # "sweep", "fir", "box", "dense", "fft" or "passes"
    kernel: tuple[str, ...]
    what: Filter | Step
    shape: tuple[int, ...]
    view: tuple[int, int, int, int, int]
    modes: tuple[str, str, str]
    cval: float
    border: float  # `cval` in the source's units
    src: Dtype
    acc: Dtype
    dst: Dtype
    work: float  # multiply-adds, roughly
    scale: float  # what values are multiplied by first, if it is not in the taps
    passes: tuple[tuple[Plan, ...], ...] = ()  # strategy "passes": of each term, in order
    blocks: Blocks | None = None  # strategy "fft"
    axes: tuple[int, tuple[str, ...]] = (0, ())  # strategy "fft": leading axes of the batch, modes of those behind
    slices: Array | None = None  # strategy "dense": which plane stands at each offset from each; -1: the constant
    cache: dict[str, object] = field(default_factory=dict, compare=False, repr=False)


def prepare(
    what: Filter,
    shape: tuple[int, ...],
    src_dtype: Dtype,
    dst_dtype: Dtype,
    *,
    first: int,
    modes: tuple[str, ...],
    cval: float,
    scale: float,
    vector_bytes: int,
) -> Plan:
    """Decide how `what` runs on a C-contiguous image of `shape`.

    `first` leading axes are a batch, len(modes) spatial axes follow, then at most one axis of
    channels. Values are multiplied by `scale` before anything else; `cval` is on that scale.
    A sweep needs all neighbours of a pixel within one vector of `vector_bytes`.
    """
    src, dst = np.dtype(src_dtype), np.dtype(dst_dtype)
    axes = _Axes.of(what, shape, first, modes)
    acc = _arithmetic(what, axes, src, dst, scale, cval / scale)
    job = _Job(shape, axes, modes, cval, scale, src, acc, dst, vector_bytes)
    if isinstance(what, Roberts):
        return _roberts(what, job)
    if isinstance(what, Dense):
        return _laplacian(what, job) or _dense(what, job)
    if isinstance(what, Fourier):
        return _fourier(what, job, first)
    if len(axes.sizes) > 3:
        return _passes(what, job)
    if isinstance(what, Box):
        return _box(what, job)
    what = axes.reduce(what)
    return _gradient(what, job) or _wide_gradient(what, job) or _smoothing(what, job) or _fir(what, job)


@dataclass(frozen=True, slots=True)
class _Job:
    """All that a plan depends on but the filter."""

    shape: tuple[int, ...]
    axes: _Axes
    modes: tuple[str, ...]
    cval: float
    scale: float
    src: Dtype
    acc: Dtype
    dst: Dtype
    vector_bytes: int

    @property
    def border(self) -> float:
        return self.cval / self.scale

    def reaches(self, radius: int) -> bool:
        """Whether all neighbours of a pixel along its row lie within one vector."""
        return self.axes.channels * radius <= self.vector_bytes // self.acc.itemsize

    def plan(
        self, strategy: str, kernel: tuple[str, ...], what: Filter, work: float,
        passes: tuple[tuple[Plan, ...], ...] = (),
    ) -> Plan:  # fmt: skip
        """The plan; `work` counts multiply-adds per value."""
        view, modes = self.axes.view()
        key = (*kernel, self.src.name, self.acc.name, self.dst.name)
        return Plan(
            strategy, key, what, self.shape, view, modes, self.cval, self.border, self.src, self.acc, self.dst,
            work * math.prod(view), self.scale, passes,
        )  # fmt: skip


# --- axes ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Axes:
    """The image's shape as a batch, spatial axes that are filtered, and channels."""

    planes: int
    sizes: tuple[int, ...]
    channels: int
    modes: tuple[str, ...]
    start: int  # the first spatial axis that is left; those before it joined the batch
    stop: int  # one after the last; those behind it joined the channels

    @staticmethod
    def of(what: Filter, shape: tuple[int, ...], first: int, modes: tuple[str, ...]) -> _Axes:
        spatial = shape[first : first + len(modes)]
        channels = math.prod(shape[first + len(modes) :])
        start, stop = 0, len(modes)
        idle = _idle(what, len(modes))
        while start < stop - 1 and idle[start]:
            start += 1
        # A short last axis that is not filtered is an axis of channels by another name.
        if stop - start > 1 and idle[stop - 1] and channels == 1 and spatial[stop - 1] <= 4:
            channels = spatial[stop - 1]
            stop -= 1
        planes = math.prod(shape[:first]) * math.prod(spatial[:start])
        return _Axes(planes, spatial[start:stop], channels, modes[start:stop], start, stop)

    def reduce(self, what: Separable) -> Separable:
        terms = tuple(Term(term.lines[self.start : self.stop]) for term in what.terms)
        return replace(what, terms=terms)

    def view(self) -> tuple[tuple[int, int, int, int, int], tuple[str, str, str]]:
        """(planes, depth, rows, cols, channels) and the modes of the three in the middle."""
        modes = (*("reflect",) * (3 - len(self.modes)), *self.modes[-3:])
        if len(self.sizes) == 1:
            # Every row by itself: the batch serves as rows.
            return (1, 1, self.planes, self.sizes[0], self.channels), modes  # type: ignore[return-value]
        depth = math.prod(self.sizes[:-2])
        return (self.planes, depth, *self.sizes[-2:], self.channels), modes  # type: ignore[return-value]


def _idle(what: Filter, ndim: int) -> list[bool]:
    """Which axes the filter leaves alone."""
    if isinstance(what, Box):
        return [size == 1 for size in what.sizes]
    if isinstance(what, Roberts):
        return [False] * ndim
    if isinstance(what, Dense | Fourier):
        return [size == 1 for size in what.kernel.shape]
    return [all(term.lines[a] is None for term in what.terms) for a in range(ndim)]


# --- arithmetic ----------------------------------------------------------------------------------

F32, F64, I16 = np.dtype("float32"), np.dtype("float64"), np.dtype("int16")


def _arithmetic(what: Filter, axes: _Axes, src: Dtype, dst: Dtype, scale: float, border: float) -> Dtype:
    """float64 for float64 images and results, and where integers would not stay exact or differences would be lost;
    else float32."""
    if F64 in (src, dst) or (isinstance(what, Box) and max(what.sizes) > BOX_FLOAT32):
        return F64
    if src.kind == "f" or dst.kind == "f" or scale != 1:
        return F32 if _size(what) < LARGEST_FLOAT32 and not _needs_float64(what, axes, scale, border) else F64
    largest = max(_largest(src), abs(border))
    if isinstance(what, Separable):
        if any(not float(t).is_integer() for line in _lines(what) for t in line.taps):
            return F64 if what.whole or _needs_float64(what, axes, scale, border) else F32
        largest *= _size(what)
    elif isinstance(what, Box):
        largest *= math.prod(what.sizes)
    elif isinstance(what, Fourier):
        return F64  # integers of it have to come out exact
    elif isinstance(what, Dense):
        if (what.kernel != np.rint(what.kernel)).any():
            return F32
        largest *= _size(what)
    return F32 if largest <= 2**24 else F64


def _largest(dtype: Dtype) -> int:
    info = np.iinfo(dtype)
    return max(-int(info.min), int(info.max))


def _lines(what: Separable) -> list[Line]:
    return [line for term in what.terms for line in term.lines if line is not None]


def _weight(line: Line | None) -> float:
    """Sum of the magnitudes of the taps."""
    return 1.0 if line is None else math.fsum(map(abs, line.taps))


def _size(what: Filter) -> float:
    """Sum of the magnitudes of all taps, multiplied out."""
    if isinstance(what, Separable):
        return sum(math.prod(map(_weight, term.lines)) for term in what.terms)
    return float(np.abs(what.kernel).sum()) if isinstance(what, Dense | Fourier) else 1.0


def tap_sum(line: Line | None) -> float:
    return 1.0 if line is None else math.fsum(line.taps)


# --- differences ---------------------------------------------------------------------------------


def is_zero_sum(line: Line | None) -> bool:
    """Whether the taps all but cancel on a constant image."""
    return line is not None and abs(tap_sum(line)) < ZERO_SUM * _weight(line)


def is_antisymmetric(line: Line | None) -> bool:
    """Whether the taps are differences of two pixels at one distance from the centre."""
    if line is None or len(line.taps) != 2 * line.centre + 1:
        return False
    return line.taps == tuple(-tap for tap in reversed(line.taps))


def is_symmetric(line: Line | None) -> bool:
    """Whether the taps are the same under reversal about the centre."""
    return line is not None and len(line.taps) == 2 * line.centre + 1 and line.taps == line.taps[::-1]


def has_same_border(what: Separable, modes: tuple[str, ...], cval: float) -> bool:
    """Whether what lies beyond the border is the same whichever line comes first."""
    return not what.chained or cval == 0 or "constant" not in modes


def _tail(line: Line) -> tuple[float, ...]:
    """The taps that count by themselves: of antisymmetric ones those behind the centre."""
    return line.taps[line.centre + 1 :] if is_antisymmetric(line) else line.taps


def is_row_first(term: Term, same_border: bool) -> bool:
    """Whether the line along x has to come before the one along y, since it leaves less of a constant image.

    Unless `same_border`, it sees beyond the image what the line along y has to make the constant of: that must not
    be next to nothing.
    """
    *_, y, x = (None, *term.lines)
    if not same_border and is_zero_sum(y):
        return False
    return is_zero_sum(x) and abs(tap_sum(x)) * _weight(y) < abs(tap_sum(y)) * _weight(x)


def slope_axis(term: Term) -> int:
    """Along which axis of a volume neighbours are subtracted first: where least is left of a constant; else 0."""
    found = [(abs(tap_sum(line)) / _weight(line), axis) for axis, line in enumerate(term.lines) if is_zero_sum(line)]
    return min(found)[1] if found else 0


def slope_line(line: Line, skip_zeros: bool) -> tuple[Line, bool]:
    """The taps of differences in place of taps that cancel; whether they are those of the two neighbours of a pixel.

    Else, of the next pixel and the pixel; the one in the middle counts by the sum of the taps besides.
    """
    if _skips_centre(line, skip_zeros):
        return Line(line.taps[2:], 0), True
    before = [-math.fsum(line.taps[: k + 1]) for k in range(line.centre)]
    behind = [math.fsum(line.taps[k + 1 :]) for k in range(line.centre, len(line.taps) - 1)]
    return Line((*before, *behind), line.centre), False


def _skips_centre(line: Line, skip_zeros: bool) -> bool:
    return skip_zeros and len(line.taps) == 3 and is_antisymmetric(line)


def cancels(line: Line) -> bool:
    """Whether what the taps leave of a constant is nothing but rounding."""
    return abs(tap_sum(line)) <= EXACT * _weight(line)


def _takes_slopes(what: Separable, modes: tuple[str, ...], cval: float) -> bool:
    """Whether a volume can be filtered by differences of neighbours along any one axis, beyond its border too."""

    def takes(term: Term) -> bool:
        axis = slope_axis(term)
        for number, line in enumerate(term.lines):
            if line is None:
                continue
            first = number == axis and is_zero_sum(line)
            skipped = first and (is_antisymmetric(line) if axis == 0 else _skips_centre(line, what.skip_zeros))
            if what.skip_zeros and 0.0 in (_tail(line) if skipped else line.taps):
                return False
            if first and axis != 0 and what.combine != "sum" and not cancels(line):
                return False
        return True

    return has_same_border(what, modes, cval) and all(map(takes, what.terms))


def _cancelling(terms: list[Term]) -> list[Term]:
    """Terms of the same sum whose lines along y or x cancel to the last digit where neighbours are subtracted first.

    What a line leaves of a constant smooths. It goes into the line along the depth of a term that smooths along the
    other axes as it does; or else becomes a term of its own.
    """
    found = [term for term in terms if slope_axis(term) == 0]
    waiting = [term for term in terms if slope_axis(term) != 0]
    while waiting:
        term = waiting.pop(0)
        axis = slope_axis(term)
        line = term.lines[axis]
        if axis == 0 or line is None or cancels(line):
            found.append(term)
            continue
        rest = tap_sum(line)
        alike = [number for number, other in enumerate(found) if _smooths_alike(other, term, axis)]
        if alike:
            other = found[alike[0]]
            smooth = other.lines[axis] or IDENTITY
            depth = (term.lines[0] or IDENTITY).scaled(rest / tap_sum(smooth))
            found[alike[0]] = Term((_added(other.lines[0] or IDENTITY, depth, 1.0), *other.lines[1:]))
        else:
            smooth = IDENTITY
            waiting.append(_with(term, axis, Line((rest,), 0)))
        found.append(_with(term, axis, _added(line, smooth, -rest / tap_sum(smooth))))
    return sorted(found, key=slope_axis)


def _smooths_alike(other: Term, term: Term, axis: int) -> bool:
    """Whether `other` smooths along `axis`, and does along the third one what `term` does."""
    line = other.lines[axis] or IDENTITY
    smooths = slope_axis(other) == 0 and tap_sum(line) > _weight(line) / 2
    return smooths and other.lines[3 - axis] == term.lines[3 - axis]


def _with(term: Term, axis: int, line: Line) -> Term:
    return Term((*term.lines[:axis], line, *term.lines[axis + 1 :]))


def _by_slopes(what: Separable, terms: list[Term]) -> list[Term] | None:
    """Terms of the same sum whose lines along x, where these come first, sum to exactly zero; None if there are none.

    Such a line is one of differences of neighbours with taps between the pixels. What second derivatives of a Gaussian
    that are cut off sum to goes to the other term: y1 x1 + y2 x2 = (y1 + c y2) x1 + y2 (x2 - c x1).
    """
    if len(terms) != 2 or what.skip_zeros or what.clip is not None:
        return None
    second, first = terms  # of a sum, the term with the line along x first comes first
    if not is_row_first(second, True):
        return None
    if what.combine == "sum" and not is_row_first(first, True):
        first, second = _part_exactly(first, second)
    for term in (first, second):
        line = term.lines[2]
        if is_row_first(term, True) and (line is None or line.centre == 0 or not cancels(line)):
            return None
    return [second, first]


def _part_exactly(first: Term, second: Term) -> tuple[Term, Term]:
    """The same sum of two terms, of which the line along x of the second sums to zero."""
    (y1, x1), (y2, x2) = ((line or IDENTITY for line in term.lines[1:]) for term in (first, second))
    if cancels(x2) or is_zero_sum(x1):
        return first, second
    part = tap_sum(x2) / tap_sum(x1)
    return Term((None, _added(y1, y2, part), x1)), Term((None, y2, _added(x2, x1, -part)))


def _added(line: Line, other: Line, factor: float) -> Line:
    """A line plus another one times a factor."""
    centre = max(line.centre, other.centre)
    size = centre + max(len(one.taps) - one.centre for one in (line, other))
    sums = np.zeros(size)
    for one, weight in ((line, 1.0), (other, factor)):
        start = centre - one.centre
        sums[start : start + len(one.taps)] += weight * np.array(one.taps)
    return Line(tuple(sums.tolist()), centre)


def _loses_digits(what: Separable, scale: float) -> bool:
    """Whether sums as they stand lose digits of a large image that differs little: lines come in the order of the axes.

    They do not where antisymmetric taps come first: these subtract pixels before all else, unless zeros among them
    have to be skipped.
    """

    def loses(term: Term) -> bool:
        lines = [line for line in term.lines if line is not None]
        if not any(map(is_zero_sum, lines)):
            return False
        # The scale is in the taps of the first axis, which may be left alone; where there is but one axis, it comes
        # before it.
        first = lines[0] if scale == 1 else term.lines[0] if len(term.lines) > 1 else None
        return not is_antisymmetric(first) or (what.skip_zeros and first is not None and 0.0 in _tail(first))

    return any(map(loses, what.terms))


def _takes_differences(what: Separable) -> bool:
    """Whether every line can be applied to differences: no tap of zero has to be skipped."""
    return not what.skip_zeros or not any(0.0 in _tail(line) for line in _lines(what))


def _reaches_far_beyond(what: Separable, axes: _Axes) -> bool:
    """Whether lines along y see some rows many times: rows filtered along x before would be, too, and all be kept."""
    if len(axes.sizes) != 2:
        return False
    halo = max(len(line.taps) - 1 for line in (term.lines[0] or IDENTITY for term in what.terms))
    return halo > max(axes.sizes[0], MOST_HALO)


def _needs_float64(what: Filter, axes: _Axes, scale: float, border: float) -> bool:
    """Whether a filter whose taps cancel is beyond the kernels that take differences first."""
    if isinstance(what, Fourier):
        return middle(what.kernel) is not None
    if not isinstance(what, Separable) or what.exact or what.divisors is not None:
        return False
    reduced = axes.reduce(what)
    if _loses_digits(reduced, scale):
        if len(axes.sizes) == 3:
            beyond = not _takes_slopes(reduced, axes.modes, border)
        else:
            beyond = len(axes.sizes) > 3 or not _takes_differences(what) or _reaches_far_beyond(reduced, axes)
        if beyond:
            return True
    if what.combine != "sum":
        return False
    # Terms that cancel each other, but not each by itself.
    sums = [math.prod(map(tap_sum, term.lines)) for term in what.terms]
    return abs(math.fsum(sums)) < ZERO_SUM_DENSE * _size(what) < max(map(abs, sums))


#: Up to this radius neighbours are shuffled out of registers; beyond it transposing is cheaper (measured).
SHORT_RADIUS = 4
#: Sweeps are compiled for each number of channels, so only for those that images have.
SWEEP_CHANNELS = 4
#: What `laplace` multiplies a plane by.
LAPLACIAN = np.array([[0.0, -1.0, 0.0], [-1.0, 4.0, -1.0], [0.0, -1.0, 0.0]])
#: Windows up to this size are added up tap by tap: cheaper than running sums (measured).
SMALL_BOX = 15
#: Taps whose sum is smaller than this part of their weight are differences first of all. Those of derivatives of a
#: Gaussian that are cut off at four sigma sum to a thousandth.
ZERO_SUM = 1 / 16
#: What the rounding of the taps themselves leaves of their sum.
EXACT = 1e-14
#: Those of a dense kernel.
ZERO_SUM_DENSE = 1e-6
#: Rows above and below a row that may be more than the image has, where they are filtered along x first.
MOST_HALO = 16
#: Taps of this size are no float32, or soon none.
LARGEST_FLOAT32 = 2.0**100
#: Larger windows are summed in float64: the rounding errors of float32 would pass 1e-6 of the range.
BOX_FLOAT32 = 256


# --- strategies ----------------------------------------------------------------------------------


def _roberts(what: Roberts, job: _Job) -> Plan:
    form = {"pos_diag": "roberts_pos", "neg_diag": "roberts_neg", "magnitude": "roberts_magnitude"}[what.which]
    weight = job.scale * (math.sqrt(0.5) if what.which == "magnitude" else 1.0)
    return _sweep(form, (weight, weight), job)


def _sweep(form: str, weights: tuple[float, float], job: _Job) -> Plan:
    # The two weights travel as a line of taps: the side and the centre of the smoothing taps.
    what = Separable((Term((Line(weights, 0), IDENTITY)),))
    return job.plan("sweep", ("sweep", form, str(job.axes.channels)), what, 12.0)


def _gradient(what: Separable, job: _Job) -> Plan | None:
    """The sweep for a 3 x 3 gradient or one of its components, if that is what this is."""
    if not _may_sweep(what, job, 1):
        return None
    found = [piece for piece in map(_slope_and_smooth, what.terms) if piece is not None]
    if len(found) != len(what.terms):
        return None
    if what.combine == "sum" and len(found) == 1:
        form, side, centre = found[0]
    elif what.combine == "magnitude" and len(found) == 2:
        if {found[0][0], found[1][0]} != {"dy", "dx"} or found[0][1:] != found[1][1:]:
            return None
        form, side, centre = ("magnitude", *found[0][1:])
    else:
        return None
    side, centre = side * job.scale, centre * job.scale
    # Small integers: 16-bit lanes, twice as many as float32 has, if nothing can overflow.
    whole = float(side).is_integer() and float(centre).is_integer()
    bound = 2 * (2 * abs(side) + abs(centre)) * 255
    if job.src == np.uint8 and job.dst == I16 and form != "magnitude" and whole and bound < 2**15:
        job = replace(job, acc=I16)
    return _sweep(form, (side, centre), job)


def _may_sweep(what: Separable, job: _Job, radius: int) -> bool:
    """Whether a sweep that takes differences of so many neighbours is right for the image and its borders."""
    axes = job.axes
    if len(axes.sizes) != 2 or axes.channels > SWEEP_CHANNELS or not job.reaches(radius) or what.clip is not None:
        return False
    if not what.skip_zeros and job.src.kind == "f":
        return False  # zero taps have to meet NaN and inf
    return has_same_border(what, axes.modes, job.cval)


def _wide_gradient(what: Separable, job: _Job) -> Plan | None:
    """The sweep for a gradient of a larger but short radius, or one of its components, if that is what this is."""
    if len(job.axes.sizes) != 2:
        return None
    lines = {line for term in what.terms for line in term.lines if line is not None}
    slopes, sides = [line for line in lines if is_antisymmetric(line)], [line for line in lines if is_symmetric(line)]
    if len(lines) != 2 or len(slopes) != 1 or len(sides) != 1 or slopes[0].centre != sides[0].centre:
        return None
    (slope,), (side,) = slopes, sides
    radius = slope.centre
    if not 2 <= radius <= SHORT_RADIUS or not _may_sweep(what, job, radius):
        return None
    if what.skip_zeros and 0.0 in (*slope.taps[radius + 1 :], *side.taps):
        return None
    along: dict[tuple[Line | None, ...], str] = {(slope, side): "dy", (side, slope): "dx"}
    forms = {along.get(term.lines, "") for term in what.terms}
    if what.combine == "magnitude" and len(what.terms) == 2 and forms == {"dy", "dx"}:
        form = "magnitude"
    elif what.combine == "sum" and len(what.terms) == 1 and "" not in forms:
        (form,) = forms
    else:
        return None
    what = Separable((Term((slope.scaled(job.scale), side)),))
    return job.plan("sweep", ("sweep", f"wide{radius} {form}", str(job.axes.channels)), what, 4 * radius + 12.0)


def _slope_and_smooth(term: Term) -> tuple[str, float, float] | None:
    """("dy" or "dx", side, centre) if one axis has (-d, 0, d) and the other (s, c, s)."""
    taps = [line.taps for line in term.lines if line is not None and len(line.taps) == 3 and line.centre == 1]
    if len(taps) != 2:
        return None
    y, x = taps
    for form, slope, smooth in (("dy", y, x), ("dx", x, y)):
        if slope[1] == 0 and slope[0] == -slope[2] and smooth[0] == smooth[2]:
            return form, slope[2] * smooth[0], slope[2] * smooth[1]
    return None


def _smoothing(what: Separable, job: _Job) -> Plan | None:
    """The sweep for symmetric taps of one short radius along both axes, if that is what this is."""
    if len(what.terms) > 1 or what.combine != "sum" or what.clip is not None or len(job.axes.sizes) != 2:
        return None
    if what.exact or what.divisors is not None:
        return None
    y, x = what.terms[0].lines
    if y is None or x is None:
        return None
    radius = len(y.taps) // 2
    if not 1 <= radius <= SHORT_RADIUS // job.axes.channels or not job.reaches(radius):
        return None
    for line in (y, x):
        if len(line.taps) != 2 * radius + 1 or line.centre != radius or line.taps != line.taps[::-1]:
            return None
        if (what.skip_zeros and 0.0 in line.taps) or is_zero_sum(line):
            return None
    # Beyond a constant border the sweep sees the constant before the vertical pass, not after it.
    if job.axes.modes[1] == "constant" and job.cval != 0 and what.chained:
        return None
    what = Separable((Term((y.scaled(job.scale), x)),), chained=what.chained)
    return job.plan("sweep", ("sweep", f"smooth{radius}", str(job.axes.channels)), what, 4 * radius + 10.0)


def _fir(what: Separable, job: _Job) -> Plan:
    volume = len(job.axes.sizes) == 3
    terms = []
    for term in what.terms:
        missing: list[Line | None] = [None] * (3 - len(term.lines))
        z, y, x = [*missing, *term.lines]
        # The scale goes into the taps of the first pass.
        if what.exact:
            terms.append(Term((None, y or IDENTITY, x or IDENTITY)))
        elif volume:
            terms.append(Term(((z or IDENTITY).scaled(job.scale), y, x)))
        else:
            terms.append(Term((None, (y or IDENTITY).scaled(job.scale), x)))
    form = "volume" if volume else "plane"
    # float64 has digits to spare, and there infinity stays what it is: the difference of two would be NaN.
    loses_digits = job.acc == F32 and _loses_digits(what, job.scale)
    if volume and loses_digits and _takes_slopes(what, job.axes.modes, job.cval):
        form += " differences"
        terms = _cancelling(terms)
    elif not volume and not what.exact and what.divisors is None and loses_digits and _takes_differences(what):
        form += " differences"
        # The first term of a sum is not added to anything: that saves a pass, which rows that come first need most.
        same_border = has_same_border(what, job.modes, job.cval)
        terms.sort(key=lambda term: is_row_first(term, same_border), reverse=True)
        by_slopes = _by_slopes(what, terms) if same_border else None
        if by_slopes is not None:
            form, terms = "plane slopes", by_slopes
    if len(terms) > 1 or what.combine != "sum" or what.clip is not None:
        form += " terms"
    elif what.exact or what.divisors is not None:
        form += " exact" if what.exact else " divided"
    what = replace(what, terms=tuple(terms))
    return job.plan("fir", ("fir", form), what, sum(len(line.taps) for line in _lines(what)) + 8.0)


def _box(what: Box, job: _Job) -> Plan:
    sizes = what.sizes[job.axes.start : job.axes.stop]
    if max(sizes) <= SMALL_BOX and job.dst.kind == "f":
        lines = tuple(Line((1.0 / n,) * n, n // 2) if n > 1 else None for n in sizes)
        term = Separable((Term(lines),))
        return _smoothing(term, job) or _fir(term, job)
    if len(sizes) == 3:
        return _passes(what, job)
    return job.plan("box", ("box",), Box((*(1,) * (3 - len(sizes)), *sizes)), 24.0)


def _laplacian(what: Dense, job: _Job) -> Plan | None:
    """The sweep for a multiple of the Laplacian of a plane, if that is what this is: its five taps from registers."""
    axes = job.axes
    if len(axes.sizes) != 2 or axes.channels > SWEEP_CHANNELS or not job.reaches(1) or what.centre != (1, 1):
        return None
    weight = float(what.kernel[1, 1]) / 4 if what.kernel.shape == (3, 3) else 0.0
    if not weight or (what.kernel != weight * LAPLACIAN).any():
        return None
    return _sweep("laplace", (weight * job.scale, 0.0), job)


def _dense(what: Dense, job: _Job) -> Plan:
    axes = job.axes
    kernel = what.kernel[(0,) * axes.start + (slice(None),) * (axes.stop - axes.start)]
    kernel = kernel.reshape(kernel.shape[: axes.stop - axes.start]) * job.scale
    centre = what.centre[axes.start : axes.stop]
    if len(centre) == 1:
        kernel, centre = kernel[None], (0, *centre)
    leading, sizes = kernel.shape[:-2], axes.sizes[:-2]
    slices = _slices(sizes, leading, centre[:-2], axes.modes[:-2])
    flat = kernel.reshape(-1, *kernel.shape[-2:])
    used = np.asarray(flat.any(axis=(1, 2)))
    used[0] |= not used.any()
    what = Dense(flat[used], centre[-2:])
    form = "differences" if job.acc == F32 and middle(what.kernel) is not None else "sums"
    plan = job.plan("dense", ("dense", form), what, float(np.count_nonzero(kernel)) + 8.0)
    return replace(plan, slices=np.ascontiguousarray(slices[:, used]))


def middle(kernel: Array) -> tuple[int, ...] | None:
    """The tap whose pixel all others are compared with if they sum to zero: the largest. None if they do not."""
    size = float(np.abs(kernel).sum())
    if abs(math.fsum(kernel.flat)) > ZERO_SUM_DENSE * size or not size:
        return None
    return tuple(int(index) for index in np.unravel_index(np.abs(kernel).argmax(), kernel.shape))


def _fourier(what: Fourier, job: _Job, first: int) -> Plan:
    kernel = what.kernel
    blocks = _transforms.cut(job.shape, first, kernel.shape, job.acc.itemsize)
    plan = job.plan("fft", ("fft",), Fourier(kernel * job.scale, what.centre), 0.0)
    return replace(plan, blocks=blocks, axes=(first, job.modes), work=blocks.work)


def _slices(
    sizes: tuple[int, ...], kernel: tuple[int, ...], centre: tuple[int, ...], modes: tuple[str, ...]
) -> Array:  # (planes, offsets)
    """For each plane, counted along the leading axes, which plane stands at each offset of the kernel."""
    found = np.zeros((1, 1), np.int64)
    for size, count, middle, mode in zip(sizes, kernel, centre, modes, strict=True):
        index = np.arange(size)[:, None] + np.arange(count) - middle  # (size, count)
        index = beyond(index, size, mode)
        both = found[:, None, :, None] * size + index[None, :, None, :]
        both[np.broadcast_to((found < 0)[:, None, :, None] | (index < 0)[None, :, None, :], both.shape)] = -1
        found = both.reshape(found.shape[0] * size, found.shape[1] * count)
    return found


def beyond(index: Array, size: int, mode: str) -> Array:
    """The pixels that stand for `index`, inside or outside of `size` pixels; -1 for the constant."""
    if mode == "constant":
        return np.where((index < 0) | (index >= size), -1, index)
    if mode == "nearest":
        return np.clip(index, 0, size - 1)
    if mode == "wrap":
        return index % size
    if mode == "mirror":
        period = max(2 * size - 2, 1)
        index = index % period
        return np.where(index < size, index, period - index)
    index = index % (2 * size)
    return np.where(index < size, index, 2 * size - 1 - index)


def _passes(what: Box | Separable, job: _Job) -> Plan:
    """One pass over the array for each leading axis, and one for the last two."""
    axes = job.axes
    if isinstance(what, Separable):
        what = axes.reduce(what)
        single, chained = len(what.terms) == 1 and what.combine == "sum" and what.clip is None, what.chained
    else:
        what = Box(what.sizes[axes.start : axes.stop])
        single, chained = True, True
    passes = []
    for pieces in _split(what):
        plans: list[Plan] = []
        seen = job.cval
        for number, (piece, total) in enumerate(pieces):
            # The last two axes; or one axis, with everything behind it as a second one left alone.
            last = number == len(pieces) - 1
            if last:
                sizes: tuple[int, ...] = (*axes.sizes[-2:], axes.channels)
                modes = axes.modes[-2:]
            else:
                sizes = (axes.sizes[number], math.prod(axes.sizes[number + 1 :]) * axes.channels)
                modes = (axes.modes[number], "reflect")
            plans.append(
                prepare(
                    piece, (axes.planes * math.prod(axes.sizes[:number]), *sizes),
                    job.acc if plans else job.src, job.dst if last and single else job.acc,
                    first=1, modes=modes, cval=seen, scale=1.0 if plans else job.scale,
                    vector_bytes=job.vector_bytes,
                )
            )  # fmt: skip
            seen *= 1.0 if chained else total
        passes.append(tuple(plans))
    work = sum(plan.work for plans in passes for plan in plans) / math.prod(axes.view()[0])
    return job.plan("passes", ("passes",), what, work, tuple(passes))


def _split(what: Box | Separable) -> list[list[tuple[Filter, float]]]:
    """For each term the filters of the leading axes and of the last two, each with its tap sum."""
    if isinstance(what, Box):
        boxes: list[Filter] = [Box((size, 1)) for size in what.sizes[:-2]]
        return [[(piece, 1.0) for piece in (*boxes, Box(what.sizes[-2:]))]]
    return [
        [
            *((what.only((line, None)), tap_sum(line)) for line in term.lines[:-2]),
            (what.only(term.lines[-2:]), 1.0),
        ]
        for term in what.terms
    ]
