"""Taps along both axes of planes, at every n-th row and column alone.

As in `fir`, a block of `lanes` rows of the result is made by way of a strip, in which one vector holds one column of
the block: vertical taps, the columns beyond the image, horizontal taps. Vertical taps are applied for the rows that
stay, horizontal ones at the columns that stay, which in a strip are vectors at any distance from each other.

Rows are made in pieces, so that a strip stays in the cache, and what a row takes does not depend on its length.
"""

from __future__ import annotations

import numpy as np

from fastsep._kernels import arguments as at
from fastsep._kernels.helper import helper, step
from fastsep._kernels.rows import deliver_narrow, list_targets, outside, rows_of_plane, share
from fastsep._kernels.simd import emitter, fir, memory, strided


def build(form: str, src_name: str, acc_name: str, dst_name: str):
    """The band function for one source, arithmetic and result dtype.

    `form`: "any"; or "halves1", "halves2" and so on for symmetric taps of this radius along both axes, which stand on
    every second row and column.
    """
    src, acc, dst = (np.dtype(name) for name in (src_name, acc_name, dst_name))
    lanes, dst_size = emitter.lanes(acc), dst.itemsize
    list_rows = _lister(lanes)
    radius = int(form.removeprefix("halves")) if form != "any" else 0
    fill_strip, filter_strip = _filler(radius, src, acc), _along(radius, acc, dst)

    def band(block, index):
        args = at.Strided(block)
        rows, width = args.rows, args.cols * args.channels
        targets = args.scratch + args.targets
        spare_row = lanes * dst_size if width < lanes else 0
        unit, stop = share(args, index, args.planes * rows)
        while unit < stop:
            plane, first, end = rows_of_plane(unit, stop, rows)
            unit += end - first
            source = args.src + plane * args.source_rows * args.src_row
            target = args.dst + plane * rows * args.dst_row
            for top in range(first, end, lanes):
                list_rows(args, source, top)
                for start in range(0, args.cols, args.piece):
                    # The last piece makes some columns again, to the same bits.
                    column = min(start, args.cols - args.piece)
                    fill_strip(args, column * args.stride_x - args.x.before)
                    to = target + column * args.channels * dst_size
                    list_targets(
                        targets, lanes, to, args.dst_row, top, end, args.scratch + args.spare, spare_row
                    )  # fmt: skip
                    filter_strip(args, targets)
                if spare_row != 0:
                    bottom = min(top + lanes, end)
                    deliver_narrow(
                        target, args.dst_row, top, bottom, args.scratch + args.spare, spare_row, width * dst_size
                    )  # fmt: skip

    return band


def _lister(lanes):
    @helper
    def list_rows(args, source, top):
        """List the rows of `source` that `lanes` rows of the result need, the first of them number `top`."""
        count, apart = args.y.count, args.apart
        for r in range(lanes):
            first = (top + r) * args.stride_y - args.y.before
            for k in range(count - apart if r > 0 else 0, count):
                row = outside(first + k, args.source_rows, args.mode_y)
                address = source + row * args.src_row if row >= 0 else args.constant_row
                memory.set_word(args.scratch, r * apart + k, address)

    return list_rows


def _filler(radius, src, acc):
    """`fill_strip` for a radius, or 0 for any taps, and the dtypes of source and arithmetic."""
    lanes, src_size = emitter.lanes(acc), src.itemsize
    vector = lanes * acc.itemsize

    @helper
    def filter_down(args, table, value, into):
        """The line along y, for `lanes` values of each row in a table from number `value` on."""
        if radius > 0:
            strided.halves_to_strip(src, acc, radius, table, value * src_size, into, args.y.taps)
        else:
            strided.strided_to_strip(
                src, acc, table, args.apart, value * src_size, into, args.y.taps, args.y.count, args.y.kind
            )

    @helper
    def copy_rows(args, start, stop):
        """Copy the values `start` .. `stop` - 1 of all rows that are listed, and list these; where the list is."""
        table = args.scratch + args.copied
        for k in range((lanes - 1) * args.apart + args.y.count):
            copy = args.scratch + args.copies + k * args.copy_row
            memory.copy_bytes(copy, memory.word(args.scratch, k) + start * src_size, (stop - start) * src_size)
            memory.set_word(table, k, copy - start * src_size)
        return table

    @helper
    def fill_beyond(args, table, inside, start, stop):
        """Fill in the columns `start` .. `stop` - 1, which lie beyond the source. Those that stand for them may lie
        anywhere in it, so they are filtered down for this, a vector of them at a time."""
        channels, tile = args.channels, args.scratch + args.tile
        last = max(args.source_cols * channels - lanes, 0)
        held = -1
        for x in range(start, stop):
            column = outside(x, args.source_cols, args.mode_x)
            for c in range(channels):
                to = inside + (x * channels + c) * vector
                if column < 0:
                    memory.fill_vector(acc, to, args.beyond_x)
                    continue
                value = column * channels + c
                first = min(value // lanes * lanes, last)
                if first != held:
                    filter_down(args, table, first, tile)
                    held = first
                memory.copy_vector(acc, to, tile + (value - first) * vector)

    @step
    def fill_strip(args, origin):
        """Filter the columns of a piece down; the first of them is number `origin` of the source, or beyond it."""
        channels, cols = args.channels, args.source_cols
        end = origin + args.span
        table = args.scratch
        start, stop, last = max(origin, 0) * channels, min(end, cols) * channels, cols * channels - lanes
        narrow = last < 0
        if args.copies != 0:
            if narrow:
                start, stop = 0, cols * channels
            table = copy_rows(args, start, stop)
            last = stop  # copies have room behind them
        # Where the first column of the source is, or would be.
        inside = args.scratch + args.strip - origin * channels * vector
        for x in range(start, stop, lanes):
            value = min(x, last)
            filter_down(args, table, value, inside + value * vector)
        if not narrow:
            table = args.scratch
        fill_beyond(args, table, inside, origin, min(end, 0))
        fill_beyond(args, table, inside, max(origin, cols), end)

    return fill_strip


def _along(radius, acc, dst):
    """`filter_strip` for a radius, or 0 for any taps, and the dtypes of arithmetic and result."""
    lanes, dst_size = emitter.lanes(acc), dst.itemsize
    vector = lanes * acc.itemsize

    @step
    def filter_strip(args, targets):
        """The line along x of a piece; results are stored in the rows in `targets`."""
        channels, strip = args.channels, args.scratch + args.strip
        pixel = channels * vector
        stride = args.stride_x * pixel
        taps, count, kind = args.x.taps, args.x.count, args.x.kind
        width = args.piece * channels
        for x in range(0, args.piece, lanes):
            for c in range(channels):
                # Nobody needs the columns of the strip any more that results replace: they lie before the next input.
                start, to = strip + x * stride + c * vector, strip + x * pixel + c * vector
                if radius > 0:
                    strided.halves_along_strip(acc, radius, start, pixel, taps, to)
                else:
                    strided.strided_along_strip(acc, start, pixel, stride, taps, count, kind, to)
        for x in range(0, width, lanes):
            value = min(x, max(width - lanes, 0))
            fir.store_strip(acc, dst, strip + value * vector, targets, value * dst_size)

    return filter_strip
