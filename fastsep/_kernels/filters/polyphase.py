"""Rows that are sums of some rows of another image, fewer or more of them than that has.

"reduce" takes every `step`-th result of a filter along the columns. Its taps stand phase by phase: row r of the result
is the sum over p < step and k < count of taps[p][k] times row (r + k) * step + p + start of the source.

"expand" makes `phases` rows of each, by taps for each phase: row r of the result is the sum over k < count of
taps[r % phases][k] times row r // phases + k + start of the source.
"""

from __future__ import annotations

import numpy as np

from fastsep._kernels import arguments as at
from fastsep._kernels.helper import helper, step
from fastsep._kernels.rows import list_targets, outside, rows_of_plane, share
from fastsep._kernels.simd import emitter, memory, sweep
from fastsep._kernels.simd.polyphase import expand_rows, reduce_rows

#: Vectors that "expand" sums together: enough additions to hide the time that each takes.
WIDE = 8


def build(form: str, src_name: str, acc_name: str, dst_name: str):
    """The band function for one source, arithmetic and result dtype; `form`: "reduce" or "expand"."""
    src, acc, dst = (np.dtype(name) for name in (src_name, acc_name, dst_name))
    reduces, tile = form == "reduce", emitter.tile(acc)
    make_rows = (_reducer if reduces else _expander)(src, acc, dst)

    @helper
    def list_rows(args, source, first, count):
        """List in the table where the rows from number `first` on are, also those outside the image."""
        for i in range(count):
            row = outside(first + i, args.source_rows, args.mode_y)
            memory.set_word(args.scratch, i, source + row * args.src_row if row >= 0 else args.constant_row)

    def band(block, index):
        args = at.Polyphase(block)
        rows = args.rows
        unit, stop = share(args, index, args.planes * rows)
        while unit < stop:
            plane, first, end = rows_of_plane(unit, stop, rows)
            unit += end - first
            source = args.src + plane * args.source_rows * args.src_row
            target = args.dst + plane * rows * args.dst_row
            for top in range(first, end, at.ROWS_LISTED):
                bottom = min(top + at.ROWS_LISTED, end)
                if reduces:
                    made = (bottom - top + tile - 1) // tile * tile
                    list_rows(args, source, top * args.step + args.start, (made + args.count - 1) * args.step)
                else:
                    before = top // args.phases
                    list_rows(args, source, before + args.start, (bottom - 1) // args.phases - before + args.count)
                make_rows(args, top, bottom, target)
        sweep.finish_streams()

    return band


def _reducer(src, acc, dst):
    lanes, tile = emitter.lanes(acc), emitter.tile(acc)
    src_size, dst_size = src.itemsize, dst.itemsize

    @step
    def reduce(args, top, bottom, target):
        """Make the rows `top` .. `bottom` - 1, whose sources are listed; rows behind them go to spare."""
        width = args.cols * args.channels
        taps, count, step = args.taps, args.count, args.step
        targets = args.scratch + args.targets
        for start in range(0, width, args.piece):
            last = min(start + args.piece, width)
            # Room for the columns of this piece, and for a vector before them.
            spare = args.scratch + args.spare - (start - lanes) * dst_size
            for row in range(top, bottom, tile):
                here = args.scratch + 8 * (row - top) * step
                list_targets(targets, tile, target, args.dst_row, row, bottom, spare, 0)
                if width >= lanes:
                    for x in range(start, last, lanes):
                        # The last vector of a row makes some columns again, to the same bits.
                        x = min(x, width - lanes)
                        reduce_rows(src, acc, dst, 1, here, step, x * src_size, taps, count, targets, x * dst_size)
                else:
                    for x in range(start, last):
                        reduce_rows(src, acc, dst, 0, here, step, x * src_size, taps, count, targets, x * dst_size)

    return reduce


def _expander(src, acc, dst):
    lanes = emitter.lanes(acc)
    wide = WIDE * lanes
    src_size, acc_size, dst_size = src.itemsize, acc.itemsize, dst.itemsize

    @step
    def expand(args, top, bottom, target):
        """Make the rows `top` .. `bottom` - 1, whose sources are listed."""
        width = args.cols * args.channels
        phases, count = args.phases, args.count
        streamed = args.streamed if args.dst % at.LINE == 0 else 0
        for start in range(0, width, args.piece):
            last = min(start + args.piece, width)
            for row in range(top, bottom):
                here = args.scratch + 8 * (row // phases - top // phases)
                taps = args.taps + row % phases * count * acc_size
                to = target + row * args.dst_row
                # As above.
                if width >= wide:
                    for x in range(start, last, wide):
                        x = min(x, width - wide)
                        expand_rows(src, acc, dst, WIDE, here, x * src_size, taps, count, to + x * dst_size, streamed)
                elif width >= lanes:
                    for x in range(start, last, lanes):
                        x = min(x, width - lanes)
                        expand_rows(src, acc, dst, 1, here, x * src_size, taps, count, to + x * dst_size, 0)
                else:
                    for x in range(start, last):
                        expand_rows(src, acc, dst, 0, here, x * src_size, taps, count, to + x * dst_size, 0)

    return expand
