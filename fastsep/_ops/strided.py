"""Filters of which every n-th result stays along each axis; the others are not made (see `_plan/striding.py`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from fastsep._call import Operation, Program, Request
from fastsep._engine.execution import Runner
from fastsep._plan import cost_model, description
from fastsep._plan.description import Description
from fastsep._plan.spec import Halo, Separable
from fastsep._plan.striding import kept, multiplications, strided
from fastsep._validation.array_like import Array


def separable(what: Separable, strides: tuple[int, ...]) -> Operation:
    """Of a filter of one term what stays along each spatial axis."""
    return Operation(partial(Thinned, what, strides), strides=strides)


class Thinned(Program):
    """Plans, one after the other, that make what stays; or all results, and what stays is copied."""

    def __init__(self, what: Separable, strides: tuple[int, ...], request: Request) -> None:
        super().__init__(request)
        first, count = request.first, len(strides)
        lengths = request.shape[first : first + count]
        # With no stride longer than its axis numbers stay small.
        strides = tuple(min(stride, length) for stride, length in zip(strides, lengths, strict=True))
        self.what, self.strides = what, strides
        self.shape = (*request.shape[:first], *kept(lengths, strides), *request.shape[first + count :])
        self.stays = (slice(None),) * first + tuple(slice(None, None, stride) for stride in strides)
        self.whole = request.plan(what)
        self.steps = strided(what, self.whole, first, request.modes, strides)
        self.runners = [Runner(plan) for plan in self.steps or (self.whole,)]
        if len(self.steps) == 1:
            self.alone = self.runners[0]

    @property
    def halo(self) -> Halo:
        return self.what.halo()

    def run(self, image: Array, outs: Sequence[Array], workers: int | None) -> None:
        *runners, last = self.runners
        for runner in runners:
            image = runner.run(image, None, workers)
        if self.steps:
            last.run(image, outs[0], workers)
        else:
            np.copyto(outs[0], last.run(image, None, workers)[self.stays])

    def describe(self) -> Description:
        told = description.of_plan(self.what, self.whole)
        if not self.steps:
            why = "all results are made, of which one of {} stays along each axis"
            return told._replace(why=why.format(_times(self.strides)))
        seconds = sum(map(cost_model.nanoseconds, self.steps)) * 1e-9
        why = f"one of {_times(self.strides)} results along each axis, and no others"
        notes = tuple(f"kernel {' '.join(plan.kernel)}" for plan in self.steps)
        taps = sum(map(multiplications, self.steps)) / math.prod(self.shape)
        return told._replace(
            strategy="strided", why=why, multiplications=math.ceil(taps), seconds=seconds, notes=notes
        )  # fmt: skip


def _times(strides: tuple[int, ...]) -> str:
    return " x ".join(map(str, strides))
