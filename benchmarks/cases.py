"""The table of cases: operation, shape, dtype, parameters. What an operation does is in `operations`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from benchmarks._contest import FULL_HD, UHD, Case, random_image
from benchmarks._timing import Array
from benchmarks.operations.derivatives import by_operator
from benchmarks.operations.edges import photograph, strength
from benchmarks.operations.layers import EFFICIENTNET, LARGE, MOBILENET, REPLACED, RGB_LAYERS, TINY

SMALL, MEDIUM, HUGE = (64, 64), (512, 512), (8192, 8192)
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
    "gaussian_nan 2160x3840 float32 sigma=2 missing=scattered",
    "box 2160x3840 float32 size=21",
    "unsharp_mask 2160x3840 float32 radius=2 amount=1",
    "sobel 2160x3840 float32",
    "sobel_default 2160x3840 uint8",
    "median 2160x3840 uint8 size=5",
    "minimum_filter 2160x3840 float32 size=21",
    "gaussian_filter 2160x3840 uint8 sigma=2",
    "canny 2160x3840 uint8 sigma=1.4",
    "corner_harris 2160x3840 float32",
    "correlate 2160x3840 float32 size=7",
    "SeparableConv2D 56x56x128 float32 filters=128 size=3",
    "SeparableConv2D 1080x1920x3 float32 filters=16 size=5",
}


def rows(operation: str, shapes: Any = UHD, dtypes: Any = "float32", **parameters: Any) -> Iterator[Case]:
    """One case, or where lists stand for values, one for each combination."""

    def listed(value: Any) -> list[Any]:
        return value if isinstance(value, list) else [value]

    for shape, dtype, *values in itertools.product(*map(listed, (shapes, dtypes, *parameters.values()))):
        case = Case(operation, shape, dtype, dict(zip(parameters, values, strict=True)))
        yield replace(case, quick=case.name in QUICK)


SMOOTHING = (
    *rows("gaussian", sigma=[0.5, 1, 2, 5, 10, 20, 40]),
    *rows("gaussian", [SMALL, MEDIUM, FULL_HD, HUGE], sigma=2),
    *rows("gaussian", SMALL, sigma=1),
    *rows("gaussian", WIDE, sigma=10),
    *rows("gaussian", VOLUME, sigma=2),
    *rows("gaussian", dtypes="uint8", sigma=[1, 2, 5]),
    *rows("gaussian", dtypes=["uint16", "float64"], sigma=2),
    *rows("gaussian", RGB, ["uint8", "float32"], sigma=2),
    *rows("gaussian_within", sigma=[10, 20, 50, 100], tol=1e-3),
    *rows("gaussian_default", dtypes="uint8", sigma=[1, 2]),
    *rows("box", size=[5, 21, 101]),
    *rows("box", [UHD, RGB], "uint8", size=21),
    *rows("difference_of_gaussians", low=1, high=4),
    *rows("unsharp_mask", dtypes=["float32", "uint8"], radius=2, amount=1),
    *rows("unsharp_mask", RGB, "uint8", radius=2, amount=1),
    *rows("separable_filter", length=[17, 81]),
    *rows("pyramid_level", dtypes=["float32", "uint8"]),
)
MISSING = (
    *rows("gaussian_nan", sigma=2, missing=["none", "scattered", "hole"]),
    *rows("gaussian_nan", (540, 960), sigma=2, missing="scattered"),
    *rows("interpolate_missing", sigma=2),
)
DERIVATIVES = (
    *rows("sobel", [SMALL, MEDIUM, FULL_HD, UHD, HUGE]),
    *rows("sobel", dtypes="float64"),
    *rows("sobel", RGB),
    *rows("sobel_default", dtypes="uint8"),
    *rows("sobel_x_int16", dtypes="uint8"),
    *(case for operation in by_operator() if operation != "sobel" for case in rows(operation)),
    *rows("roberts"),
    *rows("laplace"),
    *rows("gaussian_gradient_magnitude", sigma=2),
    *rows("gaussian_laplace", sigma=2),
    *rows("gradient"),
    *rows("smooth_gradient", dtypes=["float32", "uint8"], sigma=1.5),
)
ORDER = (
    *rows("median", dtypes="uint8", size=[3, 5, 7, 15]),
    *rows("median", dtypes=["uint16", "float32"], size=[3, 5]),
    *rows("median", [SMALL, RGB], "uint8", size=3),
    *rows("median", (128, 128, 128), size=3),
    *rows("minimum_filter", dtypes=["uint8", "float32"], size=[3, 21, 101]),
    *rows("percentile_filter", dtypes="uint8", percentile=80, size=5),
    *rows("erosion", dtypes=["uint8", "float32"], radius=1),
    *rows("erosion", dtypes="uint8", radius=3),
    *(
        case
        for operation in ("dilation", "opening", "closing", "white_tophat", "black_tophat")
        for case in rows(operation, dtypes="uint8", radius=1)
    ),
    *rows("peak_local_max", min_distance=[1, 10]),
)
NDIMAGE = (
    *rows("gaussian_filter", dtypes=["float32", "float64", "uint8", "uint16"], sigma=2),
    *rows("uniform_filter", dtypes=["float32", "float64", "uint8"], size=[5, 21]),
    *rows("correlate1d", length=9),
)
EDGES = (
    *rows("canny", dtypes="uint8", sigma=1.4),
    *rows("canny", dtypes="uint8", sigma=1.4, arithmetic="float32"),
    *rows("canny", sigma=1.4),
    *rows("apply_hysteresis_threshold"),
    *rows("structure_tensor", sigma=1),
    *rows("hessian_matrix", sigma=1),
    *rows("corner_harris"),
    *rows("corner_shi_tomasi"),
)
KERNELS = (
    *rows("correlate", size=[3, 5, 7, 11, 21, 31, 63]),
    *rows("correlate", dtypes="uint8", size=[3, 7]),
    *rows("correlate", size=[21, 31], rank=1),
    *rows("correlate", size=31, rank=[2, 4]),
    *rows("correlate", size=31, rank=4, symmetric=True),
    *rows("convolve", size=7),
    *rows("correlate_bank", FULL_HD, gamma=[1.0, 0.5]),
    *rows("factorize", SMALL, size=31, rank=4),
    *rows("is_separable", SMALL, size=31),
    *rows("factorize_bank", SMALL),
    *rows("factorize_conv", SMALL, size=3, channels=64, filters=64, rank=2),
    *rows("conv_cost", (56, 56, 128), filters=128, size=3),
    *rows("explain", sigma=2),
)


def layers() -> Iterator[Case]:
    every = (*MOBILENET, *EFFICIENTNET, *LARGE, *RGB_LAYERS, TINY)
    for shape, parameters in every:
        yield from rows("SeparableConv2D", shape, **parameters)
    for shape, parameters in RGB_LAYERS:
        yield from rows("SeparableConv2D", shape, "uint8", **parameters)
    yield from rows("mobilenet_v1", (224, 224, 3))
    for shape, parameters in every:
        form = {name: value for name, value in parameters.items() if name != "filters"}
        yield from rows("depthwise_conv2d", shape, **form)
    yield from rows("DepthwiseConv2D", (56, 56, 128), size=3)
    yield from rows("separable_conv2d", (56, 56, 128), filters=128, size=3)
    yield from rows("pointwise_conv2d", (56, 56, 128), filters=128)
    yield from rows("conv2d", (56, 56, 64), filters=64, size=3)
    for shape, parameters in REPLACED:
        for operation in ("SeparableConv2D", "Conv2D"):
            yield from rows(operation, shape, **parameters)


BLOCKS = (
    *rows("gaussian_of_chunks", (8192, 8192), sigma=2),
    *rows("filter_blocks", (8192, 8192), sigma=2),
)

# Some layers differ by their filters alone, and are one depthwise case.
CASES = tuple(
    {
        case.name: case
        for case in (*SMOOTHING, *MISSING, *DERIVATIVES, *ORDER, *NDIMAGE, *EDGES, *KERNELS, *BLOCKS, *layers())
    }.values()
)


def image(case: Case) -> Array:
    if case.operation not in PICTURED:
        return random_image(case.shape, case.dtype)
    photo = photograph(case.shape, case.dtype)
    return strength(photo) if case.operation == "apply_hysteresis_threshold" else photo


def tiny(case: Case) -> Case:
    """The same on an image that takes no time, to see whether everything runs."""
    return replace(case, shape=(*map(min, case.shape, (40, 48)), *case.shape[2:]), quick=False)
