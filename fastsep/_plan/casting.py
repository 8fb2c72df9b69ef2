"""Integer results that equal SciPy's: sums in its order of operations, cast as C casts after each axis.

SciPy sums in float64, each axis' taps in one of three orders (see `TapEmitter.fir_in_order`), and stores the sums in
the dtype of the result before it filters the next axis. Of whole numbers that sum exactly the order does not matter,
nor the dtype of the arithmetic; and as casts wrap modulo 2^n, sums may then be wrapped as late as one likes.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from fastsep._plan.spec import Box, Dense, Filter, Line, Separable, lines_of, weight
from fastsep._validation.array_like import DType

#: SciPy takes taps that differ by no more as equal, and taps of a dense kernel that are no larger as zero.
EPSILON = float(np.finfo(np.float64).eps)


def as_scipy_reads(line: Line) -> Line:
    """The taps that SciPy applies: of those it finds symmetric or antisymmetric the left half counts for both."""
    taps, half = line.taps, len(line.taps) // 2
    pairs = list(zip(taps[:half], taps[: -half - 1 : -1], strict=True))
    for sign in (1.0, -1.0):
        if len(taps) % 2 and all(abs(left - sign * right) <= EPSILON for left, right in pairs):
            return Line((*taps[: half + 1], *(sign * left for left, _ in reversed(pairs))), line.centre, line.divisor)
    return line


def whole_taps(lines: Iterable[Line]) -> bool:
    """Whether all taps are whole numbers."""
    return all(float(tap).is_integer() for line in lines for tap in line.taps)


def is_whole(what: Separable) -> bool:
    """Whether all taps are whole numbers, and sums are not divided."""
    return all(line.divisor == 1 for line in lines_of(what)) and whole_taps(lines_of(what))


def largest_gain(what: Filter) -> float | None:
    """How much larger than what they are of sums along an axis, or of a dense kernel, may be; None if not whole."""
    if isinstance(what, Box):
        return float(max(what.sizes))
    if isinstance(what, Separable):
        return max(map(weight, lines_of(what)), default=1.0) if whole_taps(lines_of(what)) else None
    assert isinstance(what, Dense)
    return what.whole_gain()


def sums_exactly(what: Filter, src: DType, dst: DType, border: float, digits: int) -> bool:
    """Whether sums, of casts too, are whole numbers that so many binary digits hold: in any order they are the same."""
    gain = largest_gain(what)
    if gain is None or src.kind == "f" or not float(border).is_integer():
        return False
    bounds = (np.iinfo(dtype) for dtype in (src, dst))
    largest = max(abs(border), *(max(-int(bound.min), int(bound.max)) for bound in bounds))
    return gain * largest <= 2.0**digits
