"""Filters at every n-th pixel alone: the plans that make nothing else, with the bits of the plan that makes all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from fastsep._plan.differences import is_symmetric
from fastsep._plan.plan import Plan
from fastsep._plan.spec import IDENTITY, Line, Separable, Strided

#: Radii of symmetric taps that have a kernel of their own, where one of two rows and columns stays (measured, 5 taps,
#: 4K: 0.65 to 0.8 times the time of the one for any taps).
SHORT_RADIUS = 4
#: Of fewer lines by themselves most lanes would be idle: all their results are made faster (measured, 5 taps).
FEWEST_LINES = 6


def kept(lengths: Sequence[int], strides: Sequence[int]) -> tuple[int, ...]:
    """How many of so many pixels stay along each axis."""
    return tuple(-(-length // stride) for length, stride in zip(lengths, strides, strict=True))


class _Axis(NamedTuple):
    """An axis, or several that are left alone and count as one."""

    length: int
    line: Line = IDENTITY
    stride: int = 1
    mode: str = "reflect"

    @property
    def idle(self) -> bool:
        return self.line == IDENTITY and self.stride == 1

    @property
    def kept(self) -> int:
        return -(-self.length // self.stride)


def strided(
    what: Separable, plan: Plan, first: int, modes: tuple[str, ...], strides: tuple[int, ...]
) -> tuple[Plan, ...]:  # fmt: skip
    """The plans that, one after the other, make every n-th of the results that `plan` makes of an image.

    `what`: one term, whose lines all see the same constant beyond the border; nothing is scaled. `first`, `modes`: as
    in `planner.prepare`. None are given if `plan` has another order of operations than lines have, or would be faster.
    """
    if not _is_in_lines(plan):
        return ()
    count = len(strides)
    batch, lengths, behind = plan.shape[:first], plan.shape[first : first + count], plan.shape[first + count :]
    planes, channels = math.prod(batch), math.prod(behind)
    lines = [line or IDENTITY for line in what.terms[0].lines]
    axes = [_Axis(*axis) for axis in zip(lengths, lines, strides, modes, strict=True)]
    if count == 1:
        if planes < FEWEST_LINES:
            return ()
        # The batch serves as rows.
        return (_plan(plan, _Axis(planes), axes[0], (*batch, axes[0].kept, *behind), 1, channels, True, True),)
    plans: list[Plan] = []
    # Each axis before the last two is one of rows, with all that lies behind it left alone.
    leading = [number for number, axis in enumerate(axes[:-2]) if not axis.idle]
    both = not leading or not (axes[-2].idle and axes[-1].idle)
    for number in leading:
        before, after = [axis.kept for axis in axes[:number]], [axis.length for axis in axes[number + 1 :]]
        cols = _Axis(math.prod(after) * channels)
        shape = (*batch, *before, axes[number].kept, *after, *behind)
        last = not both and number == leading[-1]
        plans.append(_plan(plan, axes[number], cols, shape, planes * math.prod(before), 1, not plans, last))
    if both:
        few = [axis.kept for axis in axes]
        shape = (*batch, *few, *behind)
        plans.append(_plan(plan, axes[-2], axes[-1], shape, planes * math.prod(few[:-2]), channels, not plans, True))
    return tuple(plans)


def _plan(
    whole: Plan, y: _Axis, x: _Axis, shape: tuple[int, ...], planes: int, channels: int, first: bool, last: bool
) -> Plan:  # fmt: skip
    """One of the plans: of rows and columns of so many planes, for a result of `shape`."""
    source, target = whole.src if first else whole.acc, whole.dst if last else whole.acc
    # Of a plan in passes each sees what the one before has made.
    integers = (source if whole.strategy == "passes" else whole.src).kind != "f"
    what = Strided(y.line, x.line, (y.stride, x.stride), (y.length, x.length), integers)
    view = (planes, 1, y.kept, x.kept, channels)
    work = (len(y.line.taps) * x.stride + len(x.line.taps) + 8.0) * math.prod(view)
    kernel = ("strided", _form(what), source.name, whole.acc.name, target.name)
    return Plan(
        "strided", kernel, what, shape, view, ("reflect", y.mode, x.mode), whole.cval, whole.border, source, whole.acc,
        target, work, 1.0,
    )  # fmt: skip


def multiplications(plan: Plan) -> int:
    """Of one of these plans, for all that it makes: down the columns of the source, along the rows that stay."""
    assert isinstance(plan.what, Strided)
    y, x = (sum(tap != 0 for tap in line.taps) if line != IDENTITY else 0 for line in plan.what[:2])
    planes, _, rows, cols, channels = plan.view
    return planes * rows * channels * (y * plan.what.source[1] + x * cols)


def _form(what: Strided) -> str:
    """The form of the kernel."""
    radius = what.y.centre
    symmetric = is_symmetric(what.y) and is_symmetric(what.x) and what.x.centre == radius
    return f"halves{radius}" if symmetric and what.strides == (2, 2) and 1 <= radius <= SHORT_RADIUS else "any"


def _is_in_lines(plan: Plan) -> bool:
    """Whether it sums as lines of taps do, one axis after the other."""
    if plan.strategy == "passes":
        return all(map(_is_in_lines, plan.passes[0]))
    form = plan.kernel[1]
    return form in ("plane", "volume") if plan.strategy == "fir" else form.startswith("smooth")
