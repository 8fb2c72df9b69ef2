"""Missing pixels filled in by normalized Gaussians of growing scales."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

from fastsep._call import PerPixel, Request
from fastsep._engine.bands import run_tasks
from fastsep._ops.missing import coarse, swept
from fastsep._ops.missing.coarse import Blocks
from fastsep._ops.missing.grid import Block, axes_of, grid
from fastsep._ops.missing.options import Missing
from fastsep._ops.missing.parts import Scales
from fastsep._ops.missing.selection import Selected, counting, engine_axes, given_weights, pixel_dtype, select_part
from fastsep._ops.missing.whole import Incomplete, Normalized, of_weights, side_by_side
from fastsep._plan import dtypes, operators, tuning
from fastsep._plan.description import Description, Stage
from fastsep._plan.operators import TRUNCATE
from fastsep._plan.spec import Separable
from fastsep._validation.array_like import Array

#: Parts of an image, along an axis, that are filled in one by one at most: each has plans of its own.
PARTS = 8


class Interpolation(Incomplete):
    """A pixel that is missing is what the first Gaussian that finds enough of the others makes of them.

    The first one goes once over the image, those that follow over what surrounds the pixels that are left, and wide
    ones over means of blocks.
    """

    local = False  # how far it has to look depends on where pixels are missing

    def __init__(
        self, what: Scales, request: Request, missing: Missing, weights: PerPixel | None, absent: PerPixel | None
    ) -> None:  # fmt: skip
        super().__init__(request, missing, weights, absent)
        self.sigma = what.sigma
        self.acc = np.dtype(np.float32 if request.target == np.float32 else np.float64)
        self.own = pixel_dtype(request, weights, self.acc)  # of pixels that have a weight
        self.sweep = None
        if max(self.blocks(0)) == 1:
            limits = self._missing(self._sees_all(self.blur(0), self.blocks(0)))
            quotient = Normalized(self.blur(0), request, limits, weights, self.acc)
            self.sweep = swept.filling(quotient, request, limits, weights)

    def blur(self, scale: int) -> Separable:
        """Sigma is doubled so many times; in blocks, where it is wide."""
        wide = [2.0**scale * sigma for sigma in self.sigma]
        return operators.gaussian(
            [coarse.sigma_between(sigma, coarse.block_of(sigma)) for sigma in wide], (0,) * len(wide), TRUNCATE
        )

    def blocks(self, scale: int) -> tuple[int, ...]:
        """Their lengths along all axes, as the engine has them; 1 where there are none."""
        lengths = [coarse.block_of(2.0**scale * sigma) for sigma in self.sigma]
        behind = len(self.shape) - self.request.first - len(lengths)
        return (*(1,) * self.request.first, *lengths, *(1,) * behind)

    @np.errstate(all="ignore")
    def run(self, image: Array, outs: Sequence[Array], workers: int | None) -> None:
        (out,) = outs
        image, given = engine_axes(image, self.request), given_weights(self.weights, self.missing, self.request)
        out[...] = dtypes.finish(image, self.target)
        left = np.ascontiguousarray(~counting(image, self.missing, given))

        def select(pixels: Array, weights: Array | None) -> Selected:
            return select_part(pixels, weights, self.missing, self.request, self.own, self.acc)

        def select_place(place: tuple[slice, ...]) -> Selected:
            return select(image[place], None if given is None else given[place])

        scale, last, blocks = 0, False, None
        while not last and left.any():
            what, lengths = self.blur(scale), self.blocks(scale)
            last = self._sees_all(what, lengths)
            missing = self._missing(last)
            if scale == 0 and self.sweep is not None:
                self.sweep(dtypes.convert(image, self.request.source, None, False), given, out, left, workers)
            elif max(lengths) == 1:
                made: dict[tuple[int, ...], Normalized] = {}
                for block in self._around(what, left):
                    part = select(block.read(image), None if given is None else block.read(given))
                    normalized = made.get(block.shape)
                    if normalized is None:
                        request = self.request._replace(shape=block.shape, whole=self.shape)
                        normalized = made[block.shape] = Normalized(what, request, missing, self.weights, self.acc)
                    values, share = normalized.weighed(part, workers, block.inner)
                    self._deliver(values, share, normalized, part, block.place, left, out)
            else:
                if blocks is None:
                    blocks = coarse.of_image(self.shape, lengths, self.request, self.acc, select_place, workers)
                else:
                    blocks = coarse.of_blocks(blocks, lengths)
                self._fill_by_blocks(what, missing, blocks, left, out, workers)
            scale += 1
        if self.absent is not None:
            engine_axes(self.absent.values[0], self.request)[...] = left

    def _missing(self, last: bool) -> Missing:
        """The last Gaussian sees all pixels, however little weight it finds in a corner."""
        return self.missing._replace(min_weight=0.0) if last else self.missing

    def _sees_all(self, what: Separable, lengths: tuple[int, ...]) -> bool:
        """Whether a Gaussian of blocks of these lengths reaches every pixel from any other."""
        along = slice(self.request.first, self.request.first + len(self.sigma))
        axes = zip(what.halo(), self.shape[along], lengths[along], strict=True)
        return all(min(sides) * length >= size for sides, size, length in axes if max(sides))

    def _around(self, what: Separable, left: Array) -> Iterator[Block]:
        """Blocks that hold all pixels that are left."""
        along = axes_of(self.request, what.halo(), 1)
        most = tuning.WEIGHED_BLOCK // (6 * self.acc.itemsize)
        for place in parts(left, self.request, what.halo()):
            region = [each.indices(length)[:2] for each, length in zip(place, left.shape, strict=True)]
            for each in product(*grid(along, region, most)):
                if left[Block(each).place].any():
                    yield Block(each)

    def _fill_by_blocks(
        self, what: Separable, missing: Missing, blocks: Blocks, left: Array, out: Array, workers: int | None
    ) -> None:
        """The same by a Gaussian of blocks."""
        part = Selected(blocks.pixels, blocks.weights, None)
        request = self.request._replace(shape=part.pixels.shape, source=self.acc)
        normalized = Normalized(what, request, missing, None, self.acc)
        values, share = normalized.weighed(part, workers)
        places = [
            strip
            for place in parts(left, request, [(0, 0)] * len(self.sigma))
            for strip in coarse.strips(place, self.shape, request.first)
        ]

        def fill(number: int) -> None:
            place = places[number]
            finer, found = (coarse.between(each, blocks.lengths, place, self.shape) for each in (values, share))
            self._deliver(finer, found, normalized, part, place, left, out)

        run_tasks(fill, len(places), workers)

    @np.errstate(all="ignore")  # in a thread of its own
    def _deliver(
        self, values: Array, share: Array, normalized: Normalized, part: Selected, place: tuple[slice, ...],
        left: Array, out: Array,
    ) -> None:  # fmt: skip
        found = left[place] & ~normalized.absent(share, part)
        out[place][found] = dtypes.finish(values[found] / share[found], self.target)
        left[place][found] = False

    def describe(self) -> Description:
        what = self.blur(0)
        normalized = Normalized(what, self.request, self.missing, self.weights, self.acc)
        stages = [
            Stage("pixels times weights", (what,), (normalized.numerator.plan,)),
            Stage("weights", (of_weights(what),), (normalized.denominator.plan,)),
            Stage("the same with sigma doubled, until no pixel is left"),
        ]
        notes = (
            "the estimate is that of the first scale",
            f"a Gaussian of {coarse.COARSE:g} pixels and more is one of means over blocks",
            "a pixel may depend on any other",
        )
        return side_by_side(stages, self.acc)._replace(why="scale by scale", notes=notes)


def parts(marked: Array, request: Request, halo: Sequence[tuple[int, int]]) -> list[tuple[slice, ...]]:
    """Parts of an image that hold all pixels that are marked and so many around them, and none of another one's."""
    places = [(slice(None),) * marked.ndim]
    for axis, (mode, (before, after)) in enumerate(zip(request.modes, halo, strict=True), start=request.first):
        if mode == "wrap":
            continue
        others = tuple(other for other in range(marked.ndim) if other != axis)
        found = []
        for place in places:
            along = np.flatnonzero(marked[place].any(axis=others))
            gaps = np.flatnonzero(np.diff(along) > max(before + after, 1))
            gaps = gaps if gaps.size < PARTS else gaps[:0]
            for start, stop in zip(along[[0, *(gaps + 1)]], along[[*gaps, -1]] + 1, strict=True):
                part = slice(max(int(start) - before, 0), int(stop) + after)
                found.append((*place[:axis], part, *place[axis + 1 :]))
        places = found
    return places
