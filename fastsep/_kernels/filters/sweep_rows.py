"""What sweeps along rows share: their rows with the border around them, the parts of a row, and streamed results.

Interior columns are read straight from the image, the first and the last vector of a row from copies that carry the
border values. A short row is copied whole.
"""

from __future__ import annotations

from fastsep._kernels import arguments as at
from fastsep._kernels.helper import helper
from fastsep._kernels.rows import outside
from fastsep._kernels.simd import memory
from fastsep._kernels.simd import sweep as sweep_simd


def lister(dtype, lanes, taken, margin):
    """`list_rows` for rows of `dtype`, `taken` of which are read together, with `margin` values beyond either end."""
    size = dtype.itemsize
    piece = at.SWEEP_COPY * lanes * size
    pair = 2 * lanes

    @helper
    def list_rows(args, table, copies, beyond, source, row_bytes, constant, first, last, slot, fresh, turn, ring):
        """Three tables of the rows from number `first` on: where they are, and where copies of either end are.

        Copies are kept in a ring, from `slot` on, and those of the first `fresh` rows are there. Rows after number
        `last` serve nobody, and a pipeline's buffer does not hold them: any row stands for them. Those from number
        `turn` on lie `ring` bytes before where they would (see `at.Sweep`).
        """
        width = args.cols * args.channels
        for r in range(taken):
            row = outside(min(first + r, last), args.rows, args.mode_y)
            address = source + row * row_bytes - (ring if row >= turn else 0) if row >= 0 else constant
            place = slot + r
            if place >= taken:
                place -= taken
            left = copies + place * piece + lanes * size
            right = copies + (taken + place) * piece
            memory.set_word(table, r, address)
            memory.set_word(table, taken + r, left)
            memory.set_word(table, 2 * taken + r, right + lanes * size)
            if r < fresh:
                continue
            behind = right + pair * size
            if width >= at.SWEEP_SHORT * lanes:
                memory.copy_values(dtype, pair, left, address)
                memory.copy_values(dtype, pair, right, address + (width - pair) * size)
            else:
                behind = left + width * size
                if width < pair:
                    memory.copy_bytes(left, address, width * size)
                else:
                    for x in range(0, width, pair):
                        x = min(x, width - pair) * size
                        memory.copy_values(dtype, pair, left + x, address + x)
            for k in range(2 * margin):
                value = memory.word(beyond, k)
                value = address + value * size if value >= 0 else constant
                to = left if k < margin else behind
                memory.copy_value(dtype, to + (k - margin) * size, value)

    return list_rows


def preparer(margin, channels, lanes, count, piece_bytes):
    """`prepare` for rows with `margin` values beyond either end, and `count` rows of results at a time."""

    @helper
    def prepare(args, beyond, pieces, room, parts, streamed):
        """List which values stand for those beyond a row, where pieces are made, and the parts of a row; their number.

        -1 stands for the constant. Pieces, if results are streamed, are in `room`. Parts are a row's start, its
        interior, its end and what is left between them; of a short row its whole vectors, and the last vector again
        where they do not fill it. Where the interior is streamed, it begins and ends within the vector behind the start
        and the two before the end.
        """
        width = args.cols * channels
        for k in range(2 * margin):
            value = k - margin if k < margin else k - margin + width
            pixel = value // channels
            column = outside(pixel, args.cols, args.mode_x)
            lane = value - pixel * channels
            memory.set_word(beyond, k, column * channels + lane if column >= 0 else -1)
        for k in range(count):
            memory.set_word(pieces, k, room + k * piece_bytes)
        short = width < at.SWEEP_SHORT * lanes
        rest = width % lanes != 0
        number = 0
        for k in range(at.PARTS):
            part = at.Part(parts, number)
            start = column = 0
            vectors = 1
            if k == 0:
                part.table = 1
                vectors = max(width // lanes, 1) if short else 1
            elif k == 1:
                part.table = 1 if short else 0
                start = column = width - lanes if short else lanes
                vectors = (1 if rest and width > lanes else 0) if short else (1 if streamed else width // lanes - 2)
            elif k == 2:
                part.table = 0
                vectors = 0 if short else (2 if streamed else (1 if rest else 0))
                start = column = width - (vectors + 1) * lanes
            else:
                part.table = 2
                column = width - lanes
                vectors = 0 if short else 1
            part.start = start
            part.column = column
            part.vectors = vectors
            number += 1 if vectors > 0 else 0
        return number

    return prepare


def streamer(results, height, lanes, dst_size):
    """`stream_pieces` for so many results, of `height` rows each."""
    line = lanes * dst_size

    @helper
    def stream_pieces(pieces, targets, wanted, column, vectors):
        """Write pieces of results, `vectors` long, around the cache, to where they belong from `column` on.

        Of each result the first `wanted` rows are wanted. A piece begins a vector before the end of the one before it,
        so that each result can be cut where its whole vectors lie.
        """
        for k in range(results * height):
            if k % height < wanted:
                to = memory.word(targets, k) + column * dst_size
                skip = -to % line
                sweep_simd.stream(to + skip, memory.word(pieces, k) + skip, vectors * line - skip)

    return stream_pieces
