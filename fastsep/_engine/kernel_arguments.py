"""From a plan to the argument block that its kernel reads: taps, counts, and the layout of scratch.

Everything but the addresses of the image, the result and the scratch is known per plan, so a block
is filled in once and copied for every call.
"""

from __future__ import annotations

import math

import numpy as np

from fastsep._engine import memory
from fastsep._engine.argument_writer import Block, lines_of, odd_lines
from fastsep._engine.fir_arguments import FirArguments, kind_of
from fastsep._kernels import arguments as at
from fastsep._kernels import jit
from fastsep._plan import tuning
from fastsep._plan.borders import lies_inside
from fastsep._plan.differences import middle
from fastsep._plan.plan import Plan
from fastsep._plan.spec import (
    IDENTITY,
    Box,
    Corner,
    CornerOfBlur,
    Dense,
    Extremum,
    FlatExtremum,
    Line,
    Polyphase,
    Rank,
    Separable,
    Strided,
    Suppress,
)
from fastsep._validation.array_like import Array


def block(plan: Plan) -> Block:
    """The argument block of a plan."""
    with np.errstate(all="ignore"):  # a border or tap that the arithmetic's dtype does not hold is infinite there
        return KernelArguments(plan).make()


class KernelArguments(FirArguments):
    """Arguments of all kernels that run plans, one method for each strategy."""

    def write_sweep(self) -> None:
        what, args = self.plan.what, at.Sweep(self.words)
        assert isinstance(what, Separable)
        y, x = what.terms[0].lines
        assert y is not None
        assert x is not None
        form = self.plan.kernel[1]
        height = jit.sweep_height(exact=form.startswith("exact"))
        results = len(form.split("+"))
        radius = jit.sweep_radius(form)
        taken = height + 2 * radius
        self.grain, self.halo = height, 2 * radius
        args.taps_y = self.scalars(*y.taps)
        args.taps_x = self.scalars(*x.taps)
        if isinstance(what, CornerOfBlur):
            args.factor = self.scalars(what.factor)
        words = 3 * taken + (2 * results + 1) * height + 2 * radius * self.channels + at.PARTS * at.Part.length
        self.take(8 * words)
        self.take_spare(results * height * self.lanes)
        size = results * math.prod(self.plan.view) * self.plan.dst.itemsize
        if self.plan.dst == self.plan.acc:
            if results > 1 and size >= tuning.STREAM_RESULTS:
                args.streamed = self.take(results * height * at.PIECE * self.vector)
            elif results == 1 and size >= tuning.STREAM_RESULT and not form.startswith("wide"):
                args.streamed = 1
        # Copies of the start and the end of each source row.
        piece = at.SWEEP_COPY * self.lanes * self.plan.src.itemsize
        args.copies = self.take(2 * taken * piece)

    def write_sweep_volume(self) -> None:
        plan, args = self.plan, at.SweepVolume(self.words)
        assert isinstance(plan.what, Separable)
        taps = plan.what.terms[0].lines[0]
        assert taps is not None
        height, results = jit.sweep_volume_height(), len(plan.kernel[1].split("+"))
        args.taps = self.scalars(*taps.taps)
        args.window = window = self.sweep_window(height)
        self.halo = 2 * window  # a band lists two planes more than it makes
        listed = window + 2
        self.take(8 * (3 * 3 * listed + results * height + 2 * self.channels + at.PARTS * at.Part.length))
        self.take_spare(results * height * self.lanes)
        # Copies of the start and the end of each row, of two vectors and what is around them; or of all of a short one.
        vectors = at.SWEEP_COPY if self.width < at.SWEEP_SHORT * self.lanes else 4
        args.copy = copy = odd_lines(vectors * self.lanes * plan.src.itemsize)
        args.copies = self.take(3 * 2 * listed * copy)

    def sweep_window(self, height: int) -> int:
        """Rows of planes that are swept one after the other: those of four planes stay in the cache."""
        fit = tuning.SWEEP_WINDOW // (4 * self.width * self.plan.src.itemsize)
        # Each thread is to find something to do.
        wanted = -(-tuning.SWEEP_UNITS // (self.planes * self.depth))
        windows = max(-(-self.rows // max(fit, height)), min(wanted, self.rows // height), 1)
        return -(-self.rows // (windows * height)) * height

    def write_deviation(self) -> None:
        plan, args = self.plan, at.Deviation(self.words)
        assert isinstance(plan.what, Separable)
        _, y, x = (line or IDENTITY for line in plan.what.terms[0].lines)
        args.reach_y, args.reach_x = y.centre, x.centre
        args.sums_y, args.sums_x = self.outer_sums(y), self.outer_sums(x)
        args.beyond_x, args.zero = self.scalars(plan.border), self.scalars(0.0)
        taken = 2 * y.centre + self.lanes
        self.take(8 * (taken + 2 + 2 * self.lanes))
        args.spare = self.take((self.padded + self.lanes) * plan.acc.itemsize)
        args.kept = self.take(self.lanes * self.vector)
        # As in `fir`.
        columns = (len(x.taps) + self.tile + 2) * self.channels + self.padded + self.lanes
        self.take(self.channels * self.vector)
        args.strip = self.take(columns * self.vector)
        # Rows are read in place, unless they are narrow or too many of them compete (measured: up to that number it
        # takes 0 to 18 % longer to copy them first, beyond 3 to 36 % longer not to).
        compete = taken > 16 * self.spread() and 2 * y.centre <= self.rows
        if compete or self.width < self.lanes + self.channels:
            args.ring_row = ring_row = odd_lines((self.padded + self.lanes) * plan.src.itemsize)
            args.ring = self.take(ring_row * taken)

    def outer_sums(self, line: Line) -> int:
        """Of symmetric taps the sums of those from each on outwards."""
        return self.scalars(*(math.fsum(line.taps[line.centre + k :]) for k in range(line.centre + 1)))

    def write_gradient_of_sum(self) -> None:
        plan, args = self.plan, at.GradientOfSum(self.words)
        assert isinstance(plan.what, Separable)
        y = plan.what.terms[0].lines[0]
        assert y is not None
        args.taps = self.scalars(*y.taps)
        height, results = jit.sum_height(), len(plan.kernel[1].split("+"))
        taken = height + 2
        pixel = np.dtype(plan.kernel[3])
        value = plan.border if pixel.kind == "f" else round(plan.border)
        if "constant" in plan.modes:
            args.constant_row_2 = self.address(np.full(self.padded + self.lanes, value, pixel))
            args.constant_row = self.address(np.zeros(self.padded + self.lanes, plan.src))
        self.take(8 * (6 * taken + 2 * results * height + 2 * self.channels + at.PARTS * at.Part.length))
        self.take_spare(results * height * self.lanes)
        size = results * math.prod(plan.view) * plan.dst.itemsize
        if results > 1 and plan.dst == plan.acc and size >= tuning.STREAM_RESULTS:
            args.streamed = self.take(results * height * at.PIECE * self.lanes * plan.dst.itemsize)
        # Copies of the start and the end of each source row.
        piece = at.SWEEP_COPY * self.lanes
        args.copies_2 = self.take(2 * taken * piece * pixel.itemsize)
        args.copies = self.take(2 * taken * piece * plan.src.itemsize)

    def write_polar(self) -> None:
        results = len(self.plan.kernel[1].split("+"))
        self.take(8 * results)
        self.take_narrow(results * self.lanes)

    def write_corner(self) -> None:
        what, args = self.plan.what, at.Corner(self.words)
        assert isinstance(what, Corner)
        args.factor = self.scalars(what.factor)
        self.take_narrow(self.lanes)

    def write_hessian(self) -> None:
        args = at.Hessian(self.words)
        args.factors = self.scalars(0.5, 1.0)
        args.spare_row = row = odd_lines(self.width * self.plan.acc.itemsize)
        # Rows of first differences along y, and two along x.
        args.spare = self.take((at.SLOPES_Y + 2) * row)

    def write_subtract(self) -> None:
        args = at.Head(self.words)
        self.take_narrow(2 * self.lanes)
        if self.streams_extrema():
            args.streamed = self.take(2 * at.LINE)

    def write_suppress(self) -> None:
        what, args = self.plan.what, at.Suppress(self.words)
        assert isinstance(what, Suppress)
        args.limits = self.scalars(what.low, what.high)
        self.take_narrow(self.lanes)

    def write_polyphase(self) -> None:
        plan, what, args = self.plan, self.plan.what, at.Polyphase(self.words)
        assert isinstance(what, Polyphase)
        factor, args.count = len(what.taps), len(what.taps[0])
        args.source_rows, args.start = what.source_rows, what.start
        args.taps = self.scalars(*(tap for taps in what.taps for tap in taps))
        args.piece = tuning.PIECE_COLUMNS
        if plan.kernel[1] == "reduce":
            args.phases, args.step = 1, factor
            self.grain, self.halo = self.tile, args.count
            self.take(8 * (at.ROWS_LISTED + args.count) * factor)
            args.targets = self.take(8 * self.tile)
            self.take_narrow(self.lanes + args.piece)
            return
        args.phases, args.step = factor, 1
        self.halo = args.count * factor
        self.take(8 * (at.ROWS_LISTED + args.count))
        whole_lines = self.width * plan.dst.itemsize % at.LINE == 0
        large = math.prod(plan.view) * plan.dst.itemsize >= tuning.STREAM_RESULT
        args.streamed = int(plan.dst == plan.acc and whole_lines and large)

    def write_strided(self) -> None:
        plan, what, args = self.plan, self.plan.what, at.Strided(self.words)
        assert isinstance(what, Strided)
        (args.stride_y, args.stride_x), (args.source_rows, args.source_cols) = what.strides, what.source
        width = what.source[1] * self.channels  # of a row of the source
        args.src_row = width * plan.src.itemsize
        if plan.modes[1] == "constant":
            args.constant_row = self.address(np.full(max(width, self.lanes), self.border(), plan.src))
        for words, line in ((args.y, what.y), (args.x, what.x)):
            self.put(words, line.taps, line.centre, kind_of(line, False, what.integers))
        args.beyond_x = self.scalars(plan.cval)
        self.grain, self.halo = self.lanes, -(-len(what.y.taps) // what.strides[0])
        args.apart = min(what.strides[0], len(what.y.taps))
        entries = (self.lanes - 1) * args.apart + len(what.y.taps)
        self.take(8 * entries)
        args.targets = self.take(8 * self.lanes)
        args.piece, args.span = piece, span = self.piece(what)
        if width < self.lanes or len(what.y.taps) > tuning.STRIDED_IN_PLACE:
            args.copied = self.take(8 * entries)
            # A vector may begin at the last value.
            args.copy_row = odd_lines((min(span * self.channels, width) + self.lanes) * plan.src.itemsize)
            args.copies = self.take(entries * args.copy_row)
        self.take_narrow(max(piece * self.channels, self.lanes * self.lanes))
        args.tile = self.take(self.lanes * self.vector)
        # The first and the last vector of columns may begin before the piece and end behind it; and as many results as
        # a vector has lanes are made together.
        self.take(self.lanes * self.vector)
        columns = span + (-piece % self.lanes) * what.strides[1]
        args.strip = self.take((columns * self.channels + self.lanes) * self.vector)

    def piece(self, what: Strided) -> tuple[int, int]:
        """How many columns of the result are made together, and how many of the source they need."""
        stride, count = what.strides[1], len(what.x.taps)
        # No fewer than fill a vector, and not so few that most of what they need is halo.
        columns = max(tuning.STRIDED_BYTES // (self.vector * self.channels), 2 * count)
        piece = min(max(columns // stride // self.lanes, 1) * self.lanes, self.cols)
        return piece, (piece - 1) * stride + count

    def write_box(self) -> None:
        plan, args = self.plan, at.Box(self.words)
        assert isinstance(plan.what, Box)
        _, size_y, size_x = plan.what.sizes
        lanes, channels, vector = self.lanes, self.channels, self.vector
        count = at.BOX_GROUP // plan.acc.itemsize
        args.size_y, args.size_x = size_y, size_x
        _, args.lead, args.left = plan.what.middles
        if plan.what.cast:
            args.beyond_x, args.area = self.scalars(plan.border), self.scalars(size_x, size_y)
        else:
            args.beyond_x, args.area = self.scalars(plan.border * size_y), self.scalars(size_y * size_x / plan.scale)
        args.ones = self.scalars(*(1.0,) * count)
        groups_y = max((size_y - count) // count, 0)
        groups_x = max((size_x - count) // count, 0)
        taken = size_y + count - 1
        self.halo = max(size_y - 1, count)  # whose bands are cut between blocks of so many rows
        self.take(8 * (taken + 2 + count + groups_y))
        self.take_spare(count * count)
        across = -(-self.cols // count)
        columns = across * count * channels + size_x * channels + count + channels
        args.strip_bytes = columns * vector
        args.strip = self.take(count // lanes * args.strip_bytes)
        # Rows are copied where they are narrow, or where nearly all compete with each other, as long as the copies stay
        # near (measured: 0.5 to 0.9 of the time; under a window of few rows 1.05; where four or more in a row do not
        # compete, 0.9 to 1.2).
        row = odd_lines(max(self.width, count) * plan.src.itemsize)
        compete = self.spread() <= 2 and size_y >= count
        if self.width < count or (compete and row * taken <= tuning.BOX_RING_BYTES):
            args.ring_row, args.ring = row, self.take(row * taken)
        args.groups = self.take(groups_y * (self.width // count + 2) * at.BOX_GROUP)
        args.group_columns = self.take((across + groups_x + 2) * channels * vector)

    def write_small_box(self) -> None:
        plan, what, args = self.plan, self.plan.what, at.SmallBox(self.words)
        assert isinstance(what, Box)
        _, size_y, size_x = what.sizes
        _, (args.lead, _), (args.left, right) = what.halo()
        args.size_y, args.size_x = size_y, size_x
        apart = what.cast and min(size_y, size_x) > 1  # divided after each axis
        if apart:
            args.divide_y = self.divided(size_y, truncated=True)
        args.divide_x = self.divided(size_x if apart else size_y * size_x, what.cast)
        if "constant" in plan.modes:  # else it may be anything
            args.beyond_x = self.scalars(round(plan.border) * (1 if apart else size_y))
        taken = size_y + at.BOX_ROWS
        self.grain, self.halo = at.BOX_ROWS, size_y
        self.take(8 * (taken + 2 + at.BOX_ROWS))
        self.take_spare(at.BOX_ROWS * self.lanes)
        left, right = (side * self.channels * plan.acc.itemsize for side in (args.left, right))
        # Of stretches the columns beside them, too.
        args.kept = self.take((self.width + (size_x - 1) * self.channels + self.lanes) * plan.acc.itemsize)
        args.sums_row = row = odd_lines(lines_of(left) + self.padded * plan.acc.itemsize + right)
        args.sums = self.take(at.BOX_ROWS * row) + lines_of(left)
        if self.width < self.lanes:
            args.ring_row = odd_lines(self.lanes * plan.src.itemsize)
            args.ring = self.take(args.ring_row * taken)

    def divided(self, by: int, truncated: bool) -> int:
        """How sums of so many integers are divided by their number."""
        from fastsep._plan.division import division, float_division  # for them alone

        if self.plan.src.itemsize == 1:
            return self.scalars(*division(by, truncated))
        return self.address(np.array(float_division(by, truncated), np.float32))

    def write_extremum(self) -> None:
        plan, args = self.plan, at.Extremum(self.words)
        assert isinstance(plan.what, Extremum)
        size_y, size_x = plan.what.sizes
        args.size_y, (args.centre_y, centre_x) = size_y, plan.what.centres
        height, vector = jit.extremum_height(plan.src.itemsize), self.vector
        self.grain, self.halo = height, size_y - 1
        if size_y > height:
            args.groups = groups = (size_y - height) // height
            args.first_y = size_y - 1 - groups * height
        if self.channels == 1 and size_x > 3:
            args.doublings = min((size_x - 1).bit_length() - 1, self.lanes.bit_length() + 2)
        self.take(8 * (size_y + height + 1))
        row = self.keep_rows(size_x, centre_x)
        args.kept_row = odd_lines(args.margin + row)
        args.kept = self.take(height * args.kept_row)
        if lies_inside(plan.modes[2], centre_x, size_x - 1 - centre_x):
            args.mode_x = at.CONSTANT
        if self.width < self.lanes:
            args.ring_row = vector
            args.ring = self.take((size_y + height - 1) * vector)
        if size_y > height:
            args.group_row = -(-self.width // self.lanes) * vector
            args.ring_of_groups = self.take(max(groups, 1) * args.group_row)
            args.prefix = self.take(args.group_row)

    def keep_rows(self, size_x: int, centre_x: int) -> int:
        """Arguments of windows along a row; the bytes of a row as it is kept, from its first pixel on."""
        args, pixel = at.Window(self.words), self.channels * self.plan.src.itemsize
        args.size_x, args.centre_x = size_x, centre_x
        if self.plan.modes[2] == "constant":
            args.beyond_x = args.constant_row
        # A vector more is read than is needed, and one of an image narrower than a vector.
        row = self.padded * self.plan.src.itemsize + (size_x - 1) * pixel + 2 * self.vector
        args.constant_key = self.take(self.vector)
        args.borders = self.take(8 * (size_x - 1))
        args.margin = lines_of(centre_x * pixel)
        args.work = self.take(row)
        if self.streams_extrema():
            args.streamed = args.work
        return row

    def streams_extrema(self) -> bool:
        """Whether results of minima and maxima, and of what is made of them, are written with non-temporal stores."""
        itemsize = self.plan.dst.itemsize
        return math.prod(self.plan.view) * itemsize >= tuning.STREAM_EXTREMA and self.width * itemsize >= 2 * at.LINE

    def write_flat(self) -> None:
        plan, args = self.plan, at.Flat(self.words)
        assert isinstance(plan.what, FlatExtremum)
        assert plan.slices is not None
        args.lead, centre_x = plan.what.centre
        args.offsets, args.taken, size_x = plan.what.footprint.shape
        args.slices = self.address(plan.slices)
        self.halo = 4 * args.taken  # of which only the keys are made
        looks = []
        runs = runs_along(plan.what.footprint)
        lengths = [count for *_, count in runs if count > 1]
        # To keep what is best of pairs takes as long as three looks (measured: of a cross 0.7 of the time without).
        one_by_one = max(lengths, default=1) <= 3 and len(lengths) <= 3
        for offset, row_y, first, count in runs:
            level = 0 if one_by_one else count.bit_length() - 1  # one or two of a length that is a power of two
            step = 1 if one_by_one else max(count - (1 << level), 1)
            looks += [(offset, row_y, level, start) for start in range(first, first + count - (1 << level) + 1, step)]
        self.take(8 * max(len(looks), 1))
        width = self.keep_rows(size_x, centre_x)
        pixel = self.channels * plan.src.itemsize
        args.levels = levels = max((level for _, _, level, _ in looks), default=0) + 1
        args.level_row = row = odd_lines(args.margin + width)
        table = np.zeros(max(len(looks), 1) * at.Look.length, np.int64)
        for number, (offset, row_y, level, start) in enumerate(looks):
            look = at.Look(table, number)
            look.offset, look.row = offset, row_y
            look.place = level * row + args.margin + (start - centre_x) * pixel
        args.looks, args.look_count = self.address(table), len(looks)
        args.kept_row = levels * row
        args.kept = self.take(args.offsets * args.taken * args.kept_row)

    def write_dense(self) -> None:
        plan, acc, args = self.plan, self.plan.acc, at.Dense(self.words)
        what = plan.what
        assert isinstance(what, Dense)
        assert plan.slices is not None
        height = jit.dense_height(differences=plan.kernel[1] == "differences")
        offsets, size_y, size_x = what.kernel.shape
        args.lead, args.left = what.centre
        args.trail, args.right = size_y - 1 - what.centre[0], size_x - 1 - what.centre[1]
        taken = size_y - 1 + height
        self.grain, self.halo = height, size_y - 1
        args.offsets = offsets
        args.slices = self.address(plan.slices)
        args.window = self.dense_window(offsets, height)
        kernel = what.kernel
        if plan.kernel[1] == "differences":
            found = middle(kernel)
            assert found is not None
            offset, row, column = found
            args.middle_row = offset * taken + row
            args.middle_shift = column * self.channels * acc.itemsize
            args.total = self.scalars(math.fsum(kernel.flat))
            kernel = kernel.copy()
            kernel[found] = 0.0  # its difference from itself
        args.runs, args.run_count = self.runs(kernel, taken)
        edge = self.edge(offsets, taken, max(what.centre[1], size_x - 1 - what.centre[1]))
        args.edge = edge
        # As many columns as keep the rows in the cache, but not so few that most of them are halo.
        pixel = self.channels * acc.itemsize
        chunk = tuning.DENSE_BYTES // (offsets * taken * pixel) - (size_x - 1)
        chunk = max(chunk, 2 * size_x, 8 * self.lanes)
        args.chunk = chunk = self.cols if edge else min(-(-self.cols // -(-self.cols // chunk)), self.cols)
        # Cache lines that are fetched one after the other are what the hardware follows (measured, 256^3: 0.9 of the
        # time). Small volumes are in the cache as they are (33 x 47 x 61: 1.03).
        size = math.prod(plan.view) * plan.src.itemsize
        args.in_a_row = int(offsets > 1 and chunk == self.cols and size > tuning.L2 // 2)
        self.take(8 * (3 * offsets * taken + height))
        self.take_spare(height * self.lanes)
        args.borders = self.take(8 * (size_x - 1))
        row = (2 * (edge + size_x - 1) if edge else chunk + size_x - 1) * pixel + self.vector
        args.ring_row = ring_row = odd_lines(row)
        args.ring = self.take(offsets * taken * ring_row)

    def write_rank(self) -> None:
        # For ranks alone: starts without them take 2 ms less.
        from fastsep._engine import comparisons
        from fastsep._kernels import selection
        from fastsep._kernels.stages import stages

        plan, args = self.plan, at.Rank(self.words)
        what = plan.what
        assert isinstance(what, Rank)
        assert plan.slices is not None
        size_y, size_x = what.footprint.shape[1:]
        args.height = height = selection.height(what.footprint)
        args.lead, args.left = what.centre
        args.right = size_x - 1 - args.left
        args.taken = size_y - 1 + height
        args.offsets, args.slices = len(what.footprint), self.address(plan.slices)
        self.grain, self.halo = height, size_y - 1
        network = selection.network(what.footprint.tobytes(), what.footprint.shape, what.rank, height)
        # Where the rows under a tile are, those of a strip of it, and where results go.
        args.leaves, args.targets = self.take(2 * 8 * network.rows), self.take(8 * height)
        args.borders = self.take(8 * (size_x - 1))
        how = plan.kernel[1].partition(" ")[0]
        compiled, registers = how != "table", how == "registers"
        places = comparisons.places(network)
        count = places.rows
        if compiled:
            count = network.rows + height + (0 if registers else stages(network).rows)

        pixel, halo = self.channels * plan.acc.itemsize, size_x - 1
        unit = self.lanes // math.gcd(self.lanes, self.channels)  # so many pixels fill vectors
        near, far = (size // (count * pixel) - halo for size in (tuning.RANK_BYTES, tuning.RANK_FAR_BYTES))
        most = far if registers else max(near, min(far, tuning.RANK_HALOS * halo), 3 * halo, unit)
        args.chunk = chunk = min(most // unit, -(-self.cols // unit)) * unit
        # Vectors of results, of what is seen right of them, and one that is loaded beside those.
        more = -(-halo * pixel // self.vector)
        left = max(-(-args.left // unit), 1) * unit
        right = -(-(more + 3) * self.vector // (pixel * unit)) * unit
        if compiled and left + right + unit <= self.cols:
            args.left_strip, args.right_strip = left, right
        # The first strip may be longer by less than a vector.
        widest = -(-max(chunk, left + unit, right) * pixel // self.vector)
        # A row that is copied may begin `left` pixels from the left end, and is copied in whole vectors.
        args.value_row = row = (widest + more + 2 + -(-args.left * pixel // self.vector)) * self.vector
        args.values = self.take(count * row + halo * pixel + self.vector)
        if compiled:
            results = np.arange(count - height, count) * row
        else:
            table, results = comparisons.table(network, places, row, pixel)
            args.comparisons, args.comparison_count = self.address(table), len(network.comparisons)
        args.results = self.address(results)

    def write_histogram(self) -> None:
        plan, args = self.plan, at.Histogram(self.words)
        what = plan.what
        assert isinstance(what, Rank)
        _, size_y, size_x = what.footprint.shape
        args.size_y, args.size_x, args.rank = size_y, size_x, what.rank
        args.lead, args.left = what.centre
        args.right = size_x - 1 - args.left
        self.halo = 4 * size_y  # each band counts the rows of a window anew
        bins = np.arange(16)
        args.ones = self.address((bins[:, None] <= bins).astype(np.uint16))
        counts = bins.size * 2
        # As many columns as keep their histograms in the cache, but not so few that most of them are halo.
        chunk = tuning.HISTOGRAM_BYTES // (counts * (1 + bins.size) * self.channels) - size_x
        args.chunk = chunk = min(max(chunk, 2 * size_x), self.cols)
        columns = (chunk + size_x) * self.channels  # of one window more than there are results
        args.borders = self.take(8 * (size_x - 1))
        args.copy_row = row = (columns + args.left * self.channels) // self.vector * self.vector + 2 * self.vector
        args.copies = self.take(2 * row)
        args.coarse, args.fine = self.take(counts * columns), self.take(counts * bins.size * columns)
        args.recent = self.take(8 * at.Recent.length * bins.size)
        args.sums = self.take(at.LINE + counts) + at.LINE

    def write_cumulative(self) -> None:
        plan, args = self.plan, at.Cumulative(self.words)
        what = plan.what
        assert isinstance(what, Rank)
        _, size_y, size_x = what.footprint.shape
        args.size_y, args.size_x, args.rank = size_y, size_x, what.rank
        args.lead, args.left = what.centre
        args.right = size_x - 1 - args.left
        self.halo = size_y  # each band counts the rows of a window anew
        args.chunk, args.height = chunk, height = min(tuning.CUMULATIVE_TILE[1], self.cols), tuning.CUMULATIVE_TILE[0]
        columns = (chunk + size_x) * self.channels
        args.borders = self.take(8 * (size_x - 1))
        args.copy_row = row = (columns + args.left * self.channels) // self.vector * self.vector + 2 * self.vector
        args.copies = self.take((height + size_y) * row) + row  # a row that is not used is read before them
        args.histograms = self.take(self.vector * columns)
        args.found = self.take(2 * 16 * height)
        # Values start between `vector` below zero and 255; where nothing has to go out, all bytes are above.
        starts = np.arange(-self.vector - 255, 256)[:, None]
        steps = memory.aligned((len(starts), self.vector), np.dtype(np.uint8))
        steps[:] = starts + np.arange(self.vector) >= 0
        args.steps = self.address(steps) + (self.vector + 255) * self.vector

    def dense_window(self, offsets: int, height: int) -> int:
        """Rows of a plane that are filtered before those of the next: they stay in the cache for the planes to come."""
        if offsets == 1:
            return self.rows
        fit = tuning.SWEEP_WINDOW // ((offsets + 1) * self.width * self.plan.src.itemsize)
        windows = -(-self.rows // max(fit, tuning.DENSE_WINDOW_BLOCKS * height))
        return -(-self.rows // (windows * height)) * height

    def edge(self, offsets: int, taken: int, halo: int) -> int:
        """Pixels at either end of a row whose sources are copied, if the others can be read in place; else 0."""
        edge = -(-max(halo, 1) // self.lanes) * self.lanes
        least, most = tuning.DENSE_EDGES_PAY, tuning.DENSE_ROWS_IN_PLACE
        if offsets > 1:
            # Rows of several planes are so many that copies leave the cache again (measured, 3 x 3 x 3 taps: rows of
            # 170 and 200 columns take 0.92 to 0.97 of the time in place, planes of 512 x 512 0.9).
            least //= 2
        else:
            # Rows compete for cache lines where their distance has a large power of two in it.
            most = min(4 * self.spread(), most)
        wide = self.cols >= 2 * edge + max(least, self.lanes)
        return edge if self.plan.src == self.plan.acc and wide and offsets * taken <= most else 0

    def spread(self) -> int:
        """How many rows of the source in a row compete for no cache line with each other."""
        return 4096 // math.gcd(4096, self.width * self.plan.src.itemsize)

    def runs(self, kernel: Array, taken: int) -> tuple[int, int]:
        """Cut the kernel's columns into stretches of taps without a zero: where they are written, and their number."""
        step = self.channels * self.plan.acc.itemsize
        runs = []
        if self.plan.kernel[1] == "ordered cast":  # tap by tap, row by row
            runs = [(at[0] * taken + at[1], at[2] * step, kernel[tuple(at)][None]) for at in np.argwhere(kernel)]
            kernel = kernel[:0]
        for offset, plane in enumerate(kernel):
            for x, column in enumerate(plane.T):
                (used,) = np.nonzero(column)
                runs += [
                    (offset * taken + run[0], x * step, column[run])
                    for run in np.split(used, np.nonzero(np.diff(used) > 1)[0] + 1)
                    if run.size
                ]
        table = np.zeros(max(len(runs), 1) * at.Run.length, np.int64)
        for number, (first, start, taps) in enumerate(runs):
            if self.plan.kernel[1] == "differences":  # see `TapEmitter.slide_differences`
                taps = [math.fsum(taps[k:]) for k in range(taps.size)]
            run = at.Run(table, number)
            run.row, run.offset, run.count, run.taps = first, start, len(taps), self.scalars(*taps)
        return self.address(table), len(runs)


def runs_along(footprint: Array) -> list[tuple[int, int, int, int]]:
    """The runs of pixels in the rows of a stack of planes: plane, row, first column and length of each."""
    edges = np.diff(footprint.astype(np.int8), axis=2, prepend=0, append=0)
    starts, stops = np.argwhere(edges > 0).tolist(), np.argwhere(edges < 0).tolist()
    ends = zip(starts, stops, strict=True)
    return [(plane, row, first, stop - first) for (plane, row, first), (_, _, stop) in ends]
