"""Rows under windows, copied with the border around them: what kernels that rank pixels have in common."""

from __future__ import annotations

from fastsep._kernels.helper import helper
from fastsep._kernels.jit import target
from fastsep._kernels.rows import outside
from fastsep._kernels.simd import memory
from fastsep._kernels.simd import rank as rank_simd


def copier(dtype):
    """`find_borders` and `copy_row` for pixels of a dtype."""
    size, vector = dtype.itemsize, target().vector_bytes

    @helper
    def find_borders(args, borders):
        """List which column stands for each one left and right of the image; -1: none."""
        for k in range(args.left + args.right):
            pixel = k - args.left if k < args.left else k - args.left + args.cols
            memory.set_word(borders, k, outside(pixel, args.cols, args.mode_x))

    @helper
    def copy_row(args, row, to, first, stop, wide):
        """Copy the pixels `first` .. `stop` - 1 of the row at `row`, some of them beyond its ends.

        So many as fill `wide` vectors may be written.
        """
        pixel, cols = args.channels * size, args.cols
        inside, end = (max(first, 0), min(stop, cols)) if args.joined == 0 else (first, stop)
        if inside * pixel + wide * vector <= cols * pixel:  # no call of memmove
            rank_simd.copy_vectors(dtype, row + inside * pixel, to + (inside - first) * pixel, wide)
        else:
            memory.copy_bytes(to + (inside - first) * pixel, row + inside * pixel, (end - inside) * pixel)
        for side in range(2):
            begin, finish = (first, inside) if side == 0 else (end, stop)
            for x in range(begin, finish):
                k = x + args.left if side == 0 else x + args.left - cols
                column = memory.word(args.scratch + args.borders, k)
                value = row + column * pixel if column >= 0 else args.constant_row
                for channel in range(args.channels):
                    memory.copy_value(dtype, to + (x - first) * pixel + channel * size, value + channel * size)

    return find_borders, copy_row
