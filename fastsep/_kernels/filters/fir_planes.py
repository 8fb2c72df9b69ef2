"""Separable FIR filters over volumes: many planes together, along the depth first, then as planes (see `fir`).

A row of all planes that a group of output planes reads is copied, some columns at a time, to where the planes lie an
odd number of cache lines apart: in the image they are often a power of two apart and compete for a few sets of every
cache. From there it is filtered along the depth into a slab, which stays in the second level of the cache with all
the rows that a block of each output plane needs; each row is filtered along the depth once.
"""

from __future__ import annotations

from fastsep._kernels import arguments as at
from fastsep._kernels.filters import fir_block, fir_slab
from fastsep._kernels.helper import helper, step
from fastsep._kernels.rows import outside, share
from fastsep._kernels.simd import emitter, fir, memory, sweep


def build(form, src, acc, dst):
    """As `fir.build`."""
    lanes = emitter.lanes(acc)
    find_borders, fill_border = fir_block.borders(form, acc)
    filter_block = fir_block.filterer(form, src, acc, dst, fill_border)
    count_rows, plane_bytes, filter_plane = fir_slab.of_planes(acc, dst, filter_block)
    list_planes, filter_depth = _depth(form, src, acc, dst, count_rows, plane_bytes)

    def band(block, index):
        args = at.Volume(block)
        rows, depth = args.rows, args.depth
        windows = (rows + args.window - 1) // args.window
        groups = (depth + args.group - 1) // args.group
        first_unit, last_unit = share(args, index, args.planes * groups * windows)
        scratch = args.scratch
        slab_plane = plane_bytes(args)
        plane_table = scratch + args.listed
        # Rows that nobody wants begin as far behind a cache line as the others.
        spare = scratch + args.spare + args.dst % at.LINE
        find_borders(args, scratch + args.borders)
        for unit in range(first_unit, last_unit):
            batch = unit // (groups * windows)
            group = (unit - batch * groups * windows) // windows
            first_row = (unit - (batch * groups + group) * windows) * args.window
            end = min(rows, first_row + args.window)
            first_plane = group * args.group
            planes = min(args.group, depth - first_plane)
            list_planes(args, plane_table, batch, first_plane, planes)
            filtered = first_row - args.lead
            for top in range(first_row, end, lanes):
                stop = min(top + lanes, end) + args.trail
                filter_depth(args, scratch, plane_table, planes, filtered, stop, first_row - args.lead)
                filtered = stop
                for r in range(planes):
                    target = args.dst + (batch * depth + first_plane + r) * rows * args.dst_row
                    slab = scratch + args.slab + r * slab_plane
                    filter_plane(args, scratch, slab, args.group * slab_plane, first_row, top, end, target, spare)
        sweep.finish_streams()

    return band


def _depth(form, src, acc, dst, count_rows, plane_bytes):
    """`list_planes` and `filter_depth` for a form and the dtypes of source, arithmetic and result."""
    lanes, tile = emitter.lanes(acc), emitter.tile(acc)
    src_size, acc_size = src.itemsize, acc.itemsize
    cast = form.endswith("cast")

    @helper
    def count_taken(args, planes):
        """How many planes are read for `planes` output planes, which are made in whole tiles."""
        return args.lead_z + (planes + tile - 1) // tile * tile + args.trail_z

    @helper
    def list_planes(args, table, batch, first_plane, planes):
        """List the planes that are read for those from `first_plane` on; 0: the constant."""
        for i in range(count_taken(args, planes)):
            plane = outside(first_plane - args.lead_z + i, args.depth, args.mode_z)
            address = args.src + (batch * args.depth + plane) * args.rows * args.src_row
            memory.set_word(table, i, address if plane >= 0 else 0)

    @step
    def filter_depth(args, scratch, table, planes, first, stop, top_row):
        """Apply the lines along the depth to the rows `first` .. `stop` - 1 of the planes listed, into the slab."""
        width, taken, taken_z = args.cols * args.channels, count_rows(args), count_taken(args, planes)
        slab_plane = plane_bytes(args)
        copy_row, vector = args.ring_row, lanes * acc_size
        # The first copy is a guard, and that behind the last.
        copies = scratch + args.ring + copy_row
        for v in range(first, stop):
            row = outside(v, args.rows, args.mode_y)
            slab_row = scratch + args.slab + (v - top_row) % taken * args.slab_row
            for start in range(0, width, args.piece):
                span = min(args.piece, width - start)
                offset = row * args.src_row + start * src_size
                for i in range(taken_z if row >= 0 else 0):
                    plane = memory.word(table, i)
                    source = plane + offset if plane != 0 else args.constant_row
                    memory.convert_values(src, acc, copies + i * copy_row, source, span)
                for number in range(args.depth_line_count):
                    line = at.DepthLine(args.depth_lines, number)
                    taps, count, kind = line.line.taps, line.line.count, line.line.kind
                    under = copies + (args.lead_z - line.line.before) * copy_row
                    to = slab_row + number * args.group * slab_plane + start * acc_size
                    for _ in range(0, planes, tile):
                        for x in range(0, span * acc_size, vector):
                            if row < 0:
                                for r in range(tile):
                                    memory.fill_vector(acc, to + r * slab_plane + x, line.beyond_y)
                            elif cast:
                                fir.cast_across(acc, dst, under + x, copy_row, taps, count, kind, to + x, slab_plane)
                            else:
                                fir.fir_across(acc, under + x, copy_row, taps, count, kind, to + x, slab_plane)
                        under += tile * copy_row
                        to += tile * slab_plane

    return list_planes, filter_depth
