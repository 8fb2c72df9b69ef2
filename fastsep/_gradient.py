"""How a gradient is computed: by one sweep where there is one for it, else component by component.

Two spatial axes: one kernel, or a pipeline, whatever the outputs. More axes, or a border of mode "wrap" behind a
smoothing: whole arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fastsep import _dtypes, _image, _plan, _run, taps
from fastsep._caches import MIB, Cache
from fastsep._image import Array, DType, Frame
from fastsep._pipeline import IMAGE, RESULT, Buffer, Pipeline, Stage, halo_of
from fastsep._plan import IDENTITY, Plan, Separable, Term

TRUNCATE = 4.0  # of Gaussians; that of `gaussian`
OPERATORS = (*taps.OPERATORS, "gaussian")
SWEPT = ("dy", "dx", "magnitude", "orientation")  # the order of outputs in kernels
LETTERS = {"dx": 1, "dy": 2, "dz": 3}  # counted from the last axis

# (image, one array per output, workers): fills them
Run = Callable[[Array, Sequence[Array], int | None], None]


def gradient(
    image: Any, operator: Any, sigma: Any, output: Any, axis: Any, mode: Any, cval: Any, channel_axis: Any,
    dtype: Any, out: Any, workers: Any,
) -> Any:  # fmt: skip
    """`edges.gradient`, arguments in another order."""
    image = _image.as_image(image)
    workers = None if workers is None else _image.check_workers(workers)
    names = (output,) if isinstance(output, str) else _image.words("output", output)
    outs = _image.outs(out, None if isinstance(output, str) else len(names), image.shape)
    given = {array.dtype for array in outs if array is not None}
    if len(given) > 1:
        raise ValueError(f"`out` must be arrays of one dtype; got {', '.join(sorted(map(str, given)))}.")
    parameters = _image.hashable((operator, sigma, names, axis, mode))
    key: Any = (
        parameters, image.shape, image.dtype, type(sigma), cval, type(cval), channel_axis, dtype,
        next(iter(given), None),
    )  # fmt: skip
    try:
        job = _jobs.get(key)
    except TypeError:
        key, job = None, None
    if job is None:
        job = _Job(image.shape, image.dtype, parameters, cval, channel_axis, dtype, next(iter(given), None))
        if key is not None:
            _jobs.keep(key, job)
    results = job.run(image, outs, workers)
    return results[0] if isinstance(output, str) else tuple(results)


_JOBS_KEPT = 64
_jobs = Cache(4 * MIB, _JOBS_KEPT)


class _Job:
    """A gradient of images of one shape and dtype, ready to run."""

    @np.errstate(all="ignore")
    def __init__(
        self, shape: tuple[int, ...], image_dtype: DType, parameters: tuple[Any, ...], cval: Any, channel_axis: Any,
        dtype: Any, out_dtype: DType | None,
    ) -> None:  # fmt: skip
        operator, sigma, names, axis, mode = parameters
        channel = _image.channel(channel_axis, len(shape))
        self.result = _image.result_dtype(image_dtype, dtype, out_dtype)
        frame = Frame(len(shape), channel, image_dtype, self.result, 0.0)
        modes = _image.modes(mode, frame)
        cval = _image.number("cval", cval) + 0.0
        count = len(frame.spatial)
        operator = _image.one_of("operator", operator, OPERATORS)
        if sigma is not None:
            sigma = _image.sigmas("sigma", sigma, count, TRUNCATE)
        elif operator == "gaussian":
            sigma = (1.0,) * count
        over = _image.edge_axes(axis, frame)
        wanted = [_component(name, count) for name in names]

        unit = _dtypes.unit(image_dtype) if not frame.integer else 1.0
        self.source, self.target = _dtypes.source_dtype(image_dtype), _dtypes.target_dtype(self.result)
        if "constant" in modes:
            self.source = _dtypes.border_dtype(self.source, self.target, cval * unit)
        self.clamp = unit != 1.0 and image_dtype.kind == "i"
        self.front = channel if channel not in (None, 0, len(shape) - 1) else None
        shape = shape if self.front is None else _image.drop_axis(shape, self.front)
        first = int(self.front is not None or channel == 0)
        self.run_on: Run | None = None
        if 0 not in shape:
            maker = _Maker(operator, sigma, shape, first, modes, cval, 1.0 / unit, self.source, self.target)
            self.run_on = maker.make(wanted, over)

    def run(self, image: Array, outs: Sequence[Array | None], workers: int | None) -> list[Array]:
        """One array per output: those in `outs`, or new ones."""
        moved = image if self.front is None else np.moveaxis(image, self.front, 0)
        shape = moved.shape
        # Results go to where they belong at once, if the engine can write there.
        direct = [
            array is not None and self.front is None and array.dtype == self.target and array.flags.carray
            for array in outs
        ]
        results = [
            np.asarray(array) if here else _run.empty(shape, self.target)
            for array, here in zip(outs, direct, strict=True)
        ]  # fmt: skip
        if self.run_on is not None:
            source = _dtypes.convert(image, self.source, self.front, self.clamp)
            if any(here and np.may_share_memory(source, array) for here, array in zip(direct, results, strict=True)):
                source = source.copy()
            self.run_on(source, results, workers)
        given = []
        for array, value, here in zip(outs, results, direct, strict=True):
            if here:
                given.append(array)
                continue
            value = _dtypes.finish(value, self.result)
            if self.front is not None:
                value = np.moveaxis(value, 0, self.front)
            if array is None:
                given.append(value)
            else:
                array[...] = value
                given.append(array)
        return given  # type: ignore[return-value]


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
            f"`output` must name {', '.join(accepted)} for {count} spatial axes; got {_image.show(name)}."
        )  # fmt: skip
    return named[name]


class _Maker:
    """Turns a gradient into plans."""

    def __init__(
        self, operator: str, sigma: tuple[float, ...] | None, shape: tuple[int, ...], first: int,
        modes: tuple[str, ...], cval: float, scale: float, source: DType, target: DType,
    ) -> None:  # fmt: skip
        self.operator, self.sigma = operator, sigma
        self.shape, self.first, self.modes, self.cval, self.scale = shape, first, modes, cval, scale
        self.source, self.target = source, target
        both = (np.dtype(np.float64)) in (source, target)
        #: What lies between stages.
        self.acc = np.dtype(np.float64 if both or self.smooths else np.float32)

    def make(self, wanted: list[int | str], over: tuple[int, ...]) -> Run:
        count = len(self.modes)
        planar = count == 2 and (over == (0, 1) or "magnitude" not in wanted)
        if planar and not (self.smooths and "wrap" in self.modes):
            # Every order of the outputs is the same kernel; one that is asked for again is copied.
            names = [("dy", "dx")[item] if isinstance(item, int) else item for item in wanted]
            firsts = [names.index(name) for name in names]
            order = sorted(set(firsts), key=lambda k: SWEPT.index(names[k]))
            sweep = self._sweep([names[k] for k in order])

            def run(image: Array, results: Sequence[Array], workers: int | None) -> None:
                sweep(image, [results[k] for k in order], workers)
                for number, first in enumerate(firsts):
                    if first != number:
                        results[number][...] = results[first]

            return run
        return self._arrays(wanted, over)

    @property
    def smooths(self) -> bool:
        return self.sigma is not None and self.operator != "gaussian"

    def _derivative(self, axis: int) -> Separable:
        count = len(self.modes)
        if self.operator == "gaussian":
            assert self.sigma is not None
            return taps.gaussian(self.sigma, [int(k == axis) for k in range(count)], TRUNCATE)
        return taps.edges(self.operator, count, (axis,))

    def _smoothing(self) -> Separable:
        assert self.sigma is not None
        return taps.gaussian(self.sigma, [0] * len(self.sigma), TRUNCATE)

    def _plan(self, what: Separable, source: DType, target: DType, scale: float) -> Plan:
        if len(self.modes) == 2:
            # An axis that is left alone would make another view of the image, and stages have to share one.
            terms = (Term(tuple(line or IDENTITY for line in term.lines)) for term in what.terms)
            what = replace(what, terms=tuple(terms))
        return _plan.prepare(
            what, self.shape, source, target, first=self.first, modes=self.modes, cval=self.cval, scale=scale,
            vector_bytes=_run.vector_bytes(),
        )  # fmt: skip

    # two axes ------------------------------------------------------------------------------------

    def _sweep(self, names: list[str]) -> Run:
        """All outputs in one sweep over the rows."""
        source, scale = (self.acc, 1.0) if self.smooths else (self.source, self.scale)
        of_sum = self._of_sum(names) if self.smooths else None
        if of_sum is not None:
            return of_sum
        fused = self._fused(names, source, scale)
        if fused is not None and not self.smooths:
            return lambda image, results, workers: _execute(fused, image, results, workers)
        stages: list[Stage] = []
        buffers: list[Buffer] = []
        at = IMAGE
        if self.smooths:
            smoothing = self._plan(self._smoothing(), self.source, self.acc, self.scale)
            at = 0
            stages.append(Stage(smoothing, IMAGE, at, 0))
            buffers.append(Buffer(self.acc, 1))
        if fused is not None:
            stages.append(Stage(fused, at, RESULT, halo_of(fused)))
            return Pipeline(stages, buffers).run
        derivatives = []
        for axis in (0, 1):
            plan = self._plan(self._derivative(axis), source, self.acc, scale)
            derivatives.append(len(buffers))
            stages.append(Stage(plan, at, len(buffers), halo_of(plan)))
            buffers.append(Buffer(self.acc, 1))
        plan = replace(
            stages[-1].plan, strategy="polar", kernel=("polar", "+".join(names), self.acc.name, self.target.name),
            src=self.acc, acc=self.acc, dst=self.target, cache={},
        )  # fmt: skip
        stages.append(Stage(plan, derivatives[0], RESULT, 0, second=derivatives[1]))
        return Pipeline(stages, buffers).run

    def _of_sum(self, names: list[str]) -> Run | None:
        """All outputs of a smoothed image in float32, if there is one kernel for them.

        Of a smoothed image that stands high and differs little no digits would be left for differences. They are taken
        of the image and of what smoothing changes, and then added.
        """
        acc = np.dtype(np.float32)
        fused = None if np.dtype(np.float64) in (self.source, self.target) else self._fused(names, acc, self.scale)
        if fused is None or fused.kernel[1].startswith("wide"):  # no kernel for a sum of two images
            return None
        lines = [line or IDENTITY for line in self._smoothing().terms[0].lines]
        taps_used = sum(len(line.taps) for line in lines)
        change = replace(
            fused, strategy="deviation", kernel=("deviation", self.source.name, acc.name),
            what=Separable((Term((None, *lines)),)), src=self.source, dst=acc,
            work=(taps_used + 12.0) * math.prod(fused.view), cache={},
        )  # fmt: skip
        _, form, channels, _, _, target = fused.kernel
        kernel = ("gradient_of_sum", form, channels, self.source.name, acc.name, target)
        swept = replace(fused, strategy="gradient_of_sum", kernel=kernel, cache={})
        stages = [Stage(change, IMAGE, 0, halo_of(change)), Stage(swept, 0, RESULT, 1, second=IMAGE)]
        return Pipeline(stages, [Buffer(acc, 1)]).run

    def _fused(self, names: list[str], source: DType, scale: float) -> Plan | None:
        """One kernel for all outputs, if there is one for this operator and these channels."""
        if self.operator == "gaussian":
            return None
        terms = tuple(term for axis in (0, 1) for term in self._derivative(axis).terms)
        plan = self._plan(Separable(terms, "magnitude", skip_zeros=True), source, self.target, scale)
        if plan.strategy != "sweep":
            return None
        form = plan.kernel[1].replace("magnitude", "+".join(names))
        return replace(plan, kernel=("sweep", form, *plan.kernel[2:]), cache={})

    # whole arrays --------------------------------------------------------------------------------

    def _arrays(self, wanted: list[int | str], over: tuple[int, ...]) -> Run:
        source, scale = (self.acc, 1.0) if self.smooths else (self.source, self.scale)
        smoothing = self._plan(self._smoothing(), self.source, self.acc, self.scale) if self.smooths else None
        count = len(self.modes)
        needed = {item for item in wanted if isinstance(item, int)}
        needed |= set(over) if "magnitude" in wanted else set()
        needed |= {count - 2, count - 1} if "orientation" in wanted else set()
        plans = {axis: self._plan(self._derivative(axis), source, self.acc, scale) for axis in sorted(needed)}

        def run(image: Array, results: Sequence[Array], workers: int | None) -> None:
            if smoothing is not None:
                image = _run.execute(smoothing, image, None, workers)
            parts = {axis: _run.execute(plan, image, None, workers) for axis, plan in plans.items()}
            for item, result in zip(wanted, results, strict=True):
                if item == "orientation":
                    value = _orientation(parts[count - 2], parts[count - 1], workers)
                elif item == "magnitude":
                    with np.errstate(all="ignore"):  # as in the kernels
                        value = np.square(parts[over[0]])
                        for axis in over[1:]:
                            value += np.square(parts[axis])
                        np.sqrt(value, out=value)
                else:
                    value = parts[item]  # type: ignore[index]
                result[...] = _dtypes.finish(value, self.target)

        return run


def _execute(plan: Plan, image: Array, results: Sequence[Array], workers: int | None) -> None:
    _run.execute(plan, image, results[0], workers, results[1:])


def _orientation(dy: Array, dx: Array, workers: int | None) -> Array:
    """arctan2 of whole arrays."""
    shape, lanes = dy.shape, _run.vector_bytes() // dy.itemsize
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
    result = _run.execute(plan, dy, None, workers, second=dx)
    return result.reshape(-1)[: np.prod(shape)].reshape(shape)
