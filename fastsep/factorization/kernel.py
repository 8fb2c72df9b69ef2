"""Kernels as sums of rank-1 terms, each a line of taps for every axis. NumPy only, no pixels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from fastsep._validation import filter_kernels, scalars
from fastsep._validation.array_like import Array
from fastsep.factorization import _integers, _symmetry

__all__ = ["Factorization", "RankOne", "factorize", "is_separable"]


def __dir__() -> list[str]:
    return __all__


# Of singular values, this part of the largest times the longer side is rounding.
_EPS = float(np.finfo(np.float64).eps)
# Sides of matrices that are first tried with few vectors, and how many.
_LARGE, _FEW = 24, 8
# Inverses of matrices of a condition up to this have digits for certain.
_CONDITION = 1e10
# What is printed: taps of a line, terms of a kernel, and digits of a fraction.
_SHOWN_TAPS, _SHOWN_TERMS, _SHOWN_FRACTION = 9, 8, 10**6


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RankOne:
    """One term: scale * taps[0][i] * taps[1][j] * ... at (i, j, ...).

    Attributes
    ----------
    taps : tuple of 1-D float64 arrays, read-only
        One for every axis, as long as the axis.
    scale : fractions.Fraction
        Positive. 1 unless the taps are whole numbers.
    """

    taps: tuple[Array, ...]
    scale: Fraction

    @np.errstate(all="ignore")
    def folded(self) -> tuple[Array, ...]:
        """The taps with `scale` in the first line that is more than a single 1, each tap rounded once."""
        if self.scale == 1:
            return self.taps
        axis = next((axis for axis, line in enumerate(self.taps) if not _moves_only(line)), 0)
        line = _read_only(np.array([float(self.scale * int(tap)) for tap in self.taps[axis]]))
        return (*self.taps[:axis], line, *self.taps[axis + 1 :])

    @property
    def multiplications(self) -> int:
        """For a pixel: the taps that are not zero. A line of a single 1 only moves the image."""
        return sum(int(np.count_nonzero(line)) for line in self.folded() if not _moves_only(line))

    def __str__(self) -> str:
        lines = " x ".join(map(_shown_line, self.taps))
        return lines if self.scale == 1 else f"{_shown_fraction(self.scale)} * {lines}"

    def __repr__(self) -> str:
        return f"RankOne({self})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Factorization:
    """A kernel as a sum of rank-1 terms; printed, what it costs, how far it is off, and the terms.

    Attributes
    ----------
    terms : tuple of RankOne
        None for a kernel of zeros. Found by singular values: largest Frobenius norm first.
    shape : tuple of int
        Of the kernel.
    error : float
        Sum of absolute differences between the kernel and `dense()`: no value of the filtered image
        is off by more than `error` times the largest of abs(image) and abs(cval), rounding apart.
    exact : bool
        The kernel is a single term of whole taps, with no error at all, or zero.
    full_rank : int
        Number of terms for the whole kernel, exactly or to rounding.
    dense_multiplications : int
        What the kernel takes for a pixel as it is: its values that are not zero.
    """

    terms: tuple[RankOne, ...]
    shape: tuple[int, ...]
    error: float
    exact: bool
    full_rank: int
    dense_multiplications: int

    @property
    def rank(self) -> int:
        """Number of terms."""
        return len(self.terms)

    @property
    def multiplications(self) -> int:
        """What the terms take for a pixel, one line of taps after the other."""
        return sum(term.multiplications for term in self.terms)

    @np.errstate(all="ignore")
    def dense(self) -> Array:
        """The float64 kernel that the terms add up to; the kernel itself, bit for bit, if `exact`."""
        if not self.terms:
            return np.zeros(self.shape)
        lines = [term.taps for term in self.terms]
        # The sum is made near 1, as in `factorize`, and by a power of two, which costs no bit.
        exponents = [sum(int(np.frexp(np.abs(line).max())[1]) for line in taps) for taps in lines]
        unit = math.ldexp(1.0, max(-1022, min(max(exponents), 1023)))
        *_, total = _partial_sums(lines, unit)
        # Of an exact term this is a whole number of at most 53 bits, so that only the quotient is rounded.
        numerator, denominator = self.terms[0].scale.as_integer_ratio()
        return total * unit * numerator / denominator

    def __str__(self) -> str:
        work = f"{self.multiplications:,} multiplications a pixel, dense {self.dense_multiplications:,}"
        if self.multiplications:
            work += f" ({self.dense_multiplications / self.multiplications:.2f}x)"
        error = "exact" if self.exact else f"error {self.error:.1e} x max |image|"
        size = " x ".join(map(str, self.shape))
        shown = [f"  {term}" for term in self.terms[:_SHOWN_TERMS]]
        if self.rank > _SHOWN_TERMS:
            shown.append(f"  ... {self.rank - _SHOWN_TERMS:,} more")
        return "\n".join([f"kernel {size}: rank {self.rank} of {self.full_rank}, {error}; {work}", *shown])

    __repr__ = __str__


@np.errstate(all="ignore")
def factorize(kernel: npt.ArrayLike, *, rank: int | None = None, tol: float | None = None) -> Factorization:
    """Write a kernel as a sum of rank-1 terms, which are filters that run along one axis at a time.

    kernel[i, j, ...] = sum over terms of scale * taps[0][i] * taps[1][j] * ...

    Whole numbers, or fractions with a small common denominator, such as Sobel's operator, a
    binomial / 256, a mean / 9, give whole taps and no error, if one term is enough. Otherwise the
    terms come from singular values: in 2-D no sum of so many terms has a smaller Frobenius norm of
    the difference. In n-D one axis after the other is taken off by singular values, beginning with
    the axis that gives the fewest terms; these are orthogonal to each other, but may be more than
    the least possible number (the CP rank), unless that is 1.

    Symmetry is kept to the last bit: along an axis where the kernel is even or odd, all taps are;
    where only a flip of several axes gives the kernel back or minus it, every line of taps is even
    or odd along these axes.

    Parameters
    ----------
    kernel : array_like
        Real and finite, of any number of dimensions from 1. It is read as float64.
    rank : int, optional
        At most so many terms. Default: all of them, exact to rounding.
    tol : float, optional
        Instead of `rank`: the fewest terms, but one at least unless the kernel is zero, whose `error`
        is at most this. All of them where rounding alone is more.

    Returns
    -------
    Factorization
        With `terms`, `rank`, `error`, `exact`, `multiplications` and `dense()`.

    Raises
    ------
    ValueError
        For a kernel that is a single number, empty, complex or not finite; a `rank` below 1; a
        negative `tol`; `rank` and `tol` together.
    TypeError
        For a rank that is not an integer, a `tol` that is not a number.

    References
    ----------
    Treitel and Shanks, "The design of multistage separable planar filters" (1971); Eckart and
    Young, "The approximation of one matrix by another of lower rank" (1936).

    Examples
    --------
    >>> import fastsep
    >>> fastsep.factorize([[1, 0, -1], [2, 0, -2], [1, 0, -1]])
    kernel 3 x 3: rank 1 of 1, exact; 5 multiplications a pixel, dense 6 (1.20x)
      (1, 2, 1) x (1, 0, -1)
    """
    values = filter_kernels.kernel(kernel)
    most, bound = scalars.rank_or_tol(rank, tol)
    core, places = _core(values)
    dense = int(np.count_nonzero(values))
    if not dense:
        return Factorization((), values.shape, 0.0, True, 0, 0)
    whole = _integers.exact_term(core)
    if whole is not None:
        scale, lines = whole
        term = RankOne(_embedded(lines, places, values.shape), scale)
        return Factorization((term,), values.shape, 0.0, True, 1, dense)

    unit = _unit(core)
    found = _peeled(core / unit)
    spread = [_spread(taps, unit) for taps in found]
    kept, error = _cut(core / unit, spread, unit, most, None if bound is None else bound / unit)
    terms = tuple(RankOne(_embedded(taps, places, values.shape), Fraction(1)) for taps in spread[:kept])
    return Factorization(terms, values.shape, error * unit, False, len(found), dense)


@np.errstate(all="ignore")
def is_separable(kernel: npt.ArrayLike, *, tol: float | None = None) -> bool:
    """Whether one rank-1 term is enough: exactly or to rounding, or with an `error` of at most `tol`.

    To rounding means: the best single term has an `error` of at most (4 eps + 8 ndim eps64) times
    sqrt(kernel.size) times the kernel's Frobenius norm. eps is that of the kernel's float dtype
    (eps64, float64's, for other dtypes), and eight roundings of every value of an outer product are
    within its part, because a sum of magnitudes is at most sqrt(size) times a Frobenius norm. The
    other part is for the decomposition. For a float32 kernel that is coarser than what `factorize`
    takes for rounding; `factorize(kernel, rank=1)` gives the term.

    Parameters
    ----------
    kernel : array_like
        As for `factorize`. A kernel of zeros is separable.
    tol : float, optional
        The largest `error`.

    Returns
    -------
    bool

    Examples
    --------
    >>> import fastsep
    >>> fastsep.is_separable([[1, 2, 1], [2, 4, 2], [1, 2, 1]])
    True
    >>> fastsep.is_separable([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
    False
    """
    values = filter_kernels.kernel(kernel)
    if tol is not None:
        bound = scalars.tolerance(tol)
    else:
        dtype = np.asarray(kernel).dtype
        eps = max(_EPS, float(np.finfo(dtype).eps)) if dtype.kind == "f" else _EPS
        unit = _unit(values)
        rounding = (4 * eps + 8 * values.ndim * _EPS) * math.sqrt(values.size)
        bound = rounding * float(np.linalg.norm(values / unit)) * unit
    return factorize(values, rank=1).error <= bound


def _unit(values: Array) -> float:
    # Near 1 the squares of any finite kernel stay finite and above zero; a power of two costs no bit.
    return math.ldexp(1.0, int(np.frexp(np.abs(values).max())[1]) - 1)


@np.errstate(all="ignore")
def takes_more_than(kernel: Array, terms: int, tol: float) -> bool:
    """Whether so many terms certainly leave an error above `tol`, found at a small part of what `factorize` takes.

    The error is at least the next singular value, that at least the smallest one of any square of one value more in the
    matrix, and that at least one over the Frobenius norm of the inverse. False: perhaps not.
    """
    longest = int(np.argmax(kernel.shape))
    matrix = np.moveaxis(kernel, longest, 0).reshape(kernel.shape[longest], -1)
    if min(matrix.shape) <= terms or not matrix.any():
        return False
    unit = _unit(matrix)
    matrix = matrix / unit
    pivots = _pivots(matrix, terms + 1)
    return pivots is not None and _least_singular(matrix[np.ix_(*pivots)]) > tol / unit


def _least_singular(square: Array) -> float:
    """A lower bound of its singular values; 0 if there is none for certain."""
    try:
        inverse = float(np.linalg.norm(np.linalg.inv(square)))
    except np.linalg.LinAlgError:
        return 0.0
    # Half of it: an inverse of a condition of up to 1e10 has some digits for certain.
    return 0.5 / inverse if inverse * float(np.linalg.norm(square)) < _CONDITION else 0.0


def _pivots(matrix: Array, count: int) -> tuple[list[int], list[int]] | None:
    """Rows and columns of so many numbers, each the largest that is left of an elimination; None if they get tiny."""
    left, rows, cols = matrix.copy(), [], []
    least = float(np.abs(left).max()) / _CONDITION
    for _ in range(count):
        row, col = divmod(int(np.abs(left).argmax()), left.shape[1])
        pivot = left[row, col]
        if abs(pivot) <= least:
            return None
        rows.append(row)
        cols.append(col)
        left -= np.multiply.outer(left[:, col] / pivot, left[row])
    return rows, cols


# ---- zeros around and between


def _core(values: Array) -> tuple[Array, list[Array]]:
    """The kernel without slices of zeros and axes of length 1, and where its slices were on each axis.

    Zero taps so stay zero to the last bit, and an axis with one slice gets a single 1. At least one
    axis is kept.
    """
    used = values != 0
    every = range(values.ndim)
    places = [np.flatnonzero(used.any(axis=tuple(other for other in every if other != axis))) for axis in every]
    core = values[np.ix_(*places)]
    return core.reshape([size for size in core.shape if size != 1] or [core.size]), places


def _embedded(taps: Sequence[Array], places: list[Array], shape: tuple[int, ...]) -> tuple[Array, ...]:
    """Taps for every axis of the kernel from those for the axes of its core."""
    kept = [axis for axis, place in enumerate(places) if place.size != 1] or [0]
    given = dict(zip(kept, taps, strict=True))
    lines = []
    for axis, size in enumerate(shape):
        line = np.zeros(size)
        line[places[axis]] = given.get(axis, 1.0)
        lines.append(_read_only(line))
    return tuple(lines)


# ---- singular values


def _peeled(core: Array) -> list[tuple[Array, ...]]:
    """Orthogonal terms, largest first, of the order of axes that gives the fewest."""
    best: list[tuple[Array, ...]] = []
    for order in _orders(core.shape):
        found = _peel(core.transpose(order), None)
        if not best or len(found) < len(best):
            best = [tuple(taps[order.index(axis)] for axis in range(core.ndim)) for taps in found]
    return sorted(best, key=_size, reverse=True)


def _orders(shape: tuple[int, ...]) -> list[list[int]]:
    """Orders of axes to take them off in: each axis first, then the shorter ones.

    The longest axis comes last but where it is first: no kernel needs more terms than the other
    axes have places. Two axes are taken off at once.
    """
    every = range(len(shape))
    if len(shape) <= 2:
        return [list(every)]
    return [[first, *sorted(set(every) - {first}, key=lambda axis: shape[axis])] for first in every]


def _peel(kernel: Array, floor: float | None) -> list[tuple[Array, ...]]:
    """Terms with singular values above `floor` (None: above rounding), axis 0 first.

    Left singular vectors are taps along axis 0. What the kernel has along them, which is singular
    values times right singular vectors, are kernels of one dimension less, to be peeled in turn.
    """
    if kernel.ndim == 1:
        return [(kernel,)]
    rows, shape = len(kernel), kernel.shape[1:]
    parts = _symmetry.parts(kernel)
    matrices = [part.kernel.reshape(rows, -1) for part in parts]
    split = [_left_and_singular(matrix) for matrix in matrices]
    if floor is None:
        floor = _EPS * max(rows, kernel.size // rows) * max(float(singular[0]) for _, singular in split)
    terms = []
    for part, matrix, (left, singular) in zip(parts, matrices, split, strict=True):
        own: _symmetry.Flips = {(0,): part.parity} if part.parity else {}
        found = np.flatnonzero(singular > floor)
        for k in found:
            taps = _symmetry.symmetrised(left[:, k] if len(found) > 1 else _only_column(matrix), own)
            # Half as much rounding as in the right singular vectors.
            rest = _symmetry.symmetrised(_held_along(taps, matrix).reshape(shape), part.rest)
            terms += [(taps, *lines) for lines in _peel(rest, floor)]
    return terms


def _only_column(matrix: Array) -> Array:
    """What all columns of a matrix of rank one are multiples of: the same on every CPU, as singular vectors are not."""
    column = matrix[:, np.abs(matrix).max(axis=0).argmax()]
    rest = _held_along(column, matrix)  # of all columns, whose rounding differs
    return np.asarray((matrix * rest).sum(axis=1))


def _held_along(taps: Array, matrix: Array) -> Array:
    """How much of these taps each column has. Sums of NumPy, unlike those of BLAS, have one order on every CPU."""
    return np.asarray((taps[:, None] * matrix).sum(axis=0) / (taps * taps).sum())


def _left_and_singular(matrix: Array) -> tuple[Array, Array]:
    """Left singular vectors and singular values; of a large matrix of low rank only those above rounding.

    Products with a few fixed vectors span its columns then, and the decomposition is that of a few rows: for rank 3 of
    127 x 127 it takes 0.3 ms, not 2.
    """
    rows, cols = matrix.shape
    if min(rows, cols) >= _LARGE:
        number = np.arange(1.0, cols + 1)[:, None]
        span = np.linalg.qr(matrix @ np.sin(number * number * np.arange(1.0, _FEW + 1)))[0]
        few = span.T @ matrix
        left, singular = np.linalg.svd(few, full_matrices=False)[:2]
        if float(np.linalg.norm(matrix - span @ few)) <= 0.25 * _EPS * max(rows, cols) * float(singular[0]):
            return span @ left, singular
    left, singular = np.linalg.svd(matrix, full_matrices=False)[:2]
    return left, singular


def _size(taps: Sequence[Array]) -> float:
    return math.prod(map(_norm, taps))


def _norm(line: Array) -> float:
    return math.sqrt(math.fsum(line * line))  # numpy.linalg's asks BLAS


def _spread(taps: Sequence[Array], unit: float) -> tuple[Array, ...]:
    """The term times `unit`, its norm shared evenly and the largest taps positive but on the first axis."""
    if len(taps) == 1:
        return (taps[0] * unit,)
    # The root of `unit` is taken of its exponent: 1 / 3 is rounded, which the power of a large number shows.
    whole, rest = divmod(math.frexp(unit)[1] - 1, len(taps))
    share = math.ldexp((_size(taps) * 2.0**rest) ** (1 / len(taps)), whole)
    signs = [1.0] + [1.0 if line[np.abs(line).argmax()] > 0 else -1.0 for line in taps[1:]]
    signs[0] = math.prod(signs)
    # Plus zero, because minus zero is no tap to show.
    return tuple(line * (sign * share / _norm(line)) + 0.0 for sign, line in zip(signs, taps, strict=True))


def _cut(
    core: Array, terms: list[tuple[Array, ...]], unit: float, most: int | None, bound: float | None
) -> tuple[int, float]:
    """How many leading terms to keep, and the sum of absolute differences that leaves, over `unit`."""
    most = len(terms) if most is None else min(most, len(terms))
    error = math.inf
    for kept, total in enumerate(_partial_sums(terms[:most], unit), 1):
        if bound is not None or kept == most:
            error = float(np.abs(core - total).sum())
            if bound is not None and error <= bound:
                return kept, error
    return most, error


def _partial_sums(terms: Sequence[Sequence[Array]], unit: float) -> Iterator[Array]:
    """The sums of the first terms, one more each time, over `unit`; in one array."""
    total = np.zeros([line.size for line in terms[0]])
    for first, *others in terms:
        product = first / unit
        for line in others:
            product = np.multiply.outer(product, line)
        total += product
        yield total


# ---- lines


def _read_only(line: Array) -> Array:
    line.flags.writeable = False
    return line


def _moves_only(line: Array) -> bool:
    return bool(np.count_nonzero(line) == 1 and line.max() == 1)


def _shown_line(line: Array) -> str:
    shown = [str(int(tap)) if tap.is_integer() and abs(tap) < 2**53 else f"{tap:.4g}" for tap in line.tolist()]
    if len(shown) > _SHOWN_TAPS:
        shown = [*shown[:3], "...", *shown[-3:]]
    return f"({', '.join(shown)})" if len(shown) > 1 else f"({shown[0]},)"


def _shown_fraction(value: Fraction) -> str:
    short = max(value.numerator, value.denominator) <= _SHOWN_FRACTION
    return str(value) if short else f"{float(value):.6g}"
