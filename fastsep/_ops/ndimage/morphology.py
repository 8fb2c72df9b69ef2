"""Grey morphology as SciPy composes it: of erosions and dilations, in the dtype of the image."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from fastsep._call import ORDER, apply, foreign, takes_wrappers
from fastsep._ops.ndimage import order
from fastsep._ops.ndimage.calls import PASSED_ON, Elsewhere, Function, Packed, fits, run
from fastsep._ops.ndimage.stages import raise_not_run
from fastsep._validation import scipy_arguments
from fastsep._validation.array_like import Array, Block, DType, StandIn, is_foreign


class Morphology(NamedTuple):
    """The options of a call."""

    size: Any
    footprint: Packed | None
    structure: Packed | None
    origin: Any
    axes: Any
    mode: Any
    cval: Any
    workers: Any

    def erode(self, image: Any, output: Any) -> Array:
        return self._run(order.GREY_EROSION, image, output)

    def dilate(self, image: Any, output: Any) -> Array:
        return self._run(order.GREY_DILATION, image, output)

    def sweep(self, erodes: bool, image: Array, output: Array | None) -> Array:
        """Both without an image between them; Elsewhere is raised if the engine does not do that."""
        from fastsep._ops.ndimage import composed  # which pipelines come with, and most calls do without

        parameters, build = (erodes, self[:4]), composed.build_for_scipy
        return apply(build, parameters, image, self.mode, self.cval, None, ORDER, None, output, self.workers)

    def _run(self, function: Function, image: Any, output: Any) -> Array:
        shaped = self.structure is not None or (self.footprint is not None and not self.footprint.array.all())
        if shaped and not isinstance(self.mode, str):
            function = function._replace(modes=PASSED_ON)  # SciPy refuses them
        return run(function, self[:5], image, output, self.mode, self.cval, self.workers)


def options(
    size: Any, footprint: Any, structure: Any, mode: Any, cval: Any, origin: Any, axes: Any, workers: Any
) -> Morphology:
    """Window and options of a call; beside a `structure`, `size` is ignored."""
    if size is None and footprint is None and structure is None:
        raise ValueError("`size`, `footprint` or `structure` must be given; got none of them.")
    size, footprint = order.window(size, footprint, 2)
    if structure is not None:
        structure = Packed.of(np.asarray(structure, dtype=np.float64))
    return Morphology(size, footprint, structure, origin, axes, mode, cval, workers)


@takes_wrappers
def composed(image: Any, function: Callable[..., Array], how: Morphology, output: Any) -> Array:
    """One of the functions below."""
    if not is_foreign(image):
        if isinstance(output, np.ndarray):
            _check_difference(function, np.asanyarray(image).dtype, output.dtype)
        return function(how, image, output)
    dtype, out = scipy_arguments.output_of(output, image.shape, False)
    native = image.dtype.newbyteorder("=")
    result = native if function in (gradient, laplacian) or dtype is None else dtype
    _check_difference(function, image.dtype, result)
    call = partial(_run_block, function, how, dtype)
    return foreign().by_blocks(call, function.__name__, image, result, out, how.workers)  # type: ignore[no-any-return]


def _check_difference(function: Callable[..., Array], source: DType, result: DType) -> None:
    """Let NumPy refuse what it cannot subtract before anything is written."""
    if function in (opened, closed):
        return
    pixels, made = np.empty(0, source), np.empty(0, result)
    (_minus_number if function in (gradient, laplacian) else _minus)(pixels, made, made)


def _run_block(
    function: Callable[..., Array], how: Morphology, dtype: DType | None, image: Array, out: Array | None, workers: Any
) -> Array:
    return function(how._replace(workers=workers), image, dtype if out is None else out)


def opened(how: Morphology, image: Any, output: Any) -> Array:
    """Eroded, then dilated."""
    return _one_after_the_other(how, True, image, output)


def closed(how: Morphology, image: Any, output: Any) -> Array:
    """Dilated, then eroded."""
    return _one_after_the_other(how, False, image, output)


def _one_after_the_other(how: Morphology, erodes: bool, image: Any, output: Any) -> Array:
    """An erosion and a dilation of its result, or the other way round: in one sweep, if the engine does that."""
    pixels = scipy_arguments.as_array(image)
    if _may_sweep(how, pixels, output):
        try:
            return how.sweep(erodes, pixels, output)
        except Elsewhere:
            pass
    first, second = (how.erode, how.dilate) if erodes else (how.dilate, how.erode)
    if type(pixels) is StandIn:
        raise_not_run(pixels, first, second)
    return second(first(image, None), output)


def _may_sweep(how: Morphology, image: Array, output: Any) -> bool:
    return (
        type(image) in (np.ndarray, StandIn, Block)
        and image.ndim == 2
        and image.dtype.char in order.DTYPES
        and how.axes is None
        and isinstance(how.mode, str)
        and scipy_arguments.single_mode(how.mode) != "wrap"
        and (output is None or (type(output) is np.ndarray and fits(output, image)))
    )


def gradient(how: Morphology, image: Any, output: Any) -> Array:
    """Dilated minus eroded. As in SciPy, an `output` that is a dtype is ignored."""
    if type(image) is StandIn:
        raise_not_run(image, how.dilate, how.erode)
    out = output if isinstance(output, np.ndarray) else None
    image = _kept(image, out)
    dilated = how.dilate(image, None)
    eroded = how.erode(image, out)
    return _minus_number(dilated, eroded, out)


def laplacian(how: Morphology, image: Any, output: Any) -> Array:
    """Dilated plus eroded minus twice the image. As in SciPy, an `output` that is a dtype is ignored."""
    if type(image) is StandIn:
        raise_not_run(image, how.dilate, how.erode)
    out = output if isinstance(output, np.ndarray) else None
    image = _kept(image, out)
    dilated = how.dilate(image, None)
    result = how.erode(image, out)
    with np.errstate(all="ignore"):
        np.add(dilated, result, result)
    _minus_number(result, image, result)
    return _minus_number(result, image, result)


def white_tophat(how: Morphology, image: Any, output: Any) -> Array:
    """The image minus what is opened."""
    image = _kept(image, output)
    found = opened(how, image, output)
    return _minus(image, found, found)


def black_tophat(how: Morphology, image: Any, output: Any) -> Array:
    """What is closed minus the image."""
    image = _kept(image, output)
    found = closed(how, image, output)
    return _minus(found, image, found)


def _minus(one: Array, other: Array, out: Array) -> Array:
    if one.dtype == np.bool_ and other.dtype == np.bool_:
        result: Array = np.bitwise_xor(one, other, out)
        return result
    return _minus_number(one, other, out)


@np.errstate(all="ignore")  # of infinity minus infinity
def _minus_number(one: Array, other: Array, out: Array | None) -> Array:
    result: Array = np.subtract(one, other, out)
    return result


def _kept(image: Any, output: Any) -> Array:
    """The image, which is read again after `output` has been written to."""
    pixels = scipy_arguments.as_array(image)
    return pixels.copy() if isinstance(output, np.ndarray) and np.may_share_memory(pixels, output) else pixels
