"""One sweep along the rows for small kernels: gradients, Roberts' differences, short smoothing.

A strip of `height` rows runs along the columns, with the vector before and the present one of each
row in registers; neighbours are shuffled out of them. Interior columns are read straight from the
image. The first and the last vector of a row are read from copies that carry the border values (see `sweep_rows`).
"""

from __future__ import annotations

import numpy as np

from fastsep._kernels import arguments as at
from fastsep._kernels.filters.sweep_rows import lister, preparer, streamer
from fastsep._kernels.jit import sweep_bytes, sweep_height, sweep_radius
from fastsep._kernels.rows import deliver_narrow, list_targets, rows_of_plane, share, turn_targets
from fastsep._kernels.simd import memory
from fastsep._kernels.simd import sweep as sweep_simd


def build(form: str, channels_name: str, src_name: str, acc_name: str, dst_name: str):
    """The band function for one form, pixel size and dtypes.

    `form`: as in `sweep_simd.gradient_sweep`, with "wide2 " before it where taps reach two pixels, and so on; or
    "smooth1", "smooth2" and so on. "smooth4 harris" and the like, with one of the measures of `sweep_simd.corner`, are
    "smooth4" as well, unless there is a second source, two planes of smoothed values: then results are the measure of
    what is smoothed here and those.
    """
    src, acc, dst = (np.dtype(name) for name in (src_name, acc_name, dst_name))
    channels = int(channels_name)
    lanes = sweep_bytes(form, channels, acc.itemsize) // acc.itemsize
    radius, height = sweep_radius(form), sweep_height(exact=form.startswith("exact"))
    results = len(form.split("+"))
    kind = next((name for name in ("smooth", "wide") if form.startswith(name)), "gradient")
    corner = kind == "smooth" and " " in form
    taken = height + 2 * radius
    margin = radius * channels  # values beyond either end of a row
    src_size, dst_size, line = src.itemsize, dst.itemsize, lanes * dst.itemsize
    list_rows = lister(src, lanes, taken, margin)
    sweep = getattr(sweep_simd, f"{kind}_sweep")
    straight = results == 1 and dst == acc and kind != "wide"  # streamed, if at all, without a detour
    # Each lane of the vectors beyond a row's ends is computed with. What earlier calls left there may be numbers too
    # small to be normal, such as halves of addresses, with which an operation takes a hundred cycles more on some CPUs
    # (measured: a blur of 64 x 64 pixels ten times the time).
    computes_beyond = kind != "gradient" and src.kind == "f"
    prepare = preparer(margin, channels, lanes, results * height, at.PIECE * line)
    stream_pieces = streamer(results, height, lanes, dst_size)

    def band(block, index):
        args = at.Sweep(block)
        rows, width, dst_row = args.rows, args.cols * channels, args.dst_row
        unit, stop = share(args, index, args.planes * rows)
        scratch = args.scratch
        # Tables: of rows and of copies of either end, of the rows of all results and of pieces of them, of borders,
        # of rows of other values.
        table, spare = scratch, scratch + args.spare
        targets = table + 8 * 3 * taken
        pieces = targets + 8 * height * results
        beyond = pieces + 8 * height * results
        beside = beyond + 8 * 2 * margin
        parts = beside + 8 * height
        # Results of a row narrower than a vector go to spare memory.
        spare_row = line if width < lanes else 0
        streamed = results > 1 and args.streamed != 0 and width >= at.SWEEP_SHORT * lanes
        if computes_beyond:
            memory.clear_bytes(scratch + args.copies, 2 * taken * at.SWEEP_COPY * lanes * src_size)
        part_count = prepare(args, beyond, pieces, scratch + args.streamed, parts, streamed)
        # Between the ends of rows, if all vectors are at multiples of their size.
        fits = (args.dst | dst_row | width * dst_size) % line == 0
        between = 1 if straight and args.streamed != 0 and fits else 0
        while unit < stop:
            plane, first_row, end = rows_of_plane(unit, stop, rows)
            unit += end - first_row
            source = args.src + plane * rows * args.src_row
            slot = fresh = 0
            for top in range(first_row, end, height):
                list_rows(
                    args, table, scratch + args.copies, beyond, source, args.src_row, args.constant_row,
                    top - radius, end + radius - 1, slot, fresh, args.src_turn, args.src_ring,
                )  # fmt: skip
                slot = (slot + height) % taken
                fresh = 2 * radius
                for number in range(results):
                    target = memory.word(block, at.DST + number) + plane * rows * dst_row
                    list_targets(
                        targets + 8 * number * height, height, target, dst_row, top, end,
                        spare + number * height * spare_row, spare_row,
                    )  # fmt: skip
                    if args.dst_ring != 0:
                        turn_targets(
                            targets + 8 * number * height, height, top, end, args.dst_turn, args.dst_ring
                        )  # fmt: skip
                if corner and args.src_2 != 0:
                    for r in range(height):
                        memory.set_word(beside, r, args.src_2 + min(top + r, end - 1) * args.src_2_row)
                for number in range(part_count):
                    part = at.Part(parts, number)
                    if corner:
                        sweep_simd.corner_sweep(
                            src, acc, dst, form, channels, height, table + 8 * part.table * taken,
                            part.start * src_size, part.vectors, targets, part.column * dst_size,
                            between if part.table == 0 else 0, args.taps_y, args.taps_x,
                            beside, args.src_plane, args.src_2, args.factor,
                        )  # fmt: skip
                        continue
                    sweep(
                        src, acc, dst, form, channels, height, table + 8 * part.table * taken, part.start * src_size,
                        part.vectors, targets, part.column * dst_size, between if part.table == 0 else 0,
                        args.taps_y, args.taps_x,
                    )  # fmt: skip
                column = lanes
                while results > 1 and streamed and column < width - 2 * lanes:
                    vectors = min(at.PIECE, (width - lanes - column) // lanes)
                    sweep(
                        src, acc, dst, form, channels, height, table, column * src_size,
                        vectors, pieces, 0, 0, args.taps_y, args.taps_x,
                    )  # fmt: skip
                    stream_pieces(pieces, targets, end - top, column, vectors)
                    column += (vectors - 1) * lanes if vectors == at.PIECE else width
                for number in range(results if spare_row != 0 else 0):
                    target = memory.word(block, at.DST + number) + plane * rows * dst_row
                    deliver_narrow(
                        target, dst_row, top, min(top + height, end), spare + number * height * line, line,
                        width * dst_size,
                    )  # fmt: skip

        if results > 1 or straight:
            sweep_simd.finish_streams()

    return band
