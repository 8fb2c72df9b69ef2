"""Gaussians that may be off by a bound: wide ones are blurred on every n-th row alone (see `_plan/decimation.py`).

Which rows these are is counted from the first one of the image, also in its blocks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from fastsep._call import FilterProgram, Operation, Program, Request
from fastsep._engine.caches import MIB, remembered
from fastsep._engine.execution import Runner
from fastsep._plan import cost_model, description, planner
from fastsep._plan.decimation import Decimation, decimations
from fastsep._plan.description import Description, Stage
from fastsep._plan.plan import Plan
from fastsep._plan.spec import Halo, Polyphase, Separable, Term
from fastsep._validation.array_like import Array, DType


def gaussian(exact: Separable, sigma: Sequence[float], truncate: float, tol: float) -> Operation:
    """The Gaussian `exact`, or one whose kernel differs from it by no more than `tol`, whichever is faster."""

    def prepare(request: Request) -> Program:
        whole = request.of_whole
        plan = whole.plan(exact)
        seconds = cost_model.nanoseconds(plan) * 1e-9
        axis = max(range(len(sigma) - 1), key=sigma.__getitem__, default=-1)
        if axis < 0 or not sigma[axis]:
            return _Exact(exact, request, "only what is blurred along another axis than the last is thinned out")
        ways = [(_seconds(whole, exact, axis, way, plan.acc), way) for way in _ways(sigma[axis], truncate, tol)]
        if not ways:
            return _Exact(
                exact, request, f"no factor keeps to {tol:g}; taps that end at more sigmas are easier to meet"
            )
        cost, way = min(ways)
        if cost >= seconds:
            return _Exact(exact, request, "it would take longer", cost)
        return Decimated(request, exact, axis, way, plan.acc, seconds)

    return Operation(prepare)


@remembered(MIB, 64)
def _ways(sigma: float, truncate: float, tol: float) -> tuple[Decimation, ...]:
    return tuple(decimations(sigma, truncate, tol))


def _seconds(request: Request, exact: Separable, axis: int, way: Decimation, acc: DType) -> float:
    steps = _steps(request, exact, axis, way, acc)
    return sum(map(cost_model.nanoseconds, (steps.reduce, steps.blur, steps.expand))) * 1e-9


class _Steps(NamedTuple):
    """The plans of the three steps, and the blur of the second one."""

    reduce: Plan
    blur: Plan
    expand: Plan
    what: Separable


def _steps(request: Request, exact: Separable, axis: int, way: Decimation, acc: DType) -> _Steps:
    """How an axis is thinned out, the image blurred, and the axis filled in again."""
    at, shape = request.first + axis, request.shape
    length, reach = shape[at], way.blur.centre
    # From the first of the rows left that are needed to the last; the first pixel is one of them.
    first = -way.before - reach
    count = (length - 1) // way.factor + way.order - way.before + reach - first
    few = (*shape[:at], count, *shape[at + 1 :])
    taps = tuple(tuple(tap * request.scale for tap in phase) for phase in way.first_phases())
    mode, border = request.modes[axis], request.cval / request.scale
    start = first * way.factor - len(way.spline) // 2
    reduce = _plan("reduce", Polyphase(taps, start, length), few, at, mode, border, request.source, acc, acc)
    (term,) = exact.terms
    lines = (*term.lines[:axis], way.blur, *term.lines[axis + 1 :])
    what = Separable((Term(lines),))
    # Nobody needs those of its rows that depend on a border.
    modes = (*request.modes[:axis], "nearest", *request.modes[axis + 1 :])
    blur = planner.prepare(what, few, acc, acc, first=request.first, modes=modes, cval=request.cval, scale=1.0)
    last = Polyphase(way.last_phases(), reach, count)
    return _Steps(reduce, blur, _plan("expand", last, shape, at, "nearest", 0.0, acc, acc, request.target), what)


def _plan(
    form: str, what: Polyphase, shape: tuple[int, ...], at: int, mode: str, border: float, source: DType, acc: DType,
    target: DType,
) -> Plan:  # fmt: skip
    """The plan of a step along axis `at` of its result's `shape`."""
    view = (math.prod(shape[:at]), 1, shape[at], math.prod(shape[at + 1 :]), 1)
    taps = len(what.taps[0]) * (len(what.taps) if form == "reduce" else 1)
    kernel = ("polyphase", form, source.name, acc.name, target.name)
    return Plan(
        "polyphase", kernel, what, shape, view, ("reflect", mode, "reflect"), border, border, source, acc, target,
        float(taps * math.prod(view)), 1.0,
    )  # fmt: skip


class _Exact(FilterProgram):
    """The exact taps, and why no others."""

    def __init__(self, what: Separable, request: Request, why: str, seconds: float | None = None) -> None:
        super().__init__(what, request)
        self.other = ("decimated", seconds, why)

    def describe(self) -> Description:
        return super().describe()._replace(rejected=(self.other,))


class Decimated(Program):
    """The three steps, one after the other."""

    def __init__(
        self, request: Request, exact: Separable, axis: int, way: Decimation, acc: DType, seconds: float
    ) -> None:  # fmt: skip
        """`seconds`: what the exact taps would take."""
        super().__init__(request)
        self.exact, self.axis, self.way, self.seconds = exact, axis, way, seconds
        self.steps = _steps(request, exact, axis, way, acc)
        self.runners = tuple(Runner(plan) for plan in self.steps[:3])

    @property
    def unit(self) -> int:
        """The rows that stay are counted from the first pixel that is read."""
        return self.way.factor

    @property
    def halo(self) -> Halo:
        sides = list(self.steps.what.halo())
        sides[self.axis] = self.way.halo()
        return tuple(sides)

    def run(self, image: Array, outs: Sequence[Array], workers: int | None) -> None:
        reduce, blur, expand = self.runners
        left = reduce.run(image, None, workers)
        expand.run(blur.run(left, None, workers), outs[0], workers)

    def describe(self) -> Description:
        way, steps = self.way, self.steps
        names = f"one of {way.factor} lines, smoothed", "blur of these", "the lines between"
        plans = steps[:3]
        parts = [Stage(name, (), (plan,)) for name, plan in zip(names, plans, strict=True)]
        why = f"axis {self.axis} is thinned out for the blur"
        found = description.of_stages(why, steps.blur.acc, parts, True, ())
        taps = sum(plan.work for plan in (steps.reduce, steps.expand)) / math.prod(steps.expand.shape)
        blurred, _ = steps.what.multiplications()
        assert blurred is not None
        taps += blurred * math.prod(steps.blur.shape) / math.prod(steps.expand.shape)
        return found._replace(
            multiplications=math.ceil(taps), dense_multiplications=self.exact.multiplications()[1], halo=self.halo,
            error=way.error, rejected=(("exact taps", self.seconds, ""),),
        )  # fmt: skip
