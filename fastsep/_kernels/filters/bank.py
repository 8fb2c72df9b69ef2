"""Banks of filters: common separable terms, strip by strip, then mixed.

For a strip of rows each term is filtered by the band function that its plan names, called by address,
into a plane of scratch memory; `layers/gemm` then multiplies the planes by the matrix of weights,
pixel by pixel. The planes stay in the cache: they are never written for the whole image.

The argument block is a convolution's (`layers/words`), with the words of the terms behind it. A
strip's rows are those that band number `strip` of `STRIPS` has for the terms' kernels.
"""

from __future__ import annotations

from fastsep._kernels.arguments import BLOCK_WORDS, Head
from fastsep._kernels.layers import words as at
from fastsep._kernels.simd.memory import call, copy_bytes, set_word, word


def build():
    """The band function of all banks."""

    def band(block, index):
        strips, bands = word(block, at.STRIPS), word(block, at.BANDS)
        terms, cols = word(block, at.DEPTH), word(block, at.OUT_COLS)
        rows = word(block, at.IMAGES) * word(block, at.OUT_ROWS)
        tile = Head(block).scratch
        planes = tile + word(block, at.TERMS)
        copies = tile + word(block, at.PACKED)
        size = 8 * BLOCK_WORDS
        copy_bytes(copies, word(block, at.TERM_BLOCKS), terms * size)
        for term in range(terms):
            mine = Head(copies + term * size)
            mine.src = word(block, at.SRC)
            mine.scratch = tile + word(block, at.TERM_SCRATCH)
            mine.grain = 1  # the strips are not cut between a kernel's rows
            mine.bands = strips
        set_word(tile, at.TERMS_AT, planes)
        set_word(tile, at.STREAMED_AT, tile + word(block, at.STREAMED))
        set_word(tile, at.AHEAD_ROWS, 0)
        set_word(tile, at.PANEL, 0)
        set_word(tile, at.PANEL_STOP, word(block, at.WIDE) + word(block, at.NARROW))
        set_word(tile, at.WIDTH, cols)
        for strip in range(strips * index // bands, strips * (index + 1) // bands):
            first, stop = rows * strip // strips, rows * (strip + 1) // strips
            for term in range(terms):
                mine = Head(copies + term * size)
                target = planes + term * word(block, at.TERMS_GROUP)
                mine.dst = target - first * mine.dst_row
                call(word(word(block, at.TERM_KERNELS), term), copies + term * size, strip)
            set_word(tile, at.HEIGHT, stop - first)
            set_word(tile, at.RESULT, first * cols)
            call(word(block, at.FINISH), block, tile)

    return band
