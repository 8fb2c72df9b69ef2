"""Magnitude and orientation of gradients whose derivatives are there already."""

from __future__ import annotations

import numpy as np

from fastsep._kernels import arguments as at
from fastsep._kernels.rows import share, whole_or_last
from fastsep._kernels.simd import emitter, memory
from fastsep._kernels.simd import sweep as sweep_simd


def build(form: str, acc_name: str, dst_name: str):
    """The band function for the results that `form` names (see `sweep_simd.gradient_sweep`).

    The source is the derivatives along y, the second one those along x. Rows of both are readable for a vector beyond
    their end.
    """
    acc, dst = np.dtype(acc_name), np.dtype(dst_name)
    lanes = emitter.lanes(acc)
    size, dst_size = acc.itemsize, dst.itemsize
    results = len(form.split("+"))

    def band(block, index):
        args = at.Head(block)
        width = args.cols * args.channels
        scratch = args.scratch
        spare = scratch + args.spare
        first, last = share(args, index, args.planes * args.rows)
        for row in range(first, last):
            dy = args.src + row * args.src_row
            dx = args.src_2 + row * args.src_2_row
            for part in range(2):
                column, vectors = whole_or_last(part, width, lanes)
                for k in range(results):
                    to = memory.word(block, at.DST + k) + row * args.dst_row + column * dst_size
                    if width < lanes:
                        to = spare + k * lanes * dst_size
                    memory.set_word(scratch, k, to)
                sweep_simd.polar(acc, dst, form, dy + column * size, dx + column * size, vectors, scratch)
            for k in range(results if width < lanes else 0):
                to = memory.word(block, at.DST + k) + row * args.dst_row
                memory.copy_bytes(to, spare + k * lanes * dst_size, width * dst_size)

    return band
