"""A filter of images with missing pixels: sums of pixels over shares of weight, a few rows at a time.

`_kernels/filters/missing.py` runs the kernels of three plans: the plain filter, for rows without missing pixels, that
of selected pixels, and that of their weights.
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
    total: float  # what the filter makes of weights of 1
    full: tuple[float, float]  # as what shares of it full weight is found, near a constant border
    least: float  # the smallest share of it that makes a result
    fill: float  # what stands for other results
    keep: bool  # nor has a missing pixel a result
    over: bool  # where weight is full, results are those of the plain filter, made in another way
    told: bool  # a second result tells where there is none
    only: bool = False  # results where that says so, which then tells where there are none; elsewhere nothing changes

    @property
    def how(self) -> str:
        """How missing pixels are told."""
        return "nan" if self.ignore_nan else "none" if self.nodata is None else "equal"


class Normalized:
    """Three plans for images of one shape and dtype, ready to run."""

    def __init__(self, plain: Plan, pixels: Plan, weights: Plan, same: bool, rules: Rules) -> None:
        """`same`: the plain filter makes the same sums as that of selected pixels."""
        self.plans, self.same, self.rules = (plain, pixels, weights), same, rules
        self._loaded: LoadedKernel | None = None

    def run(
        self, image: Array, weights: Array | None, out: Array, absent: Array | None, workers: int | None
    ) -> None:  # fmt: skip
        """Fill `out` from `image`; all are as `execution.Runner` wants them, weights too.

        `absent`: the second result; of zeros, or of ones where there is to be a result.
        """
        loaded = self._loaded
        if loaded is None:
            loaded = self._loaded = _Writer(self).kernel()
        loaded.run(image, out, workers, () if absent is None else (absent,), weights)


def takes(plans: Sequence[Plan]) -> bool:
    """Whether these plans can run so."""
    return (
        plans[0].strategy in PLAIN
        and all(plan.strategy in BY_ROWS for plan in plans[1:])
        and all(plan.view == plans[0].view and plan.view[1] == 1 for plan in plans)
        and plans[0].modes[1] != "wrap"
        and not pieces_of_all(plans)
    )


class _Writer(ArgumentWriter):
    """Fills in the argument block. Arithmetic is that of the weights."""

    def __init__(self, made: Normalized) -> None:
        super().__init__(made.plans[2])
        self.plans, self.same, self.rules = made.plans, made.same, made.rules

    def kernel(self) -> LoadedKernel:
        plain, pixels, weights = self.plans
        args, acc = at.Missing(self.words), weights.dst
        args.planes, args.depth, args.rows, args.cols, args.channels = plain.view
        args.src_row, args.dst_row = self.width * plain.src.itemsize, self.width * plain.dst.itemsize
        args.grain = 1
        blocks = self.passes()
        # Boxes are made in groups of so many rows.
        args.block = height = at.BOX_GROUP // min(plan.acc.itemsize for plan in self.plans if plan.acc.kind == "f")
        args.halo = halo = rows_around(pixels)
        args.reach = max(reach(pixels)[1])
        high = -(-self.rows // height)
        args.step = step = min(-(-tuning.WEIGHED_ROWS // height), high) * height
        # The plain kernel copies all rows under its taps anew each time.
        args.run = run = -(-max(tuning.PLAIN_ROWS, 4 * halo) // step) * step
        # All rows under the taps of some steps: then those of the next one are selected anew.
        args.held = held = min(3 * step + 2 * halo, self.rows)
        self.shortcuts(args, bool(at.Head(blocks[0].words).streamed))
        self.told(args)
        args.blocks = self.take(3 * 8 * at.BLOCK_WORDS)
        args.buffers = self.take(8 * at.Held.length)
        args.extent_rows = run + 2 * halo
        args.extents = self.take(16 * args.extent_rows)
        args.spare = self.take(8 * self.vector)
        args.pass_scratch = self.take(max(block.scratch for block in blocks))
        # Kernels may read rows behind those that they need, as many as they make together.
        for name, dtype, count in (
            ("pixels", pixels.src, held + height), ("weights", acc, held + height), ("sums", pixels.dst, step),
            ("totals", acc, step),
        ):  # fmt: skip
            # They may load a vector beyond the end of a row; weights are written up to one beyond it.
            row = odd_lines(self.width * dtype.itemsize + self.vector)
            setattr(args, f"{name}_row", row)
            setattr(args, name, self.take(count * row))
        least = -(-max(4 * halo, step) // height)
        work = sum(float32_work(plan.work, plan.acc) for plan in self.plans[1:])
        kept = (*self.keep, *(array for block in blocks for array in (block.words, *block.keep)))
        made = Block(self.words, lines_of(self.end), least, kept)
        bands = self.planes * high
        return LoadedKernel(self.key(), made, work, max(bands, 1), bands // least)

    def key(self) -> tuple[str, ...]:
        """Names the kernel."""
        plain, pixels, weights = self.plans
        given = "none" if self.rules.weights is None else self.rules.weights.name
        dtypes = (plain.src, pixels.src, weights.dst, pixels.dst, plain.dst)
        return (
            "missing",
            self.rules.how,
            given,
            *(each.name for each in dtypes),
            *(way for way in ("keep", "over", "told", "only") if getattr(self.rules, way)),
        )

    def passes(self) -> list[Block]:
        """List the kernels of the plans; their argument blocks."""
        blocks = [kernel_arguments.block(plan) for plan in self.plans]
        table = np.zeros(3 * at.Pass.length, np.int64)
        for number, (plan, block) in enumerate(zip(self.plans, blocks, strict=True)):
            row = at.Pass(table, number)
            row.arguments = block.words.ctypes.data
            if number or not self.rules.only:  # else the plain filter does not run
                row.kernel = jit.kernel(*plan.kernel)
            row.height = at.BOX_GROUP // plan.acc.itemsize if plan.strategy == "box" else 1
            if number:
                at.Head(block.words).streamed = 0  # what they make stays in the cache
                if plan.strategy == "fir" and self.width >= self.lanes:
                    at.Plane(block.words).ring = 0  # rows of a buffer compete for no cache lines
        at.Missing(self.words).passes = self.address(table)
        return blocks

    def shortcuts(self, args: at.Missing, streamed: bool) -> None:
        """Tell where the plain filter does. `streamed`: its results do not stay in the cache, to be looked at."""
        plain, pixels, _ = self.plans
        _, mode_y, mode_x = pixels.modes
        args.over = int(self.rules.over)
        # Rows next to a border beyond which there is no weight are weighed, if they have results of their own.
        outside = not (self.rules.counts or self.rules.only)
        unlike = not (self.same or self.rules.over or self.rules.only)
        args.always = int(unlike or (mode_x == "constant" and args.reach > 0 and outside))
        args.open_rows = int(mode_y == "constant" and outside)
        # Where rows go round their ends, a hole at one of them reaches the other.
        whole = has_divisors(pixels) or mode_x == "wrap"
        args.widest = 0 if whole else int(tuning.WIDEST_PART * self.cols)
        tells = self.rules.how == "nan" and self.rules.weights is None and not (streamed or self.rules.only)
        args.spoilt = spoilt_rows(plain) if tells else 0
        size = math.prod(plain.view) * plain.dst.itemsize
        args.streamed = int(plain.dst == self.plan.acc and size >= tuning.STREAM_RESULT)

    def told(self, args: at.Missing) -> None:
        """Tell which pixels and results are missing."""
        rules = self.rules
        args.numbers = self.scalars(rules.total, rules.least, rules.fill, *rules.full)
        if rules.nodata is not None:
            args.nodata = self.address(np.array([rules.nodata], self.plans[0].src))
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


def spoilt_rows(plan: Plan) -> int:
    """Rows of the result, next to each other, in each of which a NaN of the image makes one; 0: they do not tell.

    Zero taps that are skipped let it through.
    """
    what = plan.what
    if plan.dst.kind != "f":
        return 0
    if isinstance(what, Dense):
        rows = what.kernel.any(axis=(0, 2))
        return rows.size if rows.all() else 0
    if isinstance(what, Separable):
        line = what.terms[0].lines[-2]
        if len(what.terms) > 1 or (what.skip_zeros and line is not None and 0.0 in line.taps):
            return 0
    assert isinstance(what, Filter)
    return 1 + sum(what.halo()[-2])
