"""Convolution layers for images of any number of channels.

A depthwise-separable layer filters every channel by itself and then mixes the channels of every
pixel, as Keras' `SeparableConv2D` and PyTorch's `Conv2d` with groups do, for a fraction of the
multiplications of a standard convolution: see `conv_cost`.

The options below mean the same in every function that has them; each function's page repeats those.
All of them are cross-correlations, as everywhere in deep learning: kernels are not flipped.

Parameters
----------
x : (H, W, C) or (N, H, W, C) array_like
    bool, integer or float. It is never changed and never rescaled: uint8 means 0 to 255. A
    C-contiguous array of uint8, uint16 or the result's dtype is read where it lies; all others are
    converted into one copy. A grey image needs its axis: `image[..., None]`. A list of images with
    their channels is a batch.
stride : int or (y, x)
    Pixels from one place of the kernel to the next.
padding : "valid", "same", int, (py, px) or ((top, bottom), (left, right))
    Rows and columns around the image. "valid": none. "same": TensorFlow's rule, with n pixels,
    stride s and a kernel that reaches over r = (k - 1) * dilation + 1 of them: ceil(n / s) results,
    max((ceil(n / s) - 1) * s + r - n, 0) pixels of padding, and an odd one goes behind.
dilation : int or (y, x)
    Pixels from one tap of the kernel to the next.
bias, depthwise_bias : 1-D array_like, optional
    Is added, one number to each channel that the stage gives.
activation, depthwise_activation : None, "relu", "relu6" or (low, high)
    Range to clip to, after the bias: from 0, from 0 to 6, or any. NaN stays NaN.
mode : str
    What the padding holds, as in SciPy: "constant" (`cval`), "reflect" (d c b a | a b c d | d c b
    a), "nearest" (a a a a | a b c d | d d d d), "mirror" (d c b | a b c d | c b a), "wrap" (a b c d
    | a b c d | a b c d); it may be larger than the image. "grid-mirror", "grid-constant" and
    "grid-wrap" mean reflect, constant and wrap. What NumPy, TensorFlow and PyTorch call reflect is
    "mirror" here. Without padding, which is the default, `mode` has no effect.
cval : float
    Value of the padding for mode "constant", on the scale of the image.
data_format : "channels_last" or "channels_first"
    Channels first, `x` is (C, H, W) or (N, C, H, W), the result likewise, and kernels have
    PyTorch's layouts, given on each function's page after "channels first". Image and result are
    copied into the other order, so channels last is faster.
out : ndarray, optional
    Array of the result's shape and dtype to write into, also returned. It may overlap `x` (which is
    then copied first) or a kernel.
workers : int, optional
    Threads for this call; -1 is all cores. Default: what `set_num_threads` or the machine allows.
    The result does not depend on it.

Returns
-------
ndarray of shape (OH, OW, F) or (N, OH, OW, F)
    OH = (H + top + bottom - (kh - 1) * dilation - 1) // stride + 1, and OW likewise. The dtype, also
    that of the arithmetic, is the float dtype of the kernels, promoted with that of `x` if `x` is
    floating; float16 counts as float32. With kernels of integers it is float32 for `x` of float32
    or float16, else float64. An empty batch gives an empty result. For `depthwise_conv2d`, F is C*M.

Raises
------
ValueError
    For shapes that do not fit each other, a kernel larger than the padded image, kernels with an
    axis of length 0, complex or masked arrays, a bad value, or an unsuitable `out`, into which
    nothing is written.
TypeError
    For an argument of the wrong kind, such as a stride that is not an integer.

Notes
-----
Besides the result a layer needs scratch of cache size, and more where stride or dilation is much
larger than the kernel. Channels first takes a copy of the image and one of the result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from numpy import may_share_memory, ndarray

from fastsep._call import NotRun
from fastsep._docs import complete
from fastsep._engine.caches import MIB, Cache
from fastsep._engine.memory import empty
from fastsep._ops.layer import Layer, Prepared
from fastsep._plan import convolution, dtypes
from fastsep._plan.convolution import Convolution, Fit
from fastsep._plan.description import Description
from fastsep._validation import scalars
from fastsep._validation.array_like import Array, DType, StandIn

__all__ = ["SeparableConv2D", "conv2d", "depthwise_conv2d", "pointwise_conv2d", "separable_conv2d"]


def __dir__() -> list[str]:
    return __all__


Sizes: TypeAlias = int | Sequence[int]
Padding: TypeAlias = str | int | Sequence[int] | Sequence[Sequence[int]]
Activation: TypeAlias = str | Sequence[float] | None

# Bits of ndarray.flags.num: C_CONTIGUOUS | ALIGNED, WRITEABLE besides, and OWNDATA.
_READABLE = 0x101
_WRITEABLE = 0x501
_OWN = 0x4

# Shapes of images that a SeparableConv2D remembers, and calls of functions; bytes of the one and of the other. Weights
# of a layer that are packed for shapes to come are the layer's own, whatever their size.
_KEPT = 64
_SHAPES, _CALLS = 4 * MIB, 8 * MIB


def conv2d(
    x: npt.ArrayLike,
    kernel: npt.ArrayLike,
    *,
    stride: Sizes = 1,
    padding: Padding = "valid",
    dilation: Sizes = 1,
    bias: npt.ArrayLike | None = None,
    activation: Activation = None,
    mode: str = "constant",
    cval: float = 0.0,
    data_format: str = "channels_last",
    out: Array | None = None,
    workers: int | None = None,
) -> Array:
    """Standard convolution: every channel of the result sees every channel of the image.

    result[r, s, f] = sum over i, j, c of kernel[i, j, c, f] * x[r * stride + i * dilation,
    s * stride + j * dilation, c], on the padded image.

    Parameters
    ----------
    kernel : (kh, kw, C, F) array_like; channels first (F, C, kh, kw)

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> image = np.arange(12.0).reshape(3, 4, 1)
    >>> fastsep.conv2d(image, np.ones((2, 2, 1, 1)))[..., 0].tolist()
    [[10.0, 14.0, 18.0], [26.0, 30.0, 34.0]]
    """

    def make() -> Convolution:
        place = convolution.geometry(stride, padding, dilation, mode, cval, data_format)
        return convolution.dense(kernel, bias, activation, place)

    options = stride, padding, dilation, activation, mode, cval, data_format
    return _call(make, ("dense", kernel, bias), options, x, out, workers)


def depthwise_conv2d(
    x: npt.ArrayLike,
    kernel: npt.ArrayLike,
    *,
    stride: Sizes = 1,
    padding: Padding = "valid",
    dilation: Sizes = 1,
    bias: npt.ArrayLike | None = None,
    activation: Activation = None,
    mode: str = "constant",
    cval: float = 0.0,
    data_format: str = "channels_last",
    out: Array | None = None,
    workers: int | None = None,
) -> Array:
    """Convolution of every channel by itself, with M kernels of its own.

    result[r, s, c * M + m] = sum over i, j of kernel[i, j, c, m] * x[r * stride + i * dilation,
    s * stride + j * dilation, c], on the padded image.

    Parameters
    ----------
    kernel : (kh, kw, C) or (kh, kw, C, M) array_like; channels first (C*M, 1, kh, kw)
        Channels first, M follows from the image: it is `kernel.shape[0] / C`.

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> image = np.arange(8.0).reshape(2, 2, 2)
    >>> fastsep.depthwise_conv2d(image, np.ones((2, 2, 2)), bias=[0, 100]).tolist()
    [[[12.0, 116.0]]]
    """

    def make() -> Convolution:
        place = convolution.geometry(stride, padding, dilation, mode, cval, data_format)
        return convolution.depthwise(kernel, bias, activation, place)

    options = stride, padding, dilation, activation, mode, cval, data_format
    return _call(make, ("depthwise", kernel, bias), options, x, out, workers)


def pointwise_conv2d(
    x: npt.ArrayLike,
    kernel: npt.ArrayLike,
    *,
    stride: Sizes = 1,
    bias: npt.ArrayLike | None = None,
    activation: Activation = None,
    data_format: str = "channels_last",
    out: Array | None = None,
    workers: int | None = None,
) -> Array:
    """Mix of the channels of every pixel: a convolution of 1 x 1.

    result[r, s, f] = sum over c of kernel[c, f] * x[r * stride, s * stride, c].

    Parameters
    ----------
    kernel : (C, F) or (1, 1, C, F) array_like; channels first (F, C) or (F, C, 1, 1)

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> pixels = np.array([[[10, 20, 30], [0, 0, 255]]], np.uint8)
    >>> fastsep.pointwise_conv2d(pixels, [[0.5, 1.0], [0.25, 0.0], [0.25, -1.0]]).tolist()
    [[[17.5, -20.0], [63.75, -255.0]]]
    """

    def make() -> Convolution:
        place = convolution.geometry(stride, "valid", 1, "constant", 0.0, data_format)
        return convolution.pointwise(kernel, bias, activation, place)

    return _call(make, ("pointwise", kernel, bias), (stride, activation, data_format), x, out, workers)


def separable_conv2d(
    x: npt.ArrayLike,
    depthwise_kernel: npt.ArrayLike,
    pointwise_kernel: npt.ArrayLike,
    *,
    stride: Sizes = 1,
    padding: Padding = "valid",
    dilation: Sizes = 1,
    depthwise_bias: npt.ArrayLike | None = None,
    bias: npt.ArrayLike | None = None,
    depthwise_activation: Activation = None,
    activation: Activation = None,
    mode: str = "constant",
    cval: float = 0.0,
    data_format: str = "channels_last",
    out: Array | None = None,
    workers: int | None = None,
) -> Array:
    """Depthwise-separable convolution: `depthwise_conv2d`, then `pointwise_conv2d`, in one go.

    `stride`, `padding`, `dilation` and `mode` belong to the depthwise stage; `bias` and
    `activation` to the pointwise one. The kernels are packed in every call; `SeparableConv2D` packs
    them once, for repeated calls.

    Parameters
    ----------
    depthwise_kernel : (kh, kw, C) or (kh, kw, C, M) array_like; channels first (C*M, 1, kh, kw)
    pointwise_kernel : (C*M, F) or (1, 1, C*M, F) array_like; channels first (F, C*M) or (F, C*M, 1, 1)

    References
    ----------
    F. Chollet, "Xception: Deep learning with depthwise separable convolutions", CVPR 2017,
    doi:10.1109/CVPR.2017.195.

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> image = np.arange(8.0).reshape(2, 2, 2)
    >>> means = np.full((2, 2, 2), 0.25)
    >>> fastsep.separable_conv2d(image, means, [[1.0, 1.0, 0.0], [1.0, -1.0, 2.0]]).tolist()
    [[[7.0, -1.0, 8.0]]]
    """

    def make() -> Convolution:
        place = convolution.geometry(stride, padding, dilation, mode, cval, data_format)
        return convolution.separable(
            depthwise_kernel, pointwise_kernel, depthwise_bias, bias, depthwise_activation, activation, place
        )

    weights = "separable", depthwise_kernel, pointwise_kernel, depthwise_bias, bias
    options = stride, padding, dilation, depthwise_activation, activation, mode, cval, data_format
    return _call(make, weights, options, x, out, workers)


class SeparableConv2D:
    """`separable_conv2d` for repeated calls: kernels are checked and packed once.

    Unlike Keras' layer of this name it is made of the kernels, not of their sizes. It keeps copies
    of its arrays: later changes to them do not reach it. A layer is called with an image, `out` and
    `workers`; its first call for a shape and dtype of images prepares the others. Any number of
    threads may call it at once, and it can be pickled.

    Attributes
    ----------
    dtype : dtype
        Of the result for an image of integers. An image of float64 gives float64, always.

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> layer = fastsep.SeparableConv2D(np.ones((3, 3, 2), "f4"), np.ones((2, 5), "f4"), padding="same")
    >>> layer
    SeparableConv2D(depthwise_kernel=(3, 3, 2), pointwise_kernel=(2, 5), dtype=float32, padding='same')
    >>> layer(np.ones((4, 4, 2), np.uint8))[0, :, 0].tolist()
    [8.0, 12.0, 12.0, 8.0]
    >>> layer.output_shape((480, 640, 2))
    (480, 640, 5)
    """

    def __init__(
        self,
        depthwise_kernel: npt.ArrayLike,
        pointwise_kernel: npt.ArrayLike,
        *,
        stride: Sizes = 1,
        padding: Padding = "valid",
        dilation: Sizes = 1,
        depthwise_bias: npt.ArrayLike | None = None,
        bias: npt.ArrayLike | None = None,
        depthwise_activation: Activation = None,
        activation: Activation = None,
        mode: str = "constant",
        cval: float = 0.0,
        data_format: str = "channels_last",
    ) -> None:
        place = convolution.geometry(stride, padding, dilation, mode, cval, data_format)
        what = convolution.separable(
            depthwise_kernel, pointwise_kernel, depthwise_bias, bias, depthwise_activation, activation, place
        )
        self.__setstate__(what.owned())

    def __call__(self, x: npt.ArrayLike, *, out: Array | None = None, workers: int | None = None) -> Array:
        """Convolve one image or a batch of them.

        An array like an earlier one goes straight to the engine: for small images the checks would
        cost more than the pixels.
        """
        if type(x) is ndarray and (workers is None or (type(workers) is int and workers > 0)):
            job: _Job | None = self._jobs.get((x.shape, x.dtype))
            flags = x.flags.num
            if job is not None and job.direct and flags & _READABLE == _READABLE:
                if out is None:
                    out = empty(job.shape, job.dtype)
                    job.prepared.run(x, out, workers)  # type: ignore[union-attr]  # it is direct
                    return out
                if (
                    type(out) is ndarray
                    and out.shape == job.shape
                    and out.dtype == job.dtype
                    and out.flags.num & _WRITEABLE == _WRITEABLE
                    # Two arrays that own their memory share none; asking NumPy takes 0.3 us.
                    and x is not out
                    and (flags & out.flags.num & _OWN or not may_share_memory(x, out))
                ):
                    job.prepared.run(x, out, workers)  # type: ignore[union-attr]  # it is direct
                    return out
        return self._checked(x, out, workers)

    @np.errstate(all="ignore")
    def _checked(self, x: Any, out: Any, workers: Any) -> Array:
        """A call that is new or needs conversions."""
        image = convolution.as_images(x)
        key = image.shape, image.dtype
        job = self._jobs.get(key)
        fit = convolution.fit(self._what, *key) if job is None else job.fit
        workers = _check_call(fit, out, workers)
        if job is None:
            settled = fit.dtype, fit.channels, fit.stride
            layer = self._layers.get(settled)
            if layer is None:
                layer = _layer(self._what, fit)
                self._layers[settled] = layer
            job = _job(self._what, fit, layer, image.dtype)
            result = _perform(job, image, out, workers)
            self._jobs.keep(key, job)  # not earlier: by now the job has made all that it keeps
            return result
        return _perform(job, image, out, workers)

    def output_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Shape of the result for images of `shape`.

        Raises
        ------
        ValueError
            Where a call with such an image would raise it.
        TypeError
            If `shape` is not a sequence of integers.
        """
        lengths = convolution.lengths(shape, self._what.place)
        return convolution.fit(self._what, lengths, np.dtype(np.uint8)).shape

    @property
    def dtype(self) -> DType:
        """Dtype of the result for an image of integers."""
        return convolution.arithmetic_dtype(self._what.dtype, np.dtype(np.uint8))

    def __repr__(self) -> str:
        what, place = self._what, self._what.place
        parts = {name: str(shape) for name, shape in what.names.items()} | {"dtype": str(self.dtype)}
        options = {
            "stride": (place.stride, (1, 1)),
            "padding": (place.padding or "same", ((0, 0), (0, 0))),
            "dilation": (place.dilation, (1, 1)),
            "depthwise_bias": (None if what.depthwise_bias is None else what.depthwise_bias.shape, None),
            "bias": (None if what.bias is None else what.bias.shape, None),
            "depthwise_activation": (convolution.activation_of(what.depthwise_clip), None),
            "activation": (convolution.activation_of(what.clip), None),
            "mode": (place.mode, "constant"),
            "cval": (place.cval, 0.0),
            "data_format": ("channels_first" if place.first else "channels_last", "channels_last"),
        }
        parts |= {name: repr(value) for name, (value, default) in options.items() if value != default}
        return f"SeparableConv2D({', '.join(f'{name}={value}' for name, value in parts.items())})"

    # Prepared layers hold addresses, so that a copy or another process prepares its own.

    def __getstate__(self) -> Convolution:
        return self._what

    def __setstate__(self, what: Convolution) -> None:
        self._what = what
        self._layers: dict[tuple[Any, ...], Layer] = {}
        self._jobs = Cache(_SHAPES, _KEPT)


# ---- one call


complete((conv2d, depthwise_conv2d, pointwise_conv2d, separable_conv2d), __doc__)
complete((SeparableConv2D,), separable_conv2d.__doc__)


@dataclass(frozen=True, slots=True)
class _Job:
    """A convolution prepared for images of one shape and dtype, without pixels, for any thread."""

    what: Convolution
    fit: Fit
    prepared: Prepared | None  # None for an empty batch
    direct: bool  # a C-contiguous image goes to the engine as it is, and so does its result
    shape: tuple[int, ...]  # of the result
    dtype: DType

    @property
    def source(self) -> DType:
        return self.fit.source

    def describe(self) -> Description:
        """What `explain` says of it."""
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


def _call(
    make: Callable[[], Convolution], weights: tuple[Any, ...], options: tuple[Any, ...], x: Any, out: Any, workers: Any
) -> Array:
    """A call of a function. One like an earlier one needs no checks but of `out` and `workers`."""
    key = _key(weights, options, x)
    job: _Job | None = None if key is None else _calls.get(key)
    if job is not None:
        return _perform(job, x, out, _check_call(job.fit, out, workers))
    return _new_call(make, key, x, out, workers)


@np.errstate(all="ignore")  # of weights that are packed, and results
def _new_call(make: Callable[[], Convolution], key: Any, x: Any, out: Any, workers: Any) -> Array:
    what = make()
    image = convolution.as_images(x)
    fit = convolution.fit(what, image.shape, image.dtype)
    workers = _check_call(fit, out, workers)
    if key is not None:
        what = what.owned()  # the caller's arrays may be part of something large
    job = _job(what, fit, _layer(what, fit), image.dtype)
    result = _perform(job, image, out, workers)
    if key is not None:
        _calls.keep(key, job)
    return result


# Calls of functions, by all that they depend on, values of weights included: to check them, pack weights and lay out
# tiles takes 0.1 ms, longer than many a convolution.
_calls = Cache(_CALLS, _KEPT)
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


def _check_call(fit: Fit, out: Any, workers: Any) -> int | None:
    if out is not None:
        convolution.check_out(out, fit.shape, fit.dtype)
    return None if workers is None else scalars.check_workers(workers)


def _layer(what: Convolution, fit: Fit) -> Layer:
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


def _job(what: Convolution, fit: Fit, layer: Layer, dtype: DType) -> _Job:
    place, prepared = what.place, None
    if fit.image[0]:
        prepared = layer.prepare(fit.image, fit.source, fit.pads, place.mode, place.cval)
    native = fit.source == dtype  # dtypes compare byte orders, too
    direct = prepared is not None and native and not place.first and not fit.blank
    return _Job(what, fit, prepared, direct, fit.shape, fit.dtype)


def _perform(job: _Job, x: Array, out: Any, workers: int | None) -> Array:
    """Convert the image, run, and bring the result into the order asked for."""
    fit, place, prepared = job.fit, job.what.place, job.prepared
    if type(x) is StandIn:
        raise NotRun(None if prepared is None else job, job.dtype, job.direct)
    if prepared is None:
        return empty(job.shape, job.dtype) if out is None else out
    if fit.blank:
        image = np.full(fit.image, place.cval, fit.source)
    else:
        image = dtypes.convert(_channels_last(x) if place.first else x, fit.source, None, False).reshape(fit.image)

    if out is not None and not place.first and out.dtype == job.dtype:
        plain = np.asarray(out)
        if plain.flags.num & _WRITEABLE == _WRITEABLE:
            if may_share_memory(image, plain):
                image = image.copy()
            prepared.run(image, plain.reshape(prepared.shape), workers)
            return out  # type: ignore[no-any-return]

    result = empty(prepared.shape, job.dtype)
    prepared.run(image, result, workers)
    if place.first:
        result = _channels_first(result)
    result = result.reshape(job.shape)
    if out is None:
        if not place.first:
            return result
        out = empty(job.shape, job.dtype)
    out[...] = result
    return out  # type: ignore[no-any-return]


# The engine knows channels last only; these views are copied into its order and out of it.


def _channels_last(x: Array) -> Array:
    return np.moveaxis(x, -3, -1)


def _channels_first(result: Array) -> Array:
    return np.moveaxis(result, -1, -3)
