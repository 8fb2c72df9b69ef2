"""Argument checks, dtype rules and messages of the convolution layers.

What does not depend on the image becomes a `LayerSpec`; the shape and dtype of an image, checked
against it, become a `LayerImage`. Both have channels last and nothing behind them is checked again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastsep._plan import dtypes
from fastsep._validation import array_like, axes, scalars
from fastsep._validation import arrays as _arrays
from fastsep._validation.array_like import Array, DType, show

Sizes = tuple[int, int]
Pads = tuple[Sizes, Sizes]  # ((top, bottom), (left, right))
Range = tuple[float, float]

FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)

UNCLIPPED = (-math.inf, math.inf)
ACTIVATIONS = {"relu": (0.0, math.inf), "relu6": (0.0, 6.0)}

# Strides, dilations and paddings above this are mistakes.
LARGEST_STEP = 2**31 - 1
# So are padded images of more pixels than this; up to it no address overflows.
LARGEST_IMAGE = 2**40


# ---- where the kernel is applied


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where a kernel is applied, and what it finds outside the image."""

    stride: Sizes
    padding: Pads | None  # None: "same"
    dilation: Sizes
    mode: str
    cval: float
    channels_first: bool  # in the caller's arrays


def geometry(stride: Any, padding: Any, dilation: Any, mode: Any, cval: Any, data_format: Any) -> Geometry:
    """The options that all convolutions share."""
    if not isinstance(data_format, str) or data_format not in ("channels_last", "channels_first"):
        raise ValueError(
            f"`data_format` must be 'channels_last' (NHWC) or 'channels_first' (NCHW); got {show(data_format)}."
        )
    return Geometry(
        steps("stride", stride),
        paddings(padding),
        steps("dilation", dilation),
        axes.border_mode(mode),
        scalars.number("cval", cval),
        data_format == "channels_first",
    )


def steps(name: str, value: Any) -> Sizes:
    """Whole numbers of at least one: rows, columns."""
    rows, columns = scalars.integers(name, value, 2, 1)
    _limit(name, value, rows, columns)
    return rows, columns


def paddings(value: Any) -> Pads | None:
    """Rows and columns around the image; None for "same", which depends on its size.

    TensorFlow writes the words in capitals.
    """
    if isinstance(value, str) and value.lower() in ("valid", "same"):
        return ((0, 0), (0, 0)) if value.lower() == "valid" else None
    try:
        rows, columns = (_side_by_side(side) for side in scalars.per_axis("padding", value, 2))
    except TypeError:
        error = ValueError if isinstance(value, str) else TypeError
        raise error(f"`padding` must be 'valid', 'same', or one or two integers per axis; got {show(value)}.") from None
    _limit("padding", value, *rows, *columns)
    return rows, columns


def _side_by_side(value: Any) -> Sizes:
    if array_like.is_sequence(value) and len(value) != 2:
        raise ValueError(f"`padding` of an axis must be one integer or (before, after); got {show(value)}.")
    before, after = scalars.integers("padding", value, 2, 0)
    return before, after


def _limit(name: str, value: Any, *numbers: int) -> None:
    if max(numbers) > LARGEST_STEP:
        raise ValueError(f"`{name}` must be at most {LARGEST_STEP}; got {show(value)}.")


def pads(padding: Pads | None, size: Sizes, span: Sizes, stride: Sizes) -> Pads:
    """The padding of an image of `size` for a kernel that reaches over `span` pixels."""
    if padding is not None:
        return padding
    # TensorFlow's rule: ceil(size / stride) results, and an odd pixel goes behind.
    totals = [max((-(-n // step) - 1) * step + reach - n, 0) for n, reach, step in zip(size, span, stride, strict=True)]
    rows, columns = ((total // 2, total - total // 2) for total in totals)
    return rows, columns


# ---- kernels


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSpec:
    """What a layer computes of any image: a `dense` kernel, or a `depthwise` one, or `depthwise` and `matrix`."""

    place: Geometry
    names: dict[str, tuple[int, ...]]  # of the caller's kernels, with their shapes
    size: Sizes  # (kh, kw)
    channels: int | None  # C; None where C*M is known and the image settles C
    results: int  # F, the channels of the result
    depthwise: Array | None = None  # (kh, kw, C*M)
    matrix: Array | None = None  # (C*M, F)
    dense: Array | None = None  # (kh, kw, C, F)
    depthwise_bias: Array | None = None
    bias: Array | None
    depthwise_clip: Range = UNCLIPPED
    clip: Range
    dtype: DType | None  # that the kernels ask for; None if they are integers

    def takes(self, channels: int) -> bool:
        """Whether this is a possible number of channels of the image."""
        if self.channels is not None or self.depthwise is None:
            return channels == self.channels
        return channels > 0 and self.depthwise.shape[2] % channels == 0

    def owned(self) -> LayerSpec:
        """The same with arrays of its own, which nobody can change."""
        arrays = {name: getattr(self, name) for name in ("depthwise", "matrix", "dense", "depthwise_bias", "bias")}
        return replace(self, **{name: value.copy() for name, value in arrays.items() if value is not None})

    @property
    def depthwise_only(self) -> bool:
        """Whether no mix of the channels follows."""
        return self.depthwise is not None and self.matrix is None

    @property
    def depth(self) -> int:
        """Products in each value of the mix of the channels: rows of its matrix; 0 if there is none."""
        if self.dense is not None:
            return math.prod(self.dense.shape[:3])
        return 0 if self.matrix is None else len(self.matrix)

    @property
    def multiplications(self) -> int:
        """For each pixel of the result."""
        return (0 if self.depthwise is None else self.depthwise.size) + self.depth * self.results


# The options that a `LayerSpec` is made of after kernels and biases: `where` is what `geometry` takes.


def dense(kernel: Any, bias: Any, activation: Any, *where: Any) -> LayerSpec:
    """Every channel of the image goes into every channel of the result."""
    place = geometry(*where)
    array = _kernel("kernel", kernel, {4: "(F, C, kh, kw)" if place.channels_first else "(kh, kw, C, F)"})
    return _dense(array, array.transpose(2, 3, 1, 0) if place.channels_first else array, bias, activation, place)


def pointwise(kernel: Any, bias: Any, activation: Any, stride: Any, data_format: Any) -> LayerSpec:
    """The same with a kernel of one pixel."""
    place = geometry(stride, "valid", 1, "constant", 0.0, data_format)
    array, matrix = _matrix("kernel", kernel, "C", place)
    return _dense(array, matrix[None, None], bias, activation, place)


def _dense(array: Array, values: Array, bias: Any, activation: Any, place: Geometry) -> LayerSpec:
    height, width, channels, results = values.shape
    return LayerSpec(
        place=place,
        names={"kernel": array.shape},
        size=(height, width),
        channels=channels,
        results=results,
        dense=values,
        bias=_bias("bias", bias, results, "kernel", array),
        clip=clip("activation", activation),
        dtype=float_dtype(array),
    )


def depthwise(kernel: Any, bias: Any, activation: Any, *where: Any) -> LayerSpec:
    """Every channel of the image goes into M channels of the result."""
    place = geometry(*where)
    array, values, channels = _depthwise("kernel", kernel, place)
    height, width, results = values.shape
    return LayerSpec(
        place=place,
        names={"kernel": array.shape},
        size=(height, width),
        channels=channels,
        results=results,
        depthwise=values,
        bias=_bias("bias", bias, results, "kernel", array),
        clip=clip("activation", activation),
        dtype=float_dtype(array),
    )


def separable(
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    depthwise_bias: Any,
    bias: Any,
    depthwise_activation: Any,
    activation: Any,
    *where: Any,
) -> LayerSpec:
    """Every channel by itself, then all of them into every channel of the result."""
    place = geometry(*where)
    first, values, channels = _depthwise("depthwise_kernel", depthwise_kernel, place)
    second, matrix = _matrix("pointwise_kernel", pointwise_kernel, "C*M", place)
    height, width, between = values.shape
    if matrix.shape[0] != between:
        raise ValueError(
            f"`pointwise_kernel` must be {_matrix_layouts(str(between), place)} for `depthwise_kernel` {first.shape};"
            f" got shape {second.shape}."
        )
    return LayerSpec(
        place=place,
        names={"depthwise_kernel": first.shape, "pointwise_kernel": second.shape},
        size=(height, width),
        channels=channels,
        results=matrix.shape[1],
        depthwise=values,
        matrix=matrix,
        depthwise_bias=_bias("depthwise_bias", depthwise_bias, between, "depthwise_kernel", first),
        bias=_bias("bias", bias, matrix.shape[1], "pointwise_kernel", second),
        depthwise_clip=clip("depthwise_activation", depthwise_activation),
        clip=clip("activation", activation),
        dtype=float_dtype(first, second),
    )


def _depthwise(name: str, value: Any, place: Geometry) -> tuple[Array, Array, int | None]:
    """A depthwise kernel as it came and as (kh, kw, C*M), and C if that is known."""
    if place.channels_first:
        array = _kernel(name, value, {4: "(C*M, 1, kh, kw)"})
        if array.shape[1] != 1:
            raise ValueError(f"`{name}` must be (C*M, 1, kh, kw); got shape {array.shape}.")
        return array, array[:, 0].transpose(1, 2, 0), None
    array = _kernel(name, value, {3: "(kh, kw, C)", 4: "(kh, kw, C, M)"})
    return array, array.reshape(*array.shape[:2], -1), array.shape[2]


def _matrix(name: str, value: Any, channels: str, place: Geometry) -> tuple[Array, Array]:
    """A pointwise kernel as it came and as (C*M, F); `channels` is what messages call C*M."""
    layouts = _matrix_layouts(channels, place)
    array = _kernel(name, value, {2: layouts, 4: layouts})
    matrix = array
    if array.ndim == 4:
        matrix = array[..., 0, 0] if place.channels_first else array[0, 0]
        if matrix.size != array.size:
            raise ValueError(f"`{name}` must be {layouts}; got shape {array.shape}.")
    return array, matrix.T if place.channels_first else matrix


def _matrix_layouts(channels: str, place: Geometry) -> str:
    if place.channels_first:
        return f"(F, {channels}) or (F, {channels}, 1, 1)"
    return f"({channels}, F) or (1, 1, {channels}, F)"


def _kernel(name: str, value: Any, layouts: dict[int, str]) -> Array:
    """An array with one of the numbers of axes in `layouts`, none of them of length 0."""
    array = array_like.real_array(name, value)
    if array.ndim not in layouts:
        hint = ""
        if array.ndim == 0:  # as Keras and torch have it
            hint = " It is the weights themselves, not how many there are."
        elif array.ndim == 2 and min(layouts) > 2:  # layouts of three axes and more have rows and columns
            hint = " With a single 2-D kernel use `correlate`."
        raise ValueError(
            f"`{name}` must be {' or '.join(dict.fromkeys(layouts.values()))}; got shape {array.shape}.{hint}"
        )
    if 0 in array.shape:
        raise ValueError(f"`{name}` must have no axis of length 0; got shape {array.shape}.")
    return array


def _bias(name: str, value: Any, count: int, kernel: str, array: Array) -> Array | None:
    if value is None:
        return None
    bias = array_like.real_array(name, value)
    if bias.shape != (count,):
        raise ValueError(f"`{name}` must have shape ({count},) for `{kernel}` {array.shape}; got shape {bias.shape}.")
    return bias


def clip(name: str, value: Any) -> Range:
    """The range that an activation leaves."""
    if value is None:
        return UNCLIPPED
    if isinstance(value, str) and value in ACTIVATIONS:
        return ACTIVATIONS[value]
    if not array_like.is_sequence(value) or len(value) != 2:
        raise ValueError(_no_activation(name, value))
    try:
        low, high = (scalars.number(name, item) for item in value)
    except TypeError:
        raise TypeError(_no_activation(name, value)) from None
    if not low <= high:
        raise ValueError(f"`{name}` must be (low, high) with low <= high and no NaN; got {show(value)}.")
    return low, high


def _no_activation(name: str, value: Any) -> str:
    return f"`{name}` must be None, 'relu', 'relu6' or (low, high), two numbers; got {show(value)}."


def activation_of(limits: Range) -> str | Range | None:
    """What `clip` takes for this range, a name if it has one."""
    if limits == UNCLIPPED:
        return None
    return next((name for name, value in ACTIVATIONS.items() if value == limits), limits)


# ---- dtypes


def float_dtype(*kernels: Array) -> DType | None:
    """What the float dtypes among the kernels' promote to, float16 counting as float32."""
    sizes = [kernel.dtype.itemsize for kernel in kernels if kernel.dtype.kind == "f"]
    return None if not sizes else FLOAT32 if max(sizes) <= 4 else FLOAT64


def arithmetic_dtype(kernels: DType | None, image: DType) -> DType:
    """Dtype of the arithmetic and the result."""
    narrow = image.kind == "f" and image.itemsize <= 4
    if kernels is None:
        return FLOAT32 if narrow else FLOAT64
    return FLOAT64 if image.kind == "f" and not narrow else kernels


def source_dtype(image: DType, arithmetic: DType) -> DType:
    """What the engine reads: bytes and 16-bit words as they are, all else in the arithmetic's dtype."""
    native = np.dtype(np.uint8) if image.kind == "b" else image.newbyteorder("=")
    return native if native in (np.uint8, np.uint16) else arithmetic


# ---- the image


def as_images(x: Any) -> Array:
    """One image or a batch as a plain array of a real dtype. A list of images with channels is a batch."""
    if type(x) is not np.ndarray:
        from fastsep._validation.borrowing import taken  # for arrays of other packages alone

        x = taken("x", x)
    array_like.one_image("x", x, True)
    return array_like.real_image("x", x)


@dataclass(frozen=True, slots=True)
class LayerImage:
    """Images of one shape and dtype, and what a layer makes of them."""

    source_shape: tuple[int, int, int, int]  # (N, H, W, C), as the engine reads them
    source: DType  # that the engine reads
    dtype: DType  # of arithmetic and result
    result_shape: tuple[int, int, int, int]  # (N, OH, OW, F), as the engine writes it
    shape: tuple[int, ...]  # of the result, as the caller gets it
    stride: Sizes  # at most the padded image
    pads: Pads
    blank: bool  # there is no pixel: one of the border stands for the image

    @property
    def channels(self) -> int:
        return self.source_shape[3]


def image_of(spec: LayerSpec, shape: tuple[int, ...], dtype: DType) -> LayerImage:
    """Check the shape of the image against the kernels."""
    place = spec.place
    batch, size, channels = _image_axes(spec, shape)
    rows, columns = ((k - 1) * d + 1 for k, d in zip(spec.size, place.dilation, strict=True))
    around = pads(place.padding, size, (rows, columns), place.stride)
    if 0 in size and (place.mode != "constant" or place.padding is None):
        raise ValueError(
            f"`x` must have pixels, unless `padding` is numbers and `mode` is 'constant'; got shape {shape}."
        )
    height, width = (n + before + after for n, (before, after) in zip(size, around, strict=True))
    if height < rows or width < columns:
        name, kernel = next(iter(spec.names.items()))
        raise ValueError(
            f"`{name}` {kernel} must not be larger than the padded image: it reaches over {rows} x {columns} pixels;"
            f" got {height} x {width} of `x` {shape}."
        )
    if height * width > LARGEST_IMAGE:
        raise ValueError(
            f"`x` must have at most {LARGEST_IMAGE} pixels with its padding; got shape {shape},"
            f" padded to {height} x {width}."
        )
    down, across = (height - rows) // place.stride[0] + 1, (width - columns) // place.stride[1] + 1
    result: tuple[int, ...] = (spec.results, down, across) if place.channels_first else (down, across, spec.results)
    result = result if len(shape) == 3 else (batch, *result)
    # The engine's memory grows with it.
    stride = min(place.stride[0], height), min(place.stride[1], width)

    arithmetic = arithmetic_dtype(spec.dtype, dtype)
    source = source_dtype(dtype, arithmetic)
    if place.mode == "constant" and around != ((0, 0), (0, 0)):
        source = dtypes.border_dtype(source, arithmetic, place.cval)
    around = _grown(around[0], size[0]), _grown(around[1], size[1])
    read, written = (batch, max(size[0], 1), max(size[1], 1), channels), (batch, down, across, spec.results)
    return LayerImage(read, source, arithmetic, written, result, stride, around, 0 in size)


def _grown(sides: Sizes, length: int) -> Sizes:
    """The padding that is left when one border pixel stands for the pixels of an empty axis."""
    if length:
        return sides
    return (sides[0] - 1, sides[1]) if sides[0] else (0, sides[1] - 1)


def _image_axes(spec: LayerSpec, shape: tuple[int, ...]) -> tuple[int, Sizes, int]:
    """(N, (H, W), C) of an image."""
    first = spec.place.channels_first
    if len(shape) in (3, 4):
        batch = shape[0] if len(shape) == 4 else 1
        channels, height, width = shape[-3:] if first else (shape[-1], *shape[-3:-1])
        if spec.takes(channels):
            return batch, (height, width), channels
    name, kernel = next(iter(spec.names.items()))
    expected = "C" if spec.channels is None else str(spec.channels)
    multiple = f" with {kernel[0]} a multiple of C" if spec.channels is None else ""
    hint = ""
    if len(shape) == 2 and spec.takes(1):
        hint = f" A grey image needs its axis: `x[{'None' if first else '..., None'}]`."
    raise ValueError(
        f"`x` must be {_layouts(expected, first)}{multiple} for `{name}` {kernel}; got shape {shape}.{hint}"
    )


def _layouts(channels: str, first: bool) -> str:
    pixel = f"{channels}, H, W" if first else f"H, W, {channels}"
    return f"({pixel}) or (N, {pixel})"


def lengths(shape: Any, place: Geometry) -> tuple[int, ...]:
    """A checked shape that comes without an image."""
    try:
        if not array_like.is_sequence(shape):
            raise TypeError
        return tuple(scalars.integer("shape", length, 0) for length in shape)
    except TypeError:
        raise TypeError(
            f"`shape` must be {_layouts('C', place.channels_first)}, whole numbers; got {show(shape)}."
        ) from None


def check_out(out: Any, shape: tuple[int, ...], dtype: DType) -> None:
    """Refuse what the result cannot be written into."""
    _arrays.check_writeable(out)
    if out.shape != shape:
        raise ValueError(f"`out` must have the result's shape {shape}; got {out.shape}.")
    if out.dtype.newbyteorder("=") != dtype:
        raise ValueError(f"`out` must have the result's dtype {dtype}; got {out.dtype}.")
