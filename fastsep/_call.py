"""The way of every call: arguments checked, a plan made or remembered, the engine run.

A filter is a *recipe*, a function from the image's frame and the call's parameters to what is to be
computed (`spec.Filter`). `apply` does the rest for all filters alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy import may_share_memory, ndarray

from fastsep._engine.caches import MIB, Cache
from fastsep._engine.execution import execute, is_within, vector_bytes
from fastsep._plan import dtypes, planner, spec
from fastsep._plan import plan as _plan
from fastsep._plan.alternatives import Alternatives, Choice
from fastsep._validation import arrays, axes, scalars
from fastsep._validation.array_like import Array, DType
from fastsep._validation.axes import Frame

# (frame, *parameters) -> what to compute, or several ways to compute it
Recipe: TypeAlias = Callable[..., spec.Filter | Alternatives]


@dataclass(frozen=True, slots=True)
class _Job:
    """A finished preparation for images of one shape and dtype, without pixels, for any thread."""

    plan: Any  # None for an empty image
    direct: bool  # a C-contiguous image goes to the engine as it is, and so does its result
    source: DType
    target: DType
    result: DType
    front: int | None
    clamp: bool
    what: spec.Filter | Alternatives
    choice: Choice | None  # where there were several ways

    def run(self, plan: _plan.Plan, image: Array, out: Array | None, workers: int | None) -> Array:
        """Run `plan`, or another where the image has NaN or infinity and they would spread."""
        choice = self.choice
        if choice is not None and choice.fallback is not None and not is_within(image, choice.limit, workers):
            plan = choice.fallback
        if plan.strategy == "fft":
            from fastsep._engine import fft  # scipy.fft takes as long to import as all the rest

            return fft.execute(plan, image, out, workers)
        return execute(plan, image, out, workers)


#: Jobs by all that they depend on. A job keeps several copies of a kernel.
_JOBS_KEPT = 256
_jobs = Cache(16 * MIB, _JOBS_KEPT)

# Bits of ndarray.flags.num: C_CONTIGUOUS | ALIGNED, and WRITEABLE besides.
_READABLE = 0x101
_WRITEABLE = 0x501


def apply(
    recipe: Recipe,
    parameters: tuple[Any, ...],
    image: Any,
    mode: Any,
    cval: Any,
    channel_axis: Any,
    rescale: bool,
    dtype: Any,
    out: Any,
    workers: Any,
) -> Array:
    """Run the filter that `recipe(frame, *parameters)` describes.

    A call like an earlier one goes straight to the engine: for small images the checks would cost
    more than the pixels. `cval` is in the key with its type because 0j equals 0 and is refused.
    """
    if type(image) is ndarray and (out is None or type(out) is ndarray):
        key = (
            recipe, parameters, image.shape, image.dtype, mode, cval, type(cval), channel_axis,
            rescale, dtype, None if out is None else out.dtype,
        )  # fmt: skip
        try:
            job = _jobs.get(key)
        except TypeError:  # a list or an array among the parameters
            job = None
        if (
            job is not None
            and job.direct
            and image.flags.num & _READABLE == _READABLE
            and (workers is None or (type(workers) is int and workers > 0))
        ):
            # A job without a choice has nothing to look at before it runs.
            run = execute if job.choice is None else job.run
            if out is None:
                return run(job.plan, image, None, workers)
            if (
                out.shape == image.shape
                and out.flags.num & _WRITEABLE == _WRITEABLE
                and image is not out
                # Two arrays that own their memory cannot share any; asking NumPy takes 0.3 us.
                and ((image.base is None and out.base is None) or not may_share_memory(image, out))
            ):
                return run(job.plan, image, out, workers)
    return _checked(recipe, parameters, image, mode, cval, channel_axis, rescale, dtype, out, workers)


@np.errstate(all="ignore")  # of taps, conversions and results
def _checked(
    recipe: Recipe,
    parameters: tuple[Any, ...],
    image: Any,
    mode: Any,
    cval: Any,
    channel_axis: Any,
    rescale: bool,
    dtype: Any,
    out: Any,
    workers: Any,
) -> Array:
    """`apply` for calls that are new or need conversions."""
    image = arrays.as_image(image)
    workers = None if workers is None else scalars.check_workers(workers)
    if out is not None:
        arrays.check_out(out, image.shape)
    parameters, mode = scalars.hashable(parameters), scalars.hashable(mode)
    key: Any = (
        recipe, parameters, image.shape, image.dtype, mode, cval, type(cval), channel_axis, rescale,
        dtype, None if out is None else out.dtype,
    )  # fmt: skip
    try:
        job = _jobs.get(key)
    except TypeError:  # unhashable, hence refused below or not remembered
        key, job = None, None
    if job is None:
        job = _prepare(
            recipe, parameters, image.shape, image.dtype, mode, cval, channel_axis, rescale, dtype,
            None if out is None else out.dtype,
        )  # fmt: skip
        result = _perform(job, image, out, workers)
        if key is not None:
            _jobs.keep(key, job)  # not earlier: by now the job has made all that it keeps
        return result
    return _perform(job, image, out, workers)


def _prepare(
    recipe: Recipe,
    parameters: tuple[Any, ...],
    shape: tuple[int, ...],
    image_dtype: DType,
    mode: Any,
    cval: Any,
    channel_axis: Any,
    rescale: bool,
    dtype: Any,
    out_dtype: DType | None,
) -> _Job:
    """Check what does not depend on pixels and let the plan be made."""
    channel = axes.channel(channel_axis, len(shape))
    result = arrays.result_dtype(image_dtype, dtype, out_dtype)
    frame = Frame(len(shape), channel, image_dtype, result, 0.0)
    modes = axes.modes(mode, frame)
    cval = scalars.number("cval", cval) + 0.0  # no negative zero: it equals zero as a key
    if "constant" in modes:
        frame = replace(frame, border=cval)
    what = recipe(frame, *parameters)

    unit = dtypes.unit(image_dtype) if rescale and not frame.integer else 1.0
    source, target = dtypes.source_dtype(image_dtype), dtypes.target_dtype(result)
    if "constant" in modes:
        source = dtypes.border_dtype(source, target, cval * unit)
    clamp = unit != 1.0 and image_dtype.kind == "i"

    # The engine takes channels last, or first as a batch; from between they are moved to the front.
    front = channel if channel not in (None, 0, len(shape) - 1) else None
    width = vector_bytes()
    if isinstance(what, spec.Roberts) and channel == len(shape) - 1 and shape[-1] > width // 8:
        front = channel  # more channels than a vector has lanes
    if front is not None:
        shape = axes.drop_axis(shape, front)
    first = int(front is not None or channel == 0)
    plan = choice = None
    if 0 not in shape:

        def make(what: spec.Filter) -> _plan.Plan:
            return planner.prepare(
                what, shape, source, target, first=first, modes=modes, cval=cval, scale=1.0 / unit, vector_bytes=width
            )

        if isinstance(what, Alternatives):
            choice = what.choose(make, dtypes.finite_in(source, frame.border * unit))
            plan = choice.plan
        else:
            plan = make(what)
    native = source == image_dtype and target == result  # dtypes compare byte orders, too
    direct = plan is not None and front is None and not clamp and native
    return _Job(plan, direct, source, target, result, front, clamp, what, choice)


def _perform(job: _Job, image: Array, out: Any, workers: int | None) -> Array:
    """Convert the image, run, and bring the result into the dtype and axis order asked for."""
    if isinstance(image, arrays.Probe):
        image.seen.append(job)
        return np.broadcast_to(np.zeros((), job.result), image.shape)
    if job.plan is None:
        return np.empty(image.shape, job.result) if out is None else out
    source = dtypes.convert(image, job.source, job.front, job.clamp)
    if out is not None and job.front is None and job.target == out.dtype:
        plain = np.asarray(out)
        if plain.flags.num & _WRITEABLE == _WRITEABLE:
            if may_share_memory(source, plain):
                source = source.copy()
            job.run(job.plan, source, plain, workers)
            return out  # type: ignore[no-any-return]
    result = dtypes.finish(job.run(job.plan, source, None, workers), job.result)
    if job.front is not None:
        result = np.moveaxis(result, 0, job.front)
    if out is None:
        return result
    out[...] = result
    return out  # type: ignore[no-any-return]
