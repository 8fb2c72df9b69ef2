"""Planes of a volume from a slab of rows that are filtered along the depth already (see `fir`).

The slab is a ring of as many rows as a block of an output plane reads, for each plane and each line along the depth.
"""

from __future__ import annotations

from fastsep._kernels.helper import helper
from fastsep._kernels.rows import deliver_narrow, list_targets
from fastsep._kernels.simd import emitter, memory


def of_planes(acc, dst, filter_block):
    """`count_rows`, `plane_bytes` and `filter_plane` for the dtypes of arithmetic and result."""
    lanes, dst_size = emitter.lanes(acc), dst.itemsize

    @helper
    def count_rows(args):
        """The rows of a plane that the slab holds."""
        return args.lead + args.trail + lanes

    @helper
    def plane_bytes(args):
        """How far apart planes lie: as many rows as they have, or one more, which is an odd number of cache lines."""
        return count_rows(args) // 2 * 2 * args.slab_row + args.slab_row

    @helper
    def filter_plane(args, scratch, slab, line_bytes, first_row, top, end, target, spare):
        """Filter the rows from `top` on, a block of them, of a plane whose rows from `first_row` on are made.

        `slab`: where the plane's rows of the first line are; those of the next are `line_bytes` behind it. `target`:
        the plane of the result. `spare`: where rows go that nobody wants, and all rows narrower than a vector.
        """
        taken, width, lines = count_rows(args), args.cols * args.channels, args.depth_line_count
        spare_row = lanes * dst_size if width < lanes else 0
        table = scratch
        dst_table = table + lines * args.table_bytes
        for number in range(lines):
            rows = slab + number * line_bytes
            # The first entry and the last are guards. Rows past the end are not wanted: any will do.
            place = (top - first_row + taken - 1) % taken
            for i in range(taken + 2):
                memory.set_word(table + number * args.table_bytes, i, rows + place * args.slab_row)
                place += 1
                if place == taken:
                    place = 0
        list_targets(dst_table, lanes, target, args.dst_row, top, end, spare, spare_row)
        filter_block(args, table, dst_table, scratch, top, 0)
        if spare_row != 0:
            deliver_narrow(target, args.dst_row, top, min(top + lanes, end), spare, spare_row, width * dst_size)

    return count_rows, plane_bytes, filter_plane
