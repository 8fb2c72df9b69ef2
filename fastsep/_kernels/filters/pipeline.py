"""Runs several kernels one behind the other, a few rows at a time, so that what lies between them stays in the cache.

Each stage reads the image or a buffer and writes a buffer or the results. A buffer holds a window of
the rows of an image that never exists as a whole; its address is shifted such that every row stands
where it would in the whole. A stage runs as far as the rows of its source allow: it lags behind by its
halo. Rows that are still wanted move to the start of their buffer before the next step; between sweeps, which know of
rings, they stay where they are.
"""

from __future__ import annotations

from fastsep._kernels import arguments as at
from fastsep._kernels.helper import helper
from fastsep._kernels.rows import rows_of_plane, share
from fastsep._kernels.simd import memory

_BLOCK_BYTES = 8 * at.BLOCK_WORDS
_STAGE_BYTES = 8 * at.Stage.length
_BUFFER_BYTES = 8 * at.Buffer.length


@helper
def _row_zero(buffer, scratch):
    """Where row 0 of a buffer would stand."""
    return scratch + buffer.offset - buffer.first * buffer.row


@helper
def _aim_sources(args, block, stage, buffers, scratch, plane):
    """Point a stage's arguments, those at `block`, to where the rows that it reads are now."""
    mine = at.Head(block)
    for place in range(2):
        number = stage.source if place == 0 else stage.second
        if number == at.NOWHERE:
            continue
        if number == at.OUTSIDE:
            row_bytes = args.src_row
            start = args.src + plane * args.rows * row_bytes
        else:
            buffer = at.Buffer(buffers, number)
            row_bytes = buffer.row
            start = _row_zero(buffer, scratch) + stage.source_plane * buffer.plane
            mine.src_plane = buffer.plane
            if buffer.ring != 0:
                sweep = at.Sweep(block)
                sweep.src_turn = buffer.first + buffer.ring
                sweep.src_ring = buffer.ring * buffer.row
        if place == 0:
            mine.src = start
            mine.src_row = row_bytes
        else:
            mine.src_2 = start
            mine.src_2_row = row_bytes


@helper
def _aim_results(args, outer, block, stage, buffers, scratch, plane):
    """Point a stage's arguments, those at `block`, to where its results go; the pipeline's own are at `outer`."""
    mine = at.Head(block)
    if stage.target == at.OUTSIDE:
        start = plane * args.rows * args.dst_row
        for k in range(at.RESULTS - stage.first):
            memory.set_word(block, at.DST + k, memory.word(outer, at.DST + stage.first + k) + start)
        mine.dst_row = args.dst_row
    else:
        buffer = at.Buffer(buffers, stage.target)
        start = _row_zero(buffer, scratch) + stage.first * buffer.plane
        for k in range(at.RESULTS):
            memory.set_word(block, at.DST + k, start + k * buffer.plane)
        mine.dst_row = buffer.row
        mine.streamed = 0  # buffers are there to stay in the cache
        if buffer.ring != 0:
            sweep = at.Sweep(block)
            sweep.dst_turn = buffer.first + buffer.ring
            sweep.dst_ring = buffer.ring * buffer.row


@helper
def _begin(stages, count, buffers, begin):
    """Set all stages to the first row that each makes, for results from row `begin` on; the first of these rows."""
    wanted = begin
    for s in range(count):
        stage = at.Stage(stages, s)
        first = max(begin - stage.reach, 0)
        stage.made = first
        if stage.target >= 0:
            at.Buffer(buffers, stage.target).first = first
        wanted = min(wanted, first)
    return wanted


@helper
def _move_rows(stages, count, buffers, number, scratch, rows):
    """Move the rows of a buffer that a stage still has to read to its start, unless they go round."""
    buffer = at.Buffer(buffers, number)
    kept, made = rows, 0
    for s in range(count):
        stage = at.Stage(stages, s)
        if stage.target == number:
            made = max(made, stage.made)
        if stage.source == number:
            kept = min(kept, max(stage.made - stage.halo, 0))
        if stage.second == number:
            kept = min(kept, max(stage.made - stage.second_halo, 0))
    first = buffer.first
    if buffer.ring != 0:
        if kept >= first + buffer.ring:
            buffer.first = first + buffer.ring
        return
    if first < kept < made:
        for p in range(buffer.planes):
            to = scratch + buffer.offset + p * buffer.plane
            memory.copy_bytes(to, to + (kept - first) * buffer.row, (made - kept) * buffer.row)
    if first < kept:
        buffer.first = min(kept, made)


def build():
    """The band function for any stages."""

    def band(block, index):
        args = at.Pipeline(block)
        rows, count = args.rows, args.stage_count
        total = args.planes * rows
        unit, stop = share(args, index, total)
        scratch = args.scratch
        # This band's own stages, buffers and arguments: they change from step to step.
        stages = scratch
        buffers = stages + count * _STAGE_BYTES
        blocks = buffers + args.buffer_count * _BUFFER_BYTES
        memory.copy_bytes(stages, args.stages, count * _STAGE_BYTES)
        memory.copy_bytes(buffers, args.buffers, args.buffer_count * _BUFFER_BYTES)
        for s in range(count):
            mine = blocks + s * _BLOCK_BYTES
            memory.copy_bytes(mine, at.Stage(stages, s).arguments, _BLOCK_BYTES)
            at.Head(mine).bands = 0
            at.Head(mine).scratch = scratch + args.stage_scratch
        while unit < stop:
            plane, begin, end = rows_of_plane(unit, stop, rows)
            unit += end - begin
            wanted = _begin(stages, count, buffers, begin)
            while at.Stage(stages, count - 1).made < end:
                wanted += args.step
                for s in range(count):
                    stage = at.Stage(stages, s)
                    # As far as the rows of its source allow.
                    ready = wanted
                    if stage.source >= 0:
                        ready = at.Stage(stages, stage.after).made
                        ready -= stage.halo if ready < rows else 0
                    last = min(end + stage.reach, rows, ready)
                    if last > stage.made:
                        mine = blocks + s * _BLOCK_BYTES
                        _aim_sources(args, mine, stage, buffers, scratch, plane)
                        _aim_results(args, block, mine, stage, buffers, scratch, plane)
                        at.Head(mine).first = stage.made
                        at.Head(mine).last = last
                        memory.call(stage.kernel, mine, 0)
                        stage.made = last
                for k in range(args.buffer_count):
                    _move_rows(stages, count, buffers, k, scratch, rows)

    return band
