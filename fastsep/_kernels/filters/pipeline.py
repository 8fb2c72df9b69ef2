"""Runs several kernels one behind the other, a few rows at a time, so that what lies between them stays in the cache.

Each stage reads the image or a buffer and writes a buffer or the results. A buffer holds a window of
the rows of an image that never exists as a whole; its address is shifted such that every row stands
where it would in the whole. A stage runs as far as the rows of its source allow: it lags behind by its
halo. Rows that are still wanted move to the start of their buffer before the next step.
"""

from __future__ import annotations

from fastsep._kernels import arguments as at
from fastsep._kernels.helper import helper
from fastsep._kernels.rows import scratch_of
from fastsep._kernels.simd import memory

_BLOCK_BYTES = 8 * at.BLOCK_WORDS


@helper
def _row_zero(buffers, number, scratch):
    """Where row 0 of a buffer would stand."""
    buffer = buffers + number * (8 * at.BUFFER_WORDS)
    start = scratch + memory.word(buffer, at.B_OFFSET)
    return start - memory.word(buffer, at.B_FIRST) * memory.word(buffer, at.B_ROW)


@helper
def _aim(block, arguments, stage, buffers, scratch, plane):
    """Point a stage's argument block to where its rows are now."""
    rows = memory.word(block, at.ROWS)
    for place, row_place, number in (
        (at.SRC, at.SRC_ROW, memory.word(stage, at.S_SOURCE)),
        (at.SRC_2, at.SRC_2_ROW, memory.word(stage, at.S_SECOND)),
    ):
        if number == at.OUTSIDE:
            row_bytes = memory.word(block, at.SRC_ROW)
            memory.set_word(arguments, place, memory.word(block, at.SRC) + plane * rows * row_bytes)
            memory.set_word(arguments, row_place, row_bytes)
        elif number != at.NOWHERE:
            buffer = buffers + number * (8 * at.BUFFER_WORDS)
            size = memory.word(buffer, at.B_PLANE)
            shift = memory.word(stage, at.S_PLANE) * size
            memory.set_word(arguments, at.SRC_PLANE, size)
            memory.set_word(arguments, place, _row_zero(buffers, number, scratch) + shift)
            memory.set_word(arguments, row_place, memory.word(buffer, at.B_ROW))
    number, first = memory.word(stage, at.S_TARGET), memory.word(stage, at.S_INTO)
    if number == at.OUTSIDE:
        row_bytes = memory.word(block, at.DST_ROW)
        start = plane * rows * row_bytes
        for k in range(at.RESULTS - first):
            result = memory.word(block, at.DST if first + k == 0 else at.DST_2 + first + k - 1)
            memory.set_word(arguments, at.DST if k == 0 else at.DST_2 + k - 1, result + start)
        memory.set_word(arguments, at.DST_ROW, row_bytes)
    else:
        buffer = buffers + number * (8 * at.BUFFER_WORDS)
        size = memory.word(buffer, at.B_PLANE)
        start = _row_zero(buffers, number, scratch) + first * size
        for k in range(at.RESULTS):
            memory.set_word(arguments, at.DST if k == 0 else at.DST_2 + k - 1, start + k * size)
        memory.set_word(arguments, at.DST_ROW, memory.word(buffer, at.B_ROW))
        memory.set_word(arguments, at.STREAMED, 0)  # buffers are there to stay in the cache


def build():
    """The band function for any stages."""

    def band(block, index):
        rows = memory.word(block, at.ROWS)
        bands = memory.word(block, at.BANDS)
        total = memory.word(block, at.PLANES) * rows
        unit, stop = total * index // bands, total * (index + 1) // bands
        scratch = scratch_of(block, index)
        count, number = memory.word(block, at.STAGES), memory.word(block, at.BUFFERS)
        step = memory.word(block, at.STEP)
        # This band's own stages, buffers and arguments: they change from step to step.
        stages = scratch
        buffers = stages + count * (8 * at.STAGE_WORDS)
        arguments = buffers + number * (8 * at.BUFFER_WORDS)
        memory.copy_bytes(stages, memory.word(block, at.STAGES_AT), count * (8 * at.STAGE_WORDS))
        memory.copy_bytes(buffers, memory.word(block, at.BUFFERS_AT), number * (8 * at.BUFFER_WORDS))
        for s in range(count):
            mine = arguments + s * _BLOCK_BYTES
            memory.copy_bytes(mine, memory.word(stages + s * (8 * at.STAGE_WORDS), at.S_BLOCK), _BLOCK_BYTES)
            memory.set_word(mine, at.BANDS, 0)
            memory.set_word(mine, at.SCRATCH, scratch + memory.word(block, at.SPARE))
        while unit < stop:
            plane = unit // rows
            begin = unit - plane * rows
            end = min(rows, begin + stop - unit)
            unit += end - begin
            # The first row that each stage makes, and hence the first in the buffer that it writes.
            wanted = end
            for s in range(count):
                stage = stages + s * (8 * at.STAGE_WORDS)
                first = max(begin - memory.word(stage, at.S_REACH), 0)
                memory.set_word(stage, at.S_MADE, first)
                target = memory.word(stage, at.S_TARGET)
                if target >= 0:
                    memory.set_word(buffers + target * (8 * at.BUFFER_WORDS), at.B_FIRST, first)
                wanted = min(wanted, first)
            while memory.word(stages + (count - 1) * (8 * at.STAGE_WORDS), at.S_MADE) < end:
                wanted += step
                for s in range(count):
                    stage = stages + s * (8 * at.STAGE_WORDS)
                    last = min(end + memory.word(stage, at.S_REACH), rows)
                    source = memory.word(stage, at.S_SOURCE)
                    ready = wanted
                    if source >= 0:
                        ready = memory.word(stages + memory.word(stage, at.S_AFTER) * (8 * at.STAGE_WORDS), at.S_MADE)
                        if ready < rows:
                            ready -= memory.word(stage, at.S_HALO)
                    last = min(last, ready)
                    first = memory.word(stage, at.S_MADE)
                    if last > first:
                        mine = arguments + s * _BLOCK_BYTES
                        _aim(block, mine, stage, buffers, scratch, plane)
                        memory.set_word(mine, at.FIRST, first)
                        memory.set_word(mine, at.LAST, last)
                        memory.call(memory.word(stage, at.S_KERNEL), mine, 0)
                        memory.set_word(stage, at.S_MADE, last)
                # Rows that a stage still has to read move to the start of their buffer.
                for k in range(number):
                    buffer = buffers + k * (8 * at.BUFFER_WORDS)
                    kept, made = rows, 0
                    for s in range(count):
                        stage = stages + s * (8 * at.STAGE_WORDS)
                        done = memory.word(stage, at.S_MADE)
                        if memory.word(stage, at.S_TARGET) == k:
                            made = max(made, done)
                        if memory.word(stage, at.S_SOURCE) == k or memory.word(stage, at.S_SECOND) == k:
                            kept = min(kept, max(done - memory.word(stage, at.S_HALO), 0))
                    first = memory.word(buffer, at.B_FIRST)
                    if first < kept < made:
                        row_bytes = memory.word(buffer, at.B_ROW)
                        start = scratch + memory.word(buffer, at.B_OFFSET)
                        for p in range(memory.word(buffer, at.B_PLANES)):
                            to = start + p * memory.word(buffer, at.B_PLANE)
                            memory.copy_bytes(to, to + (kept - first) * row_bytes, (made - kept) * row_bytes)
                    if first < kept:
                        memory.set_word(buffer, at.B_FIRST, min(kept, made))

    return band
