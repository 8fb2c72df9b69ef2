"""3 x 3 gradients of a smoothed image, in one sweep along the rows of the image and of what smoothing changes.

As in `sweep`, but for two sources: what smoothing changes (see `deviation`) and the image.
"""

from __future__ import annotations

import numpy as np

from fastsep._kernels import arguments as at
from fastsep._kernels.filters.sweep_rows import lister, preparer, streamer
from fastsep._kernels.jit import sum_height
from fastsep._kernels.rows import deliver_narrow, list_targets, share
from fastsep._kernels.simd import deviation as deviation_simd
from fastsep._kernels.simd import emitter, memory
from fastsep._kernels.simd import sweep as sweep_simd


def build(form: str, channels_name: str, src_name: str, acc_name: str, dst_name: str):
    """The band function for one form (see `sweep_simd.gradient_sweep`), pixel size and dtypes; `src` is the image's."""
    src, acc, dst = (np.dtype(name) for name in (src_name, acc_name, dst_name))
    channels = int(channels_name)
    lanes = emitter.lanes(acc)
    height = sum_height()
    results = len(form.split("+"))
    taken = height + 2
    src_size, acc_size, dst_size = src.itemsize, acc.itemsize, dst.itemsize
    line = lanes * dst_size
    list_pixels, list_changes = (lister(dtype, lanes, taken, channels) for dtype in (src, acc))
    prepare = preparer(channels, channels, lanes, results * height, at.PIECE * line)
    stream_pieces = streamer(results, height, lanes, dst_size)

    def band(block, index):
        args = at.GradientOfSum(block)
        width, dst_row = args.cols * channels, args.dst_row
        first_row, end = share(args, index, args.rows)
        scratch = args.scratch
        table = scratch
        changes = table + 8 * 3 * taken
        targets = changes + 8 * 3 * taken
        pieces = targets + 8 * height * results
        beyond = pieces + 8 * height * results
        parts = beyond + 8 * 2 * channels
        spare = scratch + args.spare
        spare_row = line if width < lanes else 0
        streamed = results > 1 and args.streamed != 0 and width >= at.SWEEP_SHORT * lanes
        part_count = prepare(args, beyond, pieces, scratch + args.streamed, parts, streamed)
        slot = fresh = 0
        for top in range(first_row, end, height):
            list_pixels(
                args, table, scratch + args.copies_2, beyond, args.src_2, args.src_2_row, args.constant_row_2,
                top - 1, end, slot, fresh, 0, 0,
            )  # fmt: skip
            list_changes(
                args, changes, scratch + args.copies, beyond, args.src, args.src_row, args.constant_row,
                top - 1, end, slot, fresh, 0, 0,
            )  # fmt: skip
            slot = (slot + height) % taken
            fresh = 2
            for number in range(results):
                list_targets(
                    targets + 8 * number * height, height, memory.word(block, at.DST + number), dst_row, top, end,
                    spare + number * height * spare_row, spare_row,
                )  # fmt: skip
            for number in range(part_count):
                part = at.Part(parts, number)
                deviation_simd.gradient_of_sum(
                    src, acc, dst, form, channels, height, table + 8 * part.table * taken, part.start * src_size,
                    changes + 8 * part.table * taken, part.start * acc_size, part.vectors, targets,
                    part.column * dst_size, args.taps,
                )  # fmt: skip
            column = lanes
            while results > 1 and streamed and column < width - 2 * lanes:
                vectors = min(at.PIECE, (width - lanes - column) // lanes)
                deviation_simd.gradient_of_sum(
                    src, acc, dst, form, channels, height, table, column * src_size,
                    changes, column * acc_size, vectors, pieces, 0, args.taps,
                )  # fmt: skip
                stream_pieces(pieces, targets, end - top, column, vectors)
                column += (vectors - 1) * lanes if vectors == at.PIECE else width
            for number in range(results if spare_row != 0 else 0):
                deliver_narrow(
                    memory.word(block, at.DST + number), dst_row, top, min(top + height, end),
                    spare + number * height * line, line, width * dst_size,
                )  # fmt: skip

        if results > 1:
            sweep_simd.finish_streams()

    return band
