"""From a plan to the argument block that its kernel reads: taps, counts, and the layout of scratch.

Everything but the addresses of the image, the result and the scratch is known per plan, so a block
is filled in once and copied for every call.
"""

from __future__ import annotations

import math

import numpy as np

from fastsep._engine.argument_writer import Block, odd_lines
from fastsep._engine.fir_arguments import FirArguments
from fastsep._kernels import arguments as at
from fastsep._kernels import jit
from fastsep._plan.differences import middle
from fastsep._plan.plan import Plan
from fastsep._plan.spec import IDENTITY, Box, Corner, Dense, Line, Separable, Suppress
from fastsep._validation.array_like import Array

#: Rows under a dense kernel, in a chunk of columns: they stay in L2.
DENSE_BYTES = 384 << 10
#: Rows under a dense kernel are read in place up to so many, if they have so many pixels between their ends.
MOST_IN_PLACE = 32
EDGES_PAY = 256
#: Several results of this size together are written with non-temporal stores, which do not read the lines first; a
#: single result gains nothing (measured).
STREAM_BYTES = 32 << 20


def block(plan: Plan) -> Block:
    """The argument block of a plan."""
    with np.errstate(all="ignore"):  # a border or tap that the arithmetic's dtype does not hold is infinite there
        return KernelArguments(plan).make()


class KernelArguments(FirArguments):
    """Arguments of all kernels that run plans, one method for each strategy."""

    def write_sweep(self) -> None:
        what = self.plan.what
        assert isinstance(what, Separable)
        y, x = what.terms[0].lines
        assert y is not None
        assert x is not None
        form = self.plan.kernel[1]
        height = jit.sweep_height(exact=form.startswith("exact"))
        results = len(form.split("+"))
        radius = jit.sweep_radius(form)
        taken = height + 2 * radius
        self.words[at.GRAIN] = height
        self.words[at.WEIGHTS] = self.scalars(*y.taps)
        self.words[at.WEIGHTS_X] = self.scalars(*x.taps)
        self.take(8 * (3 * taken + 2 * results * height + 2 * radius * self.channels))
        self.take_spare(results * height * self.lanes)
        size = results * math.prod(self.plan.view) * self.plan.dst.itemsize
        if results > 1 and self.plan.dst == self.plan.acc and size >= STREAM_BYTES:
            self.take(results * height * at.PIECE * self.lanes * self.plan.dst.itemsize, at.STREAMED)
        # Copies of the start and the end of each source row.
        piece = at.SWEEP_COPY * self.lanes * self.plan.src.itemsize
        self.take(2 * taken * piece, at.STRIP)

    def write_deviation(self) -> None:
        plan, words = self.plan, self.words
        assert isinstance(plan.what, Separable)
        _, y, x = (line or IDENTITY for line in plan.what.terms[0].lines)
        words[at.LEAD] = words[at.TRAIL] = y.centre
        words[at.LEFT] = x.centre
        words[at.WEIGHTS], words[at.WEIGHTS_X] = self.outer_sums(y), self.outer_sums(x)
        words[at.BORDER], words[at.FACTOR] = self.scalars(plan.border), self.scalars(0.0)
        taken = 2 * y.centre + self.lanes
        self.take(8 * (taken + 2 + 2 * self.lanes))
        self.take((self.padded + self.lanes) * plan.acc.itemsize, at.SPARE)
        self.take(self.lanes * self.vector, at.SUMS)
        # As in `fir`.
        columns = (len(x.taps) + self.tile + 2) * self.channels + self.padded + self.lanes
        self.take(self.channels * self.vector)
        self.take(columns * self.vector, at.STRIP)
        # Rows are read in place, unless they are narrow or too many of them compete (measured: up to that number it
        # takes 0 to 18 % longer to copy them first, beyond 3 to 36 % longer not to).
        compete = taken > 16 * self.spread() and 2 * y.centre <= self.rows
        if compete or self.width < self.lanes + self.channels:
            words[at.RING_ROW] = ring_row = odd_lines((self.padded + self.lanes) * plan.src.itemsize)
            self.take(ring_row * taken, at.RING)

    def outer_sums(self, line: Line) -> int:
        """Of symmetric taps the sums of those from each on outwards."""
        return self.scalars(*(math.fsum(line.taps[line.centre + k :]) for k in range(line.centre + 1)))

    def write_gradient_of_sum(self) -> None:
        plan, words = self.plan, self.words
        assert isinstance(plan.what, Separable)
        y = plan.what.terms[0].lines[0]
        assert y is not None
        words[at.WEIGHTS] = self.scalars(*y.taps)
        height, results = jit.sum_height(), len(plan.kernel[1].split("+"))
        taken = height + 2
        pixel = np.dtype(plan.kernel[3])
        value = plan.border if pixel.kind == "f" else round(plan.border)
        if "constant" in plan.modes:
            words[at.CONSTANT_ROW_2] = self.address(np.full(self.padded + self.lanes, value, pixel))
            words[at.CONSTANT_ROW] = self.address(np.zeros(self.padded + self.lanes, plan.src))
        self.take(8 * (6 * taken + 2 * results * height + 2 * self.channels))
        self.take_spare(results * height * self.lanes)
        size = results * math.prod(plan.view) * plan.dst.itemsize
        if results > 1 and plan.dst == plan.acc and size >= STREAM_BYTES:
            self.take(results * height * at.PIECE * self.lanes * plan.dst.itemsize, at.STREAMED)
        # Copies of the start and the end of each source row.
        piece = at.SWEEP_COPY * self.lanes
        self.take(2 * taken * piece * pixel.itemsize, at.RING)
        self.take(2 * taken * piece * plan.src.itemsize, at.STRIP)

    def write_polar(self) -> None:
        results = len(self.plan.kernel[1].split("+"))
        self.take(8 * results)
        self.take_narrow(results * self.lanes)

    def write_corner(self) -> None:
        what = self.plan.what
        assert isinstance(what, Corner)
        self.words[at.FACTOR] = self.scalars(what.factor)
        self.take_narrow(self.lanes)

    def write_hessian(self) -> None:
        self.words[at.FACTOR] = self.scalars(0.5, 1.0)
        self.words[at.RING_ROW] = row = odd_lines(self.width * self.plan.acc.itemsize)
        # Rows of first differences along y, and two along x.
        self.take((at.SLOPES_Y + 2) * row, at.SPARE)

    def write_suppress(self) -> None:
        what = self.plan.what
        assert isinstance(what, Suppress)
        self.words[at.LIMITS] = self.scalars(what.low, what.high)
        self.take_narrow(self.lanes)

    def write_box(self) -> None:
        plan, words = self.plan, self.words
        assert isinstance(plan.what, Box)
        _, size_y, size_x = plan.what.sizes
        lanes, channels, vector = self.lanes, self.channels, self.vector
        words[at.SIZE_Y], words[at.SIZE_X] = size_y, size_x
        words[at.BORDER] = self.scalars(plan.border * size_y)
        words[at.AREA] = self.scalars(size_y * size_x / plan.scale)
        words[at.ONES] = self.scalars(*(1.0,) * lanes)
        groups_y = max((size_y - lanes) // lanes, 0)
        groups_x = max((size_x - lanes) // lanes, 0)
        taken = size_y + lanes - 1
        self.take(8 * (taken + lanes + groups_y))
        self.take_spare(lanes * lanes)
        across = -(-self.cols // lanes)
        columns = across * lanes * channels + size_x * channels + lanes + channels
        self.take(columns * vector, at.STRIP)
        if self.width < lanes:
            words[at.RING_ROW] = odd_lines(lanes * plan.src.itemsize)
            self.take(int(words[at.RING_ROW]) * taken, at.RING)
        row = math.ceil((self.width + lanes) / lanes) * vector + vector
        self.take(groups_y * row, at.GROUPS)
        self.take((across + groups_x + 2) * channels * vector, at.GROUP_COLUMNS)

    def write_dense(self) -> None:
        plan, words, acc = self.plan, self.words, self.plan.acc
        what = plan.what
        assert isinstance(what, Dense)
        assert plan.slices is not None
        height = jit.dense_height(differences=plan.kernel[1] == "differences")
        offsets, size_y, size_x = what.kernel.shape
        words[at.LEAD], words[at.LEFT] = what.centre
        words[at.TRAIL], words[at.RIGHT] = size_y - 1 - what.centre[0], size_x - 1 - what.centre[1]
        taken = size_y - 1 + height
        words[at.GRAIN] = height
        words[at.OFFSETS] = offsets
        words[at.SLICE_TABLE] = self.address(plan.slices)
        kernel = what.kernel
        if plan.kernel[1] == "differences":
            found = middle(kernel)
            assert found is not None
            offset, row, column = found
            words[at.MIDDLE_ROW] = offset * taken + row
            words[at.MIDDLE_SHIFT] = column * self.channels * acc.itemsize
            words[at.FACTOR] = self.scalars(math.fsum(kernel.flat))
            kernel = kernel.copy()
            kernel[found] = 0.0  # its difference from itself
        self.runs(kernel, taken)
        edge = self.edge(offsets * taken, max(what.centre[1], size_x - 1 - what.centre[1]))
        words[at.EDGE] = edge
        # As many columns as keep the rows in the cache, but not so few that most of them are halo.
        pixel = self.channels * acc.itemsize
        chunk = DENSE_BYTES // (offsets * taken * pixel) - (size_x - 1)
        chunk = max(chunk, 2 * size_x, 8 * self.lanes)
        words[at.CHUNK] = chunk = self.cols if edge else min(-(-self.cols // -(-self.cols // chunk)), self.cols)
        self.take(8 * (3 * offsets * taken + height))
        self.take_spare(height * self.lanes)
        self.take(8 * (size_x - 1), at.BORDERS)
        row = (2 * (edge + size_x - 1) if edge else chunk + size_x - 1) * pixel + self.vector
        words[at.RING_ROW] = ring_row = odd_lines(row)
        self.take(offsets * taken * ring_row, at.RING)

    def edge(self, rows: int, halo: int) -> int:
        """Pixels at either end of a row whose sources are copied, if the others can be read in place; else 0."""
        edge = -(-max(halo, 1) // self.lanes) * self.lanes
        if self.plan.src != self.plan.acc or self.cols < 2 * edge + max(EDGES_PAY, self.lanes):
            return 0
        # Rows compete for cache lines where their distance has a large power of two in it.
        return edge if rows <= min(4 * self.spread(), MOST_IN_PLACE) else 0

    def spread(self) -> int:
        """How many rows of the source in a row compete for no cache line with each other."""
        return 4096 // math.gcd(4096, self.width * self.plan.src.itemsize)

    def runs(self, kernel: Array, taken: int) -> None:
        """Cut the kernel's columns into stretches of taps without a zero."""
        step = self.channels * self.plan.acc.itemsize
        found = []
        for offset, plane in enumerate(kernel):
            for x, column in enumerate(plane.T):
                (used,) = np.nonzero(column)
                for run in np.split(used, np.nonzero(np.diff(used) > 1)[0] + 1):
                    if run.size:
                        values = column[run]
                        if self.plan.kernel[1] == "differences":  # see `Emitter.slide_differences`
                            values = [math.fsum(values[k:]) for k in range(run.size)]
                        taps = self.scalars(*values)
                        found.append((offset * taken + run[0], x * step, run.size, taps))
        self.words[at.RUNS] = len(found)
        self.words[at.RUNS_AT] = self.address(np.array(found or [(0, 0, 0, 0)], np.int64))
