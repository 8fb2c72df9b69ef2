"""Kernels of whole numbers times a fraction that are one term, taken apart without rounding. NumPy only, no pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import reduce

import numpy as np

from fastsep._validation.array_like import Array

# A scale, and whole taps for every axis, as int64.
Term = tuple[Fraction, tuple[Array, ...]]

# Larger kernels are not looked at: they are not what people write down in whole numbers.
_LARGEST_KERNEL = 65_536
# Fractions are looked for among these denominators, and with this common one at most.
_LARGEST_DENOMINATOR = 10_000
_LARGEST_COMMON = 1_000_000
# float64 holds every whole number up to this one.
_FLOAT64_WHOLE = 2**53


def exact_term(kernel: Array) -> Term | None:
    """The term that the float64 `kernel` is exactly, if it is one and has few enough digits; else None.

    The kernel is not zero. The scale is positive and taps have no common divisor. Taps start with a
    positive one, but for a minus of the whole term: that goes to the last axis whose taps sum to
    zero, else to the first that has more than one tap, because a single 1 costs nothing.
    """
    found = _small_fractions(kernel) if kernel.size <= _LARGEST_KERNEL else None
    if found is None:
        return None
    numbers, divisor = found
    content = int(np.gcd.reduce(numbers, axis=None))
    taps = _lines(numbers // content)
    return None if taps is None else (Fraction(content, divisor), taps)


def _small_fractions(kernel: Array) -> tuple[Array, int] | None:
    """Whole numbers and what to divide them by, if all values are fractions with a small common denominator."""
    common = 1
    while True:
        with np.errstate(over="ignore"):
            whole = np.rint(kernel * common)
        if not np.abs(whole).max() <= _FLOAT64_WHOLE:
            return None
        others = kernel[whole / common != kernel]
        if not others.size:
            return whole.astype(np.int64), common
        value = float(others[0])
        fraction = Fraction(value).limit_denominator(_LARGEST_DENOMINATOR)
        longer = math.lcm(common, fraction.denominator)
        if float(fraction) != value or longer == common or longer > _LARGEST_COMMON:
            return None
        common = longer


def _lines(numbers: Array) -> tuple[Array, ...] | None:
    """The lines whose product these numbers without a common divisor are, if they are one."""
    place = tuple(map(int, np.unravel_index(int(np.abs(numbers).argmax()), numbers.shape)))
    lines = []
    for axis in range(numbers.ndim):
        line = np.moveaxis(numbers, axis, -1)[(*place[:axis], *place[axis + 1 :])]
        lines.append(line // np.gcd.reduce(line))
    # Such lines have a product without a common divisor, so that it is the numbers or minus them. Everything is
    # largest at `place`: if they agree there, nothing else is larger than fits int64.
    largest = int(numbers[place])
    product = math.prod(int(line[index]) for line, index in zip(lines, place, strict=True))
    sign = 1 if product == largest else -1
    if sign * product != largest or not np.array_equal(sign * reduce(np.multiply.outer, lines), numbers):
        return None
    return _signed(sign, lines)


def _signed(sign: int, lines: Sequence[Array]) -> tuple[Array, ...]:
    """Lines whose product is `sign` times that of `lines`, with the signs that `exact_term` promises."""
    signs = [1 if line[np.flatnonzero(line)[0]] > 0 else -1 for line in lines]
    signed = [own * line for own, line in zip(signs, lines, strict=True)]
    if sign != math.prod(signs):
        level = [axis for axis, line in enumerate(signed) if not line.sum()]
        several = [axis for axis, line in enumerate(signed) if np.count_nonzero(line) > 1]
        axis = max(level) if level else min(several, default=0)
        signed[axis] = -signed[axis]
    return tuple(signed)
