"""Kernels of whole numbers times a fraction, taken apart without rounding. Integers only, no pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from fastsep import _symmetry
from fastsep._image import Array

# One term: its scale, and whole taps for every axis, as int64.
Term = tuple[Fraction, tuple[Array, ...]]

# Larger kernels are not looked at: they are not what people write down in whole numbers.
_LARGEST_KERNEL = 65_536
# Fractions are looked for among these denominators, and with this common one at most.
_LARGEST_DENOMINATOR = 10_000
_LARGEST_COMMON = 1_000_000
# float32 holds every whole number up to the one, float64 up to the other.
_FLOAT32_WHOLE = 2**24
_FLOAT64_WHOLE = 2**53
_LARGEST_FLOAT = 2**1023
# Products of two such numbers and their difference fit int64.
_LARGEST_REST = 2**30
# Terms may cancel each other so far: rounding grows with the sum of their magnitudes.
_GROWTH = 8
# Numbers to go through in search of one pivot, and for all terms, where a pivot counts for many by
# itself: some tenths of a second at worst.
_SEARCH, _WORK, _PIVOT = 2**18, 2**23, 2**14


# ---- recognition


def exact_terms(kernel: Array) -> list[Term] | None:
    """Terms whose sum is the float64 `kernel` exactly, if it has few enough digits; else None.

    The kernel is not zero. Scales are positive and taps have no common divisor. Taps start with a
    positive one, but for a minus of the whole term: that goes to the last axis whose taps sum to
    zero, else to the first that has more than one tap, because a single 1 costs nothing.
    """
    found = _recognized(kernel)
    if found is None:
        return None
    numbers, factor, largest = found

    single = _rank_one(numbers)
    if single is not None:
        terms: list[Term] | None = [single] if _largest(single[1]) <= largest else None
    else:
        terms = _fewest(numbers) if _magnitude(numbers) <= _FLOAT32_WHOLE else None
    if terms is None:
        return None
    terms = [_signed(scale * factor, taps) for scale, taps in terms]
    if len(terms) > 1 and sum(map(_sum, terms)) > _LARGEST_FLOAT:
        return None
    return terms if np.array_equal(rebuilt(terms, kernel.shape), kernel) else None


def small_numbers(kernel: Array) -> Array | None:
    """The kernel times some factor, if that is whole numbers so small that `exact_terms` may find several terms.

    It multiplies them with each other, and gives up where they grow too large.
    """
    found = _recognized(kernel) if kernel.any() else None
    return found[0] if found is not None and _magnitude(found[0]) ** 2 <= _LARGEST_REST else None


def _recognized(kernel: Array) -> tuple[Array, Fraction, int] | None:
    """Whole numbers without a common divisor, the factor to the kernel, and the largest tap that is allowed."""
    if kernel.size > _LARGEST_KERNEL:
        return None
    found, largest = _small_fractions(kernel), _FLOAT64_WHOLE
    if found is None:
        found, largest = _dyadic(kernel), _FLOAT32_WHOLE
    if found is None:
        return None
    numbers, factor = found
    content = int(np.gcd.reduce(numbers, axis=None))
    return numbers // content, factor * content, largest


def _small_fractions(kernel: Array) -> tuple[Array, Fraction] | None:
    """Whole numbers and a factor 1 / n, if all values are fractions with a small common denominator."""
    common = 1
    while True:
        with np.errstate(over="ignore"):
            whole = np.rint(kernel * common)
        if not np.abs(whole).max() <= _FLOAT64_WHOLE:
            return None
        others = kernel[whole / common != kernel]
        if not others.size:
            return whole.astype(np.int64), Fraction(1, common)
        value = float(others[0])
        fraction = Fraction(value).limit_denominator(_LARGEST_DENOMINATOR)
        longer = math.lcm(common, fraction.denominator)
        if float(fraction) != value or longer == common or longer > _LARGEST_COMMON:
            return None
        common = longer


def _dyadic(kernel: Array) -> tuple[Array, Fraction] | None:
    """Whole numbers and a factor, if every value is a multiple of one float; no rounding at all."""
    mantissa, exponent = np.frexp(kernel)
    odd = np.ldexp(mantissa, 53).astype(np.int64)
    used = odd != 0
    lowest = np.where(used, odd & -odd, 1)  # a power of two
    odd //= lowest
    exponent = exponent - 53 + np.frexp(lowest)[1] - 1  # kernel = odd * 2**exponent
    least = int(exponent[used].min())
    shift = np.where(used, exponent - least, 0)
    divisor = int(np.gcd.reduce(odd, axis=None))
    odd //= divisor
    if shift.max() > 53 or np.ldexp(np.abs(odd).astype(np.float64), shift).max() > _FLOAT64_WHOLE:
        return None
    return odd << shift, divisor * Fraction(2) ** least


# ---- one term, or several


def _rank_one(numbers: Array) -> Term | None:
    """The term that these whole numbers are, if they are one."""
    place = tuple(map(int, np.unravel_index(int(np.abs(numbers).argmax()), numbers.shape)))
    taps = []
    for axis in range(numbers.ndim):
        line = np.moveaxis(numbers, axis, -1)[(*place[:axis], *place[axis + 1 :])]
        taps.append(line // np.gcd.reduce(line))
    # Everything is largest at `place`, so that nothing below can be larger than the number there.
    scale, rest = divmod(int(numbers[place]), math.prod(int(t[i]) for t, i in zip(taps, place, strict=True)))
    if rest or not np.array_equal(scale * _outer(taps), numbers):
        return None
    return Fraction(scale), tuple(taps)


def _fewest(numbers: Array) -> list[Term] | None:
    """The shortest of the lists of terms that begin with each of the axes."""
    best, work = None, _Work(_WORK)
    for order, back in orders(numbers.shape):
        terms = _skeleton(numbers.transpose(order), work)
        if terms is not None and (best is None or len(terms) < len(best)):
            best = [(scale, tuple(taps[axis] for axis in back)) for scale, taps in terms]
    return best


def orders(shape: tuple[int, ...]) -> list[tuple[list[int], list[int]]]:
    """Orders of axes to take them off in, and the way back: each axis first, then the shorter ones.

    The longest axis comes last but where it is first: no kernel needs more terms than the other
    axes have places. Two axes are taken off at once.
    """
    every = range(len(shape))
    found = [[first, *sorted(set(every) - {first}, key=lambda axis: shape[axis])] for first in every]
    return [(order, [order.index(axis) for axis in every]) for order in (found if len(shape) > 2 else [list(every)])]


@dataclass(slots=True)
class _Work:
    left: int

    def take(self, amount: int) -> bool:
        self.left -= amount
        return self.left >= 0


def _skeleton(numbers: Array, work: _Work) -> list[Term] | None:
    """Column times row over the number where they cross, taken off until nothing is left.

    Axis 0 has the columns, all others together have the rows, which are taken apart in turn. None
    where numbers grow too large, or it takes too long.
    """
    single = _rank_one(numbers)
    if single is not None:
        return [single]
    terms: list[Term] = []
    bound, limit = Fraction(0), _GROWTH * int(np.abs(numbers).sum())
    for part in _symmetry.parts(numbers):
        left, factor = part.kernel.reshape(len(numbers), -1), Fraction(1, part.divisor)
        while left.any():
            if _magnitude(left) > _LARGEST_REST or not work.take(left.size + _PIVOT):
                return None
            i, j = _pivot(left, work)
            pivot, column = int(left[i, j]), left[:, j]
            rows = _skeleton(left[i].reshape(numbers.shape[1:]), work)
            if rows is None:
                return None
            for scale, taps in rows:
                term = _primitive(scale * factor / pivot, (column, *taps))
                bound += _sum(term)
                if _largest(term[1]) > _FLOAT32_WHOLE or math.prod(map(_magnitude, term[1])) > _FLOAT64_WHOLE:
                    return None
                terms.append(term)
            left = pivot * left - np.multiply.outer(column, left[i])
            content = int(np.gcd.reduce(left, axis=None)) or 1
            left, factor = left // content, factor * Fraction(content, pivot)
            if bound > limit:
                return None
    return terms


def _pivot(left: Array, work: _Work) -> tuple[int, int]:
    """Where to cross: least to multiply in column, row and what they leave; then the smallest term.

    The four-neighbour Laplacian so becomes (1, -4, 1) x (0, 1, 0) + (0, 1, 0) x (1, 0, 1), and a
    number in the middle of a constant leaves itself. In a large matrix the largest number will do.
    """
    (rows, row_counts), (columns, column_counts) = _different(left), _different(left.T)
    numbers = rows.size * columns.size * left.size
    if numbers > _SEARCH or not work.take(numbers):
        i, j = np.unravel_index(int(np.abs(left).argmax()), left.shape)
        return int(i), int(j)
    # Equal lines leave the same, and lines of zeros nothing.
    pivots = left[np.ix_(rows, columns)]
    crosses = pivots[:, None, None, :] * pivots.T[None, :, :, None]  # (rows, columns, rows, columns)
    taps = ((pivots[:, :, None, None] * pivots != crosses) @ column_counts @ row_counts).astype(np.float64)
    taps += _several(left[rows])[:, None] + _several(left[:, columns].T)
    pivots = np.abs(pivots)
    taps[pivots == 0] = np.inf
    sums = np.multiply.outer(np.abs(left[rows]).sum(axis=1), np.abs(left[:, columns]).sum(axis=0).astype(np.float64))
    best = int(np.lexsort(((sums / np.maximum(pivots, 1)).ravel(), taps.ravel()))[0])
    return int(rows[best // columns.size]), int(columns[best % columns.size])


def _different(lines: Array) -> tuple[Array, Array]:
    """Where each different line comes first, in order, and how often it comes; not lines of zeros."""
    found: dict[bytes, list[int]] = {}
    for number, line in enumerate(lines):
        found.setdefault(line.tobytes(), [number, 0])[1] += 1
    first, counts = np.array(list(found.values())).T
    used = lines[first].any(axis=1)
    return first[used], counts[used]


def _several(lines: Array) -> Array:
    # Multiplications for each; a line of a single tap only moves the image.
    count = np.count_nonzero(lines, axis=1)
    return np.where(count > 1, count, 0)


# ---- terms


def _primitive(scale: Fraction, taps: Sequence[Array]) -> Term:
    """The same term with taps that have no common divisor."""
    contents = [int(np.gcd.reduce(line)) for line in taps]
    divided = tuple(line // content for line, content in zip(taps, contents, strict=True))
    return scale * math.prod(contents), divided


def _signed(scale: Fraction, taps: Sequence[Array]) -> Term:
    """The same term with a positive scale and the signs that `exact_terms` promises."""
    signs = [1 if line[np.flatnonzero(line)[0]] > 0 else -1 for line in taps]
    lines = [sign * line for sign, line in zip(signs, taps, strict=True)]
    if (scale < 0) != (math.prod(signs) < 0):
        level = [axis for axis, line in enumerate(lines) if not line.sum()]
        several = [axis for axis, line in enumerate(lines) if np.count_nonzero(line) > 1]
        axis = max(level) if level else min(several, default=0)
        lines[axis] = -lines[axis]
    return abs(scale), tuple(lines)


def rebuilt(terms: Sequence[tuple[Fraction, Sequence[Array]]], shape: tuple[int, ...]) -> Array:
    """The sum of terms of whole taps as float64, every value rounded once."""
    common = math.lcm(*(scale.denominator for scale, _ in terms))
    weights = [int(scale * common) for scale, _ in terms]
    largest = sum(abs(w) * math.prod(map(_magnitude, taps)) for w, (_, taps) in zip(weights, terms, strict=True))
    fits = max(largest, common) <= _FLOAT64_WHOLE
    # Otherwise Python's integers, which have no largest and whose quotient is rounded once as well.
    dtype: Any = np.int64 if fits else object
    total = np.zeros(shape, dtype)
    for weight, (_, taps) in zip(weights, terms, strict=True):
        total += weight * _outer([line.astype(np.int64).astype(dtype) for line in taps])
    return np.asarray(total / common, np.float64)


def _sum(term: Term) -> Fraction:
    # Of the magnitudes of all its values.
    return abs(term[0]) * math.prod(int(np.abs(line).sum()) for line in term[1])


def _outer(taps: Sequence[Array]) -> Array:
    product = taps[0]
    for line in taps[1:]:
        product = np.multiply.outer(product, line)
    return product


def _largest(taps: Sequence[Array]) -> int:
    return max(map(_magnitude, taps))


def _magnitude(numbers: Array) -> int:
    return int(np.abs(numbers).max())
