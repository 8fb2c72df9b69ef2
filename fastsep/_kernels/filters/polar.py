"""Magnitude and orientation of gradients whose derivatives are there already."""

from __future__ import annotations

import numpy as np

from fastsep._kernels import arguments as at
from fastsep._kernels.rows import scratch_of, share
from fastsep._kernels.simd import emitter, memory
from fastsep._kernels.simd import sweep as sweep_simd


def build(form: str, acc_name: str, dst_name: str):
    """The band function for the results that `form` names (see `sweep_simd.gradient_sweep`).

    SRC is the derivatives along y, SRC_2 those along x. Rows of both are readable for a vector beyond their end.
    """
    acc, dst = np.dtype(acc_name), np.dtype(dst_name)
    lanes = emitter.lanes(acc)
    size, dst_size = acc.itemsize, dst.itemsize
    results = len(form.split("+"))

    def band(block, index):
        width = memory.word(block, at.COLS) * memory.word(block, at.CHANNELS)
        dst_row = memory.word(block, at.DST_ROW)
        scratch = scratch_of(block, index)
        spare = scratch + memory.word(block, at.SPARE)
        first, last = share(block, index, memory.word(block, at.PLANES) * memory.word(block, at.ROWS))
        for row in range(first, last):
            dy = memory.word(block, at.SRC) + row * memory.word(block, at.SRC_ROW)
            dx = memory.word(block, at.SRC_2) + row * memory.word(block, at.SRC_2_ROW)
            # Whole vectors, then the last one again where they do not fill the row.
            for part in range(2):
                column = 0
                vectors = width // lanes
                if part == 1:
                    if width % lanes == 0:
                        continue
                    column = max(width - lanes, 0)
                    vectors = 1
                for k in range(results):
                    to = memory.word(block, at.DST if k == 0 else at.DST_2 + k - 1) + row * dst_row + column * dst_size
                    if width < lanes:
                        to = spare + k * lanes * dst_size
                    memory.set_word(scratch, k, to)
                sweep_simd.polar(acc, dst, form, dy + column * size, dx + column * size, vectors, scratch)
                if width < lanes:
                    for k in range(results):
                        to = memory.word(block, at.DST if k == 0 else at.DST_2 + k - 1) + row * dst_row
                        memory.copy_bytes(to, spare + k * lanes * dst_size, width * dst_size)

    return band
