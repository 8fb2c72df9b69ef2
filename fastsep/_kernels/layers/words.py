"""The words of a convolution's argument block and of its tiles, shared by kernels and their callers.

Strides and offsets are in bytes. The first words are those of every kernel (`_kernels.arguments`).
"""

from __future__ import annotations

from fastsep._kernels.arguments import BANDS, BLOCK_WORDS, DST, GRAIN, SCRATCH, SRC

#: What a band does: both stages for its share of the tiles; or only the first stage of its share of
#: the channels; or only the second stage of its share of the panels.
BOTH, FIRST, SECOND = range(3)

assert (SRC, SCRATCH, GRAIN, BANDS, DST) == (0, 1, 2, 3, 4)
(
    STAGE,  # BOTH, FIRST or SECOND
    IMAGES,
    ROWS,  # of an image
    COLS,
    CHANNELS,
    PIXEL,  # bytes from pixel to pixel of an image
    OUT_ROWS,  # of a result
    OUT_COLS,
    OUT_CHANNELS,
    TILES_Y,  # results are computed in so many tiles from top to bottom
    TILES_X,  # and across ...
    TILE_COLS,  # ... of this many columns
    KERNEL_Y,
    KERNEL_X,
    STRIDE_Y,
    STRIDE_X,
    DILATION_Y,
    DILATION_X,
    TOP,  # padding above an image
    LEFT,
    MODE,
    CVAL,  # address of the value beyond the border
    MULTIPLIER,  # depth multiplier
    GROUPS,  # blocks of channels, or channels where they are planes
    CHUNK,  # groups that are packed together
    PACKED,  # offset of the packed part of the image in a band's scratch
    PACKED_ROW,
    PACKED_PHASE,  # planes: from the columns that are 0 modulo the stride to those that are 1
    PACKED_GROUP,
    # Results all of whose inputs lie within the image, where they are read in place: from this row ...
    INSIDE_TOP,
    INSIDE_BOTTOM,  # ... to before this one, ...
    INSIDE_LEFT,  # ... from this column ...
    INSIDE_RIGHT,  # ... to before this one
    TERMS,  # offset of the factors of the matrix product; in two stages in the memory that all threads share
    TERMS_GROUP,
    OFFSETS,  # planes: address of the offsets of the columns under the kernel's
    WEIGHTS,  # address of the depthwise weights
    FIRST_BIAS,
    FIRST_LIMITS,  # address of the two limits of the activation
    RUNS,  # matrix: times that all channels occur in its rows
    RUN_TABLE,  # blocks: offset of room for a word for each of them
    DEPTH,  # matrix: its number of rows
    MATRIX,  # address of its panels
    BIAS,
    LIMITS,
    STRIP,  # pixels that pass all panels before the next do
    STREAMED,  # offset of room for the results of a strip, which are streamed from there; 0: are not
    WIDE,  # number of panels of two vectors
    NARROW,  # number of panels of one vector
    SHARED,  # address of the memory that all threads share
    # Addresses of the kernels of the stages; 0: none.
    PACK,
    FILL,
    FINISH,
    # Banks (`bank`), whose DEPTH terms are separable filters.
    STRIPS,  # into which the rows of all images are cut
    TERM_BLOCKS,  # address of the argument block of each term's kernel
    TERM_KERNELS,  # address of the address of each
    TERM_SCRATCH,  # offset of the scratch memory that they share
) = range(5, 62)

CONV_WORDS = 64
assert CONV_WORDS <= BLOCK_WORDS

# The words of a tile: where it is, how large, what of it is wanted, and where its memory is.
(
    IMAGE,  # number of the image
    Y,  # first row and column of the result
    X,
    HEIGHT,  # rows and columns of the result
    WIDTH,
    RESULT,  # number of the first pixel among those of all results
    GROUP,  # the groups from this one ...
    GROUP_STOP,  # ... to before this one
    FRESH,  # whether they are the first of the tile: nothing is packed yet, not even its border
    PANEL,  # the panels of weights from this one ...
    PANEL_STOP,  # ... to before this one
    PACKED_AT,  # address of the packed part of the image
    TERMS_AT,  # address of the factors
    STREAMED_AT,  # address of the results of a strip
    # Those of the tile whose inputs are read in place, none if that would be fewer columns than a
    # register tile has: from this row ...
    IN_PLACE_ABOVE,
    IN_PLACE_BELOW,  # ... to before this one; ...
    LEFT_EDGE,  # 0, ...
    IN_PLACE_LEFT,  # ... the first column, ...
    IN_PLACE_RIGHT,  # ... the one behind the last, ...
    RIGHT_EDGE,  # ... and WIDTH
    # What the next tile needs of the image:
    AHEAD,  # the address where it begins, ...
    AHEAD_ROWS,  # ... of so many rows ...
    AHEAD_BYTES,  # ... so much of each
) = range(23)

TILE_BYTES = 192
