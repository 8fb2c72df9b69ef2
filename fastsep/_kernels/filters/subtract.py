"""One image less another, as NumPy subtracts: integers wrap."""

from __future__ import annotations

import numpy as np

from fastsep._kernels import arguments as at
from fastsep._kernels.rows import copy_ends, share
from fastsep._kernels.simd import emitter, memory
from fastsep._kernels.simd import extremum as simd
from fastsep._kernels.simd.sweep import finish_streams


def build(form: str, dtype_name: str):
    """The band function for a dtype: "second" from the source, or "source" from the second one."""
    dtype = np.dtype(dtype_name)
    lanes, size = emitter.lanes(dtype), dtype.itemsize
    vector = lanes * size

    def band(block, index):
        args = at.Head(block)
        width = args.cols * args.channels
        spare, ends = args.scratch + args.spare, args.scratch + args.streamed if args.streamed != 0 else 0
        first, last = share(args, index, args.rows)
        for row in range(first, last):
            source, second = args.src + row * args.src_row, args.src_2 + row * args.src_2_row
            target = args.dst + row * args.dst_row
            if width < lanes:
                memory.copy_bytes(spare, source, width * size)
                memory.copy_bytes(spare + vector, second, width * size)
                simd.deliver_difference(dtype, form, spare, spare + vector, spare, lanes, 0)
                memory.copy_bytes(target, spare, width * size)
            else:
                simd.deliver_difference(dtype, form, source, second, target, width, ends)
                if ends != 0:
                    copy_ends(target, ends, width * size)
        if args.streamed != 0:
            finish_streams()

    return band
