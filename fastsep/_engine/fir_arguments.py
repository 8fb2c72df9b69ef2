"""Arguments of FIR kernels: lines of taps in every form that they are applied in, rings of rows, windows of volumes."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

import numpy as np

from fastsep._engine.argument_writer import ArgumentWriter, lines_of, odd_lines
from fastsep._kernels import arguments as at
from fastsep._plan.differences import (
    EXACT,
    cancels,
    has_same_border,
    is_antisymmetric,
    is_row_first,
    is_symmetric,
    is_zero_sum,
    slope_axis,
    slope_line,
)
from fastsep._plan.spec import IDENTITY, Divisors, Line, Separable, Term, tap_sum

#: Up to this many rows are read in place; more are copied into a ring (measured).
ROWS_IN_PLACE = 8
#: Up to this many beside rows of slopes, which fill half of L2 (measured: copying takes 1.06 times as
#: long with 12 rows around, as long with 40 and 0.8 to 0.96 times with 64).
BESIDE_SLOPES = 48
#: What a band holds of a volume: a window of some planes, and a few rows of them filtered along the depth, which stay
#: in L2; larger windows filter fewer rows twice (measured: from 2.5 MiB 4 to 8 %).
VOLUME_BYTES = 4 << 20
#: Differences between lines along x that are shorter by so many taps on either side are parted (measured).
PARTING_PAYS = 6
#: Planes that share a ring where there are too few windows for all threads.
SHORT_CHUNK = 64
#: Blocks of rows that a window has at least, however many threads there are windows for.
FEWEST = 3


@dataclass(frozen=True, slots=True)
class _Depth:
    """A line along the depth of a volume, and the differences that it applies to."""

    line: Line
    sloped: bool = False  # whether they are those of planes
    axis: int = 0  # along which they are taken; 0: along the depth, or none are
    wide: bool = False  # of the two neighbours of a pixel
    before: int = 0  # columns left of the image in which they are needed
    more: int = 0  # columns on either side together; negative: fewer than the image has

    @staticmethod
    def of(term: Term, what: Separable, sloped: bool) -> _Depth:
        axis = slope_axis(term) if sloped else 0
        z, found = term.lines[0] or IDENTITY, term.lines[axis]
        if axis == 0 or found is None:
            # Antisymmetric taps subtract pixels before all else.
            return _Depth(z, sloped and is_zero_sum(z) and not is_antisymmetric(z))
        line, wide = slope_line(found, what.skip_zeros)
        if axis == 1:
            return _Depth(z, False, axis, wide)
        return _Depth(z, False, axis, wide, line.centre, len(line.taps) - 1)


class FirArguments(ArgumentWriter):
    def write_fir(self) -> None:
        plan, words = self.plan, self.words
        what = plan.what
        assert isinstance(what, Separable)
        volume = plan.kernel[1].startswith("volume")
        lines_y = [term.lines[1] or IDENTITY for term in what.terms]
        lines_x = [term.lines[2] or IDENTITY for term in what.terms]
        lead = max(line.centre for line in lines_y)
        trail = max(len(line.taps) - 1 - line.centre for line in lines_y)
        taken = lead + trail + self.lanes
        words[at.LEAD], words[at.TRAIL] = lead, trail
        words[at.SCALE] = self.scalars(plan.scale, 1.0)
        words[at.COMBINE] = at.MAGNITUDE if what.combine == "magnitude" else at.SUM
        if what.clip is not None:
            words[at.CLIP] = self.scalars(*what.clip)

        if what.divisors is not None:
            self.divisors(what.divisors)
        sloped = plan.kernel[1].startswith("volume differences")
        depth_lines = self.depth_lines(what, sloped) if volume else []
        row_lines = self.row_lines(what) if plan.kernel[1].startswith("plane differences") else {}
        by_slopes = [y for term, y in zip(what.terms, lines_y, strict=True) if self.is_by_slopes(term, what)]
        lines_x += [line for line, _ in row_lines]
        words[at.GRAIN] = self.lanes
        words[at.TABLE] = 8 * (taken + 2)
        lead_z = max((depth.line.centre for depth in depth_lines), default=0)
        trail_z = max((len(depth.line.taps) - 1 - depth.line.centre for depth in depth_lines), default=0)
        taken_z = lead_z + trail_z + self.tile
        words[at.LEAD_Z], words[at.TRAIL_Z] = lead_z, trail_z
        tables = max(len(depth_lines), 1 + len(row_lines) + bool(by_slopes))
        self.take(tables * 8 * (taken + 2) + 8 * self.lanes + 8 * (taken_z + 2))
        self.terms(what, depth_lines, row_lines)
        self.take_spare(self.lanes * self.lanes)
        self.take(8 * self.channels * sum(len(line.taps) for line in lines_x), at.BORDERS)
        # The strip: the image's columns and those around them; a tile that starts at the last
        # column runs over by tile * channels, and loads one pixel before and one behind its inputs.
        columns = max(len(line.taps) for line in lines_x) * self.channels
        columns += self.padded + self.lanes + (self.tile + 2) * self.channels
        self.take(self.channels * self.vector)
        self.take(columns * self.vector, at.STRIP)
        if plan.kernel[1].endswith("terms"):
            self.take((self.padded + self.tile * self.channels) * self.vector, at.SUMS)
        row = self.whole_vectors(self.padded)
        if by_slopes:
            self.slopes(by_slopes)
            parted = self.parted(what)
            if parted is not None:
                words[at.INNER_LINE] = self.address(np.array(self.between(parted[0]), np.int64))
                self.take(columns * self.vector, at.OTHER_STRIP)
        if row_lines:
            self.rings(what, row_lines, taken, odd_lines(row * plan.acc.itemsize))
        if volume:
            left = right = 0  # values that are copied beside a row
            if sloped and any(depth.axis == 2 for depth in depth_lines):
                words[at.LEFT] = max(line.centre for line in lines_x)
                words[at.RIGHT] = max(len(line.taps) - 1 - line.centre for line in lines_x)
                self.take(8 * self.channels * int(words[at.LEFT] + words[at.RIGHT]), at.COLUMNS)
                left = self.whole_vectors(int(words[at.LEFT]) * self.channels)
                # The last vector of a row, from as far to the left as it may begin, and its neighbours.
                right = self.whole_vectors(self.lanes + (int(words[at.RIGHT]) + 2) * self.channels)
            words[at.SLAB_ROW] = slab_row = odd_lines((left + row + right) * plan.acc.itemsize)
            words[at.RING_ROW] = ring_row = odd_lines((left + row + right) * plan.src.itemsize)
            self.depth_slopes(depth_lines, ring_row)
            each = len(depth_lines) * self.tile * slab_row
            # Whole blocks of rows, so that none is filtered in vain.
            window = (VOLUME_BYTES - each * taken) // (taken_z * ring_row) - lead - trail
            cpus = os.cpu_count() or 1
            wanted = -(-2 * cpus // (self.planes * -(-self.depth // SHORT_CHUNK)))
            pieces = max(-(-self.rows // max(window, self.lanes)), min(wanted, self.rows // (FEWEST * self.lanes)), 1)
            words[at.WINDOW] = window = min(self.whole_vectors(-(-self.rows // pieces)), self.rows)
            # Planes in a row share a ring, which takes time to fill; but every band needs its share.
            pieces = self.planes * -(-self.rows // window)
            words[at.CHUNK] = self.depth if pieces >= 2 * cpus else SHORT_CHUNK
            self.take(each * (taken + 1), at.SLAB)
            self.take(taken_z * (window + taken + 1) * ring_row, at.RING)
            words[at.RING] += left * plan.src.itemsize
        elif self.in_ring(lead + trail, bool(row_lines), BESIDE_SLOPES if by_slopes else ROWS_IN_PLACE):
            words[at.RING_ROW] = ring_row = odd_lines(row * plan.src.itemsize)
            self.take(ring_row * taken, at.RING)

    def in_ring(self, halo: int, filtered: bool, most: int) -> bool:
        """Whether rows are copied: always if they are narrower than a vector, which would read past their end.

        `filtered`: there are rings of filtered rows, and another one would not stay in the second level of the cache.
        """
        if self.width < self.lanes:
            return True
        if halo > self.rows:
            return False  # the ring would be larger than the image
        return (halo > most and not filtered) or self.width * self.plan.src.itemsize % 4096 == 0

    def whole_vectors(self, values: int) -> int:
        return -(-values // self.lanes) * self.lanes

    def depth_lines(self, what: Separable, sloped: bool) -> list[_Depth]:
        """The different lines along the depth."""
        return list(dict.fromkeys(_Depth.of(term, what, sloped) for term in what.terms))

    def depth_slopes(self, depth_lines: list[_Depth], ring_row: int) -> None:
        """Fill in from where each line along the depth takes differences: the last of what the kernel reads of them."""
        pixel = self.channels * self.plan.src.itemsize
        for row, depth in zip(self.depths, depth_lines, strict=True):
            step = (0, ring_row, pixel)[depth.axis]
            row[at.L_START] = -step * depth.wide - pixel * depth.before
            row[at.L_STEP] = depth.axis == 0 and depth.sloped
            row[at.L_SPAN] = step * (1 + depth.wide)
            row[at.L_WIDTH] = self.width + self.channels * depth.more
        self.words[at.DEPTH_LINES], self.words[at.DEPTH_LINES_AT] = len(self.depths), self.address(self.depths)

    def row_lines(self, what: Separable) -> dict[tuple[Line, float], int]:
        """The different lines along x that come first, each with the value beyond the border; counted from 1."""
        found: dict[tuple[Line, float], int] = {}
        for term in what.terms:
            if self.is_row_first(term, what):
                found.setdefault(self.row_line(term, what), len(found) + 1)
        return found

    def is_row_first(self, term: Term, what: Separable) -> bool:
        return is_row_first(term, has_same_border(what, self.plan.modes, self.plan.cval))

    def row_line(self, term: Term, what: Separable) -> tuple[Line, float]:
        _, y, x = term.lines
        assert x is not None
        # The line along y comes after it, and has to make the value of it that belongs beyond the border then.
        return x, self.plan.cval / tap_sum(y) if what.chained else self.plan.border

    def rings(self, what: Separable, row_lines: dict[tuple[Line, float], int], taken: int, ring_row: int) -> None:
        """Room for the rows that the lines along x make, and the words of these lines."""
        table = np.zeros((len(row_lines), at.ROW_LINE_WORDS), np.int64)
        for row, (line, beyond) in zip(table, row_lines, strict=True):
            row[: at.R_OUTSIDE] = self.differences(line, what)
            row[at.R_OUTSIDE] = self.scalars(beyond)
            row[at.R_RING], row[at.R_RING_ROW] = self.take(taken * ring_row), ring_row
        self.words[at.ROW_LINES], self.words[at.ROW_LINES_AT] = len(table), self.address(table)

    def terms(
        self, what: Separable, depth_lines: list[_Depth], row_lines: dict[tuple[Line, float], int]
    ) -> None:  # fmt: skip
        plan = self.plan
        differences = plan.kernel[1].startswith(("plane differences", "plane slopes"))
        sloped = plan.kernel[1].startswith("volume differences")
        parted = self.parted(what)
        table = np.zeros((len(what.terms), at.TERM_WORDS), np.int64)
        joined, left = 0, 0.0  # terms that the next one is added to, and what they make of the constant
        for number, (row, term) in enumerate(zip(table, what.terms, strict=True)):
            z, y, x = (line or IDENTITY for line in term.lines)
            if self.is_by_slopes(term, what):
                row[: at.X_LINE] = self.line(y, what)
                row[at.X_LINE : at.X_OUTSIDE] = self.between(x if parted is None else parted[1])
                row[at.X_OUTSIDE] = self.scalars(0.0)
                row[at.DEPTH_LINE] = 1
                continue
            axis = slope_axis(term) if sloped else 0
            if axis == 1:
                y = slope_line(y, what.skip_zeros)[0]
            elif axis == 2:
                x = slope_line(x, what.skip_zeros)[0]
            if differences and self.is_row_first(term, what):
                row[: at.X_LINE] = self.line(y, what)
                row[at.X_LINE : at.X_OUTSIDE] = self.line(IDENTITY, what)
                row[at.DEPTH_LINE] = row_lines[self.row_line(term, what)]
                continue
            if sloped:
                row[: at.X_LINE], row[at.X_LINE : at.X_OUTSIDE] = self.difference_line(y), self.difference_line(x)
            else:
                row[: at.X_LINE] = self.differences(y, what) if differences else self.line(y, what)
                row[at.X_LINE : at.X_OUTSIDE] = self.line(x, what)
            # The scale is in the taps of the first pass, so sums are on the user's scale already,
            # if they are taken over the values of the border in the source's units.
            beyond = plan.cval if what.chained else plan.border * tap_sum(z) * tap_sum(y)
            if sloped:
                # All differences of the constant are none. `cval` is 0 if lines are chained (see `takes_slopes`).
                beyond = left + (beyond if axis == 0 else 0.0)
                row[at.SPREAD], row[at.JOINED] = axis == 2, joined
                row[at.JOINS] = joins = self.joins(what, number)
                joined, left = (joined + 1, beyond) if joins else (0, 0.0)
            row[at.X_OUTSIDE] = self.scalars(beyond)
            row[at.DEPTH_LINE] = depth_lines.index(_Depth.of(term, what, sloped)) if depth_lines else 0
        self.words[at.TERMS], self.words[at.TERMS_AT] = len(table), self.address(table)
        if depth_lines:
            lines = np.zeros((len(depth_lines), at.LINE_WORDS), np.int64)
            for row, depth in zip(lines, depth_lines, strict=True):
                line = depth.line
                if depth.sloped:
                    row[: at.Y_OUTSIDE] = self.difference_line(slope_line(line, False)[0])
                    row[at.L_TOTAL] = 0 if cancels(line) else self.scalars(tap_sum(line))
                elif depth.axis:
                    row[: at.Y_OUTSIDE] = self.difference_line(line)
                else:
                    row[: at.Y_OUTSIDE] = self.line(line, what)
                beyond = plan.cval if what.chained else plan.border * tap_sum(line)
                row[at.Y_OUTSIDE] = self.scalars(beyond)
            self.depths = lines

    def joins(self, what: Separable, number: int) -> bool:
        """Whether a term is added to the next one before their line along x, which is the same."""
        terms = what.terms[number : number + 2]
        if what.combine != "sum" or len(terms) < 2 or any(slope_axis(term) == 2 for term in terms):
            return False
        return terms[0].lines[2] == terms[1].lines[2]

    def line(self, line: Line, what: Separable) -> tuple[int, int, int, int]:
        taps = np.array(line.taps, self.plan.acc)
        return self.address(taps), len(taps), line.centre, self.kind(line, what)

    def slopes(self, lines_y: list[Line]) -> None:
        """Room for rows of slopes, which these lines along y filter."""
        words = self.words
        words[at.SLOPES_LEAD] = lead = max(line.centre for line in lines_y)
        words[at.SLOPES_TRAIL] = trail = max(len(line.taps) - 1 - line.centre for line in lines_y)
        values = -(-(self.padded + self.channels) // self.lanes) * self.lanes
        words[at.SLOPES_ROW] = row = odd_lines(values * self.plan.acc.itemsize)
        self.take((lead + trail + self.lanes) * row, at.SLOPES)

    def is_by_slopes(self, term: Term, what: Separable) -> bool:
        return "slopes" in self.plan.kernel[1] and self.is_row_first(term, what)

    def parted(self, what: Separable) -> tuple[Line, Line] | None:
        """The line along x of the term by slopes as the difference of two, the first one shorter; if that pays.

        As with a difference of Gaussians, where the second one is the line along x of the other term as well:
        y1 x1 + y2 (x0 - x1). Of two long lines along x one is left then.
        """
        if "slopes" not in self.plan.kernel[1]:
            return None
        x2, x1 = (term.lines[2] or IDENTITY for term in what.terms)
        if what.combine != "sum" or not (is_symmetric(x1) and is_symmetric(x2)) or x1.centre != x2.centre:
            return None
        if abs(tap_sum(x1) - 1) > EXACT:
            return None
        taps = [one + other for one, other in zip(x1.taps, x2.taps, strict=True)]
        idle = next((k for k, tap in enumerate(taps) if tap), 0)
        return (Line(tuple(taps[idle : len(taps) - idle]), x1.centre - idle), x1) if idle >= PARTING_PAYS else None

    def between(self, line: Line) -> tuple[int, int, int, int]:
        """The words of a line, whose taps sum to zero, as it applies to the differences between pixels."""
        taps = [math.fsum(line.taps[k:]) for k in range(1, len(line.taps))]
        kind = at.GENERAL
        if 2 * line.centre == len(taps) and line.taps == line.taps[::-1]:
            kind = at.ANTISYMMETRIC
        elif is_antisymmetric(line):
            kind = at.SYMMETRIC
        return self.scalars(*taps), len(taps), line.centre - 1, kind

    def differences(self, line: Line, what: Separable) -> tuple[int, int, int, int]:
        """The words of a line whose taps apply to differences (see `Emitter.fir`)."""
        taps = line.taps
        if is_antisymmetric(line):
            return self.line(line, what)
        total = tap_sum(line)
        if len(taps) == 2 * line.centre + 1 and taps == taps[::-1]:
            half = [math.fsum(taps[k:]) for k in range(line.centre + 1, len(taps))]
            return self.scalars(*half[::-1], total, *half), len(taps), line.centre, at.SYMMETRIC + at.CENTRE
        sums = [-math.fsum(taps[: k + 1]) for k in range(len(taps) - 1)]
        return self.scalars(*sums, total), len(taps), line.centre, at.GENERAL

    def kind(self, line: Line, what: Separable) -> int:
        taps = line.taps
        # In an image of integers no zero tap can meet a NaN: it may be skipped or multiplied.
        integers = self.plan.src.kind != "f"
        must_skip = what.skip_zeros and not integers
        if len(taps) % 2 and line.centre == len(taps) // 2:
            if taps == taps[::-1] and not (must_skip and 0.0 in taps):
                return at.SYMMETRIC + at.CENTRE
            if is_antisymmetric(line) and not (must_skip and 0.0 in taps[line.centre + 1 :]):
                return at.ANTISYMMETRIC + (0 if what.skip_zeros or integers else at.CENTRE)
        return at.SPARSE if must_skip and 0.0 in taps else at.GENERAL

    def difference_line(self, line: Line) -> tuple[int, int, int, int]:
        """The words of a line that applies to differences in a volume, or to what they have become."""
        taps = line.taps
        kind = at.GENERAL
        if len(taps) % 2:
            if line.centre == len(taps) // 2 and taps == taps[::-1]:
                kind = at.SYMMETRIC + at.CENTRE
        elif taps == taps[::-1]:
            kind = at.EVEN + at.SYMMETRIC
        elif taps == tuple(-tap for tap in taps[::-1]):
            kind = at.EVEN + at.ANTISYMMETRIC
        return self.scalars(*taps), len(taps), line.centre, kind

    def divisors(self, what: Divisors) -> None:
        words, acc = self.words, self.plan.acc
        row = lines_of(self.padded * acc.itemsize)
        table = np.ones((len(what.table), 2, row // acc.itemsize), acc)
        table[:, 0, : self.cols] = what.columns(self.cols)
        table[:, 1] = 1 / table[:, 0]
        words[at.LEFT] = what.margin
        words[at.DIVISORS], words[at.DIVISOR_ROW] = self.address(table), row
        if what.middle != 1:
            words[at.DIVISOR] = self.address(np.array([what.middle, 1 / what.middle], acc))
