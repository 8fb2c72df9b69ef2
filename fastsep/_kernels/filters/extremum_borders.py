"""What minima and maxima see left and right of an image."""

from __future__ import annotations

from fastsep._kernels import arguments as at
from fastsep._kernels.helper import helper, step
from fastsep._kernels.rows import outside
from fastsep._kernels.simd import emitter, memory
from fastsep._kernels.simd import extremum as simd


def borders(which, dtype, height):
    """`prepare_borders` and `copy_borders`, for what lies left and right of the image."""
    lanes, size = emitter.lanes(dtype), dtype.itemsize
    vector = lanes * size

    @helper
    def prepare_borders(args):
        """List which column stands for each one left and right of the image; -1: the constant, which is put there."""
        for k in range(args.size_x - 1):
            pixel = k - args.centre_x if k < args.centre_x else k - args.centre_x + args.cols
            memory.set_word(args.scratch + args.borders, k, outside(pixel, args.cols, args.mode_x))
        simd.fill(dtype, which, args.scratch + args.constant_key, 1, args.beyond_x)
        if args.mode_x == at.CONSTANT:
            simd.fill(dtype, which, args.scratch + args.kept, height * args.kept_row // vector, args.beyond_x)

    @step
    def copy_borders(args, inside):
        """Copy what stands for columns left and right of the image, whose first pixel is at `inside`."""
        channels, centre = args.channels, args.centre_x
        constant = args.scratch + args.constant_key
        for k in range(args.size_x - 1):
            pixel = k - centre if k < centre else k - centre + args.cols
            column = memory.word(args.scratch + args.borders, k)
            to = inside + pixel * channels * size
            for _ in range(height):
                for c in range(channels):
                    beside = to + (column - pixel) * channels * size
                    memory.copy_value(dtype, to + c * size, constant if column < 0 else beside + c * size)
                to += args.kept_row

    return prepare_borders, copy_borders
