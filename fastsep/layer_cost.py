"""What a convolution costs in each of its forms, counted and not measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from fastsep._plan import convolution
from fastsep._plan.convolution import Pads, Sizes
from fastsep._validation import array_like, scalars

__all__ = ["ConvCost", "conv_cost"]


def __dir__() -> list[str]:
    return __all__


Padding: TypeAlias = str | int | Sequence[int] | Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class Form:
    """One form of a convolution: what it takes, and how many times that the standard form takes."""

    multiplications: int
    weights: int  # biases not counted
    ratio: float  # standard / this form: of multiplications and of weights, which is the same number


@dataclass(frozen=True, slots=True)
class ConvCost:
    """Multiplications and weights of the four forms of one convolution; printed, a table.

    `depthwise` and `pointwise` are the two stages of `separable`, which is their sum.
    """

    input_shape: tuple[int, int, int]  # (H, W, C)
    output_shape: tuple[int, int, int]  # (OH, OW, F)
    kernel_size: tuple[int, int]
    depth_multiplier: int
    standard: Form
    depthwise: Form
    pointwise: Form
    separable: Form

    def __str__(self) -> str:
        head = f"{_size(self.input_shape)} -> {_size(self.output_shape)}, kernel {_size(self.kernel_size)}"
        if self.depth_multiplier > 1:
            head += f", depth multiplier {self.depth_multiplier}"
        rows = [("", "multiplications", "weights", "standard / this")]
        for name in ("standard", "depthwise", "pointwise", "separable"):
            form = getattr(self, name)
            rows.append((name, f"{form.multiplications:,}", f"{form.weights:,}", f"{form.ratio:.2f}"))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [head]
        for name, *counts in rows:
            cells = [f"{text:>{width}}" for text, width in zip(counts, widths[1:], strict=True)]
            lines.append("  ".join([f"{name:{widths[0]}}", *cells]))
        return "\n".join(lines)


def conv_cost(
    input_shape: Sequence[int],
    kernel_size: int | Sequence[int],
    filters: int,
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = "valid",
    dilation: int | Sequence[int] = 1,
    depth_multiplier: int = 1,
) -> ConvCost:
    """Count multiplications and weights of a convolution: standard, depthwise, pointwise, separable.

    For an image (H, W, C), a result (OH, OW, F), a kernel of kh x kw and a depth multiplier M:

    ========== ========================= ============= ==================
    form       multiplications / (OH OW) weights       standard / this
    ========== ========================= ============= ==================
    standard   kh kw C F                 kh kw C F     1
    depthwise  kh kw C M                 kh kw C M     F / M
    pointwise  C M F                     C M F         kh kw / M
    separable  C M (kh kw + F)           likewise      1 / (M / F + M / (kh kw))
    ========== ========================= ============= ==================

    Every weight is used once for every pixel of the result, so that the ratio of multiplications is
    that of weights. Products with padding count like any other. Biases do not count. The stride is
    the depthwise stage's, and the pointwise stage sees its result.

    Parameters
    ----------
    input_shape : (H, W, C)
    kernel_size : int or (kh, kw)
    filters : int
        F, the number of channels of the result.
    stride, dilation : int or (y, x)
    padding : "valid", "same", int, (py, px) or ((top, bottom), (left, right))
        As in `fastsep.layers`.
    depth_multiplier : int
        M, the number of results of the depthwise stage for each channel of the image.

    Returns
    -------
    ConvCost
        Prints as a table. Fields `standard`, `depthwise`, `pointwise`, `separable`, each with
        `multiplications`, `weights` and `ratio`; and `output_shape`.

    Raises
    ------
    ValueError
        For a size below one, a wrong number of sizes, an unknown padding, or a kernel larger than
        the padded image.
    TypeError
        For a size that is not an integer.

    References
    ----------
    Howard et al., "MobileNets" (2017), section 3.1.

    Examples
    --------
    >>> import fastsep
    >>> print(fastsep.conv_cost((12, 12, 3), 5, 256))
    12 x 12 x 3 -> 8 x 8 x 256, kernel 5 x 5
               multiplications  weights  standard / this
    standard         1,228,800   19,200             1.00
    depthwise            4,800       75           256.00
    pointwise           49,152      768            25.00
    separable           53,952      843            22.78
    """
    shape = _shape(input_shape)
    kernel = convolution.steps("kernel_size", kernel_size)
    filters = scalars.integer("filters", filters, 1)
    multiplier = scalars.integer("depth_multiplier", depth_multiplier, 1)
    strides, dilations = convolution.steps("stride", stride), convolution.steps("dilation", dilation)
    result = _output_shape(shape, kernel, filters, strides, dilations, convolution.paddings(padding))

    taps, between = kernel[0] * kernel[1], shape[2] * multiplier
    weights = {
        "standard": taps * shape[2] * filters,
        "depthwise": taps * between,
        "pointwise": between * filters,
        "separable": between * (taps + filters),
    }
    pixels, standard = result[0] * result[1], weights["standard"]
    forms = {name: Form(pixels * count, count, standard / count) for name, count in weights.items()}
    return ConvCost(shape, result, kernel, multiplier, **forms)


def _size(numbers: Sequence[int]) -> str:
    return " x ".join(map(str, numbers))


def _shape(value: Any) -> tuple[int, int, int]:
    if not array_like.is_sequence(value) or len(value) != 3:
        raise ValueError(f"`input_shape` must be (H, W, C); got {array_like.show(value)}.")
    height, width, channels = scalars.integers("input_shape", value, 3, 1)
    return height, width, channels


def _output_shape(
    shape: tuple[int, int, int], kernel: Sizes, filters: int, strides: Sizes, dilations: Sizes, around: Pads | None
) -> tuple[int, int, int]:
    size = shape[:2]
    rows, columns = ((k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True))
    pads = convolution.pads(around, size, (rows, columns), strides)
    height, width = (n + before + after for n, (before, after) in zip(size, pads, strict=True))
    if height < rows or width < columns:
        raise ValueError(
            f"`kernel_size` {kernel} must not be larger than the padded image: it reaches over {rows} x {columns}"
            f" pixels; got {height} x {width} of `input_shape` {shape}."
        )
    return (height - rows) // strides[0] + 1, (width - columns) // strides[1] + 1, filters
