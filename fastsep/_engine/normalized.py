"""A filter of images with missing pixels: sums of pixels over shares of weight, a few rows at a time.

`_kernels/filters/missing.py` runs three kernels: the plain filter, for rows without missing pixels, that of selected
pixels, and that of their weights. These two may make several sums, of which results are combined.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fastsep._engine import kernel_arguments
from fastsep._engine.argument_writer import ArgumentWriter, Block, lines_of, odd_lines
from fastsep._engine.bands import float32_work
from fastsep._engine.execution import LoadedKernel
from fastsep._engine.pipeline import Pipeline
from fastsep._kernels import arguments as at
from fastsep._kernels import jit
from fastsep._plan import tuning
from fastsep._plan.pieces import pieces_of_all, reach
from fastsep._plan.plan import Plan
from fastsep._plan.spec import Dense, Filter, Separable
from fastsep._validation.array_like import Array, DType

#: Strategies whose kernels make some rows of a plane; of a plane of integers also that of small windows.
BY_ROWS = ("fir", "sweep", "dense", "box")
PLAIN = (*BY_ROWS, "small_box")


@dataclass(frozen=True, slots=True)
class Rules:
    """Which pixels are missing, and which results."""

    ignore_nan: bool
    nodata: int | None
    weights: DType | None  # of those that are given; uint8: they are 0 or 1
    weight_lines: int  # rows of them: planes of the image that share them come one after the other
    weight_channels: int  # of them: those of the image, or 1
    counts: bool  # what lies beyond a constant border has weight 1, else 0
    numbers: tuple[float, ...]  # what results are made with (see `normalize` and `combine` in `simd/missing.py`)
    keep: bool  # a missing pixel has no result
    ending: str = "quotient"  # what is made of sums and totals (see `combine` there)
    over: bool = False  # where weight is full, results are those of the plain filter, made in another way
    told: bool = False  # a second result tells where there is none
    only: bool = False  # results where that says so, which then tells where there are none; elsewhere nothing changes

    @property
    def how(self) -> str:
        """How missing pixels are told."""
        return "nan" if self.ignore_nan else "none" if self.nodata is None else "equal"


class Normalized:
    """Filters for images of one shape and dtype, ready to run."""

    def __init__(self, plain: Plan | Pipeline, pixels: Plan, weights: Plan, same: bool, rules: Rules) -> None:
        """`same`: the plain filter makes the same sums as that of selected pixels."""
        self.plain, self.pixels, self.weights, self.same, self.rules = plain, pixels, weights, same, rules
        self._loaded: LoadedKernel | None = None

    def run(
        self, image: Array, weights: Array | None, out: Array, workers: int | None, others: Sequence[Array] = ()
    ) -> None:  # fmt: skip
        """Fill `out` and `others` from `image`; all are as `execution.Runner` wants them, weights too.

        What tells where there is no result comes last: of zeros, or of ones where there is to be one.
        """
        loaded = self._loaded
        if loaded is None:
            loaded = self._loaded = _Writer(self).kernel()
        loaded.run(image, out, workers, others, weights)


def takes(plain: Plan | Pipeline, others: Sequence[Plan]) -> bool:
    """Whether these filters can run so."""
    plans = [*plans_of(plain), *others]
    by_rows = isinstance(plain, Pipeline) or plain.strategy in PLAIN
    return (
        by_rows
        and all(plan.strategy in BY_ROWS for plan in others)
        and all(plan.view == plans[0].view and plan.view[1] == 1 for plan in plans)
        and not any(map(reads_other_planes, plans))
        and plans[0].modes[1] != "wrap"
        and not pieces_of_all(plans)
    )


def reads_other_planes(plan: Plan) -> bool:
    """Whether taps lie along the depth of a volume, which may be a single plane beside which a border stands."""
    return plan.kernel[1].startswith("volume") or (plan.slices is not None and plan.slices.tolist() != [[0]])


def plans_of(plain: Plan | Pipeline) -> list[Plan]:
    """In the order in which they run."""
    return [stage.plan for stage in plain.stages] if isinstance(plain, Pipeline) else [plain]


class _Writer(ArgumentWriter):
    """Fills in the argument block. Arithmetic is that of the weights."""

    def __init__(self, made: Normalized) -> None:
        super().__init__(made.weights)
        self.plain, self.pixels, self.weights, self.same, self.rules = (
            made.plain, made.pixels, made.weights, made.same, made.rules
        )  # fmt: skip
        plans = plans_of(made.plain)
        self.src, self.dst = plans[0].src, plans[-1].dst

    @property
    def several(self) -> bool:
        return self.rules.ending != "quotient"

    def kernel(self) -> LoadedKernel:
        pixels, weights = self.pixels, self.weights
        args, acc = at.Missing(self.words), weights.dst
        args.planes, args.depth, args.rows, args.cols, args.channels = weights.view
        args.src_row, args.dst_row = self.width * self.src.itemsize, self.width * self.dst.itemsize
        args.grain = 1
        args.sum_count = sums = len(pixels.what.terms) if self.several else 1  # type: ignore[union-attr]
        args.results = self.rules.ending.count("+") + 1
        blocks = self.passes()
        # Boxes are made in groups of so many rows.
        args.block = height = at.BOX_GROUP // min(
            plan.acc.itemsize for plan in (*plans_of(self.plain), pixels, weights) if plan.acc.kind == "f"
        )
        args.halo = halo = rows_around(pixels)
        args.reach = max(reach(pixels)[1])
        high = -(-self.rows // height)
        # Several sums of as few rows as may be: more of them leave the cache.
        args.step = step = height if self.several else min(-(-tuning.WEIGHED_ROWS // height), high) * height
        # The plain kernel copies all rows under its taps anew each time.
        rows = tuning.PLAIN_ROWS_OF_SUMS if self.several else tuning.PLAIN_ROWS
        args.run = run = -(-max(rows, 4 * halo) // step) * step
        # All rows under the taps of some steps: then those of the next one are selected anew.
        args.held = held = min(tuning.WEIGHED_STEPS * step + 2 * halo, self.rows)
        self.shortcuts(args, bool(at.Head(blocks[0].words).streamed))
        args.targets = self.take(8 * at.RESULTS)
        self.told(args)
        args.blocks = self.take(3 * 8 * at.BLOCK_WORDS)
        args.buffers = self.take(8 * at.Held.length)
        args.extent_rows = run + 2 * halo
        args.extents = self.take(16 * args.extent_rows)
        args.spare = self.take(8 * self.vector)
        args.pass_scratch = self.take(max(block.scratch for block in blocks))
        # Kernels may read rows behind those that they need, as many as they make together.
        for name, dtype, count in (
            ("pixels", pixels.src, held + height), ("weights", weights.src, held + height),
            ("sums", pixels.dst, step * sums), ("totals", acc, step * sums),
        ):  # fmt: skip
            # They may load a vector beyond the end of a row; weights are written up to one beyond it.
            row = odd_lines(self.width * dtype.itemsize + self.vector)
            setattr(args, f"{name}_row", row)
            setattr(args, name, self.take(count * row))
        args.sums_plane, args.totals_plane = step * args.sums_row, step * args.totals_row
        least = -(-max(4 * halo, step) // height)
        work = sum(float32_work(plan.work, plan.acc) for plan in (pixels, weights))
        kept = (*self.keep, *(array for block in blocks for array in (block.words, *block.keep)))
        made = Block(self.words, lines_of(self.end), least, kept)
        bands = self.planes * high
        return LoadedKernel(self.key(), made, work, max(bands, 1), bands // least)

    def key(self) -> tuple[str, ...]:
        """Names the kernel."""
        given = "none" if self.rules.weights is None else self.rules.weights.name
        dtypes = (self.src, self.pixels.src, self.weights.src, self.weights.dst, self.pixels.dst, self.dst)
        return (
            "missing",
            self.rules.how,
            given,
            *(each.name for each in dtypes),
            self.rules.ending,
            *(way for way in ("keep", "over", "told", "only") if getattr(self.rules, way)),
        )

    def passes(self) -> list[Block]:
        """List the kernels; their argument blocks."""
        others = (self.pixels, self.weights)
        blocks = [kernel_arguments.block(plan) for plan in others]
        addresses = [jit.kernel(*plan.kernel) for plan in others]
        if isinstance(self.plain, Pipeline):
            loaded = self.plain.of_whole_rows()
            addresses, blocks = [loaded.address, *addresses], [loaded.made, *blocks]
        else:
            address = 0 if self.rules.only else jit.kernel(*self.plain.kernel)  # which does not run then
            addresses, blocks = [address, *addresses], [kernel_arguments.block(self.plain), *blocks]
        table = np.zeros(3 * at.Pass.length, np.int64)
        plans = (plans_of(self.plain)[-1], *others)
        for number, (plan, block, address) in enumerate(zip(plans, blocks, addresses, strict=True)):
            row = at.Pass(table, number)
            row.kernel, row.arguments = address, block.words.ctypes.data
            row.height = at.BOX_GROUP // plan.acc.itemsize if plan.strategy == "box" else 1
            if number:
                at.Head(block.words).streamed = 0  # what they make stays in the cache
                if plan.strategy == "fir" and self.width >= self.lanes:
                    at.Plane(block.words).ring = 0  # rows of a buffer compete for no cache lines
        at.Missing(self.words).passes = self.address(table)
        return blocks

    def shortcuts(self, args: at.Missing, streamed: bool) -> None:
        """Tell where the plain filter does. `streamed`: its results do not stay in the cache, to be looked at."""
        plain, pixels = self.plain, self.pixels
        _, mode_y, mode_x = pixels.modes
        args.over = int(self.rules.over)
        # Rows next to a border beyond which there is no weight are weighed, if they have results of their own.
        outside = not (self.rules.counts or self.rules.only)
        unlike = not (self.same or self.several or self.rules.over or self.rules.only)
        args.always = int(unlike or (mode_x == "constant" and args.reach > 0 and outside))
        args.open_rows = int(mode_y == "constant" and outside)
        # Where rows go round their ends, a hole at one of them reaches the other.
        whole = has_divisors(pixels) or mode_x == "wrap"
        widest = tuning.WIDEST_PART_OF_SUMS if self.several else tuning.WIDEST_PART
        args.widest = 0 if whole else int(widest * self.cols)
        tells = self.rules.how == "nan" and self.rules.weights is None and not (streamed or self.rules.only)
        args.spoilt = spoilt_rows(plain, self.several) if tells else 0
        size = math.prod(pixels.view) * self.dst.itemsize
        args.streamed = int(self.dst == self.plan.acc and size >= tuning.STREAM_RESULT)

    def told(self, args: at.Missing) -> None:
        """Tell which pixels and results are missing."""
        rules = self.rules
        args.numbers = self.scalars(*rules.numbers)
        if rules.nodata is not None:
            args.nodata = self.address(np.array([rules.nodata], self.src))
        if rules.weights is not None:
            args.one = self.address(np.ones(1, rules.weights))
            args.src_2_row = self.cols * rules.weight_channels * rules.weights.itemsize
            args.weight_lines, args.weight_channels = rules.weight_lines, rules.weight_channels


def rows_around(plan: Plan) -> int:
    """Rows above or below one that a plan needs."""
    if isinstance(plan.what, Dense):
        before = plan.what.centre[0]
        return int(max(before, plan.what.kernel.shape[1] - 1 - before))
    assert isinstance(plan.what, Filter)
    return max(plan.what.halo()[-2])


def has_divisors(plan: Plan) -> bool:
    """Whether results depend on the column where they stand."""
    return isinstance(plan.what, Separable) and plan.what.divisors is not None


def spoilt_rows(plain: Plan | Pipeline, several: bool) -> int:
    """Rows of the result, next to each other, in each of which a NaN of the image makes one; 0: they do not tell.

    Zero taps that are skipped let it through, and terms of which none reaches as far as all; where `several` sums are
    made, the plain filter has a term that does.
    """
    plan = plans_of(plain)[0]
    what = plan.what
    if plan.dst.kind != "f":
        return 0
    if isinstance(what, Dense):
        rows = what.kernel.any(axis=(0, 2))
        return rows.size if rows.all() else 0
    if isinstance(what, Separable):
        line = what.terms[0].lines[-2]
        if (len(what.terms) > 1 and not several) or (what.skip_zeros and line is not None and 0.0 in line.taps):
            return 0
    assert isinstance(what, Filter)
    return 1 + sum(what.halo()[-2])
