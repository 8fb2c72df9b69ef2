"""Filters as values: what to compute, without pixels, shapes or dtypes.

A filter is a sum of rank-1 terms, or the root of the sum of their squares; or a box, a minimum or Roberts' cross,
which are not of that form; or a kernel of any form. Each says what planning has to know of it, in the methods of
`Filter`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from fastsep._validation.array_like import Array

#: Pixels before and behind, for each axis.
Halo = tuple[tuple[int, int], ...]
#: Pixels under a kernel that are looked at one by one.
LARGEST_FOOTPRINT = 1 << 24
#: Taps this large are infinite in float32, or sums of them may be.
LARGEST_FLOAT32 = 2.0**100
#: Larger windows are summed in float64: the rounding errors of float32 would pass 1e-6 of the range.
BOX_FLOAT32 = 256


class Line(NamedTuple):
    """1-D taps in correlation order: result[i] = sum_k taps[k] * x[i + k - centre]."""

    taps: tuple[float, ...]
    centre: int
    divisor: float = 1.0  # of sums, in filters that cast

    def scaled(self, factor: float) -> Line:
        return self if factor == 1 else Line(tuple(t * factor for t in self.taps), self.centre)


IDENTITY = Line((1.0,), 0)


class Term(NamedTuple):
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


class Filter:
    """What is made of a pixel's neighbourhood. Each kind overrides what is different with it."""

    __slots__ = ()
    #: Rank-1 terms, combined as `combine` says and then clipped; none for other kinds of filters. By "sum"; as the root
    #: of the sum of their squares, "magnitude"; or not at all, "each": then each of them makes a result of its own.
    terms: tuple[Term, ...] = ()
    combine: str = "sum"
    clip: tuple[float, float] | None = None
    #: Beyond a constant border, each pass sees the same constant.
    chained: bool = True
    #: Images of integers give integers, also by taps that are fractions.
    whole: bool = False
    #: Results are integers and equal SciPy's: the sums of each axis are cast as C casts before the next one reads them.
    cast: bool = False
    #: The neighbours of a pixel along its row are found in the same vector: so images of few channels only.
    in_vector: bool = False
    #: It only compares pixels: it is computed in the dtype of the image.
    own_dtype: bool = False

    def idle(self) -> list[bool]:
        """Which axes it leaves alone."""
        raise NotImplementedError

    def halo(self) -> Halo:
        """Pixels that a result needs beside its own, along each axis."""
        raise NotImplementedError

    def gain(self) -> float:
        """How much larger than the image its results may be: sum of the magnitudes of all taps, multiplied out."""
        return 1.0

    def fits_float32(self) -> bool:
        """Whether its taps and sums are no larger than float32 is good for, whatever the image."""
        return self.gain() < LARGEST_FLOAT32

    def whole_gain(self) -> float | None:
        """How much larger the sums on the way there may be, if they are of whole numbers; None if they are not."""
        return self.gain()

    def multiplications(self) -> tuple[int | None, int | None]:
        """For a result: as the filter runs, and with its kernels multiplied out. None: that is no measure for it."""
        return None, None

    def of_axes(self, start: int, stop: int) -> Filter:
        """The same for these axes, where it leaves the others alone."""
        raise NotImplementedError

    def passes(self) -> list[list[tuple[Filter, float]]]:
        """For each term the filters of the leading axes, one by one, and of the last two, each with its tap sum."""
        raise NotImplementedError

    def from_column(self, start: int) -> Filter:
        """The same for what lies right of so many columns of the image."""
        return self


@dataclass(frozen=True, slots=True)
class Separable(Filter):
    """Sum of rank-1 terms, or the root of the sum of their squares.

    Beyond a constant border, pass n sees `cval` if `chained`, as in a chain of correlate1d; else
    `cval` times the tap sums of the passes before it, as a dense kernel would. With `skip_zeros`
    a NaN under a zero tap does not count.
    """

    terms: tuple[Term, ...] = field()  # not that of `Filter`, which is none
    combine: str = "sum"
    chained: bool = False
    skip_zeros: bool = False
    whole: bool = False  # of whole numbers it makes whole numbers, whatever its taps are
    clip: tuple[float, float] | None = None
    exact: bool = False  # one term of symmetric taps: SciPy's order of operations, and so its bits
    divisors: Divisors | None = None  # one term of symmetric taps, on one channel
    cast: bool = False  # `chained`, of any taps, in SciPy's order; terms are added modulo 2^n

    def only(self, lines: tuple[Line | None, ...]) -> Separable:
        """One term, with the same rules for borders and zero taps."""
        return Separable((Term(lines),), "sum", self.chained, self.skip_zeros, self.whole, cast=self.cast)

    def idle(self) -> list[bool]:
        return [not any(lines) for lines in zip(*(term.lines for term in self.terms), strict=True)]

    def gain(self) -> float:
        return sum(math.prod(map(weight, term.lines)) for term in self.terms)

    def whole_gain(self) -> float | None:
        whole = all(float(tap).is_integer() for line in lines_of(self) for tap in line.taps)
        return self.gain() if whole else None

    def halo(self) -> Halo:
        return tuple(
            (
                max(0 if line is None else line.centre for line in lines),
                max(0 if line is None else len(line.taps) - 1 - line.centre for line in lines),
            )
            for lines in zip(*(term.lines for term in self.terms), strict=True)
        )

    def multiplications(self) -> tuple[int | None, int | None]:
        mine = sum(sum(tap != 0 for tap in line.taps) for line in lines_of(self) if line.taps != (1.0,))
        if self.combine == "sum":
            return mine, _footprint(self)
        return mine, sum(_footprint(self.only(term.lines)) for term in self.terms)

    def of_axes(self, start: int, stop: int) -> Separable:
        return replace(self, terms=tuple(Term(term.lines[start:stop]) for term in self.terms))

    def passes(self) -> list[list[tuple[Filter, float]]]:
        return [
            [
                *((self.only((line, None)), tap_sum(line)) for line in term.lines[:-2]),
                (self.only(term.lines[-2:]), 1.0),
            ]
            for term in self.terms
        ]

    def from_column(self, start: int) -> Separable:
        if self.divisors is None:
            return self
        return replace(self, divisors=replace(self.divisors, start=self.divisors.start + start))


@dataclass(frozen=True, slots=True)
class Box(Filter):
    """Mean over a window: axis covers i - centre .. i - centre + size - 1; the centre is size // 2 if none is given."""

    sizes: tuple[int, ...]
    centres: tuple[int, ...] = ()
    cast: bool = False

    @property
    def middles(self) -> tuple[int, ...]:
        """The centre along each axis."""
        return self.centres or tuple(size // 2 for size in self.sizes)

    def idle(self) -> list[bool]:
        return [size == 1 for size in self.sizes]

    def halo(self) -> Halo:
        return tuple((at, size - 1 - at) for size, at in zip(self.sizes, self.middles, strict=True))

    def fits_float32(self) -> bool:
        return max(self.sizes) <= BOX_FLOAT32

    def whole_gain(self) -> float:
        return float(math.prod(self.sizes))

    def of_axes(self, start: int, stop: int) -> Box:
        return Box(self.sizes[start:stop], self.centres[start:stop], self.cast)

    def passes(self) -> list[list[tuple[Filter, float]]]:
        leading = zip(self.sizes[:-2], self.middles[:-2], strict=True)
        last = Box(self.sizes[-2:], self.centres[-2:], self.cast)
        return [[*((Box((size, 1), (at, 0), self.cast), 1.0) for size, at in leading), (last, 1.0)]]


@dataclass(frozen=True, slots=True)
class Extremum(Filter):
    """The "minimum" or "maximum" of a rectangle: axis covers i - centre .. i - centre + size - 1."""

    which: str
    sizes: tuple[int, ...]
    centres: tuple[int, ...]
    own_dtype = True

    def idle(self) -> list[bool]:
        return [size == 1 for size in self.sizes]

    def halo(self) -> Halo:
        return tuple((at, size - 1 - at) for at, size in zip(self.centres, self.sizes, strict=True))

    def of_axes(self, start: int, stop: int) -> Extremum:
        return Extremum(self.which, self.sizes[start:stop], self.centres[start:stop])

    def within(self, shape: tuple[int, ...]) -> Extremum:
        """A smaller window with the same results: no border has new values beyond twice the length of an axis."""
        before = [int(min(at, 2 * length)) for at, length in zip(self.centres, shape, strict=True)]
        behind = [int(min(reach, 2 * length)) for (_, reach), length in zip(self.halo(), shape, strict=True)]
        return Extremum(self.which, tuple(a + 1 + b for a, b in zip(before, behind, strict=True)), tuple(before))

    def passes(self) -> list[list[tuple[Filter, float]]]:
        leading = zip(self.sizes[:-2], self.centres[:-2], strict=True)
        return [
            [
                *((Extremum(self.which, (size, 1), (centre, 0)), 1.0) for size, centre in leading),
                (self.of_axes(-2, len(self.sizes)), 1.0),
            ]
        ]


@dataclass(frozen=True, slots=True, eq=False)
class FlatExtremum(Filter):
    """The "minimum" or "maximum" of the pixels under a footprint of any form, with `centre` on the result's pixel."""

    which: str
    footprint: Array  # bool, one axis per spatial axis
    centre: tuple[int, ...]
    own_dtype = True

    def idle(self) -> list[bool]:
        return [size == 1 for size in self.footprint.shape]

    def halo(self) -> Halo:
        return tuple((at, size - 1 - at) for at, size in zip(self.centre, self.footprint.shape, strict=True))


@dataclass(frozen=True, slots=True)
class Roberts(Filter):
    """Roberts' cross: "pos_diag", "neg_diag" or "magnitude"."""

    which: str
    in_vector = True

    def idle(self) -> list[bool]:
        return [False, False]

    def halo(self) -> Halo:
        return ((1, 1), (1, 1))

    def multiplications(self) -> tuple[int | None, int | None]:
        return (4, 4) if self.which == "magnitude" else (2, 2)


@dataclass(frozen=True, slots=True, eq=False)
class _AnyKernel(Filter):
    """A kernel that is not taken apart."""

    kernel: Array  # float64, one axis per spatial axis
    centre: tuple[int, ...]

    def idle(self) -> list[bool]:
        return [size == 1 for size in self.kernel.shape]

    def gain(self) -> float:
        return float(np.abs(self.kernel).sum())

    def halo(self) -> Halo:
        return tuple((at, size - 1 - at) for at, size in zip(self.centre, self.kernel.shape, strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class Dense(_AnyKernel):
    """Correlation with any kernel: result[i] = sum_k kernel[k] * x[i + k - centre]; zero taps are skipped."""

    cast: bool = False

    def whole_gain(self) -> float | None:
        return self.gain() if not (self.kernel != np.rint(self.kernel)).any() else None

    def multiplications(self) -> tuple[int | None, int | None]:
        taps = int(np.count_nonzero(self.kernel))
        return taps, taps


@dataclass(frozen=True, slots=True, eq=False)
class Fourier(_AnyKernel):
    """The same by way of the Fourier transform: for finite images only."""

    def whole_gain(self) -> float:
        return math.inf  # integers of it have to come out exact


@dataclass(frozen=True, slots=True, eq=False)
class Rank(Filter):
    """The value of a rank, counted from the smallest, 0, of the pixels x[i + k - centre] for all k in the footprint."""

    footprint: Array  # bool, one axis per spatial axis
    centre: tuple[int, ...]
    rank: int
    own_dtype = True

    def idle(self) -> list[bool]:
        return [size == 1 for size in self.footprint.shape]

    def halo(self) -> Halo:
        return tuple((at, size - 1 - at) for at, size in zip(self.centre, self.footprint.shape, strict=True))


class Suppress(NamedTuple):
    """Canny's non-maximum suppression: of (dy, dx, magnitude) a byte for each pixel."""

    low: float
    high: float


class Corner(NamedTuple):
    """Of a 2 x 2 matrix for each pixel, three planes, how much of a corner it is there."""

    factor: float


@dataclass(frozen=True, slots=True)
class CornerOfBlur(Separable):
    """A blur of one term, for the first values of such matrices, and what these and the others say of a corner.

    The kernel blurs the others as well, beforehand.
    """

    factor: float = 0.0


class Hessian:
    """Second differences along all pairs of two axes."""


class Subtract:
    """One image less another."""


class Polyphase(NamedTuple):
    """Rows that are sums of rows: "reduce" makes one of each `factor`, "expand" as many (see `_kernels/filters`)."""

    taps: tuple[tuple[float, ...], ...]  # of each phase, as many as of the others
    start: int  # the row of the source under the first tap of row 0
    source_rows: int


class Strided(NamedTuple):
    """A line along each axis of a plane, applied at every n-th row and column."""

    y: Line
    x: Line
    strides: tuple[int, int]
    source: tuple[int, int]  # rows and columns of what is read
    integers: bool  # it is made of integers


# Of a pipeline, or of an operation of several stages.
Step = Suppress | Corner | Hessian | Subtract | Polyphase | Strided


def lines_of(what: Separable) -> list[Line]:
    return [line for term in what.terms for line in term.lines if line is not None]


def weight(line: Line | None) -> float:
    """Sum of the magnitudes of the taps."""
    return 1.0 if line is None else math.fsum(map(abs, line.taps))


def tap_sum(line: Line | None) -> float:
    """Sum of the taps."""
    return 1.0 if line is None else math.fsum(line.taps)


def _footprint(what: Separable) -> int:
    """Pixels that any of the terms reaches; of very wide terms all that their halo holds."""
    if len(what.terms) == 1:
        return math.prod(int(np.count_nonzero(line.taps)) for line in lines_of(what))
    around = what.halo()
    shape = [before + after + 1 for before, after in around]
    if math.prod(shape) > LARGEST_FOOTPRINT:
        return math.prod(shape)
    reached = np.zeros(shape, bool)
    for term in what.terms:
        lines = [line or IDENTITY for line in term.lines]
        places = [
            np.flatnonzero(line.taps) + before - line.centre for line, (before, _) in zip(lines, around, strict=True)
        ]
        reached[np.ix_(*places)] = True
    return int(np.count_nonzero(reached))
