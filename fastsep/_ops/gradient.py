"""How a gradient is computed: by one sweep where there is one for it, else component by component.

Two spatial axes: one kernel, or a pipeline. Three: one kernel for taps of three pixels, where nothing is smoothed
before. More axes, a magnitude over some of them, or a border of mode "wrap" behind a smoothing: whole arrays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from fastsep._call import Operation, Program, Request
from fastsep._engine import execution
from fastsep._engine.pipeline import IMAGE, RESULT, Buffer, Pipeline, Stage, halo_of
from fastsep._kernels.arguments import RESULTS
from fastsep._ops.missing.parts import Derivatives
from fastsep._ops.stages import Sweep
from fastsep._plan import description, dtypes, operators
from fastsep._plan.description import Description
from fastsep._plan.operators import TRUNCATE
from fastsep._plan.plan import Plan
from fastsep._plan.spec import IDENTITY, Separable, Term
from fastsep._validation import array_like, axes, scalars
from fastsep._validation.array_like import Array, DType
from fastsep._validation.axes import Frame

OPERATORS = (*operators.OPERATORS, "gaussian")
SWEPT = ("dz", "dy", "dx", "magnitude", "orientation")  # the order of outputs in kernels
LETTERS = {"dx": 1, "dy": 2, "dz": 3}  # counted from the last axis


def _component(name: Any, count: int) -> int | str:
    """The spatial axis of a derivative, or "magnitude" or "orientation"."""
    if name == "magnitude":
        return "magnitude"
    if name == "orientation" and count > 1:
        return "orientation"
    named = {letter: count - back for letter, back in LETTERS.items() if back <= count}
    named.update({f"d{k}": k for k in range(count)})
    if not isinstance(name, str) or name not in named:
        accepted = [*named, "magnitude", *(["orientation"] if count > 1 else [])]
        raise ValueError(
            f"`output` must name {', '.join(accepted)} for {count} spatial axes; got {array_like.show(name)}."
        )  # fmt: skip
    return named[name]


def builder(
    frame: Frame, operator: Any, sigma: Any, kind: type, names: tuple[Any, ...], axis: Any
) -> Operation:  # fmt: skip
    """The gradient that the arguments of `edges.gradient` ask for.

    `kind`: the type of sigma, a part of the key of remembered calls.
    """
    count = len(frame.spatial)
    operator = scalars.one_of("operator", operator, OPERATORS)
    if sigma is not None:
        sigma = scalars.sigmas("sigma", sigma, count, TRUNCATE)
    elif operator == "gaussian":
        sigma = (1.0,) * count
    over = axes.edge_axes(axis, frame)
    return Operation(Gradient(operator, sigma, tuple(_component(name, count) for name in names), over).prepare)


def of_missing(
    frame: Frame, operator: Any, sigma: Any, kind: type, names: tuple[Any, ...], axis: Any
) -> Derivatives:  # fmt: skip
    """The same for an image with missing pixels."""
    if operator != "gaussian":
        raise ValueError(
            f"`operator` must be gaussian for an image with missing pixels; got {array_like.show(operator)}."
        )
    plain = builder(frame, operator, sigma, kind, names, axis)
    count = len(frame.spatial)
    widths = scalars.sigmas("sigma", 1.0 if sigma is None else sigma, count, TRUNCATE)
    wanted = tuple(_component(name, count) for name in names)
    return Derivatives(plain, widths, TRUNCATE, wanted, axes.edge_axes(axis, frame))


class Gradient(NamedTuple):
    """Derivatives of an operator, and what is made of them."""

    operator: str
    sigma: tuple[float, ...] | None
    wanted: tuple[int | str, ...]  # spatial axes, "magnitude", "orientation"
    over: tuple[int, ...]  # axes of the magnitude

    def prepare(self, request: Request) -> Program:
        count, wanted = len(request.modes), self.wanted
        planar = count == 2 and (self.over == (0, 1) or "magnitude" not in wanted)
        if planar and not (self.smooths and "wrap" in request.modes):
            return self._sweep(request)
        swept = self._sweep_volume(request) if count == 3 and not self.smooths else None
        return swept or WholeArrays(self, request)

    @property
    def smooths(self) -> bool:
        return self.sigma is not None and self.operator != "gaussian"

    def between(self, request: Request) -> DType:
        """The dtype of what lies between stages."""
        double = np.float64 in (request.source, request.target)
        return np.dtype(np.float64 if double or self.smooths else np.float32)

    def smoothed(self, request: Request) -> Request:
        """What the derivatives are taken of."""
        return request._replace(source=self.between(request), scale=1.0) if self.smooths else request

    def derivative(self, axis: int, count: int) -> Separable:
        if self.operator == "gaussian":
            assert self.sigma is not None
            return operators.gaussian(self.sigma, [int(k == axis) for k in range(count)], TRUNCATE)
        return operators.edges(self.operator, count, (axis,))

    def smoothing(self) -> Separable:
        assert self.sigma is not None
        return operators.gaussian(self.sigma, [0] * len(self.sigma), TRUNCATE)

    def _sweep(self, request: Request) -> Sweep:
        """All outputs in one sweep over the rows of a plane."""
        names, order, firsts = self._results(2)
        acc, smoothed = self.between(request), self.smoothed(request)
        whats = tuple(self.derivative(axis, 2) for axis in (0, 1))
        of_sum = self._of_sum(names, whats, request) if self.smooths else None
        if of_sum is not None:
            return Sweep(request, of_sum[0], order, of_sum[1], firsts)
        told, stages, buffers, at = [], [], [], IMAGE
        if self.smooths:
            what = self.smoothing()
            smoothing, at = _plan(what, request._replace(target=acc)), 0
            told.append(description.Stage("smoothing", (what,), (smoothing,)))
            stages.append(Stage(smoothing, IMAGE, at, 0))
            buffers.append(Buffer(acc, 1))
        fused = self._fused(names, whats, smoothed)
        if fused is not None:
            told.append(description.Stage("derivatives", whats, (fused,)))
            stages.append(Stage(fused, at, RESULT, halo_of(fused)))
        else:
            plans = [_plan(what, smoothed._replace(target=acc)) for what in whats]
            told.append(description.Stage("derivatives", whats, tuple(plans)))
            for plan in plans:
                stages.append(Stage(plan, at, len(buffers), halo_of(plan)))
                buffers.append(Buffer(acc, 1))
            polar = plans[-1]._replace(
                strategy="polar", kernel=("polar", "+".join(names), acc.name, request.target.name),
                src=acc, acc=acc, dst=request.target,
            )  # fmt: skip
            told.append(description.Stage(", ".join(names), (), (polar,)))
            stages.append(Stage(polar, len(buffers) - 2, RESULT, 0, second=len(buffers) - 1))
        runs = execution.Runner(fused) if fused is not None and not self.smooths else Pipeline(stages, buffers)
        return Sweep(request, runs, order, told, firsts)

    def _results(self, count: int) -> tuple[list[str], list[int], list[int]]:
        """The results of a kernel by name, and `order` and `firsts` of a `Sweep`.

        Every order of the outputs is the same kernel; one that is asked for again is copied.
        """
        names = [SWEPT[3 - count + item] if isinstance(item, int) else item for item in self.wanted]
        firsts = [names.index(name) for name in names]
        order = sorted(set(firsts), key=lambda k: SWEPT.index(names[k]))
        return [names[k] for k in order], order, firsts

    def _sweep_volume(self, request: Request) -> Sweep | None:
        """All outputs in one sweep over the planes of a volume, if there is one kernel for them."""
        names, order, firsts = self._results(3)
        if len(names) > RESULTS or ("magnitude" in names and self.over != (0, 1, 2)):
            return None
        whats = tuple(self.derivative(axis, 3) for axis in range(3))
        fused = self._fused(names, whats, request)
        if fused is None or fused.acc != self.between(request) or request.target.kind != "f":
            return None
        told = [description.Stage("derivatives", whats, (fused,))]
        return Sweep(request, execution.Runner(fused), order, told, firsts)

    def _of_sum(
        self, names: list[str], whats: tuple[Separable, ...], request: Request
    ) -> tuple[Pipeline, list[description.Stage]] | None:
        """All outputs of a smoothed image in float32, if there is one kernel for them.

        A smoothed image with a large offset and little contrast leaves no digits for differences. They are taken of the
        image and of what smoothing changes, and then added.
        """
        source, acc = request.source, np.dtype(np.float32)
        if np.float64 in (source, request.target):
            return None
        fused = self._fused(names, whats, request._replace(source=acc))
        if fused is None or fused.kernel[1].startswith("wide"):  # no kernel for a sum of two images
            return None
        what = self.smoothing()
        lines = [line or IDENTITY for line in what.terms[0].lines]
        taps_used = sum(len(line.taps) for line in lines)
        change = fused._replace(
            strategy="deviation", kernel=("deviation", source.name, acc.name),
            what=Separable((Term((None, *lines)),)), src=source, dst=acc,
            work=(taps_used + 12.0) * math.prod(fused.view),
        )  # fmt: skip
        _, form, channels, _, _, target = fused.kernel
        kernel = ("gradient_of_sum", form, channels, source.name, acc.name, target)
        swept = fused._replace(strategy="gradient_of_sum", kernel=kernel)
        stages = [Stage(change, IMAGE, 0, halo_of(change)), Stage(swept, 0, RESULT, 1, second=IMAGE)]
        told = [description.Stage("smoothing", (what,), (change,)), description.Stage("derivatives", whats, (swept,))]
        return Pipeline(stages, [Buffer(acc, 1)]), told

    def _fused(self, names: list[str], whats: Sequence[Separable], request: Request) -> Plan | None:
        """One kernel for all outputs, if there is one for this operator and these channels."""
        if self.operator == "gaussian":
            return None
        terms = tuple(term for what in whats for term in what.terms)
        plan = _plan(Separable(terms, "magnitude", skip_zeros=True), request)
        if plan.strategy not in ("sweep", "sweep_volume"):
            return None
        form = plan.kernel[1].replace("magnitude", "+".join(names))
        return plan._replace(kernel=(plan.strategy, form, *plan.kernel[2:]))


def _plan(what: Separable, request: Request) -> Plan:
    if len(request.modes) == 2:
        # An axis that is left alone would make another view of the image, and stages have to share one.
        terms = (Term(tuple(line or IDENTITY for line in term.lines)) for term in what.terms)
        what = replace(what, terms=tuple(terms))
    return request.plan(what)


class WholeArrays(Program):
    """A gradient component by component, each in an array of its own."""

    def __init__(self, gradient: Gradient, request: Request) -> None:
        super().__init__(request)
        self.wanted, self.over, self.ndim = gradient.wanted, gradient.over, len(request.modes)
        self.acc = acc = gradient.between(request)
        needed = {item for item in self.wanted if isinstance(item, int)}
        needed |= set(self.over) if "magnitude" in self.wanted else set()
        needed |= {self.ndim - 2, self.ndim - 1} if "orientation" in self.wanted else set()
        self.smoothing: tuple[Separable, execution.Runner] | None = None
        if gradient.smooths:
            what = gradient.smoothing()
            self.smoothing = what, execution.Runner(_plan(what, request._replace(target=acc)))
        smoothed = gradient.smoothed(request)._replace(target=acc)
        whats = {axis: gradient.derivative(axis, self.ndim) for axis in sorted(needed)}
        self.derivatives = {axis: (what, execution.Runner(_plan(what, smoothed))) for axis, what in whats.items()}

    @np.errstate(all="ignore")  # as in the kernels
    def run(self, image: Array, outs: Sequence[Array], workers: int | None) -> None:
        if self.smoothing is not None:
            image = self.smoothing[1].run(image, None, workers)
        parts = {axis: runner.run(image, None, workers) for axis, (_, runner) in self.derivatives.items()}
        for item, out in zip(self.wanted, outs, strict=True):
            if item == "orientation":
                value = orientation(parts[self.ndim - 2], parts[self.ndim - 1], workers)
            elif item == "magnitude":
                value = np.square(parts[self.over[0]])
                for axis in self.over[1:]:
                    value += np.square(parts[axis])
                np.sqrt(value, out=value)
            else:
                value = parts[item]  # type: ignore[index]
            out[...] = dtypes.finish(value, self.target)

    def describe(self) -> Description:
        stages = []
        if self.smoothing is not None:
            what, runner = self.smoothing
            stages.append(description.Stage("smoothing", (what,), (runner.plan,)))
        whats, runners = zip(*self.derivatives.values(), strict=True)
        stages.append(description.Stage("derivatives", whats, tuple(runner.plan for runner in runners)))
        return description.of_stages("one whole array after the other", self.acc, stages, True, ())


def orientation(dy: Array, dx: Array, workers: int | None) -> Array:
    """arctan2 of whole arrays."""
    shape, lanes = dy.shape, execution.vector_bytes() // dy.itemsize
    # The kernel reads whole vectors: rows narrower than one are taken as one long row.
    rows, cols = (dy.size // shape[-1], shape[-1]) if shape[-1] >= lanes else (1, dy.size)
    if cols < lanes:
        dy, dx = (np.pad(array.reshape(-1), (0, lanes - cols)) for array in (dy, dx))
        cols = lanes
    kernel = ("polar", "orientation", dy.dtype.name, dy.dtype.name)
    plan = Plan(
        "polar", kernel, Separable(()), dy.shape, (1, 1, rows, cols, 1), ("reflect",) * 3, 0.0, 0.0,
        dy.dtype, dy.dtype, dy.dtype, 30.0 * dy.size, 1.0,
    )  # fmt: skip
    result = execution.Runner(plan).run(dy, None, workers, second=dx)
    return result.reshape(-1)[: np.prod(shape)].reshape(shape)
