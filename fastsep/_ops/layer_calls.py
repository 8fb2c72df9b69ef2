"""Calls of layers: remembered by the values of their weights; checks, conversions and programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from fastsep._call import Call, NotRun, Program, at_once, perform
from fastsep._engine.caches import MIB, Cache
from fastsep._engine.memory import empty
from fastsep._kernels import jit
from fastsep._ops.layer import Layer, Prepared
from fastsep._plan import convolution, dtypes
from fastsep._plan.convolution import Convolution, Fit
from fastsep._plan.description import Description
from fastsep._validation import scalars
from fastsep._validation.array_like import Array, DType, StandIn

# Shapes of images that a `PackedLayer` remembers, and calls of functions; bytes of the one and of the other. Weights
# that are packed for shapes to come are the layer's own, whatever their size.
KEPT = 64
SHAPES, CALLS = 4 * MIB, 8 * MIB


def call(
    make: Callable[[], Convolution], weights: tuple[Any, ...], options: tuple[Any, ...], x: Any, out: Any, workers: Any
) -> Array:
    """A call of a function. One like an earlier one needs no checks but of `out` and `workers`."""
    key = _key(weights, options, x)
    known: _LayerCall | None = None if key is None else _calls.get(key)
    if known is None:
        return _new_call(make, key, x, out, workers)
    if out is None or (type(out) is ndarray and out.dtype == known.result):
        result = at_once(known, x, out, workers)
        if result is not None:
            return result
    return _run(known, x, out, _check_call(known.fit, out, workers))


@np.errstate(all="ignore")  # of weights that are packed, and results
def _new_call(make: Callable[[], Convolution], key: Any, x: Any, out: Any, workers: Any) -> Array:
    what = make()
    image = convolution.as_images(x)
    fit = convolution.fit(what, image.shape, image.dtype)
    workers = _check_call(fit, out, workers)
    if key is not None:
        what = what.owned()  # the caller's arrays may be part of something large
    made = _LayerCall(what, fit, _packed(what, fit), image.dtype)
    result = _run(made, image, out, workers)
    if key is not None:
        _calls.keep(key, made)
    return result


class PackedLayer:
    """A layer that is called with images of any shape; its weights are packed once for each dtype."""

    def __init__(self, what: Convolution) -> None:
        self.what = what
        self.layers: dict[tuple[Any, ...], Layer] = {}
        self.calls = Cache(SHAPES, KEPT)

    def run(self, x: Any, out: Any, workers: Any) -> Array:
        """An array like an earlier one goes straight to the engine."""
        known: _LayerCall | None = self.calls.get((x.shape, x.dtype)) if type(x) is ndarray else None
        if known is not None and (out is None or (type(out) is ndarray and out.dtype == known.result)):
            result = at_once(known, x, out, workers)
            if result is not None:
                return result
        return self._checked(x, out, workers)

    @np.errstate(all="ignore")
    def _checked(self, x: Any, out: Any, workers: Any) -> Array:
        """A call that is new or needs conversions."""
        image = convolution.as_images(x)
        key = image.shape, image.dtype
        known: _LayerCall | None = self.calls.get(key)
        fit = convolution.fit(self.what, *key) if known is None else known.fit
        workers = _check_call(fit, out, workers)
        if known is not None:
            return _run(known, image, out, workers)
        settled = fit.dtype, fit.channels, fit.stride, jit.target()
        if settled not in self.layers:
            self.layers[settled] = _packed(self.what, fit)
        made = _LayerCall(self.what, fit, self.layers[settled], image.dtype)
        result = _run(made, image, out, workers)
        self.calls.keep(key, made)  # not earlier: by now the program has made all that it keeps
        return result


def _check_call(fit: Fit, out: Any, workers: Any) -> int | None:
    if out is not None:
        convolution.check_out(out, fit.shape, fit.dtype)
    return None if workers is None else scalars.check_workers(workers)


def _run(known: _LayerCall, x: Any, out: Any, workers: int | None) -> Array:
    if type(x) is StandIn:
        raise NotRun(known.program, known.result, known.direct)
    return perform(known, x, (out,), workers)[0]


class LayerProgram(Program):
    """A convolution of images of one shape and dtype."""

    def __init__(self, what: Convolution, fit: Fit, prepared: Prepared) -> None:
        self.what, self.fit, self.prepared = what, fit, prepared
        self.source: DType | None = fit.source
        if what.place.first or fit.blank:
            self.source = None  # brings the image into the engine's order by itself
        self.target, self.shape = fit.dtype, fit.shape

    def run(self, image: Array, outs: Any, workers: int | None) -> None:
        fit, place, prepared = self.fit, self.what.place, self.prepared
        (out,) = outs
        if fit.blank:
            image = np.full(fit.image, place.cval, fit.source)
        elif place.first:
            image = dtypes.convert(np.moveaxis(image, -3, -1), fit.source, None, False)
        image = image.reshape(fit.image)
        if not place.first:
            prepared.run(image, out.reshape(prepared.shape), workers)
            return
        result = empty(prepared.shape, fit.dtype)
        prepared.run(image, result, workers)
        out[...] = np.moveaxis(result, -1, -3).reshape(out.shape)

    def run_single(self, image: Array, out: Array | None, workers: int | None) -> Array:
        """As the engine takes them."""
        if out is None:
            out = empty(self.shape, self.target)
        self.prepared.run(image, out, workers)
        return out

    def describe(self) -> Description:
        what, fit, size = self.what, self.fit, self.what.size
        taps = size[0] * size[1]
        standard = taps * fit.channels * what.results
        if what.dense is not None:
            multiplications, stages = standard, [f"standard, {size[0]} x {size[1]}"]
        else:
            multiplications, stages = taps * what.results, [f"depthwise, {size[0]} x {size[1]}"]
        if what.matrix is not None:
            multiplications, stages = taps * len(what.matrix) + what.matrix.size, [*stages, "pointwise"]
        reach = [(n - 1) * step for n, step in zip(size, what.place.dilation, strict=True)]
        return Description(
            arithmetic=fit.dtype, strategy="stages", why="tile by tile, in the cache", stages=tuple(stages),
            multiplications=multiplications, dense_multiplications=standard,
            halo=tuple((min(pad, n), n - min(pad, n)) for (pad, _), n in zip(fit.pads, reach, strict=True)),
        )  # fmt: skip


class _LayerCall(Call):
    """A program of a layer; for an empty batch none."""

    __slots__ = ("fit",)

    def __init__(self, what: Convolution, fit: Fit, layer: Layer, dtype: DType) -> None:
        self.fit, place, program = fit, what.place, None
        if fit.image[0]:
            program = LayerProgram(what, fit, layer.prepare(fit.image, fit.source, fit.pads, place.mode, place.cval))
        # Dtypes compare byte orders, too.
        direct = program is not None and fit.source == dtype and not place.first and not fit.blank
        super().__init__(program, direct, fit.shape, fit.dtype, None, False)


def _packed(what: Convolution, fit: Fit) -> Layer:
    """The kernels packed, in the dtype of the arithmetic: a bias or limit that it does not have is infinite or zero."""
    return Layer(
        dtype=fit.dtype,
        depthwise=None if what.depthwise is None else what.depthwise.reshape(*what.size, fit.channels, -1),
        matrix=what.matrix,
        dense=what.dense,
        stride=fit.stride,
        dilation=what.place.dilation,
        depthwise_bias=what.depthwise_bias,
        bias=what.bias,
        depthwise_clip=what.depthwise_clip,
        clip=what.clip,
    )


# ---- keys

# Calls of functions, by all that they depend on, values of weights included: to check them, pack weights and lay out
# tiles takes 0.1 ms, longer than many a convolution.
_calls = Cache(CALLS, KEPT)
_REMEMBERED = 1 << 18  # bytes of weights


def _key(weights: tuple[Any, ...], options: tuple[Any, ...], x: Any) -> Any:
    """None for what is not made of Python's values and plain arrays, and for weights that take long to compare."""
    kind, *arrays = weights
    if type(x) is not ndarray or not all(map(_is_plain, options)):
        return None
    size = 0
    for array in arrays:
        if array is not None:
            if type(array) is not ndarray or array.dtype.kind not in "fiub":
                return None
            size += array.nbytes
    if size > _REMEMBERED:
        return None
    values = tuple(None if array is None else _Values(array) for array in arrays)
    # As text, zero and negative zero differ, NaN equals NaN, and lists are as good as tuples.
    return kind, values, repr(options), x.shape, x.dtype


def _is_plain(option: Any) -> bool:
    """Whether the text of an option tells its whole value; that of an array is rounded."""
    if type(option) in (tuple, list):
        return all(map(_is_plain, option))
    return option is None or type(option) in (str, int, float, bool)


class _Values:
    """The values of an array as a key. Comparing all of them is fast, hashing all is not."""

    __slots__ = ("_hash", "_kind", "_values")

    def __init__(self, array: Array) -> None:
        self._kind = array.shape, array.dtype.str
        self._values = array.tobytes()
        self._hash = hash((self._kind, self._values[:256], self._values[-256:]))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Values) and (self._kind, self._values) == (other._kind, other._values)
