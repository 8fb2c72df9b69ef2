"""Missing pixels filled in by normalized Gaussians of growing scales."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastsep._call import PerPixel, Request
from fastsep._ops.missing.options import Missing
from fastsep._ops.missing.parts import Scales
from fastsep._ops.missing.selection import Selected, engine_axes, pixel_dtype
from fastsep._ops.missing.whole import Incomplete, Normalized, of_weights, side_by_side, surroundings
from fastsep._plan import dtypes, operators
from fastsep._plan.description import Description, Stage
from fastsep._plan.operators import TRUNCATE
from fastsep._plan.spec import Separable
from fastsep._validation.array_like import Array


class Interpolation(Incomplete):
    """A pixel that is missing is what the first Gaussian that finds enough of the others makes of them."""

    local = False  # how far it has to look depends on where pixels are missing

    def __init__(
        self, what: Scales, request: Request, missing: Missing, weights: PerPixel | None, absent: PerPixel | None
    ) -> None:  # fmt: skip
        super().__init__(request, missing, weights, absent)
        self.sigma = what.sigma
        self.acc = np.dtype(np.float32 if request.target == np.float32 else np.float64)

    def blur(self, scale: int) -> Separable:
        """Sigma is doubled so many times."""
        return operators.gaussian([2.0**scale * sigma for sigma in self.sigma], (0,) * len(self.sigma), TRUNCATE)

    @np.errstate(all="ignore")
    def run(self, image: Array, outs: Sequence[Array], workers: int | None) -> None:
        (out,) = outs
        selected = self.selected(image, pixel_dtype(self.request, self.weights, self.acc), self.acc)
        out[...] = dtypes.finish(engine_axes(image, self.request), self.target)
        left = selected.weights == 0
        scale, wider = 0, True
        while wider and left.any():
            what = self.blur(scale)
            wider = any(
                min(sides) < size for sides, size in zip(what.halo(), self._lengths(), strict=True) if max(sides)
            )
            # The last one sees all pixels, however little weight it finds in a corner.
            missing = self.missing if wider else self.missing._replace(min_weight=0.0)
            place = surroundings(left, self.request, what.halo())
            assert place is not None
            self._fill(what, missing, selected.part(place), place, left, out, workers)
            scale += 1
        if self.absent is not None:
            engine_axes(self.absent.values[0], self.request)[...] = left

    def _lengths(self) -> tuple[int, ...]:
        first = self.request.first
        return self.shape[first : first + len(self.sigma)]

    def _fill(
        self, what: Separable, missing: Missing, part: Selected, place: tuple[slice, ...], left: Array, out: Array,
        workers: int | None,
    ) -> None:  # fmt: skip
        """Fill in what this Gaussian reaches, and take it from what is `left`."""
        request = self.request._replace(shape=part.pixels.shape)
        normalized = Normalized(what, request, missing, self.weights, self.acc)
        values, share = normalized.weighed(part, workers)
        values /= share
        found = left[place] & ~normalized.absent(share, part)
        out[place][found] = dtypes.finish(values[found], self.target)
        left[place][found] = False

    def describe(self) -> Description:
        what = self.blur(0)
        normalized = Normalized(what, self.request, self.missing, self.weights, self.acc)
        stages = [
            Stage("pixels times weights", (what,), (normalized.numerator.plan,)),
            Stage("weights", (of_weights(what),), (normalized.denominator.plan,)),
            Stage("the same with sigma doubled, until no pixel is left"),
        ]
        notes = ("the estimate is that of the first scale", "a pixel may depend on any other")
        return side_by_side(stages, self.acc)._replace(why="scale by scale", notes=notes)
