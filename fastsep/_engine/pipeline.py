"""Several kernels, one behind the other, in one sweep over an image: no intermediate image exists.

A `Pipeline` is a list of plans, each of which reads the image or what another has made. `_kernels/filters/pipeline.py`
runs them, some rows at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastsep._engine import kernel_arguments
from fastsep._engine.argument_writer import Block, lines_of, odd_lines
from fastsep._engine.bands import float32_work
from fastsep._engine.execution import LoadedKernel
from fastsep._engine.long_rows import InPieces, Runs
from fastsep._kernels import arguments as at
from fastsep._kernels import jit
from fastsep._plan import tuning
from fastsep._plan.pieces import Piece, narrow, pieces_of_all
from fastsep._plan.plan import Plan
from fastsep._plan.spec import Separable
from fastsep._validation.array_like import Array

IMAGE = RESULT = at.OUTSIDE


@dataclass(frozen=True, slots=True)
class Stage:
    """One plan, between two buffers."""

    plan: Plan
    source: int  # the buffer that it reads, or IMAGE
    target: int  # the buffer that it writes, or RESULT
    halo: int  # rows of the source that it needs above and below a row
    second: int = at.NOWHERE  # another buffer that it reads, filled before
    second_halo: int = 0  # the halo there
    source_plane: int = 0  # of the source, and of the other buffer
    first: int = 0  # the plane of the target, or the result, that it writes; others follow if it makes several


@dataclass(frozen=True, slots=True)
class Buffer:
    """Rows between stages: so many planes of the same width as the image."""

    dtype: np.dtype[Any]
    planes: int


class Pipeline:
    """Stages for images of one shape and dtype, ready to run.

    All plans are for the same (planes, rows, cols, channels); none of them has a border of mode "wrap" but
    those that read the image.
    """

    def __init__(self, stages: Sequence[Stage], buffers: Sequence[Buffer]) -> None:
        plans = [stage.plan for stage in stages]
        if any(plan.view != plans[0].view for plan in plans):
            raise ValueError("all stages of a pipeline must see the same rows")
        self.stages, self.buffers = tuple(stages), tuple(buffers)
        self._loaded: Runs | None = None

    def run(
        self, image: Array, out: Array, workers: int | None, others: Sequence[Array] = (), second: Array | None = None
    ) -> None:  # fmt: skip
        """Fill `out` and `others` from `image`; all as `execution.Runner` wants them."""
        loaded = self._loaded
        if loaded is None:
            loaded = self._loaded = self._load()
        loaded.run(image, out, workers, others)

    def _load(self) -> Runs:
        plans = [stage.plan for stage in self.stages]
        pieces = pieces_of_all(plans)
        return InPieces(plans[0], plans[-1].dst, pieces, self._whole) if pieces else self.of_whole_rows()

    def of_whole_rows(self) -> LoadedKernel:
        return _whole(self.stages, self.buffers)

    def _whole(self, piece: Piece) -> LoadedKernel:
        return _whole([replace(stage, plan=narrow(stage.plan, piece)) for stage in self.stages], self.buffers)


def _whole(stages: Sequence[Stage], buffers: Sequence[Buffer]) -> LoadedKernel:
    """The kernel of a pipeline for whole rows."""
    first, last = stages[0].plan, stages[-1].plan
    planes, _, rows, cols, channels = first.view
    width = cols * channels
    kernels = [jit.kernel(*stage.plan.kernel) for stage in stages]
    blocks = [kernel_arguments.block(stage.plan) for stage in stages]
    after = [_filled_by(stages, number) for number in range(len(stages))]
    reach, lag = _reach(stages), _lag(stages, after)
    # Whole tiles of the first stage: it filters no row in vain. In each step it copies all rows under its taps
    # again: steps of twice their reach make that two rows for each result (measured with 321 taps: 30 %).
    tile = jit.target().vector_bytes // first.acc.itemsize
    step = -(-max(tuning.STEP_ROWS, 2 * stages[0].halo) // tile) * tile
    if all(stage.plan.strategy == "sweep" for stage in stages):
        # Whole strips of each, while what lies between the stages stays in L2.
        held_bytes = sum(buffer.planes * width * buffer.dtype.itemsize for buffer in buffers)  # for each row
        few, many = tuning.SWEEP_STEP_ROWS
        step = min(max(tuning.SWEEP_STEP_BYTES // held_bytes, few), many) // few * few

    table = np.zeros(len(stages) * at.Stage.length, np.int64)
    for number, stage in enumerate(stages):
        row = at.Stage(table, number)
        row.kernel, row.arguments = kernels[number], blocks[number].words.ctypes.data
        row.source, row.source_plane, row.second = stage.source, stage.source_plane, stage.second
        row.target, row.first = stage.target, stage.first
        row.after, row.reach = after[number], reach[number]
        row.halo, row.second_halo = stage.halo, stage.second_halo
    layout = np.zeros(len(buffers) * at.Buffer.length, np.int64)
    stage_scratch = lines_of(8 * (table.size + layout.size + len(stages) * at.BLOCK_WORDS))
    end = stage_scratch + max(made.scratch for made in blocks)
    for number, buffer in enumerate(buffers):
        room = at.Buffer(layout, number)
        # Kernels may load a vector beyond the end of a row.
        room.offset, room.row = end, odd_lines(width * buffer.dtype.itemsize + jit.target().vector_bytes)
        held = step + max(lag[k] + s.halo for k, s in enumerate(stages) if number in (s.source, s.second))
        room.plane, room.planes = held * room.row, buffer.planes
        if width >= jit.target().vector_bytes and _goes_round(stages, number):
            room.ring = held
        end += room.plane * room.planes

    words = np.zeros(at.BLOCK_WORDS, np.int64)
    args = at.Pipeline(words)
    args.planes, args.depth, args.rows, args.cols, args.channels = first.view
    args.src_row, args.dst_row = width * first.src.itemsize, width * last.dst.itemsize
    args.stages, args.stage_count = table.ctypes.data, len(stages)
    args.buffers, args.buffer_count = layout.ctypes.data, len(buffers)
    args.step, args.stage_scratch, args.grain = step, stage_scratch, tile
    keep = (table, layout, *(array for made in blocks for array in (made.words, *made.keep)))
    work = sum(float32_work(stage.plan.work, stage.plan.acc) for stage in stages)
    # Two bands that are neighbours both make the rows around their common edge.
    least = max(4 * reach[0], step)
    bands = max(planes * rows // least, 1)
    return LoadedKernel(("pipeline",), Block(words, lines_of(end), least, keep), work, bands, bands)


def _goes_round(stages: Sequence[Stage], number: int) -> bool:
    """Whether a buffer lies between sweeps, which find the rows of a ring."""
    between = [stage.plan.strategy == "sweep" for stage in stages if number in (stage.source, stage.target)]
    return all(between) and all(stage.second != number for stage in stages)


def _filled_by(stages: Sequence[Stage], number: int) -> int:
    """The stage that leaves in its source what this one reads."""
    source = stages[number].source
    before = [k for k in range(number) if stages[k].target == source]
    return before[-1] if source != IMAGE else -1


def _reach(stages: Sequence[Stage]) -> list[int]:
    """Rows above and below a band that each stage has to make."""
    reach = [0] * len(stages)
    for number in reversed(range(len(stages))):
        stage = stages[number]
        for k in range(number):
            for read, halo in ((stage.source, stage.halo), (stage.second, stage.second_halo)):
                if stages[k].target != RESULT and stages[k].target == read:
                    reach[k] = max(reach[k], reach[number] + halo)
    return reach


def _lag(stages: Sequence[Stage], after: Sequence[int]) -> list[int]:
    """Rows by which each stage is behind the first."""
    lag: list[int] = []
    for stage, before in zip(stages, after, strict=True):
        lag.append(stage.halo + lag[before] if before >= 0 else 0)
    return lag


def halo_of(plan: Plan) -> int:
    """Rows of its source that a plan of strategy "fir" or "sweep" needs above and below a row."""
    what = plan.what
    assert isinstance(what, Separable)
    if plan.strategy == "sweep":
        return jit.sweep_radius(plan.kernel[1])
    lines = [term.lines[-2] for term in what.terms]
    return max((max(line.centre, len(line.taps) - 1 - line.centre) for line in lines if line is not None), default=0)
