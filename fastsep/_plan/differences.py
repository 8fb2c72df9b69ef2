"""Filters whose taps cancel: how they are written with differences of neighbours, which lose no digits.

Of an image that stands high and differs little, sums in float32 keep few digits of what differs. A line of taps that
sum to zero is one of differences of neighbours, which are exact, with running sums of its taps.
"""

from __future__ import annotations

import math

import numpy as np

from fastsep._plan.spec import IDENTITY, Line, Separable, Term, lines_of, tap_sum, weight
from fastsep._validation.array_like import Array


def is_zero_sum(line: Line | None) -> bool:
    """Whether the taps all but cancel on a constant image."""
    return line is not None and abs(tap_sum(line)) < ZERO_SUM * weight(line)


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


def tail(line: Line) -> tuple[float, ...]:
    """The taps that count by themselves: of antisymmetric ones those behind the centre."""
    return line.taps[line.centre + 1 :] if is_antisymmetric(line) else line.taps


def is_row_first(term: Term, same_border: bool) -> bool:
    """Whether the line along x has to come before the one along y, since it leaves less of a constant image.

    Unless `same_border`, the line along x has to see beyond the image what the line along y turns into the constant,
    which is `cval` divided by the sum of its taps: that sum must not be near zero.
    """
    *_, y, x = (None, *term.lines)
    if not same_border and is_zero_sum(y):
        return False
    return is_zero_sum(x) and abs(tap_sum(x)) * weight(y) < abs(tap_sum(y)) * weight(x)


def slope_axis(term: Term) -> int:
    """Along which axis of a volume neighbours are subtracted first: where least is left of a constant; else 0."""
    found = [(abs(tap_sum(line)) / weight(line), axis) for axis, line in enumerate(term.lines) if is_zero_sum(line)]
    return min(found)[1] if found else 0


def slope_line(line: Line, skip_zeros: bool) -> tuple[Line, bool]:
    """The taps of differences in place of taps that cancel; whether they are those of the two neighbours of a pixel.

    Else they are those of each pixel and the one before, and the sum of all taps applies to the pixel itself.
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
    return abs(tap_sum(line)) <= EXACT * weight(line)


def takes_slopes(what: Separable, modes: tuple[str, ...], cval: float) -> bool:
    """Whether a volume can be filtered by differences of neighbours along any one axis, beyond its border too."""

    def takes(term: Term) -> bool:
        axis = slope_axis(term)
        for number, line in enumerate(term.lines):
            if line is None:
                continue
            first = number == axis and is_zero_sum(line)
            skipped = first and (is_antisymmetric(line) if axis == 0 else _skips_centre(line, what.skip_zeros))
            if what.skip_zeros and 0.0 in (tail(line) if skipped else line.taps):
                return False
            if first and axis != 0 and what.combine != "sum" and not cancels(line):
                return False
        return True

    return has_same_border(what, modes, cval) and all(map(takes, what.terms))


def cancelling(terms: list[Term]) -> list[Term]:
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
    smooths = slope_axis(other) == 0 and tap_sum(line) > weight(line) / 2
    return smooths and other.lines[3 - axis] == term.lines[3 - axis]


def _with(term: Term, axis: int, line: Line) -> Term:
    return Term((*term.lines[:axis], line, *term.lines[axis + 1 :]))


def by_slopes(what: Separable, terms: list[Term]) -> list[Term] | None:
    """Terms of the same sum whose lines along x, where these come first, sum to exactly zero; None if there are none.

    Such a line is one of differences of neighbours with taps between the pixels. The second derivative of a Gaussian,
    cut off, does not sum to exactly zero; what is left goes to the other term:
    y1 x1 + y2 x2 = (y1 + c y2) x1 + y2 (x2 - c x1).
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
    for one, multiple in ((line, 1.0), (other, factor)):
        start = centre - one.centre
        sums[start : start + len(one.taps)] += multiple * np.array(one.taps)
    return Line(tuple(sums.tolist()), centre)


def loses_digits(what: Separable, scale: float) -> bool:
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
        return not is_antisymmetric(first) or (what.skip_zeros and first is not None and 0.0 in tail(first))

    return any(map(loses, what.terms))


def takes_differences(what: Separable) -> bool:
    """Whether every line can be applied to differences: no tap of zero has to be skipped."""
    return not what.skip_zeros or not any(0.0 in tail(line) for line in lines_of(what))


#: Taps whose sum is smaller than this part of their weight are differences first of all. Those of derivatives of a
#: Gaussian that are cut off at four sigma sum to a thousandth.
ZERO_SUM = 1 / 16

#: What the rounding of the taps themselves leaves of their sum.
EXACT = 1e-14

#: Those of a dense kernel.
ZERO_SUM_DENSE = 1e-6


def middle(kernel: Array) -> tuple[int, ...] | None:
    """The tap whose pixel all others are compared with if they sum to zero: the largest. None if they do not."""
    size = float(np.abs(kernel).sum())
    if abs(math.fsum(kernel.flat)) > ZERO_SUM_DENSE * size or not size:
        return None
    return tuple(int(index) for index in np.unravel_index(np.abs(kernel).argmax(), kernel.shape))
