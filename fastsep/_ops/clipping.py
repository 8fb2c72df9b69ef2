"""Sums that are clipped to a range which depends on whether any pixel is negative."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from fastsep._call import FilterProgram, Operation, Program, Request
from fastsep._engine.execution import Runner
from fastsep._plan import dtypes
from fastsep._plan.spec import Halo, Separable
from fastsep._validation.array_like import Array

if TYPE_CHECKING:
    from fastsep._plan.description import Description

#: Lowest and highest value; None: not clipped.
Range = tuple[float, float] | None


def clipped(what: Separable, of_positive: Range, of_any: Range) -> Operation:
    """`what` within the first range where no pixel is negative, else within the second."""
    return Operation(partial(_prepare, what, of_positive, of_any))


def _prepare(what: Separable, of_positive: Range, of_any: Range, request: Request) -> Program:
    if of_positive == of_any or request.frame.dtype.kind in "bu":
        return FilterProgram(replace(what, clip=of_positive), request)
    if request.within is not None:
        return FilterProgram(replace(what, clip=of_positive if request.within else of_any), request)
    return ClippedProgram(what, of_positive, of_any, request)


def has_no_negative(image: Array, workers: int | None) -> bool:
    """Whether no value is below zero; NaN is not."""
    return not dtypes.has_negative(image)


class ClippedProgram(Program):
    """A plan for each range."""

    def __init__(self, what: Separable, of_positive: Range, of_any: Range, request: Request) -> None:
        super().__init__(request)
        self.what = replace(what, clip=of_any)
        self.any = request.runner(self.what)
        self.positive = request.runner(replace(what, clip=of_positive))

    @property
    def halo(self) -> Halo:
        return self.what.halo()

    @property
    def look(self) -> Callable[..., bool]:
        return has_no_negative

    def run(self, image: Array, outs: Sequence[Array], workers: int | None) -> None:
        runner: Runner = self.positive if has_no_negative(image, workers) else self.any
        runner.run(image, outs[0], workers)

    def describe(self) -> Description:
        from fastsep._plan import description  # for `explain` alone

        return description.of_plan(self.what, self.any.plan)
