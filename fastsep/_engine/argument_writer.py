"""Where kernels' arguments are written: the words of a block, by name, and what they point to.

Sizes here are what keeps kernels inside their memory: each allowance is named after the access that needs it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastsep._kernels import arguments as at
from fastsep._kernels import jit
from fastsep._plan.plan import Plan
from fastsep._validation.array_like import Array

MODES = {
    "reflect": at.REFLECT,
    "constant": at.CONSTANT,
    "nearest": at.NEAREST,
    "mirror": at.MIRROR,
    "wrap": at.WRAP,
}


class Block(NamedTuple):
    """The words of a block, what bands need, and the arrays that the words point to."""

    words: Array
    scratch: int  # bytes for each thread
    least: int  # rows that a band is to have if there are more bands than threads
    keep: tuple[Array, ...]


def lines_of(size: int) -> int:
    return -(-size // at.LINE) * at.LINE


def odd_lines(size: int) -> int:
    """Row strides of an odd number of cache lines spread over all cache sets."""
    return (-(-size // at.LINE) | 1) * at.LINE


class ArgumentWriter:
    """Fills in the block of a plan; a method named after the strategy does what is its own."""

    def __init__(self, plan: Plan) -> None:
        cpu = jit.target()
        self.plan = plan
        self.planes, self.depth, self.rows, self.cols, self.channels = plan.view
        self.vector = cpu.vector_bytes
        if plan.strategy in ("sweep", "sweep_volume"):
            # Those of volumes take differences of pixels two apart, from the left one on.
            reach = self.channels * (2 if plan.strategy == "sweep_volume" else 1)
            self.vector = jit.sweep_bytes(plan.kernel[1], reach, plan.acc.itemsize)
        self.lanes = self.vector // plan.acc.itemsize
        self.tile = min(cpu.tile, self.lanes)
        self.width = self.cols * self.channels
        self.padded = max(self.width, self.lanes)
        self.words = np.zeros(at.BLOCK_WORDS, np.int64)
        self.keep: list[Array] = []
        self.end = 0
        self.grain = 1  # rows that the kernel makes together
        self.halo = 0  # rows that a band reads above and below it, together

    def make(self) -> Block:
        plan, args = self.plan, at.Head(self.words)
        args.planes, args.depth, args.rows, args.cols, args.channels = plan.view
        args.src_row = args.src_2_row = self.width * plan.src.itemsize
        args.dst_row = self.width * plan.dst.itemsize
        args.joined = plan.joined
        args.mode_z, args.mode_y, args.mode_x = (MODES[mode] for mode in plan.modes)
        if "constant" in plan.modes or (plan.slices is not None and plan.slices.min() < 0):
            args.constant_row = self.address(np.full(self.padded + self.lanes, self.border(), plan.src))
        getattr(self, f"write_{plan.strategy}")()
        args.grain = self.grain
        return Block(self.words, lines_of(self.end), max(self.grain, self.halo), tuple(self.keep))

    def border(self) -> float:
        """The constant beyond the border as a value of the source dtype."""
        if self.plan.src.kind == "f":
            return self.plan.border
        # cval / scale may lie a rounding error beside the integer that it stands for; and float64 has no largest int64.
        info = np.iinfo(self.plan.src)
        return min(max(round(self.plan.border), int(info.min)), int(info.max))

    # memory --------------------------------------------------------------------------------------

    def address(self, values: Array) -> int:
        """Where these values are; they stay there as long as the block."""
        self.keep.append(values)
        return values.ctypes.data

    def scalars(self, *values: float) -> int:
        return self.address(np.array(values, self.plan.acc))

    def take(self, size: int) -> int:
        """Reserve `size` bytes of scratch, on a cache line; their offset."""
        offset = self.end
        self.end += lines_of(size)
        return offset

    def take_spare(self, narrow_rows: int) -> None:
        """Scratch for one discarded row, or for every row of an image narrower than a vector."""
        self.take_narrow(max(self.width, narrow_rows))

    def take_narrow(self, values: int) -> None:
        """Room for the results of an image narrower than a vector."""
        at.Head(self.words).spare = self.take(values * self.plan.dst.itemsize)
