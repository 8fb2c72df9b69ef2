"""Arguments of FIR kernels: lines of taps in every form that they are applied in, rings of rows, windows of volumes."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fastsep._engine.argument_writer import ArgumentWriter, lines_of, odd_lines
from fastsep._kernels import arguments as at
from fastsep._plan import tuning
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


class _Depth(NamedTuple):
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
        plan, args = self.plan, at.Fir(self.words)
        what = plan.what
        assert isinstance(what, Separable)
        volume = plan.kernel[1].startswith("volume")
        lines_y = [term.lines[1] or IDENTITY for term in what.terms]
        lines_x = [term.lines[2] or IDENTITY for term in what.terms]
        args.lead = max(line.centre for line in lines_y)
        args.trail = max(len(line.taps) - 1 - line.centre for line in lines_y)
        taken = args.lead + args.trail + self.lanes
        if not volume:
            self.grain, self.halo = self.lanes, args.lead + args.trail
        args.combine = at.MAGNITUDE if what.combine == "magnitude" else at.SUM
        if what.clip is not None:
            args.clip = self.scalars(*what.clip)
        depth_lines = self.depth_lines(what) if volume else []
        row_lines = self.row_lines(what) if plan.kernel[1].startswith("plane differences") else {}
        by_slopes = [y for term, y in zip(what.terms, lines_y, strict=True) if self.is_by_slopes(term, what)]
        lines_x += [line for line, _ in row_lines]
        # Tables: of rows, one for each line that reads other ones; of results; of planes.
        args.table_bytes = 8 * (taken + 2)
        tables = max(len(depth_lines), 1 + len(row_lines) + bool(by_slopes))
        results = len(what.terms) if what.combine == "each" else 1
        self.take(tables * args.table_bytes + 8 * self.lanes * results + 8 * (self.taken_z(depth_lines) + 2))
        args.terms, args.term_count = self.terms(what, depth_lines, row_lines), len(what.terms)
        self.take_spare(results * self.lanes * self.lanes)
        if volume:
            self.take(at.LINE)  # spare rows begin as far behind a cache line as those of the result
        args.borders = self.take(8 * self.channels * sum(len(line.taps) for line in lines_x))
        # The strip: the image's columns and those around them; a tile that starts at the last
        # column runs over by tile * channels, and loads one pixel before and one behind its inputs.
        columns = max(len(line.taps) for line in lines_x) * self.channels
        columns += self.padded + self.lanes + (self.tile + 2) * self.channels
        self.take(self.channels * self.vector)
        args.strip = self.take(columns * self.vector)
        if plan.kernel[1].endswith(("terms", "each")):
            args.sums = self.take((self.padded + self.tile * self.channels) * self.vector)
        if volume:
            self.volume(what, depth_lines, lines_x, taken)
        else:
            self.plane(what, by_slopes, row_lines, taken, columns)

    def plane(
        self, what: Separable, by_slopes: list[Line], row_lines: dict[tuple[Line, float], int], taken: int, columns: int
    ) -> None:  # fmt: skip
        """What only planes need."""
        plan, args = self.plan, at.Plane(self.words)
        args.scale = self.scalars(plan.scale, 1.0)
        if what.divisors is not None:
            self.divisors(what.divisors)
        row = self.whole_vectors(self.padded)
        if by_slopes:
            self.slopes(by_slopes)
            parted = self.parted(what)
            if parted is not None:
                inner = np.zeros(at.Line.length, np.int64)
                self.between(at.Line(inner), parted[0])
                args.inner_line = self.address(inner)
                args.other_strip = self.take(columns * self.vector)
        if row_lines:
            args.row_lines = self.rings(what, row_lines, taken, odd_lines(row * plan.acc.itemsize))
            args.row_line_count = len(row_lines)
        most = tuning.BESIDE_SLOPES if by_slopes else tuning.ROWS_IN_PLACE
        if self.in_ring(args.lead + args.trail, bool(row_lines), most):
            args.ring_row = odd_lines(row * plan.src.itemsize)
            args.ring = self.take(args.ring_row * taken)

    def volume(self, what: Separable, depth_lines: list[_Depth], lines_x: list[Line], taken: int) -> None:
        """What only volumes need: the rows and planes that are filtered together."""
        args = at.Volume(self.words)
        args.lead_z = max(depth.line.centre for depth in depth_lines)
        args.trail_z = self.taken_z(depth_lines) - self.tile - args.lead_z
        if self.sloped:
            self.planes_by_windows(what, depth_lines, lines_x, taken)
        else:
            self.planes_together(what, depth_lines, taken)

    def planes_together(self, what: Separable, depth_lines: list[_Depth], taken: int) -> None:
        """The groups of planes of `fir_planes`: as large as the slab may be, but enough for all threads."""
        plan, args, size = self.plan, at.Volume(self.words), self.plan.acc.itemsize
        lines, halo = len(depth_lines), args.lead_z + args.trail_z
        args.depth_lines, args.depth_line_count = self.depth_table(what, depth_lines, 0), lines
        args.slab_row = odd_lines(self.whole_vectors(self.padded) * size)
        plane = lines * (taken | 1) * args.slab_row
        most = max(tuning.VOLUME_BYTES // plane, min(halo // 2, tuning.FAR_VOLUME_BYTES // plane))
        cpus = os.cpu_count() or 1
        wanted = -(-2 * cpus // self.planes)
        # Planes at the ends of a group are only read for others, too; rows at the ends of a window are filtered twice.
        groups = max(-(-self.depth // max(most, self.tile)), min(wanted, self.depth // tuning.GROUP_PLANES), 1)
        group = -(-self.depth // groups)
        args.group = group = -(-group // self.tile) * self.tile
        groups = -(-self.depth // group)
        fit = self.rows // (tuning.WINDOW_BLOCKS * self.lanes)
        windows = max(min(-(-wanted // groups), fit), 1)
        args.window = min(self.whole_vectors(-(-self.rows // windows)), self.rows)
        large = math.prod(plan.view) * plan.dst.itemsize >= tuning.STREAM_RESULT
        whole_lines = plan.dst == plan.acc and self.vector == at.LINE and self.width % self.lanes == 0
        if large and whole_lines:
            # Both ends of the rows of a block, and their table.
            args.streamed = self.take((8 + 2 * at.LINE) * self.lanes)
        args.slab = self.take(group * plane)
        # A copy for each plane, and one before and behind them.
        copies = args.lead_z + group + args.trail_z + 2
        pieces = -(-self.padded * size * copies // tuning.COPIES_BYTES)
        args.piece = self.whole_vectors(-(-self.padded // pieces))
        args.ring_row = odd_lines(args.piece * size)
        args.ring = self.take(copies * args.ring_row)
        args.listed = self.take(8 * copies)

    def planes_by_windows(
        self, what: Separable, depth_lines: list[_Depth], lines_x: list[Line], taken: int
    ) -> None:  # fmt: skip
        """The window of planes of `fir_volume`."""
        plan, args = self.plan, at.Volume(self.words)
        taken_z = self.taken_z(depth_lines)
        row = self.whole_vectors(self.padded)
        left = right = 0  # values that are copied beside a row
        if any(depth.axis == 2 for depth in depth_lines):
            args.left = max(line.centre for line in lines_x)
            args.right = max(len(line.taps) - 1 - line.centre for line in lines_x)
            args.beyond = self.take(8 * self.channels * (args.left + args.right))
            left = self.whole_vectors(args.left * self.channels)
            # The last vector of a row, from as far to the left as it may begin, and its neighbours.
            right = self.whole_vectors(self.lanes + (args.right + 2) * self.channels)
        args.slab_row = odd_lines((left + row + right) * plan.acc.itemsize)
        args.ring_row = ring_row = odd_lines((left + row + right) * plan.src.itemsize)
        args.depth_lines, args.depth_line_count = self.depth_table(what, depth_lines, ring_row), len(depth_lines)
        each = len(depth_lines) * self.tile * args.slab_row
        # Whole blocks of rows, so that none is filtered in vain.
        window = (tuning.WINDOW_OF_VOLUME_BYTES - each * taken) // (taken_z * ring_row) - args.lead - args.trail
        cpus = os.cpu_count() or 1
        wanted = -(-2 * cpus // (self.planes * -(-self.depth // tuning.CHUNK_PLANES)))
        fit = self.rows // (tuning.WINDOW_BLOCKS * self.lanes)
        pieces = max(-(-self.rows // max(window, self.lanes)), min(wanted, fit), 1)
        args.window = window = min(self.whole_vectors(-(-self.rows // pieces)), self.rows)
        # Planes in a row share a ring, which takes time to fill; but every band needs its share.
        pieces = self.planes * -(-self.rows // window)
        args.chunk = self.depth if pieces >= 2 * cpus else tuning.CHUNK_PLANES
        args.slab = self.take(each * (taken + 1))
        args.ring = self.take(taken_z * (window + taken + 1) * ring_row) + left * plan.src.itemsize

    def taken_z(self, depth_lines: list[_Depth]) -> int:
        """Planes that are read for those made together."""
        lead = max((depth.line.centre for depth in depth_lines), default=0)
        trail = max((len(depth.line.taps) - 1 - depth.line.centre for depth in depth_lines), default=0)
        return lead + trail + self.tile

    def in_ring(self, halo: int, filtered: bool, most: int) -> bool:
        """Whether rows are copied: always if they are narrower than a vector, which would read past their end.

        `filtered`: there are rings of filtered rows, and another one would not stay in the second level of the cache.
        """
        if self.width < self.lanes:
            return True
        if halo > self.rows or self.plan.joined:
            return False  # the ring would be larger than the image, or have nothing beside its rows
        return (halo > most and not filtered) or self.width * self.plan.src.itemsize % 4096 == 0

    def whole_vectors(self, values: int) -> int:
        return -(-values // self.lanes) * self.lanes

    @property
    def sloped(self) -> bool:
        """Whether a volume's lines along the depth apply to differences."""
        return self.plan.kernel[1].startswith("volume differences")

    def depth_lines(self, what: Separable) -> list[_Depth]:
        """The different lines along the depth."""
        return list(dict.fromkeys(_Depth.of(term, what, self.sloped) for term in what.terms))

    def depth_table(self, what: Separable, depth_lines: list[_Depth], ring_row: int) -> int:
        """Write the lines along the depth, and from where each takes differences."""
        table = np.zeros(len(depth_lines) * at.DepthLine.length, np.int64)
        pixel = self.channels * self.plan.src.itemsize
        for number, depth in enumerate(depth_lines):
            row, line = at.DepthLine(table, number), depth.line
            if depth.sloped:
                self.difference_line(row.line, slope_line(line, False)[0])
                row.total = 0 if cancels(line) else self.scalars(tap_sum(line))
            elif depth.axis:
                self.difference_line(row.line, line)
            elif what.cast:
                self.cast_line(row.line, line, what.terms[0].lines)
            else:
                self.line(row.line, line, what)
            row.beyond_y = self.scalars(self.plan.cval if what.chained else self.plan.border * tap_sum(line))
            step = (0, ring_row, pixel)[depth.axis]
            row.start = -step * depth.wide - pixel * depth.before
            row.step = depth.axis == 0 and depth.sloped
            row.span = step * (1 + depth.wide)
            row.width = self.width + self.channels * depth.more
        return self.address(table)

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
        beyond = self.plan.cval / tap_sum(y) if what.chained else self.plan.border
        return x, math.nan if math.isnan(beyond) else beyond  # always the same NaN, which is to be found again

    def rings(self, what: Separable, row_lines: dict[tuple[Line, float], int], taken: int, ring_row: int) -> int:
        """Room for the rows that the lines along x make; where these lines are written."""
        table = np.zeros(len(row_lines) * at.RowLine.length, np.int64)
        for number, (line, beyond) in enumerate(row_lines):
            row = at.RowLine(table, number)
            self.differences(row.line, line, what)
            row.beyond_x = self.scalars(beyond)
            row.ring, row.ring_row = self.take(taken * ring_row), ring_row
        return self.address(table)

    def terms(self, what: Separable, depth_lines: list[_Depth], row_lines: dict[tuple[Line, float], int]) -> int:
        """Write the terms."""
        plan, sloped = self.plan, self.sloped
        differences = plan.kernel[1].startswith(("plane differences", "plane slopes"))
        parted = self.parted(what)
        table = np.zeros(len(what.terms) * at.Term.length, np.int64)
        joined, left = 0, 0.0  # terms that the next one is added to, and what they make of the constant
        for number, term in enumerate(what.terms):
            row = at.Term(table, number)
            z, y, x = (line or IDENTITY for line in term.lines)
            if self.is_by_slopes(term, what):
                self.line(row.y, y, what)
                self.between(row.x, x if parted is None else parted[1])
                row.beyond_x = self.scalars(0.0)
                row.of_line = 1
                continue
            axis = slope_axis(term) if sloped else 0
            if axis == 1:
                y = slope_line(y, what.skip_zeros)[0]
            elif axis == 2:
                x = slope_line(x, what.skip_zeros)[0]
            if differences and self.is_row_first(term, what):
                self.line(row.y, y, what)
                self.line(row.x, IDENTITY, what)
                row.of_line = row_lines[self.row_line(term, what)]
                continue
            if sloped:
                self.difference_line(row.y, y)
                self.difference_line(row.x, x)
            elif differences:
                self.differences(row.y, y, what)
                self.line(row.x, x, what)
            elif what.cast:
                self.cast_line(row.y, y, term.lines[1:])
                self.cast_line(row.x, x, term.lines[2:])
            else:
                self.line(row.y, y, what)
                self.line(row.x, x, what)
            # The scale is in the taps of the first pass, so sums are on the user's scale already,
            # if they are taken over the values of the border in the source's units.
            beyond = plan.cval if what.chained else plan.border * tap_sum(z) * tap_sum(y)
            if sloped:
                # All differences of the constant are none. `cval` is 0 if lines are chained (see `takes_slopes`).
                beyond = left + (beyond if axis == 0 else 0.0)
                joins = self.joins(what, number)
                row.spread, row.joined, row.joins = axis == 2, joined, joins
                joined, left = (joined + 1, beyond) if joins else (0, 0.0)
            row.beyond_x = self.scalars(beyond)
            row.of_line = depth_lines.index(_Depth.of(term, what, sloped)) if depth_lines else 0
            row.again = what.combine == "each" and number > 0 and reads_same(what.terms[number - 1], term)
        return self.address(table)

    def joins(self, what: Separable, number: int) -> bool:
        """Whether a term is added to the next one before their line along x, which is the same."""
        terms = what.terms[number : number + 2]
        if what.combine != "sum" or len(terms) < 2 or any(slope_axis(term) == 2 for term in terms):
            return False
        return terms[0].lines[2] == terms[1].lines[2]

    # Lines of taps, each in the form that it is applied in.

    def put(self, words: at.Line, taps: Sequence[float], before: int, kind: int) -> None:
        words.taps, words.count, words.before, words.kind = self.scalars(*taps), len(taps), before, kind

    def line(self, words: at.Line, line: Line, what: Separable) -> None:
        """A line as it is."""
        self.put(words, line.taps, line.centre, self.kind(line, what))

    def cast_line(self, words: at.Line, line: Line, lines: Sequence[Line | None]) -> None:
        """A line in SciPy's order (see `TapEmitter.fir_in_order`); `lines`: of its axis and of the axes behind.

        Sums are cast if another axis reads them: the last ones are stored as casts, and an axis left alone makes none.
        """
        taps, half = line.taps, len(line.taps) // 2
        kind = at.GENERAL
        if len(taps) % 2:
            mirrored = taps[: -half - 1 : -1]
            if taps[:half] == mirrored:
                kind = at.SYMMETRIC
            elif taps[:half] == tuple(-tap for tap in mirrored):
                kind = at.ANTISYMMETRIC
        words.taps, words.count = self.scalars(*taps, 1.0, line.divisor, 1 / line.divisor), len(taps)
        kind += at.CAST if lines[0] and any(lines[1:]) else 0
        words.before, words.kind = line.centre, kind + (at.DIVIDED if line.divisor != 1 else 0)

    def slopes(self, lines_y: list[Line]) -> None:
        """Room for rows of slopes, which these lines along y filter."""
        args = at.Plane(self.words)
        args.slopes_lead = max(line.centre for line in lines_y)
        args.slopes_trail = max(len(line.taps) - 1 - line.centre for line in lines_y)
        args.slopes_row = odd_lines(self.whole_vectors(self.padded + self.channels) * self.plan.acc.itemsize)
        args.slopes = self.take((args.slopes_lead + args.slopes_trail + self.lanes) * args.slopes_row)

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
        if idle < tuning.PARTING_PAYS:
            return None
        return Line(tuple(taps[idle : len(taps) - idle]), x1.centre - idle), x1

    def between(self, words: at.Line, line: Line) -> None:
        """A line whose taps sum to zero, as it applies to the differences between pixels."""
        taps = [math.fsum(line.taps[k:]) for k in range(1, len(line.taps))]
        kind = at.GENERAL
        if 2 * line.centre == len(taps) and line.taps == line.taps[::-1]:
            kind = at.ANTISYMMETRIC
        elif is_antisymmetric(line):
            kind = at.SYMMETRIC
        self.put(words, taps, line.centre - 1, kind)

    def differences(self, words: at.Line, line: Line, what: Separable) -> None:
        """A line whose taps apply to differences (see `TapEmitter.fir`)."""
        taps, total = line.taps, tap_sum(line)
        if is_antisymmetric(line):
            self.line(words, line, what)
        elif len(taps) == 2 * line.centre + 1 and taps == taps[::-1]:
            half = [math.fsum(taps[k:]) for k in range(line.centre + 1, len(taps))]
            self.put(words, [*half[::-1], total, *half], line.centre, at.SYMMETRIC + at.CENTRE)
        else:
            sums = [-math.fsum(taps[: k + 1]) for k in range(len(taps) - 1)]
            self.put(words, [*sums, total], line.centre, at.GENERAL)

    def kind(self, line: Line, what: Separable) -> int:
        return kind_of(line, what.skip_zeros, self.plan.src.kind != "f")

    def difference_line(self, words: at.Line, line: Line) -> None:
        """A line that applies to differences in a volume, or to what they have become."""
        taps = line.taps
        kind = at.GENERAL
        if len(taps) % 2:
            if line.centre == len(taps) // 2 and taps == taps[::-1]:
                kind = at.SYMMETRIC + at.CENTRE
        elif taps == taps[::-1]:
            kind = at.EVEN + at.SYMMETRIC
        elif taps == tuple(-tap for tap in taps[::-1]):
            kind = at.EVEN + at.ANTISYMMETRIC
        self.put(words, taps, line.centre, kind)

    def divisors(self, what: Divisors) -> None:
        args, acc = at.Plane(self.words), self.plan.acc
        row = lines_of(self.padded * acc.itemsize)
        table = np.ones((len(what.table), 2, row // acc.itemsize), acc)
        table[:, 0, : self.cols] = what.columns(self.cols)
        table[:, 1] = 1 / table[:, 0]
        args.margin_x = what.margin
        args.divisors, args.divisor_row = self.address(table), row
        if what.middle != 1:
            args.divisor = self.address(np.array([what.middle, 1 / what.middle], acc))


def kind_of(line: Line, skip_zeros: bool, integers: bool) -> int:
    """The kind of a line that applies to an image of integers or not."""
    taps = line.taps
    # In an image of integers no zero tap can meet a NaN: it may be skipped or multiplied.
    must_skip = skip_zeros and not integers
    if len(taps) % 2 and line.centre == len(taps) // 2:
        if taps == taps[::-1] and not (must_skip and 0.0 in taps):
            return at.SYMMETRIC + at.CENTRE
        if is_antisymmetric(line) and not (must_skip and 0.0 in taps[line.centre + 1 :]):
            return at.ANTISYMMETRIC + (0 if skip_zeros or integers else at.CENTRE)
    return at.SPARSE if must_skip and 0.0 in taps else at.GENERAL


def reads_same(one: Term, other: Term) -> bool:
    """Whether two terms of a plane have the same line along y, and lines along x that reach as far."""
    (*_, y, x), (*_, other_y, other_x) = ([line or IDENTITY for line in term.lines] for term in (one, other))
    return y == other_y and (len(x.taps), x.centre) == (len(other_x.taps), other_x.centre)
