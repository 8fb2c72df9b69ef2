"""Calls of layers: remembered by the values of their weights; checks, conversions and programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy import ndarray

from fastsep._call import Call, NotRun, foreign, perform, runs_at_once, wrapped
from fastsep._engine.caches import MIB, Cache
from fastsep._kernels import jit
from fastsep._ops.layers.prepared import PreparedLayer
from fastsep._ops.layers.variant import choose_packing
from fastsep._ops.layers.weights import PackedWeights
from fastsep._plan import convolution
from fastsep._plan.convolution import LayerImage, LayerSpec
from fastsep._validation import scalars
from fastsep._validation.array_like import Array, DType, StandIn, is_wrapper

#: Shapes of images that a `Layer` remembers, and calls of functions; bytes of the one, its weights apart, and of the
#: other.
KEPT = 64
SHAPES, CALLS = 4 * MIB, 8 * MIB


def call(
    builder: Callable[..., LayerSpec], weights: tuple[Any, ...], options: tuple[Any, ...], x: Any, out: Any,
    workers: Any,
) -> Array:  # fmt: skip
    """A call of a function, whose layer is `builder(*weights, *options)`.

    One like an earlier one needs no checks but of `out` and `workers`.
    """
    key = _key(builder, weights, options, x)
    known: Call | None = None
    if key is not None:
        found = _calls.get(key[0])
        if found is not None and found[0] == key[1]:
            known = found[1]
    if known is None:
        return _new_call(builder(*weights, *options), key, x, out, workers)
    if (out is None or (type(out) is ndarray and out.dtype == known.result)) and runs_at_once(known, x, out, workers):
        return known.run(x, out, workers)
    return _run(known, x, out, workers)


@np.errstate(all="ignore")  # of weights that are packed, and results
def _new_call(spec: LayerSpec, key: Any, x: Any, out: Any, workers: Any) -> Array:
    array = convolution.as_images(x)
    if is_wrapper(array):
        return _of_wrapper(spec, partial(_new_call, spec, None), array, out, workers)
    if not isinstance(array, ndarray):
        return foreign().convolve(spec.owned(), array, out, workers)
    image = convolution.image_of(spec, array.shape, array.dtype)
    if key is not None:
        spec = spec.owned()  # the caller's arrays may be part of something large
    made = prepare(spec, image, pack(spec, image), array.dtype)
    result = _run(made, array, out, workers)
    if key is not None:
        _calls.keep(key[0], (key[1], made))
    return result


def _of_wrapper(spec: LayerSpec, run: Callable[..., Array], x: Any, out: Any, workers: Any) -> Array:
    found: Array = wrapped().convolve(x, lambda inner, target: run(inner, out=target, workers=workers), out, spec.place)
    return found


class Layer:
    """What the classes of layers share: weights are checked once, and packed once for each dtype of the arithmetic."""

    def __init__(self, spec: LayerSpec) -> None:
        self.__setstate__(spec.owned())

    def __call__(self, x: npt.ArrayLike, *, out: Array | None = None, workers: int | None = None) -> Array:
        """Convolve one image or a batch of them."""
        # An array like an earlier one goes straight to the engine.
        if type(x) is ndarray:
            known: Call | None = self._calls.get((x.shape, x.dtype))
            if (
                known is not None
                and (out is None or (type(out) is ndarray and out.dtype == known.result))
                and runs_at_once(known, x, out, workers)
            ):
                return known.run(x, out, workers)
        return self._checked(x, out, workers)

    @np.errstate(all="ignore")
    def _checked(self, x: Any, out: Any, workers: Any) -> Array:
        """A call that is new or needs conversions."""
        array = convolution.as_images(x)
        if is_wrapper(array):
            return _of_wrapper(self._spec, self.__call__, array, out, workers)
        if not isinstance(array, ndarray):
            return foreign().convolve(self._spec, array, out, workers)
        key = array.shape, array.dtype
        known: Call | None = self._calls.get(key)
        if known is not None:
            return _run(known, array, out, workers)
        image = convolution.image_of(self._spec, *key)
        settled = image.dtype, image.channels, jit.target()  # weights are packed for vectors of one width
        if settled not in self._weights:
            self._weights[settled] = pack(self._spec, image)
        weights = self._weights[settled]
        made = prepare(self._spec, image, weights, array.dtype)
        result = _run(made, array, out, workers)
        # Not earlier: by now the program has made all that it keeps.
        self._calls.keep(key, made, (self._spec, weights))
        return result

    def output_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Shape of the result for images of `shape`.

        Raises
        ------
        ValueError
            Where a call with such an image would raise it.
        TypeError
            If `shape` is not a sequence of integers.
        """
        lengths = convolution.lengths(shape, self._spec.place)
        return convolution.image_of(self._spec, lengths, np.dtype(np.uint8)).shape

    @property
    def dtype(self) -> DType:
        """Dtype of the result for an image of integers."""
        return convolution.arithmetic_dtype(self._spec.dtype, np.dtype(np.uint8))

    def __repr__(self) -> str:
        spec, place = self._spec, self._spec.place
        parts = {name: str(shape) for name, shape in spec.names.items()} | {"dtype": str(self.dtype)}
        options = {
            "stride": (place.stride, (1, 1)),
            "padding": (place.padding or "same", ((0, 0), (0, 0))),
            "dilation": (place.dilation, (1, 1)),
            "depthwise_bias": (None if spec.depthwise_bias is None else spec.depthwise_bias.shape, None),
            "bias": (None if spec.bias is None else spec.bias.shape, None),
            "depthwise_activation": (convolution.activation_of(spec.depthwise_clip), None),
            "activation": (convolution.activation_of(spec.clip), None),
            "mode": (place.mode, "constant"),
            "cval": (place.cval, 0.0),
            "data_format": ("channels_first" if place.channels_first else "channels_last", "channels_last"),
        }
        parts |= {name: repr(value) for name, (value, default) in options.items() if value != default}
        return f"{type(self).__name__}({', '.join(f'{name}={value}' for name, value in parts.items())})"

    # Programs hold addresses, so that a copy or another process prepares its own.

    def __getstate__(self) -> LayerSpec:
        return self._spec

    def __setstate__(self, spec: LayerSpec) -> None:
        self._spec = spec
        self._weights: dict[tuple[DType, int, jit.Target], PackedWeights] = {}
        self._calls = Cache(SHAPES, KEPT)


# ---- programs


def pack(spec: LayerSpec, image: LayerImage) -> PackedWeights:
    """The weights for images like this one."""
    return PackedWeights(spec, image.channels, image.dtype, *choose_packing(spec, image))


def prepare(spec: LayerSpec, image: LayerImage, weights: PackedWeights, dtype: DType) -> Call:
    """The program for images of this shape and `dtype`; none for an empty batch."""
    program = PreparedLayer(spec, image, weights) if image.source_shape[0] else None
    # Dtypes compare byte orders, too; and to NumPy None equals float64.
    direct = program is not None and program.source is not None and program.source == dtype
    return Call(program, direct, image.shape, image.dtype, None, False)


def _run(known: Call, x: Any, out: Any, workers: Any) -> Array:
    if out is not None:
        convolution.check_out(out, known.shape, known.result)
    workers = None if workers is None else scalars.check_workers(workers)
    if type(x) is StandIn:
        raise NotRun(known.program, known.result, known.direct, known.shape, None, 1)
    return perform(known, x, (out,), workers)[0]


# ---- keys

# Calls of functions, by all that they depend on, values of weights included: to check them, pack weights and lay out
# tiles takes 0.1 ms, longer than many a convolution. A key holds the ends of weights alone, because to hash all of them
# takes long; all of them are compared with what was kept.
_calls = Cache(CALLS, KEPT)
_REMEMBERED = 1 << 18  # bytes of weights
_HASHED = 64  # bytes at either end

Values = list[bytes]


def _key(
    builder: Callable[..., LayerSpec], weights: tuple[Any, ...], options: tuple[Any, ...], x: Any
) -> tuple[tuple[Any, ...], Values] | None:
    """A key and the values of weights.

    None for what is not made of Python's values and plain arrays, and for weights that take long to compare.
    """
    if type(x) is not ndarray or not (_PLAIN.issuperset(map(type, options)) or all(map(_is_plain, options))):
        return None
    # As text, zero and negative zero differ, NaN equals NaN, and lists are as good as tuples.
    key = [builder, repr(options), x.shape, x.dtype]
    values = []
    size = 0
    for array in weights:
        if array is None:
            key.append(None)
            continue
        if type(array) is not ndarray or array.dtype.kind not in "fiub":
            return None
        size += array.nbytes
        if size > _REMEMBERED:
            return None
        own = array.tobytes()
        values.append(own)
        key += array.shape, array.dtype, own[:_HASHED], own[-_HASHED:]
    return tuple(key), values


#: Types whose text tells the whole value; that of an array is rounded.
_PLAIN = frozenset((type(None), str, int, float, bool))


def _is_plain(option: Any) -> bool:
    """Whether the text of an option tells its whole value."""
    return type(option) in _PLAIN or (type(option) in (tuple, list) and all(map(_is_plain, option)))
