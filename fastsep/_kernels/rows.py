"""The rows of a band: which they are, where they are read and where they go, and what lies outside an image."""

from __future__ import annotations

from fastsep._kernels import arguments as at
from fastsep._kernels.helper import helper
from fastsep._kernels.simd import memory


@helper
def share(args, index, total):
    """The first row of a band and the one after its last, of `total` rows in all planes together."""
    bands = args.bands
    if bands == 0:
        return args.first, args.last
    grains = (total + args.grain - 1) // args.grain
    return min(grains * index // bands * args.grain, total), min(grains * (index + 1) // bands * args.grain, total)


@helper
def rows_of_plane(unit, stop, rows):
    """The plane in which row `unit` of all planes together lies, and the first row there and the one after the last."""
    plane = unit // rows
    first = unit - plane * rows
    return plane, first, min(rows, first + stop - unit)


@helper
def rows_of_window(unit, stop, rows, depth, window):
    """`rows_of_plane` where a volume's planes follow each other a window of rows at a time."""
    batch = unit // (depth * rows)
    unit, stop = unit - batch * depth * rows, stop - batch * depth * rows
    start = unit // (depth * window) * window
    unit, stop = unit - depth * start, stop - depth * start
    plane, first, end = rows_of_plane(unit, stop, min(window, rows - start))
    return batch * depth + plane, start + first, start + end


@helper
def outside(index, size, mode):
    """The pixel that stands for pixel `index` of `size`; -1 for the constant."""
    if 0 <= index < size:
        return index
    if mode == at.CONSTANT:
        return -1
    if mode == at.NEAREST:
        return 0 if index < 0 else size - 1
    if mode == at.REFLECT:
        index = index % (2 * size)
        return index if index < size else 2 * size - 1 - index
    if mode == at.MIRROR:
        if size == 1:
            return 0
        index = index % (2 * size - 2)
        return index if index < size else 2 * size - 2 - index
    return index % size


@helper
def list_sources(args, scratch, table, taken, fresh, height, row_length, first, last, source, slot):
    """List in `table`, from entry 1 on, where the `taken` rows from number `first` on of those at `source` are.

    All but the last `fresh` of them are there already, `height` entries further on. Entry 0 and the one behind the last
    row's are guards: a tile may load the input before its first and after its last one. If there is a ring, rows are
    copied into it, `row_length` bytes each; `slot`: where the next one goes, which is returned. Rows after number
    `last` serve nobody, and a pipeline does not hold them: any row stands for them.
    """
    memory.copy_bytes(table, table + 8 * height, 8 * (taken + 1 - fresh))
    for i in range(taken + 1 - fresh, taken + 1):
        row = outside(min(first - 1 + i, last), args.rows, args.mode_y)
        address = source + row * args.src_row if row >= 0 else args.constant_row
        if args.ring != 0:
            place = scratch + args.ring + slot * args.ring_row
            memory.copy_bytes(place, address, row_length)
            address = place
            slot += 1
            if slot == taken:
                slot = 0
        memory.set_word(table, i, address)
    guard(table, taken, fresh == taken)
    return slot


@helper
def guard(table, taken, first):
    """Set the entries before and behind those of `taken` rows, the one before only the `first` time."""
    if first:
        memory.set_word(table, 0, memory.word(table, 1))
    memory.set_word(table, taken + 1, memory.word(table, taken))


@helper
def list_targets(table, height, target, row_bytes, top, end, spare, spare_row):
    """List where the `height` rows of a result from `top` on go; those from `end` on, which nobody wants, to spare.

    `spare_row`: 0, or of an image narrower than a vector, whose rows all go to spare, the bytes from row to row there.
    """
    for r in range(height):
        address = spare
        if spare_row != 0:
            address = spare + r * spare_row
        elif top + r < end:
            address = target + (top + r) * row_bytes
        memory.set_word(table, r, address)


@helper
def turn_targets(table, height, top, end, turn, ring):
    """Take the rows from number `turn` on that `list_targets` has listed back by the `ring` bytes of a ring of rows."""
    for r in range(max(turn - top, 0), min(height, end - top)):
        memory.set_word(table, r, memory.word(table, r) - ring)


@helper
def deliver_narrow(target, row_bytes, top, stop, spare, spare_row, size):
    """Copy the rows `top` .. `stop` - 1 of an image narrower than a vector to where they belong, `size` bytes each."""
    for r in range(stop - top):
        memory.copy_bytes(target + (top + r) * row_bytes, spare + r * spare_row, size)


@helper
def copy_ends(target, ends, length):
    """Copy parts of lines to both ends of a row of `length` bytes, whose first and last `LINE` bytes are at `ends`."""
    before, behind = -target & at.LINE - 1, target + length & at.LINE - 1
    memory.copy_bytes(target, ends, before)
    memory.copy_bytes(target + length - behind, ends + 2 * at.LINE - behind, behind)


@helper
def whole_or_last(part, width, lanes):
    """The first column and the number of vectors of part 0 or 1 of a row: whole vectors; the last one again.

    The second part is empty where they fill the row.
    """
    if part == 0:
        return 0, width // lanes
    return max(width - lanes, 0), 1 if width % lanes != 0 else 0
