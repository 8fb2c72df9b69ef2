"""Convolution layers for images of any number of channels.

A depthwise-separable layer filters every channel by itself and then mixes the channels of every
pixel, as Keras' `SeparableConv2D` and PyTorch's `Conv2d` with groups do, for a fraction of the
multiplications of a standard convolution: see `conv_cost`.

`Conv2D`, `DepthwiseConv2D` and `SeparableConv2D` pack their weights once, for repeated calls. Functions
remember what they packed by the values of the weights, which they compare in every call, where that
is worth it: up to 256 KiB of weights, and 8 MiB in all.

The options below mean the same in every function that has them; each function's page repeats those.
All of them are cross-correlations, as everywhere in deep learning: kernels are not flipped.

Parameters
----------
x : (H, W, C) or (N, H, W, C) array_like
    bool, integer or float. It is never changed and never rescaled: uint8 means 0 to 255. A
    C-contiguous array of uint8, uint16 or the result's dtype is read where it lies; all others are
    converted into one copy. A grey image needs its axis: `image[..., None]`. A list of images with
    their channels is a batch. An array of dask gives an array of dask, which is computed when it is
    asked for, in chunks of the batch, rows and columns; `out` must then be None. Arrays of xarray,
    PyTorch, JAX and others give results of their own kind, as the notes of `fastsep.filters` tell; those
    of xarray lose the coordinates of channels, and of rows and columns whose number changes.
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
    Threads for this call; -1 is all cores. Default: what `set_num_threads` or the machine allows;
    for an array of dask, one for each of its tasks. The result does not depend on it.

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

from collections.abc import Sequence
from typing import TypeAlias

import numpy.typing as npt

from fastsep._docs import complete
from fastsep._ops.layers.calls import Layer, call
from fastsep._plan import convolution
from fastsep._validation.array_like import Array

__all__ = [
    "Conv2D",
    "DepthwiseConv2D",
    "SeparableConv2D",
    "conv2d",
    "depthwise_conv2d",
    "pointwise_conv2d",
    "separable_conv2d",
]


def __dir__() -> list[str]:
    return __all__


Sizes: TypeAlias = int | Sequence[int]
Padding: TypeAlias = str | int | Sequence[int] | Sequence[Sequence[int]]
Activation: TypeAlias = str | Sequence[float] | None


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
    options = activation, stride, padding, dilation, mode, cval, data_format
    return call(convolution.dense, (kernel, bias), options, x, out, workers)


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
    options = activation, stride, padding, dilation, mode, cval, data_format
    return call(convolution.depthwise, (kernel, bias), options, x, out, workers)


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
    return call(convolution.pointwise, (kernel, bias), (activation, stride, data_format), x, out, workers)


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
    `activation` to the pointwise one.

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
    weights = depthwise_kernel, pointwise_kernel, depthwise_bias, bias
    options = depthwise_activation, activation, stride, padding, dilation, mode, cval, data_format
    return call(convolution.separable, weights, options, x, out, workers)


class Conv2D(Layer):
    """`conv2d` for repeated calls: kernels are checked and packed once.

    Unlike Keras' and PyTorch's layers of this name it is made of the kernel, not of its sizes. It
    keeps copies of its arrays: later changes to them do not reach it. A layer is called with an image,
    `out` and `workers`; its first call for a shape and dtype of images prepares the others. Any number
    of threads may call it at once, and it can be pickled.

    Attributes
    ----------
    dtype : dtype
        Of the result for an image of integers. An image of float64 gives float64, always.

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> layer = fastsep.Conv2D(np.ones((3, 3, 2, 5), "f4"), padding="same", activation="relu6")
    >>> layer
    Conv2D(kernel=(3, 3, 2, 5), dtype=float32, padding='same', activation='relu6')
    >>> layer(np.full((4, 4, 2), 0.25))[0, :, 0].tolist()
    [2.0, 3.0, 3.0, 2.0]
    >>> layer.output_shape((480, 640, 2))
    (480, 640, 5)
    """

    def __init__(
        self,
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
    ) -> None:
        options = activation, stride, padding, dilation, mode, cval, data_format
        super().__init__(convolution.dense(kernel, bias, *options))


class DepthwiseConv2D(Layer):
    """`depthwise_conv2d` for repeated calls: kernels are checked and packed once.

    Unlike Keras' layer of this name it is made of the kernel, not of its size. It keeps copies of its
    arrays: later changes to them do not reach it. A layer is called with an image, `out` and `workers`;
    its first call for a shape and dtype of images prepares the others. Any number of threads may call
    it at once, and it can be pickled.

    Attributes
    ----------
    dtype : dtype
        Of the result for an image of integers. An image of float64 gives float64, always.

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> layer = fastsep.DepthwiseConv2D(np.ones((3, 3, 2), "f4"), stride=2, bias=[0, 100])
    >>> layer
    DepthwiseConv2D(kernel=(3, 3, 2), dtype=float32, stride=(2, 2), bias=(2,))
    >>> layer(np.ones((5, 3, 2), np.uint8)).tolist()
    [[[9.0, 109.0]], [[9.0, 109.0]]]
    >>> layer.output_shape((480, 640, 2))
    (239, 319, 2)
    """

    def __init__(
        self,
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
    ) -> None:
        options = activation, stride, padding, dilation, mode, cval, data_format
        super().__init__(convolution.depthwise(kernel, bias, *options))


class SeparableConv2D(Layer):
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
        options = depthwise_activation, activation, stride, padding, dilation, mode, cval, data_format
        super().__init__(convolution.separable(depthwise_kernel, pointwise_kernel, depthwise_bias, bias, *options))


complete((conv2d, depthwise_conv2d, pointwise_conv2d, separable_conv2d), __doc__)
for layer, function in ((Conv2D, conv2d), (DepthwiseConv2D, depthwise_conv2d), (SeparableConv2D, separable_conv2d)):
    complete((layer,), function.__doc__)
del layer, function
