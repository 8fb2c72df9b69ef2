"""The table of cases: operation, shape, dtype, parameters. What an operation does is in `operations`."""

from __future__ import annotations

from benchmarks._timing import Array

# isort: split

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from benchmarks._contest import FULL_HD, UHD, Case, is_rgb, random_image
from benchmarks.operations.derivatives import by_operator
from benchmarks.operations.edges import photograph
from benchmarks.operations.layers import EFFICIENTNET, LARGE, MOBILENET, REPLACED, RGB_LAYERS, TINY
from fastsep._cli.pictures import picture as _pictures

SMALL, MEDIUM, HUGE = (64, 64), (512, 512), (8192, 8192)
SIZES = (SMALL, MEDIUM, FULL_HD, UHD, HUGE)
WIDE = (2160, 4096)  # rows of a power of two, which fall on the same lines of a cache
VOLUME = (256, 256, 256)
RGB = (*FULL_HD, 3)

#: Random pixels have no edges to speak of: these get a photograph.
PICTURED = {"canny", "apply_hysteresis_threshold", "corner_harris", "corner_shi_tomasi", "structure_tensor"}

#: What the short selection consists of: a case of every family, and of every kind of image.
QUICK = {
    "gaussian 64x64 float32 sigma=2",
    "gaussian 512x512 float32 sigma=2",
    "gaussian 1080x1920 float32 sigma=2",
    "gaussian 2160x3840 float32 sigma=2",
    "gaussian 2160x3840 float32 sigma=10",
    "gaussian 2160x3840 uint8 sigma=2",
    "gaussian 1080x1920x3 uint8 sigma=2",
    "box 2160x3840 float32 size=21",
    "unsharp_mask 2160x3840 float32 radius=2 amount=1",
    "sobel 2160x3840 float32",
    "sobel_default 2160x3840 uint8",
    "canny 2160x3840 uint8 sigma=1.4",
    "corner_harris 2160x3840 float32",
    "correlate 2160x3840 float32 size=7",
    "SeparableConv2D 56x56x128 float32 filters=128 size=3",
    "SeparableConv2D 1080x1920x3 float32 filters=16 size=5",
}


def row(operation: str, shape: tuple[int, ...] = UHD, dtype: str = "float32", **parameters: Any) -> Case:
    case = Case(operation, shape, dtype, parameters)
    return replace(case, quick=case.name in QUICK)


def smoothing() -> Iterator[Case]:
    for sigma in (0.5, 1, 2, 5, 10, 20, 40):
        yield row("gaussian", sigma=sigma)
    for shape in SIZES:
        if shape != UHD:
            yield row("gaussian", shape, sigma=2)
    yield row("gaussian", SMALL, sigma=1)
    yield row("gaussian", WIDE, sigma=10)
    yield row("gaussian", VOLUME, sigma=2)
    for dtype, sigmas in {"uint8": (1, 2, 5), "uint16": (2,), "float64": (2,)}.items():
        for sigma in sigmas:
            yield row("gaussian", dtype=dtype, sigma=sigma)
    for dtype in ("uint8", "float32"):
        yield row("gaussian", RGB, dtype, sigma=2)
    for sigma in (1, 2):
        yield row("gaussian_default", dtype="uint8", sigma=sigma)
    for size in (5, 21, 101):
        yield row("box", size=size)
    yield row("box", dtype="uint8", size=21)
    yield row("box", RGB, "uint8", size=21)
    yield row("difference_of_gaussians", low=1, high=4)
    for dtype in ("float32", "uint8"):
        yield row("unsharp_mask", dtype=dtype, radius=2, amount=1)
    yield row("unsharp_mask", RGB, "uint8", radius=2, amount=1)
    for length in (17, 81):
        yield row("separable_filter", length=length)


def derivatives() -> Iterator[Case]:
    for shape in SIZES:
        yield row("sobel", shape)
    yield row("sobel", dtype="float64")
    yield row("sobel", RGB)
    yield row("sobel_default", dtype="uint8")
    yield row("sobel_x_int16", dtype="uint8")
    for operation in by_operator():
        if operation != "sobel":
            yield row(operation)
    yield row("roberts")
    yield row("laplace")
    yield row("gaussian_gradient_magnitude", sigma=2)
    yield row("gaussian_laplace", sigma=2)
    yield row("gradient")
    for dtype in ("float32", "uint8"):
        yield row("smooth_gradient", dtype=dtype, sigma=1.5)


def edges() -> Iterator[Case]:
    yield row("canny", dtype="uint8", sigma=1.4)
    yield row("canny", dtype="uint8", sigma=1.4, arithmetic="float32")
    yield row("canny", sigma=1.4)
    yield row("apply_hysteresis_threshold")
    yield row("structure_tensor", sigma=1)
    yield row("hessian_matrix", sigma=1)
    yield row("corner_harris")
    yield row("corner_shi_tomasi")


def kernels() -> Iterator[Case]:
    for size in (3, 5, 7, 11, 21, 31, 63):
        yield row("correlate", size=size)
    for size in (3, 7):
        yield row("correlate", dtype="uint8", size=size)
    for size in (21, 31):
        yield row("correlate", size=size, rank=1)
    for rank in (2, 4):
        yield row("correlate", size=31, rank=rank)
    yield row("correlate", size=31, rank=4, symmetric=True)
    yield row("convolve", size=7)
    for gamma in (1.0, 0.5):
        yield row("correlate_bank", FULL_HD, gamma=gamma)
    yield row("factorize", SMALL, size=31, rank=4)
    yield row("is_separable", SMALL, size=31)
    yield row("factorize_bank", SMALL)
    yield row("factorize_conv", SMALL, size=3, channels=64, filters=64, rank=2)
    yield row("conv_cost", (56, 56, 128), filters=128, size=3)
    yield row("explain", sigma=2)


def layers() -> Iterator[Case]:
    for shape, parameters in (*MOBILENET, *EFFICIENTNET, *LARGE, *RGB_LAYERS, TINY):
        yield row("SeparableConv2D", shape, **parameters)
    for shape, parameters in RGB_LAYERS:
        yield row("SeparableConv2D", shape, "uint8", **parameters)
    yield row("mobilenet_v1", (224, 224, 3))
    for shape, parameters in (*MOBILENET, *EFFICIENTNET, *LARGE, *RGB_LAYERS, TINY):
        yield row("depthwise_conv2d", shape, **{name: value for name, value in parameters.items() if name != "filters"})
    yield row("DepthwiseConv2D", (56, 56, 128), size=3)
    yield row("separable_conv2d", (56, 56, 128), filters=128, size=3)
    yield row("pointwise_conv2d", (56, 56, 128), filters=128)
    yield row("conv2d", (56, 56, 64), filters=64, size=3)
    for shape, parameters in REPLACED:
        yield row("SeparableConv2D", shape, **parameters)
        yield row("Conv2D", shape, **parameters)


# Some layers differ by their filters alone, and are one depthwise case.
CASES = tuple({
    case.name: case for case in (*smoothing(), *derivatives(), *edges(), *kernels(), *layers())
}.values())  # fmt: skip


def image(case: Case) -> Array:
    if case.operation in PICTURED:
        return photograph(case.shape, case.dtype)
    return random_image(case.shape, case.dtype)


def tiny(case: Case) -> Case:
    """The same on an image that takes no time, to see whether everything runs."""
    return replace(case, shape=(*map(min, case.shape, (40, 48)), *case.shape[2:]), quick=False)


def on_picture(picture: Array) -> list[tuple[Case, Array]]:
    """The cases of whole frames, and the picture (rows, columns) or (rows, columns, 3) as each of them takes it.

    Cases in grey take it in grey, those in RGB only a picture in colour.
    """
    picture = in_range(picture)
    grey = _pictures.grey(picture)
    colour = picture if is_rgb(picture.shape) else None

    @cache  # an image a dtype, and not one a case
    def taken(in_colour: bool, dtype: str) -> Array:
        return as_dtype(picture if in_colour else grey, dtype)

    found: dict[str, tuple[Case, Array]] = {}
    for case in CASES:
        own = grey if case.shape == UHD else colour if case.shape == RGB else None
        if own is not None:
            case = replace(case, shape=own.shape)
            found[case.name] = case, taken(own is colour, case.dtype)
    return list(found.values())


def in_range(picture: Array) -> Array:
    """Floats in [0, 1], for which the tolerances are: others are scaled, and what is no number becomes 0."""
    if picture.dtype.kind != "f":
        return picture
    finite = np.nan_to_num(picture, posinf=0, neginf=0)
    low, high = min(0.0, float(finite.min())), max(1.0, float(finite.max()))
    # Halved before they are subtracted, because the difference of the largest numbers is none.
    return finite if (low, high) == (0, 1) else (finite / 2 - low / 2) / (high / 2 - low / 2)


def as_dtype(picture: Array, dtype: str) -> Array:
    """Over the dtype's whole range; floats in [0, 1]."""
    share = picture if picture.dtype.kind == "f" else picture / np.iinfo(picture.dtype).max
    if np.dtype(dtype).kind == "f":
        return np.asarray(share, dtype, order="C")
    levels: Array = np.rint(np.clip(share, 0, 1) * np.iinfo(dtype).max).astype(dtype)
    return levels
