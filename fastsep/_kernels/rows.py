"""Index arithmetic: a band's share of the rows and of the scratch memory, and what lies outside an image."""

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
    return total * index // bands, total * (index + 1) // bands


@helper
def rows_of_plane(unit, stop, rows):
    """The plane in which row `unit` of all planes together lies, and the first row there and the one after the last."""
    plane = unit // rows
    first = unit - plane * rows
    return plane, first, min(rows, first + stop - unit)


@helper
def scratch_of(args, index):
    """The scratch memory of a band."""
    return args.scratch + index * args.scratch_band


@helper
def result(block, number):
    """The address of a kernel's result `number`; `block`: that of its arguments."""
    return memory.word(block, at.DST if number == 0 else at.DST_2 + number - 1)


@helper
def set_result(block, number, address):
    memory.set_word(block, at.DST if number == 0 else at.DST_2 + number - 1, address)


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
