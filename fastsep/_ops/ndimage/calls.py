"""The way of a call in `fastsep.ndimage`: to the engine, or to SciPy where the engine does not do it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy import may_share_memory, ndarray

from fastsep._call import Builder, NotRun, Program, Rules, apply, foreign, wrapped
from fastsep._ops.ndimage.stages import raise_not_run_of_parts
from fastsep._plan.description import Description
from fastsep._plan.spec import Halo
from fastsep._validation import scalars, scipy_arguments
from fastsep._validation.array_like import Array, DType, StandIn, is_foreign, is_wrapper


class Elsewhere(Exception):
    """Raised by a builder: the engine does not do this, SciPy does."""


# How many modes a function takes.
ONE = "one"
EACH = "one for each axis that is filtered"
PASSED_ON = "one; several go to SciPy, which takes or refuses them"


class Function(NamedTuple):
    """A function of `scipy.ndimage`."""

    name: str
    parameters: tuple[str, ...]  # those that are its own, in the order in which the builder takes them
    builder: Builder
    rules: Rules
    dtypes: str  # those that the engine takes and gives, as characters
    modes: str = ONE
    by_parts: bool = True  # of a complex image, real and imaginary part are filtered one by one


@dataclass(frozen=True, slots=True)
class Packed:
    """An array as a key of remembered calls."""

    data: bytes
    shape: tuple[int, ...]
    dtype: DType

    @staticmethod
    def of(array: Array) -> Packed:
        return Packed(array.tobytes(), array.shape, array.dtype)

    @property
    def array(self) -> Array:
        return np.frombuffer(self.data, self.dtype).reshape(self.shape)


def run(
    function: Function, parameters: tuple[Any, ...], image: Any, output: Any, mode: Any, cval: Any, workers: Any
) -> Array:
    """The result of a call. `parameters`: values of `function.parameters`."""
    # What most calls are like goes to the memory of calls after a few looks: a small image takes 3 us in all.
    if (
        type(image) is ndarray
        and image.dtype.char in function.dtypes
        and type(mode) is str
        and image.ndim
        and (output is None or (type(output) is ndarray and fits(output, image)))
    ):
        try:
            return apply(function.builder, parameters, image, mode, cval, None, function.rules, None, output, workers)
        except Elsewhere:
            pass
    return _run_any(function, parameters, image, output, mode, cval, workers)


def fits(output: Array, image: Array) -> bool:
    return output.dtype == image.dtype and output.shape == image.shape and output.flags.writeable


def _run_any(
    function: Function, parameters: tuple[Any, ...], image: Any, output: Any, mode: Any, cval: Any, workers: Any
) -> Array:
    """`run` with every argument checked and converted."""
    image = scipy_arguments.as_array(image)
    if is_wrapper(image):
        return wrapped().run(function, parameters, image, output, mode, cval, workers)  # type: ignore[no-any-return]
    of_complex = image.dtype.kind == "c" and function.by_parts
    dtype, out = scipy_arguments.output_of(output, image.shape, of_complex)
    if workers is not None:
        scalars.check_workers(workers)
    if image.dtype.kind == "c":
        if of_complex and image.dtype.char in "FD":
            return _by_parts(function, parameters, image, dtype, out, mode, cval, workers)
        if not is_foreign(image):
            return _by_scipy(function, parameters, image, dtype if out is None else out, mode, cval)
    if is_foreign(image):
        call = partial(_run_block, function, parameters, dtype, mode, cval)
        return foreign().by_blocks(call, function.name, image, dtype, out, workers)  # type: ignore[no-any-return]
    modes = _modes(function, parameters, mode, image.ndim)
    try:
        return _by_engine(function, parameters, image, dtype, out, modes, cval, workers)
    except Elsewhere:
        return _by_scipy(function, parameters, image, dtype if out is None else out, mode, cval)


def _run_block(
    function: Function, parameters: tuple[Any, ...], dtype: DType | None, mode: Any, cval: Any, image: Array,
    out: Array | None, workers: Any,
) -> Array:  # fmt: skip
    return run(function, parameters, image, dtype if out is None else out, mode, cval, workers)


def _by_engine(
    function: Function, parameters: tuple[Any, ...], image: Array, dtype: DType | None, out: Array | None, modes: Any,
    cval: Any, workers: Any,
) -> Array:  # fmt: skip
    result = out.dtype if out is not None else dtype or image.dtype
    if modes is None or not image.ndim or image.dtype.char not in function.dtypes or result.char not in function.dtypes:
        raise Elsewhere
    if not function.rules.own_dtype or (result == image.dtype and (dtype is None or dtype.isnative)):
        return apply(function.builder, parameters, image, modes, cval, None, function.rules, dtype, out, workers)
    # SciPy converts after every axis, which is the same as in the end where no value changes.
    if not np.can_cast(image.dtype, result) or ("constant" in modes and not _holds(image.dtype, cval)):
        raise Elsewhere
    values = apply(function.builder, parameters, image, modes, cval, None, function.rules, None, None, workers)
    if out is None:
        out = np.empty(image.shape, result)
    out[...] = values
    return out


@np.errstate(all="ignore")
def _holds(dtype: DType, value: Any) -> bool:
    return bool(np.asarray(value).astype(dtype) == value)


def _modes(function: Function, parameters: tuple[Any, ...], mode: Any, ndim: int) -> Any:
    """The modes as the engine takes them; None if it does not take such modes and SciPy does."""
    if isinstance(mode, str) or function.modes == ONE:
        return scipy_arguments.single_mode(mode)
    if function.modes == PASSED_ON:
        return None
    named = dict(zip(function.parameters, parameters, strict=True))
    return scipy_arguments.modes(mode, scipy_arguments.axes_of(named.get("axes"), ndim), ndim)


def _by_parts(
    function: Function, parameters: tuple[Any, ...], image: Array, dtype: DType | None, out: Array | None, mode: Any,
    cval: Any, workers: Any,
) -> Array:  # fmt: skip
    """A complex image's real and imaginary part, filtered one by one."""
    result = out.dtype if out is not None else dtype or image.dtype
    part = np.empty(0, result).real.dtype

    def filtered(pixels: Array, border: Any) -> Array:
        return run(function, parameters, pixels, part, mode, border, workers)

    real = partial(filtered, image.real, np.real(cval))
    imaginary = partial(filtered, image.imag, np.imag(cval))
    if type(image) is StandIn:
        raise_not_run_of_parts(result, real, imaginary)
    return joined(real(), imaginary(), result, out)


def joined(real: Array, imaginary: Array, dtype: DType, out: Array | None) -> Array:
    """A complex array of both parts, or `out` with them in it."""
    if is_foreign(real):
        return foreign().joined(joined, real, imaginary, dtype, out)  # type: ignore[no-any-return]
    if out is None:
        out = np.empty(real.shape, dtype.newbyteorder("="))
    out.real, out.imag = real, imaginary
    return out


def scipy_module() -> ModuleType:
    """`scipy.ndimage`, which takes longer to import than all of this package."""
    return import_module("scipy.ndimage")


def _by_scipy(
    function: Function, parameters: tuple[Any, ...], image: Array, output: Any, mode: Any, cval: Any
) -> Array:
    """The one place where a call goes to SciPy."""
    if type(image) is StandIn:
        program = BySciPy(function, parameters, image, mode)
        raise NotRun(program, _result(image, output), True, image.shape, None, 1)
    named = {
        name: value.array if type(value) is Packed else value
        for name, value in zip(function.parameters, parameters, strict=True)
        if name != "axes" or value is not None  # not every SciPy has it
    }
    if isinstance(output, ndarray) and may_share_memory(image, output):
        image = image.copy()
    result: Array = getattr(scipy_module(), function.name)(image, output=output, mode=mode, cval=cval, **named)
    return result


def _result(image: Array, output: Any) -> DType:
    return image.dtype.newbyteorder("=") if output is None else getattr(output, "dtype", output)


class BySciPy(Program):
    """What is known of a call that SciPy does."""

    source, accelerated = None, False

    def __init__(self, function: Function, parameters: tuple[Any, ...], image: Array, mode: Any) -> None:
        self.name, self.named = function.name, dict(zip(function.parameters, parameters, strict=True))
        self.dtype, self.shape = image.dtype, image.shape
        self.apart = not isinstance(mode, str)
        self.wraps = (not self.apart and scipy_arguments.single_mode(mode) == "wrap",) * image.ndim

    @property
    def halo(self) -> Halo:
        if self.apart:  # SciPy may take a mode for other axes than its own
            return tuple((length, length) for length in self.shape)
        ndim, reach = len(self.shape), self._reach()
        if self.name.endswith("1d"):
            used = scipy_arguments.axes_of(self.named["axis"], ndim)
        else:  # the magnitude of a gradient is blurred along all axes
            used = scipy_arguments.axes_of(None if "magnitude" in self.name else self.named.get("axes"), ndim)
        return tuple((reach, reach) if axis in used else (0, 0) for axis in range(ndim))

    def _reach(self) -> int:
        """Pixels that a result needs on either side at most, along any axis."""
        named = self.named
        windows = [max(value.shape) for value in named.values() if type(value) is Packed]
        if windows:
            return max(windows)
        if "sigma" in named:
            radii = [r for r in np.atleast_1d(named["radius"]).tolist() if r is not None]
            return int(max(*radii, named["truncate"] * np.max(named["sigma"]) + 0.5, 0))
        return int(np.max(named.get("size", 1)))

    def describe(self) -> Description:
        return Description(arithmetic=self.dtype, strategy="scipy", why="not accelerated here")
