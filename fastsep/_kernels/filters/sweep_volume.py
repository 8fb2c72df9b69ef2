"""One sweep along the rows of a volume for 3 x 3 x 3 derivatives.

Planes are filtered one after the other, a window of rows of each, so that what two of them read alike is near. Rows are
read where they are, but for their first and last vectors: see `sweep_rows`. Results are not streamed: rows of the next
strip are asked for while one is made (measured: 0.85 of the time of non-temporal stores).
"""

from __future__ import annotations

import numpy as np

from fastsep._kernels import arguments as at
from fastsep._kernels.filters.sweep_rows import preparer
from fastsep._kernels.helper import helper
from fastsep._kernels.jit import sweep_bytes, sweep_volume_height
from fastsep._kernels.rows import deliver_narrow, list_targets, outside, share
from fastsep._kernels.simd import memory, sweep_volume


def build(form: str, channels_name: str, src_name: str, acc_name: str, dst_name: str):
    """The band function for one form (see `simd.sweep_volume`), pixel size and dtypes."""
    src, acc, dst = (np.dtype(name) for name in (src_name, acc_name, dst_name))
    channels, height, results = int(channels_name), sweep_volume_height(), len(form.split("+"))
    lanes = sweep_bytes(form, 2 * channels, acc.itemsize) // acc.itemsize
    src_size, dst_size, line = src.itemsize, dst.itemsize, lanes * dst.itemsize
    list_plane = _lister(src, lanes, channels)
    prepare = preparer(channels, channels, lanes, 0, 0)

    def band(block, index):
        args = at.SweepVolume(block)
        rows, depth, width, dst_row = args.rows, args.depth, args.cols * channels, args.dst_row
        window = args.window
        windows = (rows + window - 1) // window
        first, last = share(args, index, args.planes * windows * depth)
        scratch = args.scratch
        # Tables: of rows of three planes, of the rows of all results, of borders.
        listed = window + 2
        table_bytes = 8 * 3 * listed
        targets = scratch + 3 * table_bytes
        beyond = targets + 8 * height * results
        parts = beyond + 8 * 2 * channels
        spare = scratch + args.spare
        # Results of a row narrower than a vector go to spare memory.
        spare_row = line if width < lanes else 0
        part_count = prepare(args, beyond, 0, 0, parts, False)
        for unit in range(first, last):
            plane = unit % depth
            batch = unit // depth // windows
            first_row = (unit // depth - batch * windows) * window
            end = min(rows, first_row + window)
            source = args.src + batch * depth * rows * args.src_row
            for k in range(0 if unit == first or plane == 0 else 2, 3):
                slot = (plane + k) % 3
                list_plane(
                    args, scratch + slot * table_bytes, scratch + args.copies + slot * 2 * listed * args.copy, beyond,
                    source, plane - 1 + k, first_row - 1, end, listed,
                )  # fmt: skip
            before = scratch + plane % 3 * table_bytes
            here = scratch + (plane + 1) % 3 * table_bytes
            behind = scratch + (plane + 2) % 3 * table_bytes
            for top in range(first_row, end, height):
                ahead = source + ((plane + 2) * rows + top) * args.src_row
                for number in range(results):
                    target = memory.word(block, at.DST + number) + (batch * depth + plane) * rows * dst_row
                    list_targets(
                        targets + 8 * number * height, height, target, dst_row, top, end,
                        spare + number * height * spare_row, spare_row,
                    )  # fmt: skip
                for number in range(part_count):
                    part = at.Part(parts, number)
                    start = 8 * (listed * part.table + top - first_row)
                    sweep_volume.gradient_sweep(
                        src, acc, dst, form, channels, height, before + start, here + start, behind + start,
                        part.start * src_size, part.vectors, targets, part.column * dst_size,
                        ahead + height * part.column * src_size, height * dst_row, args.taps,
                    )  # fmt: skip
                for number in range(results if spare_row != 0 else 0):
                    target = memory.word(block, at.DST + number) + (batch * depth + plane) * rows * dst_row
                    deliver_narrow(
                        target, dst_row, top, min(top + height, end), spare + number * height * line, line,
                        width * dst_size,
                    )  # fmt: skip

    return band


def _lister(src, lanes, channels):
    """`list_plane` for rows of `src` and pixels of so many channels."""
    size = src.itemsize
    pair = 2 * lanes

    @helper
    def list_plane(args, table, copies, beyond, source, plane, first, last, listed):
        """Three tables of the rows `first` .. `last` of a plane: where they are, and where copies of either end are.

        `listed`: entries of each table. Those that are left over serve nobody: the last row stands for them.
        """
        width, constant, copy = args.cols * channels, args.constant_row, args.copy
        plane = outside(plane, args.depth, args.mode_z)
        for r in range(listed):
            row = outside(min(first + r, last), args.rows, args.mode_y)
            address = source + (plane * args.rows + row) * args.src_row
            if row < 0 or plane < 0:
                address = constant
            left = copies + 2 * r * copy + lanes * size
            right = copies + (2 * r + 1) * copy
            memory.set_word(table, r, address)
            memory.set_word(table, listed + r, left)
            memory.set_word(table, 2 * listed + r, right + lanes * size)
            behind = right + pair * size
            if width >= at.SWEEP_SHORT * lanes:
                memory.copy_values(src, pair, left, address)
                memory.copy_values(src, pair, right, address + (width - pair) * size)
            else:
                behind = left + width * size
                memory.copy_bytes(left, address, width * size)
            for k in range(2 * channels):
                value = memory.word(beyond, k)
                value = address + value * size if value >= 0 else constant
                to = left if k < channels else behind
                memory.copy_value(src, to + (k - channels) * size, value)

    return list_plane
