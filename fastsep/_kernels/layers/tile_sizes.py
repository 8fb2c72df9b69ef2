"""Sizes of the tiles of convolution layers, known without Numba."""

from __future__ import annotations

from fastsep._kernels.jit import target

#: Neighbouring results of a depthwise tile over blocks, and rows of one over planes.
DEPTHWISE_COLS = 7
DEPTHWISE_ROWS = 4
#: Rows of depthwise results that all channels pass before the next rows: the more these are, the
#: less often inputs are read from L2 again, but results are written in
#: pieces, which wait there for the rest.
ROWS_TOGETHER = 4
#: Lines of the image under the next tile that are asked for with each tile of registers, where the image is not in the
#: cache (measured: 480 x 640 x 64 takes 0.6 of the time; with 28 lines 0.7).
LINES_AHEAD = 16


def matrix_rows(vectors: int = 2) -> tuple[int, int]:
    """Pixels of the large and of the small matrix tile, both two or four vectors wide.

    28 sums, two weights and a factor fit in 32 registers, 12 sums in 16. Maps are often multiples
    of 7 pixels wide. Four vectors, in 32 registers only, load fewer values for a sum; of 6 and 5 pixels any number
    from 20 on is made.
    """
    if vectors == 4:
        return 6, 5
    return (14, 7) if target().tile == 8 else (6, 3)
