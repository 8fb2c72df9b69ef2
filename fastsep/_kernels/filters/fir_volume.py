"""Separable FIR filters over volumes by differences: along the depth first, then as those of planes (see `fir`).

Differences need columns and rows beside those of the image. A ring holds a window of rows, and what is beside them, of
as many planes as a few output planes need. Rows of these are filtered along the depth into a slab, block by block, and
from there along the other axes.
"""

from __future__ import annotations

from fastsep._kernels import arguments as at
from fastsep._kernels.filters import fir_block, fir_slab
from fastsep._kernels.helper import helper
from fastsep._kernels.rows import guard, outside, share
from fastsep._kernels.simd import emitter, fir, memory


def build(form, src, acc, dst):
    """As `fir.build`."""
    lanes, tile = emitter.lanes(acc), emitter.tile(acc)
    find_borders, fill_border = fir_block.borders(form, acc)
    filter_block = fir_block.filterer(form, src, acc, dst, fill_border)
    count_rows, plane_bytes, filter_plane = fir_slab.of_planes(acc, dst, filter_block)
    take_planes = _planes(src, acc, count_rows)
    filter_depth = _depth(src, acc, count_rows, plane_bytes)

    def band(block, index):
        args = at.Volume(block)
        rows, depth = args.rows, args.depth
        windows = (rows + args.window - 1) // args.window
        chunks = (depth + args.chunk - 1) // args.chunk
        first_unit, last_unit = share(args, index, args.planes * chunks * windows)
        scratch = args.scratch
        taken_z = args.lead_z + args.trail_z + tile
        slab = scratch + args.slab
        slab_plane = plane_bytes(args)
        plane_table = scratch + args.depth_line_count * args.table_bytes + 8 * lanes
        find_borders(args, scratch + args.borders)
        for unit in range(first_unit, last_unit):
            batch = unit // (chunks * windows)
            chunk = (unit - batch * chunks * windows) // windows
            first_row = (unit - (batch * chunks + chunk) * windows) * args.window
            end = min(rows, first_row + args.window)
            slot = 0
            fresh = 0
            for first_plane in range(chunk * args.chunk, min(depth, (chunk + 1) * args.chunk), tile):
                take_planes(args, scratch, plane_table, batch, first_plane, first_row, end, slot, fresh)
                slot = (slot + tile) % taken_z
                fresh = taken_z - tile
                filtered = first_row - args.lead
                for top in range(first_row, end, lanes):
                    stop = min(top + lanes, end) + args.trail
                    filter_depth(args, plane_table, slab, filtered, stop, first_row - args.lead)
                    filtered = stop
                    for r in range(min(tile, depth - first_plane)):
                        target = args.dst + (batch * depth + first_plane + r) * rows * args.dst_row
                        filter_plane(
                            args, scratch, slab + r * slab_plane, tile * slab_plane, first_row, top, end, target,
                            scratch + args.spare,
                        )  # fmt: skip

    return band


def _planes(src, acc, count_rows):
    """`take_planes` for the dtypes of source and arithmetic."""
    tile, src_size = emitter.tile(acc), src.itemsize

    @helper
    def copy_ends(args, beyond, row, to):
        """Copy what stands for the values left and right of the source row at `row` to either side of `to`."""
        left, width = args.left * args.channels, args.cols * args.channels
        for k in range(left + args.right * args.channels):
            value = memory.word(beyond, k)
            source = row + value * src_size if value >= 0 else args.constant_row
            place = k - left if k < left else k - left + width
            memory.copy_value(src, to + place * src_size, source)

    @helper
    def list_beyond(args, beyond):
        """List the values of a row that stand for those that are copied left and right of it; -1: the constant."""
        channels = args.channels
        for k in range(args.left + args.right):
            pixel = k - args.left if k < args.left else k - args.left + args.cols
            column = outside(pixel, args.cols, args.mode_x)
            for c in range(channels):
                memory.set_word(beyond, k * channels + c, column * channels + c if column >= 0 else -1)

    @helper
    def take_planes(args, scratch, plane_table, batch, first_plane, first_row, end, slot, fresh):
        """Hold a window of rows of the planes that those from `first_plane` on need in the ring, and list these planes.

        Copies of planes are kept from `slot` on, and those of the first `fresh` ones are there.
        """
        rows, depth, width = args.rows, args.depth, args.cols * args.channels
        taken = count_rows(args)
        taken_z = args.lead_z + args.trail_z + tile
        # An odd number of cache lines, as `window` + `taken` + 1 - (its parity) rows are.
        ring_plane = (args.window + taken) // 2 * 2 * args.ring_row + args.ring_row
        top_row = first_row - args.lead
        beyond = scratch + args.beyond
        list_beyond(args, beyond)
        for i in range(taken_z):
            place = slot + i
            if place >= taken_z:
                place -= taken_z
            place = scratch + args.ring + place * ring_plane
            memory.set_word(plane_table, i + 1, place)
            if i < fresh:
                continue
            plane = outside(first_plane - args.lead_z + i, depth, args.mode_z)
            for v in range(top_row, end + args.trail):
                row = outside(v, rows, args.mode_y)
                address = args.src + ((batch * depth + plane) * rows + row) * args.src_row
                if plane < 0 or row < 0:
                    address = args.constant_row
                to = place + (v - top_row) * args.ring_row
                # Differences are taken beyond the image, too.
                memory.copy_bytes(to, address, width * src_size)
                copy_ends(args, beyond, address, to)
        guard(plane_table, taken_z, True)

    return take_planes


def _depth(src, acc, count_rows, plane_bytes):
    """`filter_depth` for the dtypes of source and arithmetic."""
    lanes, tile = emitter.lanes(acc), emitter.tile(acc)
    src_size, acc_size = src.itemsize, acc.itemsize

    @helper
    def apply(line, rows, start, to, slab_plane, width):
        """Apply a line along the depth to what lies `start` bytes from the places in `rows`, or to its slopes."""
        last = max(width - lanes, 0)
        # Read once: for all the compiler knows they might change when a vector is stored.
        taps, count, kind, before = line.line.taps, line.line.count, line.line.kind, line.line.before
        step, span, total = line.step, line.span, line.total
        for x in range(0, width, lanes):
            column = min(x, last)
            if step != 0 or span != 0:
                fir.slopes_to_rows(
                    src, acc, rows, start + column * src_size, to + column * acc_size, slab_plane,
                    taps, count, kind, step, span, before, total,
                )  # fmt: skip
            else:
                fir.fir_to_rows(
                    src, acc, rows, start + column * src_size, to + column * acc_size, slab_plane, taps, count, kind
                )  # fmt: skip

    @helper
    def filter_depth(args, plane_table, slab, first, stop, top_row):
        """Apply the lines along the depth to the rows `first` .. `stop` - 1 of the planes listed, into the slab.

        Row by row: what a second line reads is in the first level of the cache then.
        """
        taken, slab_plane = count_rows(args), plane_bytes(args)
        for v in range(first, stop):
            place = slab + (v - top_row) % taken * args.slab_row
            for number in range(args.depth_line_count):
                line = at.DepthLine(args.depth_lines, number)
                under = plane_table + 8 * (args.lead_z + 1 - line.line.before)
                start = (v - top_row) * args.ring_row
                to = place + number * tile * slab_plane
                apply(line, under, start + line.start, to, slab_plane, line.width)

    return filter_depth
