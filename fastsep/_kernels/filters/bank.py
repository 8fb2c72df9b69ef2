"""Banks of filters: common separable terms, strip by strip, then mixed.

For a strip of rows each term is filtered by the band function that its plan names, called by address,
into a plane of scratch memory; `layers/gemm` then multiplies the planes by the matrix of weights,
pixel by pixel. The planes stay in the cache: they are never written for the whole image.

A strip's rows are those that band number `strip` of `strips` has for the terms' kernels.
"""

from __future__ import annotations

from fastsep._kernels.arguments import BLOCK_WORDS, Head
from fastsep._kernels.layers import arguments as at
from fastsep._kernels.simd.memory import call, copy_bytes, word


def build():
    """The band function of all banks."""

    def band(block, index):
        args = at.Bank(block)
        strips, bands = args.strips, args.bands
        terms, cols = args.depth, args.out_cols
        rows = args.images * args.out_rows
        scratch = args.scratch
        tile = at.Tile(scratch)
        planes = scratch + args.factors
        copies = scratch + args.packed
        size = 8 * BLOCK_WORDS
        copy_bytes(copies, args.term_blocks, terms * size)
        for term in range(terms):
            mine = Head(copies + term * size)
            mine.src = args.src
            mine.scratch = scratch + args.term_scratch
            mine.grain = 1  # the strips are not cut between a kernel's rows
            mine.bands = strips
        tile.factors_at = planes
        tile.streamed_at = scratch + args.streamed
        tile.ahead_rows = 0
        tile.panel = 0
        tile.panel_stop = args.wide + args.narrow
        tile.width = cols
        for strip in range(strips * index // bands, strips * (index + 1) // bands):
            first, stop = rows * strip // strips, rows * (strip + 1) // strips
            for term in range(terms):
                mine = Head(copies + term * size)
                target = planes + term * args.factors_group
                mine.dst = target - first * mine.dst_row
                call(word(args.term_kernels, term), copies + term * size, strip)
            tile.height = stop - first
            tile.result = first * cols
            call(args.finish, block, scratch)

    return band
