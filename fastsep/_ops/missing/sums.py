"""Several sums of pixels times weights, and of the weights: of them filters are made that are not one quotient.

All is in float64, because what is made of the sums cancels.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from fastsep._call import PerPixel, Request
from fastsep._engine.execution import Runner
from fastsep._engine.memory import empty
from fastsep._ops.missing.options import Missing
from fastsep._ops.missing.selection import Selected, pixel_dtype
from fastsep._ops.missing.whole import of_weights, request_of_ones, request_of_weights
from fastsep._plan.plan import Plan
from fastsep._plan.spec import IDENTITY, Separable, Term
from fastsep._validation.array_like import Array, DType

DOUBLE = np.dtype(np.float64)
#: A smaller sum of weights is none: its inverse may be infinite.
SMALLEST = sys.float_info.min


class Sums:
    """Filters of one term each, of pixels and of weights."""

    def __init__(
        self, whats: Sequence[Separable], request: Request, missing: Missing, weights: PerPixel | None
    ) -> None:  # fmt: skip
        self.whats, self.request, self.missing, self.weights = tuple(whats), request, missing, weights

    @property
    def of_pixels(self) -> Request:
        return self.request._replace(source=pixel_dtype(self.request, self.weights, DOUBLE), target=DOUBLE)

    def of_weights(self, dtype: DType = DOUBLE) -> Request:
        """`dtype`: of the weights."""
        return request_of_weights(self.request, self.missing, DOUBLE)._replace(source=dtype)

    def weighed(self, selected: Selected, workers: int | None) -> tuple[list[Array], list[Array]]:
        """The sums of pixels, and those of weights."""
        above = _filtered(self.whats, selected.pixels, self.of_pixels, workers)
        return above, _filtered(self.whats_of_weights, selected.weights, self.of_weights(), workers)

    def totals(self) -> list[float]:
        """What each filter makes of weights of 1."""
        widest = Separable(tuple(term for what in self.whats for term in what.terms))
        small = request_of_ones(widest, self.request, DOUBLE)
        ones = _filtered(self.whats_of_weights, np.ones(small.shape, DOUBLE), small, 1)
        return [float(values.flat[0]) for values in ones]

    def least(self, total: float) -> float:
        """The smallest sum of weights that makes a result."""
        return max(total * self.missing.min_weight, SMALLEST)

    def plans(self) -> tuple[tuple[Plan, ...], tuple[Plan, ...]]:
        """Of pixels and of weights."""
        return _plans(self.whats, self.of_pixels), _plans(self.whats_of_weights, self.of_weights())

    @property
    def whats_of_weights(self) -> list[Separable]:
        """The same filters as weights run through them."""
        return [of_weights(what) for what in self.whats]  # type: ignore[misc]


def at_once(whats: Sequence[Separable], request: Request) -> Plan | None:
    """One plan for filters of one term each, all of whose results one kernel makes; None: there is none for these."""
    if len(request.modes) > 2:
        return None
    # An axis that is left alone would make another view of the image.
    terms = [Term(tuple(line or IDENTITY for line in what.terms[0].lines)) for what in whats]
    plan = request.plan(Separable(tuple(terms), "each", whats[0].chained))
    return plan if plan.strategy == "fir" else None


def _plans(whats: Sequence[Separable], request: Request) -> tuple[Plan, ...]:
    plan = at_once(whats, request)
    return tuple(map(request.plan, whats)) if plan is None else (plan,)


def _filtered(whats: Sequence[Separable], image: Array, request: Request, workers: int | None) -> list[Array]:
    """What each filter makes of an image."""
    plan = at_once(whats, request)
    if plan is None:
        return [request.runner(what).run(image, None, workers) for what in whats]
    results = [empty(plan.shape, DOUBLE) for _ in whats]
    Runner(plan).run(image, results[0], workers, results[1:])
    return results
