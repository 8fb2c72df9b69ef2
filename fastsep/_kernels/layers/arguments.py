"""What kernels of layers and banks are told: records of words, shared by them and by the code that fills them in.

Strides and offsets are in bytes; an offset is one into a thread's scratch unless something else is said.
"""

from __future__ import annotations

from fastsep._kernels.arguments import LINE, Common
from fastsep._kernels.record import Record

#: What a band does: both stages for its share of the tiles; or only the first stage of its share of
#: the channels; or only the second stage of its share of the panels.
BOTH, FIRST, SECOND = range(3)


class Layer(Common):
    stage: int  # BOTH, FIRST or SECOND
    images: int  # in the batch
    rows: int  # of an image
    cols: int
    channels: int
    pixel: int  # bytes from pixel to pixel of an image
    out_rows: int  # of a result
    out_cols: int
    out_channels: int
    tiles_y: int  # results are computed in so many tiles from top to bottom
    tiles_x: int  # and across ...
    tile_cols: int  # ... of this many columns
    kernel_y: int  # size of the kernel
    kernel_x: int
    stride_y: int
    stride_x: int
    dilation_y: int
    dilation_x: int
    pad_top: int  # rows of padding above an image
    pad_left: int  # columns of it to the left
    mode: int  # the border rule
    cval: int  # address of the value beyond the border
    multiplier: int  # depth multiplier
    groups: int  # blocks of channels, or channels where they are planes
    chunk: int  # groups that are packed together
    packed: int  # offset of the packed part of the image
    packed_row: int  # bytes from row to row of it
    packed_phase: int  # planes: from the columns that are 0 modulo the stride to those that are 1
    packed_group: int  # from group to group
    # Results all of whose inputs lie within the image, where they are read in place: from this row ...
    inside_top: int
    inside_bottom: int  # ... to before this one, ...
    inside_left: int  # ... from this column ...
    inside_right: int  # ... to before this one
    # The factors of the matrix product; where none follows, the results of the depthwise stage.
    factors: int  # offset of them; in two stages in the memory that all threads share
    factors_group: int  # bytes from those of one group to those of the next
    offsets: int  # planes: address of the offsets of the columns under the kernel's
    depthwise_weights: int  # address
    depthwise_bias: int  # address
    depthwise_limits: int  # address of the two limits of the activation
    runs: int  # blocks: times that all channels occur in the rows of the matrix
    run_table: int  # matrix: offset of room for a word for each of them, in planes for each row
    depth: int  # matrix: its number of rows
    matrix: int  # address of its panels
    bias: int  # address
    limits: int  # address of the two limits of the activation
    strip: int  # pixels that pass all panels before the next do
    streamed: int  # offset of room for the results of a strip, which are streamed from there; 0: are not
    wide: int  # number of panels of two vectors, or of four
    narrow: int  # number of panels of one vector
    shared: int  # address of the memory that all threads share
    # Addresses of the kernels of the stages; 0: none.
    pack: int
    fill: int
    finish: int


#: Numbers of the words that calls set anew, besides those of all kernels.
STAGE, SHARED = Layer.stage, Layer.shared


class Bank(Layer):
    """A matrix product whose factors are the results of separable filters, its terms, one to each row of the matrix.

    What is packed are copies of the terms' argument blocks, for the thread to change.
    """

    strips: int  # into which the rows of all images are cut
    term_blocks: int  # address of the argument block of each term's kernel
    term_kernels: int  # address of the address of each
    term_scratch: int  # offset of the scratch memory that they share


class Tile(Record):
    """Where a tile is, how large, what of it is wanted, and where its memory is.

    It begins the scratch memory of the thread that makes it.
    """

    image: int  # number of the image
    y: int  # first row and column of the result
    x: int
    height: int  # rows and columns of the result
    width: int
    result: int  # number of the first pixel among those of all results
    group: int  # the groups from this one ...
    group_stop: int  # ... to before this one
    fresh: int  # whether they are the first of the tile: nothing is packed yet, not even its border
    panel: int  # the panels of weights from this one ...
    panel_stop: int  # ... to before this one
    packed_at: int  # address of the packed part of the image
    factors_at: int  # address of the factors
    streamed_at: int  # address of the results of a strip
    # Those of the tile whose inputs are read in place, none if that would be fewer columns than a
    # register tile has: from this row ...
    in_place_above: int
    in_place_below: int  # ... to before this one; ...
    left_edge: int  # 0, ...
    in_place_left: int  # ... the first column, ...
    in_place_right: int  # ... the one behind the last, ...
    right_edge: int  # ... and `width`
    # What the next tile needs of the image:
    ahead: int  # the address where it begins, ...
    ahead_rows: int  # ... of so many rows ...
    ahead_bytes: int  # ... so much of each, ...
    ahead_at: int  # ... and how much of the first has been asked for


#: Number of the first of the four words of a tile that say which columns are read in place.
EDGES = Tile.left_edge
#: Bytes of a tile, in whole cache lines.
TILE_BYTES = -(-8 * Tile.length // LINE) * LINE
