"""Kernels of convolution layers as sums of depthwise-separable ones. NumPy only, no pixels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from fastsep._plan import convolution
from fastsep._validation import array_like, filter_kernels, scalars
from fastsep._validation.array_like import Array, DType

__all__ = ["ConvFactorization", "factorize_conv"]


def __dir__() -> list[str]:
    return __all__


# Singular values below this part of the largest, times the longer side, are rounding.
_ROUNDING = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True, eq=False)
class ConvFactorization:
    """A dense kernel as a sum of depthwise-separable ones; printed, what it costs and how far it is off.

    Attributes
    ----------
    depthwise_kernel : (kh, kw, C, rank) ndarray
    pointwise_kernel : (C * rank, F) ndarray
        To be passed to `separable_conv2d` and `SeparableConv2D` as they are.
    rank : int
        Number of terms, which is the depth multiplier.
    error : float
        Largest sum of absolute differences from the kernel over one filter: no value of the result
        is off by more than `error` times the largest absolute value in the padded image (rounding
        of the convolution apart), and some image reaches it.
    relative_error : float
        Frobenius norm of the difference over that of the kernel. For an image of white noise with
        mean zero it is the root-mean-square error over the root-mean-square of the result.
    singular_values : (C, min(kh * kw, F)) ndarray, float64
        Of every channel's matrix (kh * kw, F), largest first: where they fall off is a good rank.
    """

    depthwise_kernel: Array = field(repr=False)
    pointwise_kernel: Array = field(repr=False)
    rank: int
    error: float
    relative_error: float
    singular_values: Array = field(repr=False)

    @property
    def full_rank(self) -> int:
        """The rank at which every kernel of this shape is rebuilt to rounding."""
        return int(self.singular_values.shape[1])

    @property
    def multiplications(self) -> int:
        """Multiplications for a pixel of the result, all its filters: C rank (kh kw + F)."""
        return self.depthwise_kernel.size + self.pointwise_kernel.size

    @property
    def dense_multiplications(self) -> int:
        """What the dense kernel takes for a pixel: kh kw C F."""
        kh, kw, channels, _ = self.depthwise_kernel.shape
        return int(kh * kw * channels * self.pointwise_kernel.shape[1])

    @np.errstate(all="ignore")
    def dense(self) -> Array:
        """The kernel (kh, kw, C, F) that the factors amount to, in their dtype, summed in float64."""
        kernel = _rebuilt(self.depthwise_kernel, self.pointwise_kernel)
        return kernel.astype(self.depthwise_kernel.dtype, copy=False)

    def __str__(self) -> str:
        kh, kw, channels, _ = self.depthwise_kernel.shape
        ratio = self.dense_multiplications / self.multiplications
        return (
            f"kernel {kh} x {kw} x {channels} -> {self.pointwise_kernel.shape[1]}:"
            f" rank {self.rank} of {self.full_rank}, relative error {self.relative_error:.1e};"
            f" {self.multiplications:,} multiplications a pixel, dense {self.dense_multiplications:,} ({ratio:.2f}x)"
        )


@np.errstate(all="ignore")
def factorize_conv(kernel: npt.ArrayLike, rank: int | None = None, *, tol: float | None = None) -> ConvFactorization:
    """Write a dense (standard) convolution kernel as a sum of `rank` depthwise-separable ones.

    kernel[i, j, c, f] = sum over m of depthwise[i, j, c, m] * pointwise[c * rank + m, f]

    For every channel c the matrix (kh * kw, F) is cut after `rank` singular values, which for every
    rank gives the smallest Frobenius norm of the difference. The root of a singular value goes to
    each of the two factors: of all ways to share it this one has the smallest sum of squares, so
    that neither factor overflows or vanishes in float32 where the kernel does not. The largest tap
    of every depthwise kernel is positive, which settles the signs.

    It pays where rank < kh kw F / (kh kw + F), which is nearly kh kw for many filters, and where
    the singular values fall off; a kernel of random numbers has no good approximation.

    Parameters
    ----------
    kernel : (kh, kw, C, F) array_like
        Real and finite. PyTorch's (F, C, kh, kw) is brought to this layout by
        `kernel.transpose(2, 3, 1, 0)`.
    rank : int, optional
        Number of terms, 1 to min(kh * kw, F). Default: all of them, which is exact to rounding.
    tol : float, optional
        Instead of `rank`: the smallest rank whose relative error in the Frobenius norm is at most
        this, rounding apart.

    Returns
    -------
    ConvFactorization
        With `depthwise_kernel`, `pointwise_kernel`, `rank`, `error`, `relative_error`,
        `multiplications`, `singular_values` and `dense()`. Kernels are float32 for a float16 or
        float32 kernel, else float64; the decomposition is computed in float64.

    Raises
    ------
    ValueError
        For a kernel that has not four dimensions, is empty, complex or not finite; a rank out of
        range; a negative `tol`; `rank` and `tol` together.
    TypeError
        For a rank that is not an integer, a `tol` that is not a number.

    References
    ----------
    Eckart and Young, "The approximation of one matrix by another of lower rank" (1936); Guo et al.,
    "Network Decoupling" (2018), for convolutions.

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> rng = np.random.default_rng(0)
    >>> two = rng.random((3, 3, 1, 2)) @ rng.random((2, 64))  # 64 mixtures of two kernels
    >>> parts = fastsep.factorize_conv(two, tol=1e-9)
    >>> parts.rank, parts.multiplications, parts.dense_multiplications
    (2, 146, 576)
    >>> bool(np.abs(parts.dense() - two).max() < 1e-12)
    True
    """
    exact, dtype = _kernel(kernel)
    kh, kw, channels, filters = exact.shape
    full = min(kh * kw, filters)
    terms, bound = scalars.rank_or_tol(rank, tol)
    if terms is not None and terms > full:
        raise ValueError(
            f"`rank` must be at most min(kh * kw, F), which is {full} for `kernel` {exact.shape}; got {terms}."
        )

    # Near 1 the squares of any finite kernel stay finite and above zero; a power of two costs no bit.
    unit = np.ldexp(1.0, int(np.frexp(np.abs(exact).max())[1]) - 1)
    matrices = np.moveaxis(exact / unit, 2, 0).reshape(channels, kh * kw, filters)
    left, singular, right = np.linalg.svd(matrices, full_matrices=False)  # (C, taps, full) (C, full) (C, full, F)
    if terms is None:
        terms = full if bound is None else _smallest_rank(singular, max(bound, _ROUNDING * max(kh * kw, filters)))

    root = np.sqrt(singular[:, :terms]) * np.sqrt(unit)
    taps = left[:, :, :terms]
    largest = np.take_along_axis(taps, np.abs(taps).argmax(axis=1)[:, None], axis=1)[:, 0]  # (C, terms)
    sign = np.where(largest < 0, -1.0, 1.0)

    depthwise = np.moveaxis(taps * (sign * root)[:, None], 0, 1).reshape(kh, kw, channels, terms)
    pointwise = (right[:, :terms] * (sign * root)[..., None]).reshape(channels * terms, filters)
    depthwise, pointwise = depthwise.astype(dtype, order="C"), pointwise.astype(dtype, order="C")

    difference = (_rebuilt(depthwise, pointwise) - exact) / unit
    return ConvFactorization(
        depthwise,
        pointwise,
        terms,
        float(np.abs(difference).sum(axis=(0, 1, 2)).max() * unit),
        float(np.linalg.norm(difference) / (np.linalg.norm(exact / unit) or 1.0)),
        singular * unit,
    )


def _smallest_rank(singular: Array, bound: float) -> int:
    # From the smallest up, so that a small rest is not lost in a large sum.
    rest = np.sqrt(np.cumsum((singular**2).sum(axis=0)[::-1])[::-1])  # of cutting before term 0, 1, ...
    kept = np.append(rest[1:], 0.0) <= bound * rest[0]
    return int(kept.argmax()) + 1


def _rebuilt(depthwise: Array, pointwise: Array) -> Array:
    kh, kw, channels, terms = depthwise.shape
    taps = np.moveaxis(depthwise.astype(np.float64), 2, 0).reshape(channels, kh * kw, terms)
    mix = pointwise.astype(np.float64).reshape(channels, terms, -1)
    return np.moveaxis((taps @ mix).reshape(channels, kh, kw, -1), 0, 2)


def _kernel(kernel: Any) -> tuple[Array, DType]:
    """In float64, and the dtype of its factors."""
    array = array_like.real_array("kernel", kernel)
    if array.ndim != 4 or not array.size:
        raise ValueError(f"`kernel` must be (kh, kw, C, F), none of them zero; got shape {array.shape}.")
    return filter_kernels.finite_float64("kernel", array), convolution.float_dtype(array) or convolution.FLOAT64
