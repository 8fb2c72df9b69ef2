"""Floating-point flags of NumPy: whatever the caller has made of them, none of ours reaches him."""

import warnings

import numpy as np
import pytest
from helpers import slow

import fastsep

KERNEL = np.random.default_rng(0).random((7, 6))
TINY, FAINT = np.ldexp(KERNEL, -1000), np.ldexp(KERNEL[::-1], -300)
STEEP = np.ldexp(KERNEL, np.arange(-1000, 200, 200))  # no float32, and more than one transform holds
WEIGHTS, FAINT_WEIGHTS = np.full((3, 3, 1, 2), 1e-38, np.float32), np.full((3, 3, 1, 2), 1e-318)


def of(name, **options):
    return lambda image, **more: getattr(fastsep, name)(image, **options, **more)


FILTERS = {
    "gaussian": of("gaussian", sigma=1),
    "gaussian, wide": of("gaussian", sigma=1.5, truncate=40),
    "gaussian, derivatives": of("gaussian", sigma=1, order=(1, 2), truncate=45),
    "gaussian, narrow": of("gaussian", sigma=0.02, truncate=400),
    "gaussian, bright border": of("gaussian", sigma=2, mode="constant", cval=1e300),
    "gaussian, faint border": of("gaussian", sigma=2, mode="constant", cval=1e-310),
    "difference_of_gaussians": of("difference_of_gaussians", low_sigma=1, high_sigma=9, truncate=20),
    "unsharp_mask": of("unsharp_mask", radius=3, amount=1e5),
    "laplace": of("laplace"),
    "sobel": of("sobel"),
    "sobel, mask": lambda image, **more: fastsep.sobel(image, mask=np.asarray(image) > 0.3, **more),
    "farid": of("farid"),
    "roberts": of("roberts"),
    "box": of("box", size=5),
    "box, large": of("box", size=25),
    "separable_filter": of("separable_filter", taps=[1e-200, 1, 1e-310]),
    "gaussian_gradient_magnitude": of("gaussian_gradient_magnitude", sigma=1, truncate=40),
    "gaussian_laplace": of("gaussian_laplace", sigma=1.2),
    **{
        f"correlate, {method}, {kind}": of("correlate", kernel=kernel, method=method, mode="constant", cval=1e200)
        for method in ("auto", "direct", "separable", "fft")
        for kind, kernel in (("plain", KERNEL), ("tiny", TINY), ("huge", KERNEL * 1e300), ("steep", STEEP))
    },
    "gradient": of("gradient", output="magnitude"),
    "gradient, gaussian": of("gradient", operator="gaussian", output="orientation"),
    "gradient, whole arrays": of("gradient", sigma=3, output="magnitude", mode="wrap"),
}
OTHERS = {
    "median": of("median"),
    "opening": of("opening"),
    "white_tophat": of("white_tophat"),
    "black_tophat": of("black_tophat"),
    **{
        f"ndimage.{name}": lambda image, name=name: getattr(fastsep.ndimage, name)(image, 3)
        for name in ("morphological_gradient", "morphological_laplace", "white_tophat", "black_tophat")
    },
    "correlate_bank": of("correlate_bank", kernels=[KERNEL, FAINT]),
    "correlate_bank, direct": of("correlate_bank", kernels=[KERNEL, STEEP], method="direct"),
    "canny": of("canny"),
    "canny, float32": of("canny", sigma=3, dtype=np.float32),
    "canny, quantiles": of("canny", use_quantiles=True, low_threshold=0.1, high_threshold=0.9),
    "canny, faint": of("canny", low_threshold=1e-320, high_threshold=1e-310, mode="constant"),
    "canny, mask": lambda image: fastsep.canny(image, mask=np.asarray(image) > 0.3),
    "apply_hysteresis_threshold": of("apply_hysteresis_threshold", low=1e-310, high=1e300),
    "corner_harris": of("corner_harris"),
    "corner_harris, Noble's": of("corner_harris", method="eps"),
    "corner_shi_tomasi": of("corner_shi_tomasi"),
    "structure_tensor": of("structure_tensor", sigma=2, mode="wrap"),
    "hessian_matrix": of("hessian_matrix", sigma=1, use_gaussian_derivatives=True),
    "hessian_matrix, narrow": of("hessian_matrix", sigma=0.3, use_gaussian_derivatives=True),
    "hessian_matrix, differences": of("hessian_matrix", sigma=1, use_gaussian_derivatives=False),
    "four axes": lambda image: [
        run(np.stack([np.stack([image] * 3)] * 2)) for run in (fastsep.gaussian, fastsep.sobel, fastsep.unsharp_mask)
    ],
    "gradient, three axes": lambda image: fastsep.gradient(
        np.stack([image] * 3), sigma=1, output=("magnitude", "orientation")
    ),
    "conv2d": lambda image: fastsep.conv2d(
        image[..., None], WEIGHTS, bias=[1e-300, 1e300], padding="same", cval=1e-320, activation="relu6"
    ),
    "conv2d, float64": lambda image: fastsep.conv2d(image[..., None], FAINT_WEIGHTS),
    "Conv2D": lambda image: fastsep.Conv2D(WEIGHTS, bias=[1e-300, 1e300])(image[..., None]),
    "DepthwiseConv2D": lambda image: fastsep.DepthwiseConv2D(FAINT_WEIGHTS[..., :1])(image[..., None]),
    "SeparableConv2D": lambda image: fastsep.SeparableConv2D(
        WEIGHTS[..., :1], np.full((1, 3), 1e-30), bias=[1e-300, 0, 1e300]
    )(image[..., None]),
    "explain": lambda image: [
        str(fastsep.explain(fastsep.gaussian, image, 1, truncate=60)),
        str(fastsep.explain(fastsep.correlate, image, TINY)),
    ],
}  # fmt: skip


def images(dtype):
    """Of values that flags are raised by, and of ordinary ones."""
    dtype, plain = np.dtype(dtype), np.random.default_rng(1).random((24, 26))
    if dtype.kind in "iu":
        plain = (plain * np.iinfo(dtype).max).astype(dtype)
        plain[3, 3] = np.iinfo(dtype).min
        return [plain]
    info = np.finfo(dtype)
    scales = (1.0, float(info.tiny) * 3, float(info.smallest_subnormal) * 5, float(info.max), float(info.max) ** 0.6)
    found = [((plain - 0.3) * scale).astype(dtype) for scale in scales]
    for values in ((np.nan,), (np.inf,), (np.inf, -np.inf, np.nan), (float(info.max) * 0.9,)):
        image = (plain * float(info.tiny) ** 0.5).astype(dtype)
        image.flat[100 : 100 + len(values)] = values
        found.append(image)
    return found


def run_all(run, found, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fastsep.clear_caches()  # plans are made under these flags, too
        for image in found:
            with np.errstate(all="raise"):
                run(image, **options)
            with np.errstate(all="warn"):
                run(image, **options)  # as it was run before


@pytest.fixture(scope="module")
def found():
    with np.errstate(all="ignore"):
        return {dtype: images(dtype) for dtype in ("float16", "float32", "float64", "uint8", "int64")}


@pytest.mark.parametrize("result", [None, "float16", *slow("uint8")])
@pytest.mark.parametrize("dtype", ["float32", *slow("float16", "float64", "uint8")])
@pytest.mark.parametrize("name", FILTERS)
def test_filters_raise_no_floating_point_flag(name, dtype, result, found):
    # Where integers cannot be exact a method is refused: that is no matter of flags.
    floats = name.startswith("correlate, fft") or name == "correlate, separable, huge"
    if not (floats and result == "uint8"):
        run_all(FILTERS[name], found[dtype], dtype=result)


@pytest.mark.parametrize("dtype", ["float32", *slow("float64", "uint8")])
@pytest.mark.parametrize("name", OTHERS)
def test_other_functions_raise_no_floating_point_flag(name, dtype, found):
    run_all(OTHERS[name], found[dtype])


@pytest.mark.parametrize("scale", [1e-320, 1e-300, 1.0, 1e300])
def test_factorizations_raise_no_floating_point_flag(scale):
    kernels = [KERNEL, KERNEL < 0.5, np.outer(KERNEL[0], KERNEL[1]), np.round(KERNEL * 16) / 16, np.ones((40, 30))]
    kernels += [KERNEL + KERNEL[::-1, ::-1]]
    with np.errstate(all="ignore"):
        kernels = [kernel * scale for kernel in kernels]
        layer = np.array(KERNEL[:3, :, None, None] * scale * np.ones((1, 1, 2, 3)))
    with np.errstate(all="raise"):
        for kernel in kernels:
            for options in ({}, {"rank": 2}, {"tol": scale * 1e-3}):
                parts = fastsep.factorize(kernel, **options)
                assert str(parts)
                assert parts.dense().shape == kernel.shape
                assert all(np.isfinite(line).all() for term in parts.terms for line in term.folded())
            fastsep.is_separable(kernel)
        for options in ({}, {"rank": 2}, {"tol": scale * 1e-3}):
            fastsep.factorize_bank([kernels[0], kernels[-1]], **options).dense()
        for rank in (None, 1):
            fastsep.factorize_conv(layer, rank).dense()


def test_the_callers_flags_are_left_alone(found):
    with np.errstate(over="raise", under="warn", invalid="print", divide="call"):
        before = np.geterr()
        for run in (FILTERS["gaussian"], OTHERS["canny"], OTHERS["conv2d"]):
            run(found["float32"][0])
            assert np.geterr() == before
    with np.errstate(all="raise"), pytest.raises(FloatingPointError):
        np.float32(1e-30) * np.float32(1e-30)
