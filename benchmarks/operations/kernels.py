"""Kernels of one's own: correlation with one or with a bank, and what is found out about kernels.

Where no pixels are needed the image is ignored.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import numpy as np

import fastsep
from benchmarks._contest import Contest, Entry, Work, operation
from benchmarks._libraries import OURS
from benchmarks._timing import Array, Call
from benchmarks.operations._peers import (
    FLOAT32,
    FLOAT64,
    REFLECT,
    allowed,
    as_levels,
    contest,
    diplib,
    in_turn,
    named,
    ours,
    peer,
    pillow,
)  # fmt: skip

SCIPY_LARGEST = 21  # pixels: a whole frame takes SciPy 2 s with such a kernel, and 5 s with one of 31
PILLOW_SIZES = (3, 5)
BANK_SIZE, BANK_ERROR = 31, 1e-3
SINGULAR = "singular values of the whole matrix, and no more"


def any_kernel(size: int) -> Array:
    kernel: Array = np.random.default_rng(size).random((size, size))
    kernel /= kernel.sum()
    return kernel


def of_rank(size: int, rank: int, symmetric: bool = False) -> Array:
    """Sum of products of lines; symmetric ones are even, as the terms of a Gabor filter are."""
    lines = np.random.default_rng(rank).random((2, rank, size)) + 0.1
    if symmetric:
        lines = lines + lines[..., ::-1]
    kernel: Array = np.einsum("ri,rj->ij", *lines)
    kernel /= kernel.sum()
    return kernel


@operation
def correlate(x: Array, *, size: int, rank: int = 0, symmetric: bool = False) -> Contest:
    """A grey image; rank 0 is any kernel. Result in the image's own dtype."""
    kernel = of_rank(size, rank, symmetric) if rank else any_kernel(size)
    note = "takes the kernel as it is, and is not told its lines" if rank == 1 else ""
    return filtered("correlate", x, kernel, kernel, note)


@operation
def convolve(x: Array, *, size: int) -> Contest:
    kernel = any_kernel(size)
    return filtered("convolve", x, kernel, kernel[::-1, ::-1].copy())


def filtered(name: str, x: Array, kernel: Array, correlated: Array, note: str = "") -> Contest:
    """`correlated` is the kernel for those who correlate: OpenCV and Pillow. DIPlib convolves."""
    size, taps = len(kernel), correlated.astype(np.float32)

    def convolution(dip: Any) -> Call:
        # In float32, as the image: what it transforms would else be float64.
        return diplib(x, "Convolution", dip.Image(taps[::-1, ::-1].copy()))(dip)

    opencv = named("filter2D", x, -1, taps, np.empty_like(x), (-1, -1), 0, REFLECT)
    peers = [peer("OpenCV", opencv, allowed(x, 1), note=note)]
    if size <= SCIPY_LARGEST:
        scipy = named(name, x, kernel, output=np.empty_like(x), mode="reflect")
        peers.append(peer("SciPy", scipy, allowed(x, 1), note=note))  # cuts off the fraction
    if size <= min(x.shape):  # it refuses a kernel larger than the image
        peers.append(peer("DIPlib", convolution, allowed(x, 1), margin=size // 2, **{"note": note} | as_levels(x)))
    if x.dtype == np.uint8 and size in PILLOW_SIZES:
        upside_down = correlated[::-1].ravel().tolist()  # its first row is that of the pixels below
        # It copies the pixels of the border.
        peers.append(peer("Pillow", pillow(x, "Kernel", (size, size), upside_down, 1), 1, margin=size // 2))
    return contest(getattr(fastsep, name), x, kernel, mode="reflect", dtype=x.dtype, peers=peers)


# ---- a bank of kernels


def gabor_bank(size: int, gamma: float) -> Array:
    """24 even Gabor filters of mean zero: 8 orientations, 3 scales; absolute values sum to 1."""
    y, x = np.mgrid[-(size // 2) : size // 2 + 1, -(size // 2) : size // 2 + 1]
    kernels = []
    for sigma in (2.0, 3.0, 4.5):
        for angle in np.arange(8) * np.pi / 8:
            u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
            kernel = np.exp(-(u**2 + (gamma * v) ** 2) / (2 * sigma**2)) * np.cos(np.pi * u / sigma)
            kernel -= kernel.mean()
            kernels.append(kernel / np.abs(kernel).sum())
    return np.array(kernels)


@cache
def bank_parts(gamma: float) -> fastsep.BankFactorization:
    """Found when they are needed, which takes seconds: cases are also set up to be listed."""
    return fastsep.factorize_bank(gabor_bank(BANK_SIZE, gamma), tol=BANK_ERROR)


@operation
def correlate_bank(x: Array, *, gamma: float) -> Contest:
    """A grey float image, within 1e-3 of its range; OpenCV filters with one kernel after the other."""
    kernels = gabor_bank(BANK_SIZE, gamma)

    def start(threads: int) -> Call:
        out = np.empty((*x.shape, len(kernels)), x.dtype)
        return partial(fastsep.correlate_bank, x, bank_parts(gamma), method="separable", out=out, workers=threads)

    def work() -> Work:
        multiplications = fastsep.explain(
            fastsep.correlate_bank, x, bank_parts(gamma), method="separable"
        ).multiplications
        return Work(x.nbytes * (1 + len(kernels)), (multiplications or 0) * x.size)

    results = np.empty((len(kernels), *x.shape), x.dtype)
    pairs = zip(kernels.astype(x.dtype), results, strict=True)
    opencv = in_turn(
        *(named("filter2D", x, -1, kernel, out, (-1, -1), 0, REFLECT) for kernel, out in pairs),
        result=np.moveaxis(results, 0, -1),
    )
    one_by_one = peer("OpenCV", opencv, BANK_ERROR, note="one call a kernel")
    return Contest((Entry(OURS, start), one_by_one), work)


# ---- about kernels


def dense(parts: Any) -> Array:
    """The kernel that the parts add up to."""
    kernel: Array = parts.dense()
    return kernel


def product(parts: Any) -> Array:
    """The matrix, or matrices, of a singular value decomposition."""
    left, values, right = parts
    matrix: Array = (left * values[..., None, :]) @ right
    return matrix


@operation
def factorize(x: Array, *, size: int, rank: int) -> Contest:
    kernel = of_rank(size, rank)
    svd = peer("NumPy", named("linalg.svd", kernel), FLOAT64, view=product, note=SINGULAR)
    return Contest((ours(partial(fastsep.factorize, kernel), view=dense), svd))


@operation
def is_separable(x: Array, *, size: int) -> Contest:
    kernel = of_rank(size, 1)
    rank = peer("NumPy", named("linalg.matrix_rank", kernel), view=lambda rank: np.asarray(rank <= 1), note=SINGULAR)
    return Contest((ours(partial(fastsep.is_separable, kernel)), rank))


@operation
def factorize_bank(x: Array) -> Contest:
    return Contest((ours(partial(fastsep.factorize_bank, gabor_bank(BANK_SIZE, 1.0), tol=BANK_ERROR), view=dense),))


@operation
def factorize_conv(x: Array, *, size: int, channels: int, filters: int, rank: int) -> Contest:
    """A kernel of exactly this rank."""
    rng = np.random.default_rng(0)
    depthwise, pointwise = rng.random((size * size, channels, rank)), rng.random((channels, rank, filters))
    flat = np.einsum("pcm,cmf->pcf", depthwise, pointwise).astype(np.float32)
    kernel = flat.reshape(size, size, channels, filters)

    def rebuilt(result: Any) -> Array:
        return np.moveaxis(product(result), 0, 1).reshape(kernel.shape)

    svd = peer(
        "NumPy", named("linalg.svd", np.moveaxis(flat, 1, 0), full_matrices=False),
        4 * rank * FLOAT32,  # elements are sums of `rank` products of numbers up to 1
        view=rebuilt, note=f"{SINGULAR}, in float32",
    )  # fmt: skip
    return Contest((ours(partial(fastsep.factorize_conv, kernel, rank), view=dense), svd))


@operation
def conv_cost(x: Array, *, filters: int, size: int) -> Contest:
    """For a layer on an image like this one."""
    call = partial(fastsep.conv_cost, x.shape, size, filters)
    return Contest((ours(call, view=lambda cost: np.asarray(cost.standard.multiplications)),))


@operation
def explain(x: Array, *, sigma: float) -> Contest:
    """What `gaussian` would do with the image."""
    call = partial(fastsep.explain, fastsep.gaussian, x, sigma)
    return Contest((ours(call, view=lambda plan: np.asarray(plan.multiplications)),))
