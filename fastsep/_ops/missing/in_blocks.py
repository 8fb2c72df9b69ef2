"""A program of whole arrays, block by block: the same bits, in memory for a block of each thread.

Where all pixels that a block depends on have weight 1, the plain filter makes its results: those of the whole image, if
it can read that as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any, TypeAlias

import numpy as np

from fastsep._call import FilterProgram, PerPixel, Program, Request
from fastsep._engine.bands import run_tasks
from fastsep._engine.execution import is_within
from fastsep._engine.memory import empty
from fastsep._engine.pipeline import Pipeline
from fastsep._ops.clipping import ClippedProgram
from fastsep._ops.missing.combined import Combined
from fastsep._ops.missing.derivatives import Gradients
from fastsep._ops.missing.grid import Block, Part, axes_of, extent, grid
from fastsep._ops.missing.selection import counting, engine_axes, given_weights
from fastsep._ops.missing.whole import Incomplete, WholeArrays
from fastsep._ops.stages import Sweep
from fastsep._plan import dtypes, tuning
from fastsep._plan.description import Description
from fastsep._plan.spec import Box, Halo, Separable
from fastsep._validation.array_like import Array

Whole: TypeAlias = WholeArrays | Combined | Gradients

#: Shapes of blocks whose programs are kept.
SHAPES = 64
#: Missing pixels are close together if what is around them is no larger part than this of the blocks that read them.
CLOSE = 0.7
#: Of so many lines of an image one is looked at, before the plain filter runs.
LOOKED_AT = 61


class InBlocks(Incomplete):
    """A program of whole arrays."""

    def __init__(self, whole: Whole) -> None:
        super().__init__(whole.request, whole.missing, whole.weights, whole.absent)
        self.whole, self._halo, self._unit = whole.of(None, None), whole.halo, whole.unit
        self.along = axes_of(self.request, self._halo, self._unit)
        self.grid = self._grid([(0, length) for length in self.shape])
        # Programs without pixels, by shape and what `look` says: of blocks, and the plain one of the image.
        self._made: dict[tuple[tuple[int, ...], bool | None], tuple[Incomplete, Program]] = {}
        self._plain_whole: dict[bool | None, Program] = {}

    @property
    def halo(self) -> Halo:
        return self._halo

    @property
    def unit(self) -> int:
        return self._unit

    @property
    def look(self) -> Callable[..., bool] | None:
        return self.whole.look

    def describe(self) -> Description:
        sizes = " x ".join(str(max(part.size for part in parts)) for parts in self.grid)
        return self.whole.describe()._replace(why=f"blocks of {sizes}; the plain filter, where no pixel is missing")

    @np.errstate(all="ignore")
    def run(self, image: Array, outs: Sequence[Array], workers: int | None) -> None:
        image, given = engine_axes(image, self.request), given_weights(self.weights, self.missing, self.request)
        within = self.request.within
        if within is None and self.look is not None:
            within = self.look(image, given, workers)
        plain, made = self._plain_of_all(image, within), False
        if plain and self._results_tell(image) and not self._shows_some(image):
            plain.run(image, outs, workers)
            if not np.isnan(outs[0][self._sample]).any():
                return
            made = True
        blocks = [Block(parts) for parts in product(*self.grid)]
        found = self._missing(blocks, image, given, workers)
        lacking = self._lacking(found)
        if plain and (made or lacking.mean() <= tuning.WEIGHED_TWICE):
            if not made:
                plain.run(image, outs, workers)
            blocks = self._around(found, [block for block, lacks in zip(blocks, lacking.flat, strict=True) if lacks])
            lacking = np.ones(len(blocks), bool)
        shapes = {block.shape for block in blocks}
        programs = {shape: self._programs(shape, within) for shape in shapes}
        # Blocks that have to be larger, because taps reach far, are filtered one after the other.
        most = max((math.prod(shape) for shape in shapes), default=0)
        apart = len(blocks) > 1 and most * self.whole.bytes_a_pixel <= 2 * tuning.WEIGHED_BLOCK
        threads = 1 if apart else workers
        absent = None if self.absent is None else engine_axes(self.absent.values[0], self.request)

        @np.errstate(all="ignore")  # in whatever thread this is
        def fill(number: int) -> None:
            block = blocks[number]
            program, complete = programs[block.shape]
            parts = [out[block.place] for out in outs]
            if not lacking.flat[number]:
                pixels = dtypes.convert(block.read(image), self.request.source, None, self._clamps)
                results = [empty(block.shape, self.target) for _ in outs]
                complete.run(pixels, results, threads)
                for result, part in zip(results, parts, strict=True):
                    part[...] = result[block.inner]
                return
            told = None if absent is None else np.zeros(block.shape, bool)
            weights = None if given is None else PerPixel(self._own_axes(block.read(given)))
            program = program.of(weights, None if told is None else PerPixel(self._own_axes(told)))
            program.run_part(self._own_axes(block.read(image)), parts, block.inner, threads)
            if told is not None:
                absent[block.place] = told[block.inner]  # type: ignore[index]

        if apart:
            run_tasks(fill, len(blocks), workers)
        else:
            for number in range(len(blocks)):
                fill(number)

    # ---- programs

    def _programs(self, shape: tuple[int, ...], within: bool | None) -> tuple[Incomplete, Program]:
        """For blocks: the one of whole arrays, and the plain one."""
        found = self._made.get((shape, within))
        if found is None:
            if len(self._made) >= SHAPES:
                self._made.clear()
            whole = self.request.of_whole.shape
            request = self.request._replace(shape=shape, whole=whole, within=within)
            made: Whole = type(self.whole)(self.whole.what, request, self.missing, self.weights, self.absent)  # type: ignore[arg-type]
            found = self._made[shape, within] = made.of(None, None), self._plain(request)
        return found

    def _plain_of_all(self, image: Array, within: bool | None) -> Program | None:
        """The plain filter of the image; None if it does not read that as it is, or takes arrays of its size."""
        if not self._reads(image):
            return None
        found = self._plain_whole.get(within)
        if found is None:
            found = self._plain_whole[within] = self._plain(self.request._replace(within=within))
        return found if is_lean(found) else None

    def _plain(self, request: Request) -> Program:
        whole = self.whole
        return FilterProgram(whole.what, request) if isinstance(whole, WholeArrays) else whole.plain_for(request)

    @property
    def _clamps(self) -> bool:
        return self.request.scale != 1.0 and self.request.frame.dtype.kind == "i"

    def _reads(self, image: Array) -> bool:
        """Whether the plain filter reads the image as it is."""
        contiguous = image.flags.c_contiguous and image.flags.aligned
        return contiguous and image.dtype == self.request.source and not self._clamps

    def _results_tell(self, image: Array) -> bool:
        """Whether each NaN of the image makes one of a plain result in `_sample`, and pixels of no other kind count."""
        what = self.whole.what
        return (
            self.weights is None
            and self.missing.ignore_nan
            and not any(self.missing.ignored)
            and self.target.kind == "f"
            and spoils_all(what)
        )

    @property
    def _sample(self) -> tuple[Array, ...]:
        """Results so close together that each pixel is under the kernel of one."""
        return np.ix_(*(each.sample() for each in self.along))

    def _shows_some(self, image: Array) -> bool:
        """Whether NaN is among a few pixels."""
        return bool(np.isnan(image.reshape(-1, image.shape[-1])[::LOOKED_AT]).any())

    def _own_axes(self, array: Array) -> Array:
        """The inverse of `engine_axes`."""
        channel = self.request.frame.channel
        return np.moveaxis(array, 0, channel) if self.request.first and channel else array

    # ---- blocks

    def _grid(self, region: Sequence[tuple[int, int]]) -> list[list[Part]]:
        return grid(self.along, region, tuning.WEIGHED_BLOCK // self.whole.bytes_a_pixel)

    def _missing(
        self, blocks: Sequence[Block], image: Array, given: Array | None, workers: int | None
    ) -> list[Sequence[tuple[int, int]]]:  # fmt: skip
        """Where in the places of blocks pixels of other weights than 1 are, from which to which along each axis."""
        found: list[Sequence[tuple[int, int]]] = [() for _ in blocks]
        complete: set[int] = set()  # first pixels along the first axis
        if given is None and image.dtype.kind == "f" and self._reads(image):
            # A look at pixels as they lie, at the speed of memory; infinity may be taken for a missing one.
            places = [part.results for part in self.grid[0]]
            complete = {place.start for place in places if is_within(image[place], math.inf, workers)}

        def look(number: int) -> None:
            place = blocks[number].place
            if place[0].start in complete:
                return
            full = counting(image[place], self.missing, None if given is None else given[place])
            if given is not None and given.dtype != np.bool_:
                full &= given[place] == 1
            if not full.all():
                found[number] = tuple(extent(~full, place))

        if self.missing.ignore_nan or self.missing.nodata is not None or given is not None:
            run_tasks(look, len(blocks), workers)
        return [each for each in found if each]

    def _lacking(self, found: Sequence[Sequence[tuple[int, int]]]) -> Array:
        """Which blocks depend on pixels of other weights than 1."""
        lacking = np.zeros(tuple(map(len, self.grid)), bool)
        for extents in found:
            under = [
                [number for number, part in enumerate(parts) if part.reads_some(*each)]
                for parts, each in zip(self.grid, extents, strict=True)
            ]
            lacking[np.ix_(*under)] = True
        for axis, parts in enumerate(self.grid):
            if self._ends_lack(axis):
                np.moveaxis(lacking, axis, 0)[[part.leaves for part in parts]] = True
        return lacking

    def _ends_lack(self, axis: int) -> bool:
        """Whether what lies beyond the ends of an axis has no weight."""
        axis -= self.request.first
        modes = self.request.modes
        return any(self.missing.ignored) and 0 <= axis < len(modes) and modes[axis] == "constant"

    def _around(self, found: Sequence[Sequence[tuple[int, int]]], blocks: list[Block]) -> list[Block]:
        """Blocks around all missing pixels, if these are close together; else `blocks`."""
        region = []
        for axis, along in enumerate(self.along):
            if not found or self._ends_lack(axis) or along.wraps:
                return blocks
            start, stop = min(each[axis][0] for each in found), max(each[axis][1] for each in found)
            # As far on both sides as windows reach on one: a border that reflects shows pixels in front of a result to
            # those that look behind them.
            reach = max(along.halo)
            region.append((max(start - reach, 0), min(stop + reach, along.length)))
        if math.prod(stop - start for start, stop in region) > CLOSE * sum(math.prod(block.size) for block in blocks):
            return blocks
        return [Block(parts) for parts in product(*self._grid(region))]


def spoils_all(what: Any) -> bool:
    """Whether NaN makes NaN of all results within reach: no tap is skipped, no term reaches less far than others."""
    if isinstance(what, Box):
        return True
    if not isinstance(what, Separable) or len(what.terms) > 1:
        return False
    return not what.skip_zeros or all(0.0 not in line.taps for line in what.terms[0].lines if line)


def is_lean(program: Program) -> bool:
    """Whether a program of complete images takes no array of their size."""
    runs = program.alone
    if isinstance(program, ClippedProgram):
        runs = program.any
    elif isinstance(program, Sweep):
        if isinstance(program.runs, Pipeline):
            return True
        runs = program.runs
    return runs is not None and runs.plan.strategy != "passes"
