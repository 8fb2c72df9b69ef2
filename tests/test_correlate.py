"""`correlate` and `convolve`: every method against SciPy, error bounds, NaN, exact integers, threads, choice."""

import math
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from helpers import MODES, same_bits, slow
from scipy import ndimage

import fastsep
from fastsep._engine import bands, execution, fft
from fastsep._engine import rounding as _rounding
from fastsep._ops import choice
from fastsep._plan import tuning

METHODS = ("auto", "direct", "separable", "fft")
EPS = float(np.finfo(np.float64).eps)


def rounding(kernel, largest, pixels):
    """What float64 arithmetic of any method may lose.

    Tap by tap, and along lines, each of at most size + 3 operations rounds a sum that stays below the taps'
    absolute values times the largest pixel; terms of a factorization may together be larger than the kernel, by
    the square root of the rank for singular vectors, so by that of the shortest side. A Fourier transform of n
    values is off by a few eps log2(n) of their Euclidean norm, at most sqrt(n) times the largest.
    """
    size = float(np.abs(kernel).sum()) * largest
    lines = (kernel.size + 3) * math.sqrt(min(kernel.shape))
    reach = pixels + kernel.size
    transform = 6 * math.log2(4 * reach) * math.sqrt(4 * reach) * float(np.linalg.norm(kernel)) * largest
    return EPS * (lines * size + transform)


def any_kernel(rng, shape):
    """Of random numbers, of rank one, of few terms, of integers, with zeros, in turn."""
    kind = rng.integers(5)
    if kind == 0:
        return rng.standard_normal(shape)
    if kind == 1:
        return outer(rng, shape)
    if kind == 2:
        return sum(outer(rng, shape) for _ in range(3))
    if kind == 3:
        return rng.integers(-5, 6, shape)
    return rng.standard_normal(shape) * (rng.random(shape) < 0.2)


def outer(rng, shape):
    result = np.ones(())
    for size in shape:
        result = np.multiply.outer(result, rng.standard_normal(size))
    return result


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("ndim", "longest", "image_side"), [(1, 33, 90), (2, 33, 60), (3, 9, 18), (4, 4, 7)])
@pytest.mark.parametrize("count", [6, *slow(16)])
def test_every_method_agrees_with_scipy(method, mode, ndim, longest, image_side, count):
    rng = np.random.default_rng([ndim, MODES.index(mode)])
    for number in range(count):
        kernel = any_kernel(rng, tuple(rng.integers(1, longest + 1, ndim)))
        image = rng.standard_normal(tuple(rng.integers(1, image_side, ndim)))
        if method == "separable" and not kernel.any():
            continue
        ours, theirs = (fastsep.correlate, ndimage.correlate) if number % 2 else (fastsep.convolve, ndimage.convolve)
        if method == "separable" and fastsep.factorize(kernel).rank > choice.MOST_TERMS:
            continue
        result = ours(image, kernel, mode=mode, cval=1.5, method=method)
        expected = theirs(image, kernel.astype(float), mode=mode, cval=1.5)
        slack = rounding(kernel, max(np.abs(image).max(), 1.5), image.size)
        np.testing.assert_allclose(result, expected, rtol=0, atol=slack)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_channels_are_not_filtered(method, axis, rng):
    kernel = sum(outer(rng, (5, 4)) for _ in range(2))
    channels = rng.standard_normal((3, 40, 30))[:, ::-1]  # in no order that the engine reads
    expected = np.array([ndimage.correlate(channel, kernel, mode="mirror") for channel in channels])
    image = np.moveaxis(channels, 0, axis)
    result = fastsep.correlate(image, kernel, mode="mirror", method=method, channel_axis=axis)
    slack = rounding(kernel, np.abs(image).max(), image.size)
    np.testing.assert_allclose(np.moveaxis(result, axis, 0), expected, rtol=0, atol=slack)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "dtype", ["uint8", "int64", "bool", "float16", "float32", ">f4", *slow("int16", ">i2", "uint16")]
)
def test_dtypes(method, dtype, rng):
    kernel = rng.standard_normal((6, 5))
    image = (rng.random((50, 47)) * 200).astype(dtype)
    result = fastsep.correlate(image, kernel, method=method)
    wide = np.dtype(dtype).kind != "f"
    assert result.dtype == (np.float64 if wide else np.float32)
    exact = ndimage.correlate(image.astype(float), kernel)
    slack = rounding(kernel, 200, image.size) * (1 if wide else 2.0**29)  # the eps of float32 over that of float64
    np.testing.assert_allclose(result, exact, rtol=0, atol=slack)
    out = np.full(image.shape, 7, result.dtype)
    assert fastsep.correlate(image, kernel, method=method, out=out) is out
    assert same_bits(out, result)


@pytest.mark.parametrize("cval", [1 / 3, 1e300, 2.0**25 + 1, np.nan, -np.inf])
def test_the_constant_beyond_a_float32_image_is_that_of_a_float64_result(cval, rng):
    image, kernel = rng.random((12, 13)).astype(np.float32), rng.random((3, 4))
    for method in ("auto", "direct"):
        result = fastsep.correlate(image, kernel, mode="constant", cval=cval, dtype=np.float64, method=method)
        expected = ndimage.correlate(image, kernel, mode="constant", cval=cval, output=np.float64)
        np.testing.assert_allclose(result, expected, rtol=1e-12)


def test_modes_per_axis(rng):
    kernel, image = rng.standard_normal((7, 9)), rng.standard_normal((20, 4))
    padded = np.pad(image, ((3, 3), (0, 0)), "symmetric")
    expected = ndimage.correlate(padded, kernel, mode="wrap")[3:-3]
    for method in METHODS:
        result = fastsep.correlate(image, kernel, mode=("reflect", "wrap"), method=method)
        np.testing.assert_allclose(result, expected, rtol=0, atol=rounding(kernel, np.abs(image).max(), image.size))


# ---- error bounds


@pytest.mark.parametrize("seed", [0, 1, *slow(*range(2, 10))])
def test_no_result_is_off_by_more_than_tol_allows(seed):
    """500 kernels in all: smooth ones, of which few terms are left, and random ones."""
    rng = np.random.default_rng(seed)
    fewer = 0
    for _ in range(50):
        shape = tuple(rng.integers(2, 12, 2)) if rng.random() < 0.8 else tuple(rng.integers(2, 6, 3))
        grids = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
        turned = sum(rng.standard_normal() * g for g in grids)
        kernel = np.exp(-3 * turned**2) + rng.choice([0, 1e-3]) * rng.standard_normal(shape)
        image = rng.standard_normal(tuple(rng.integers(3, 24, len(shape))))
        mode, cval = MODES[rng.integers(5)], 2.0
        tol = 10 ** rng.uniform(-6, 0) * np.abs(kernel).sum()
        plan = fastsep.explain(fastsep.correlate, image, kernel, tol=tol, method="separable")
        fewer += len(plan.terms) < min(shape)
        assert plan.error <= tol
        exact = ndimage.correlate(image, kernel, mode=mode, cval=cval)
        largest = max(np.abs(image).max(), cval)
        for method in ("auto", "separable"):
            result = fastsep.correlate(image, kernel, tol=tol, mode=mode, cval=cval, method=method)
            allowed = plan.error * largest + rounding(kernel, largest, image.size)
            assert np.abs(result - exact).max() <= allowed
    assert fewer >= 8, "too few kernels were cut to show anything"


def test_the_bound_is_reached():
    """The image of the signs of what is left of the kernel is off by the bound itself."""
    rng = np.random.default_rng(3)
    kernel = rng.standard_normal((7, 7))
    parts = fastsep.factorize(kernel, rank=3)
    image = np.sign(kernel - parts.dense())
    results = [fastsep.correlate(image, k, mode="constant")[3, 3] for k in (kernel, parts.dense())]
    assert results[0] - results[1] == pytest.approx(parts.error, rel=1e-12)


# ---- NaN and infinity


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nan_and_infinity_stay_under_the_kernel_as_in_scipy(value, dtype):
    rng = np.random.default_rng(8)
    kernels = [any_kernel(rng, tuple(rng.integers(1, 22, 2))) for _ in range(30)]
    kernels += [np.eye(5), outer(rng, (3, 15)) * (np.arange(15) % 3 > 0), np.ones((40, 40)) - np.eye(40)]
    for kernel in kernels:
        image = rng.standard_normal((50, 60)).astype(dtype)
        image[tuple(rng.integers(0, 50, (2, 3)))] = value
        expected = ndimage.correlate(image.astype(float), kernel.astype(float))
        # SciPy takes taps below eps for zeros; these kernels have none of them.
        with np.errstate(all="ignore"):
            results = [fastsep.correlate(image, kernel, method=method) for method in ("auto", "direct")]
        for result in results:
            np.testing.assert_array_equal(np.isnan(result), np.isnan(expected))
            np.testing.assert_array_equal(np.isposinf(result), np.isposinf(expected))


def test_an_image_with_nan_takes_the_way_that_does_not_spread_it(rng):
    kernel, image = rng.standard_normal((41, 41)), rng.random((300, 300))
    plan = fastsep.explain(fastsep.correlate, image, kernel)
    assert plan.strategy == "fft"
    assert any("NaN" in note for note in plan.notes)
    image[100, 100] = np.nan
    direct = fastsep.correlate(image, kernel, method="direct")
    assert same_bits(fastsep.correlate(image, kernel), direct)
    assert np.isnan(direct).sum() == kernel.size
    assert np.isnan(fastsep.correlate(image, kernel, method="fft")).sum() > kernel.size


@pytest.mark.parametrize("least", [0, 1 << 40])  # by the kernel, by NumPy
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1.5, -1.5])
@pytest.mark.usefixtures("small_images_go_parallel")
def test_one_value_beyond_a_limit_is_found(value, dtype, least, rng, monkeypatch):
    monkeypatch.setattr(tuning, "LOOKED_AT", least)
    for count in range(1, 70):
        image = (rng.random(count) * 2 - 1).astype(dtype)
        for workers in (1, 3):
            assert execution.is_within(image, 1.0, workers)
            assert execution.is_within(image, 1e300, workers)
        image[rng.integers(count)] = value
        for workers in (1, 3):
            assert not execution.is_within(image, 1.0, workers)
            assert execution.is_within(image, 1e300, workers) == np.isfinite(value)


@pytest.mark.parametrize("cval", [np.nan, np.inf, 1e300])
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_a_border_of_nan_or_infinity_stays_under_the_kernel(cval, dtype, rng):
    image, kernel = (rng.random((120, 130)) * 9).astype(dtype), rng.random((31, 31))
    results = [
        fastsep.correlate(image, kernel, mode="constant", cval=cval, method=method, dtype=np.float32)
        for method in ("auto", "direct")
    ]
    assert same_bits(*results)
    assert np.isfinite(results[0]).sum() == (120 - 30) * (130 - 30)


@pytest.mark.parametrize(("dtype", "value"), [("float32", 1e34), ("float64", 1e304)])
def test_large_values_do_not_overflow_on_the_way(dtype, value):
    kernel = np.full((31, 31), 1 / 961) + np.eye(31) / 31
    image = np.full((300, 300), value, dtype)
    assert fastsep.explain(fastsep.correlate, image, kernel, method="fft").strategy == "fft"
    np.testing.assert_allclose(fastsep.correlate(image, kernel), 2 * value, rtol=1e-5)


@pytest.mark.parametrize("scale", [1e300, 1e100, 1e-300, 1e-320, 5e-324])
@pytest.mark.parametrize("dtype", ["float64", *slow("float32")])
def test_kernels_of_any_size(scale, dtype, rng):
    with np.errstate(under="ignore"):
        kernel = rng.standard_normal((9, 9)) * scale
    image = rng.random((40, 50)).astype(dtype)
    for method in ("auto", "direct", "fft"):
        result = fastsep.correlate(image, kernel, method=method, dtype=np.float64)
        expected = fastsep.correlate(image, kernel / scale, dtype=np.float64) * scale
        np.testing.assert_allclose(result, expected, rtol=0, atol=1e-11 * scale + 200 * 5e-324)
    assert not fastsep.correlate(np.zeros((20, 20), dtype), kernel).any()


# ---- values of a large range under a transform


def gauss(size):
    """Across the diagonal, down to 1e-22 of the middle in the corners: a sum of many terms."""
    y, x = np.mgrid[:size, :size] - size // 2
    return np.exp(-15 * ((y + x) ** 2 + (y - x) ** 2 / 5) / size**2)


def disc(size):
    y, x = np.mgrid[:size, :size] - size // 2
    return (x**2 + y**2 <= (size // 2) ** 2).astype(float)


POSITIVE = {
    "noise": np.random.default_rng(6).random((41, 41)),
    "disc": disc(31),
    "gauss": gauss(31),
    "even": np.random.default_rng(7).random((20, 34)) + 1,
}


def local_bound(image, kernel, dtype, **border):
    """What the docstring of `correlate` promises for each result of a transform in `dtype`."""
    local = {"float32": 1e-4, "float64": 1e-10}[np.dtype(dtype).name]
    image, kernel = np.asarray(image, float), np.asarray(kernel, float)
    largest = ndimage.maximum_filter(np.abs(image), kernel.shape, **border) * np.abs(kernel).sum()
    if (image >= 0).all() and (kernel >= 0).all() and border.get("cval", 0) >= 0:
        return local * ndimage.correlate(image, kernel, **border) + 1e-12 * largest
    return local * largest


def assert_local(image, kernel, result, **border):
    expected = ndimage.correlate(np.asarray(image, float), kernel, **border)
    # SciPy rounds, too: its sums of positive products by less than 1e-12 of themselves.
    assert (np.abs(result - expected) <= local_bound(image, kernel, result.dtype, **border)).all()
    if (image >= 0).all() and (kernel >= 0).all():
        assert result.min() >= 0
        np.testing.assert_array_equal(result[expected == 0], 0)


def with_peaks(kind, rng):
    """Images whose faint pixels float32, or float64, loses beside the others in one transform."""
    image = np.full((230, 310), 0.002)
    if kind == "peak":
        image[120, 200] = 2e6
    elif kind == "higher peak":
        image[120, 200], image[10, 3] = 2e12, 1e9
    elif kind == "stars":
        image = rng.random((230, 310)) ** 40 * 1e5
    elif kind == "mask":
        image = (np.abs(rng.standard_normal((230, 310))) > 4.2).astype(float)
        image[40:90, 200:290] = 1
    elif kind == "steps":
        image *= 10.0 ** (np.arange(310) // 45)
    return image


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["peak", "mask", *slow("steps", "higher peak", "stars")])
@pytest.mark.parametrize("name", [*list(POSITIVE)[:2], *slow(*list(POSITIVE)[2:])])
def test_faint_pixels_beside_bright_ones_keep_their_results(name, kind, dtype, rng):
    image, kernel = with_peaks(kind, rng).astype(dtype), POSITIVE[name]
    result = fastsep.correlate(image, kernel, method="fft")
    assert result.dtype == dtype
    assert_local(image, kernel, result)


def test_auto_takes_the_transform_for_a_large_range_and_keeps_faint_pixels(rng):
    image, kernel = with_peaks("peak", rng).astype(np.float32), rng.random((71, 71))
    assert fastsep.explain(fastsep.correlate, image, kernel).strategy == "fft"
    result = fastsep.correlate(image, kernel)
    assert_local(image, kernel, result)
    far = ndimage.maximum_filter(image, kernel.shape) < 1
    np.testing.assert_allclose(result[far], 0.002 * kernel.sum(), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", *slow("float64")])
@pytest.mark.parametrize("kind", ["stars", "mask", *slow("peak", "higher peak")])
def test_signed_images_and_kernels_keep_to_the_local_bound(kind, dtype, rng):
    image = with_peaks(kind, rng).astype(dtype)
    kernels = [rng.standard_normal((25, 31)), POSITIVE["disc"], -POSITIVE["noise"]]
    for kernel in kernels:
        for sign in (1, np.sign(rng.standard_normal(image.shape)).astype(dtype)):
            result = fastsep.correlate(image * sign, kernel, method="fft")
            assert_local(image * sign, kernel, result)
            nothing = ndimage.maximum_filter(image, kernel.shape) == 0
            np.testing.assert_array_equal(result[nothing], 0)


@pytest.mark.parametrize("dtype", ["uint8", *slow("bool", "int16", "uint16")])
def test_black_areas_of_integer_images_stay_zero(dtype, rng):
    image = with_peaks("mask", rng).astype(dtype)
    for kernel in (POSITIVE["disc"], POSITIVE["noise"]):
        for result in (None, np.float32):
            assert_local(image, kernel, fastsep.correlate(image, kernel, method="fft", dtype=result))
    assert (fastsep.correlate(np.zeros_like(image), POSITIVE["noise"], method="fft") == 0).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_bright_border_leaves_faint_pixels_alone(dtype, rng):
    image, border = (rng.random((200, 180)) * 1e-3).astype(dtype), {"mode": "constant", "cval": 3e9}
    result = fastsep.correlate(image, POSITIVE["noise"], method="fft", **border)
    assert_local(image, POSITIVE["noise"], result, **border)


@pytest.mark.parametrize(("shape", "kernel"), [((5000,), (301,)), ((30, 40, 36), (9, 7, 11))])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_peak_in_one_and_three_dimensions(shape, kernel, dtype, rng):
    image, kernel = np.full(shape, 1e-3), rng.random(kernel)
    image[tuple(n // 2 for n in shape)] = 1e11
    image[tuple(n // 3 for n in shape)] = 0
    image = np.stack([image, image[::-1], np.zeros(shape)], -1).astype(dtype)
    result = fastsep.correlate(image, kernel, method="fft", channel_axis=-1)
    for channel in range(3):
        assert_local(image[..., channel], kernel, result[..., channel])


@pytest.mark.parametrize("scale", [1e-30, 1e-19, 1e19, 1e30])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_local_bound_holds_on_any_scale(scale, dtype, rng):
    image = (with_peaks("peak", rng)[:200, 100:300] * scale).astype(dtype)
    kernel = POSITIVE["noise"] / POSITIVE["noise"].sum()
    assert_local(image, kernel, fastsep.correlate(image, kernel, method="fft"))


def test_blocks_of_large_range_are_the_same_for_any_number_of_threads(rng):
    for kind in ("peak", "higher peak", "mask"):
        for dtype in ("float32", "float64"):
            image = np.tile(with_peaks(kind, rng).astype(dtype), (2, 2))
            expected = fastsep.correlate(image, POSITIVE["gauss"], method="fft", workers=1)
            for workers in (2, 3):
                assert same_bits(fastsep.correlate(image, POSITIVE["gauss"], method="fft", workers=workers), expected)


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_ordinary_blocks_are_transformed_once(dtype, rng, monkeypatch):
    """Noise, a ramp and a picture with dark corners; signed ones, too."""
    ramp = np.add.outer(np.linspace(0.05, 1, 300), np.linspace(0, 1, 400))
    y, x = np.mgrid[-1:1:300j, -1:1:400j]
    images = [rng.random((300, 400)), ramp, 1.02 - np.hypot(y, x) / np.sqrt(2)]
    if np.dtype(dtype).kind == "f":
        images += [rng.standard_normal((300, 400)), ramp - ramp.mean()]
    types = []
    transform = fft.fft.rfftn
    for image in images:
        image = (image * 100).astype(dtype)
        for kernel in (rng.random((41, 41)), rng.standard_normal((41, 41))):
            expected = fastsep.correlate(image, kernel, method="fft", workers=1)

            def count(block, *size):
                if not size:
                    types.append(block.dtype)
                return transform(block, *size)

            monkeypatch.setattr(fft.fft, "rfftn", count)
            types.clear()
            result = fastsep.correlate(image, kernel, method="fft", workers=1)
            monkeypatch.setattr(fft.fft, "rfftn", transform)
            plan = fastsep.explain(fastsep.correlate, image, kernel, method="fft")
            assert plan.why.startswith(f"{len(types)} blocks")
            assert set(types) == {plan.arithmetic}
            assert same_bits(result, expected)


@pytest.mark.parametrize("shape", [(40,), (31, 44), (9, 12, 14)])
def test_what_lies_under_a_kernel(shape, rng):
    for _ in range(20):
        kernel = tuple(int(rng.integers(1, n + 1)) for n in shape)
        pixels = rng.standard_normal(shape) * (rng.random(shape) < 0.1)
        windows = np.lib.stride_tricks.sliding_window_view(np.abs(pixels), kernel)
        expected = windows.max(axis=tuple(range(len(shape), 2 * len(shape))))
        np.testing.assert_array_equal(_rounding.largest_under(pixels, kernel), expected)
        assert _rounding.least_peak(pixels, kernel) <= expected.min()
    assert _rounding.least_peak(np.full(shape, -3.0), tuple(n // 2 for n in shape)) == 3


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1.0, 1e30, 1e300])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_norm_of_values_of_any_size(scale, dtype, rng):
    values = rng.standard_normal((90, 100))
    with np.errstate(over="ignore", under="ignore"):
        scaled = (values * scale).astype(dtype)
    if np.isfinite(scaled).all() and scaled.any():
        assert _rounding.norm(scaled) == pytest.approx(np.linalg.norm(values) * scale, rel=1e-5)
    scaled[3, 4] = np.nan
    assert np.isnan(_rounding.norm(scaled))


# ---- integers


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("src", "dst"),
    [
        ("uint8", "int32"),
        pytest.param("int16", "int64", marks=pytest.mark.slow),
        pytest.param("uint16", "int64", marks=pytest.mark.slow),
        pytest.param("uint8", "int16", marks=pytest.mark.slow),
    ],
)
def test_whole_kernels_on_integers_are_exact(method, src, dst):
    rng = np.random.default_rng(5)
    info = np.iinfo(src)
    for _ in range(12):
        kernel = rng.integers(-9, 10, tuple(rng.integers(1, 12, 2)))
        image = rng.integers(info.min, info.max, (30, 37), src, endpoint=True)
        exact = ndimage.correlate(image.astype(np.int64), kernel)
        exact = exact.clip(np.iinfo(dst).min, np.iinfo(dst).max)
        result = fastsep.correlate(image, kernel, method=method, dtype=dst)
        assert result.dtype == dst
        np.testing.assert_array_equal(result, exact)


def test_a_large_border_is_counted_where_integers_have_to_be_exact(rng):
    image, kernel = rng.integers(0, 255, (50, 50), np.uint8), rng.integers(0, 3, (15, 15))
    options = {"mode": "constant", "cval": 2.0**43, "dtype": np.int64}
    expected = fastsep.correlate(image, kernel, method="direct", **options)
    np.testing.assert_array_equal(fastsep.correlate(image, kernel, **options), expected)
    for method in ("fft", "separable"):
        with pytest.raises(ValueError, match="integers"):
            fastsep.correlate(image, kernel, method=method, **options)


def test_integers_that_no_transform_could_promise_are_refused(rng):
    image = rng.integers(0, 255, (40, 40), np.uint8)
    with pytest.raises(ValueError, match=r"`method` must not be 'fft' here: its integers would not be certain"):
        fastsep.correlate(image, rng.random((9, 9)), method="fft", dtype=np.uint8)
    plan = fastsep.explain(fastsep.correlate, np.zeros((2000, 2000), np.uint8), rng.random((61, 61)), dtype=np.uint8)
    assert plan.strategy == "direct"


# ---- threads


@pytest.mark.parametrize("shape", [(300, 200), (61, 700), (40, 30, 50)])
def test_the_transform_gives_the_same_bits_for_any_number_of_threads(shape, rng):
    image = rng.random(shape, np.float32)
    kernel = rng.random((7, 9, 11)[: len(shape)])
    expected = fastsep.correlate(image, kernel, method="fft", workers=1)
    for workers in (2, 3, 8):
        assert same_bits(fastsep.correlate(image, kernel, method="fft", workers=workers), expected)


def test_a_filter_in_the_midst_of_a_filter(rng, monkeypatch):
    """As from a signal handler: the same thread, the same size of blocks."""
    images, kernel = rng.random((2, 90, 80)), rng.random((15, 15))
    expected = [fastsep.correlate(image, kernel, method="fft", workers=1) for image in images]
    transform, seen = fft.fft.rfftn, []

    def interrupted(block, *arguments):
        if not seen:
            seen.append(None)
            seen.append(fastsep.correlate(images[1], kernel, method="fft", workers=1))
        return transform(block, *arguments)

    monkeypatch.setattr(fft.fft, "rfftn", interrupted)
    assert same_bits(fastsep.correlate(images[0], kernel, method="fft", workers=1), expected[0])
    assert same_bits(seen[1], expected[1])


def test_transforms_and_banks_from_eight_threads(rng):
    images = [rng.random((150 + 10 * i, 200), np.float32) for i in range(8)]
    kernel, bank = rng.random((25, 25)), fastsep.factorize_bank(rng.random((5, 1, 9)))

    def work(image):
        return fastsep.correlate(image, kernel, method="fft"), fastsep.correlate_bank(image, bank, method="separable")

    expected = [work(image) for image in images]
    with ThreadPoolExecutor(8) as pool:
        for number, results in enumerate(pool.map(work, images * 4)):
            assert all(map(same_bits, results, expected[number % 8]))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_transforms_and_banks_in_forked_children():
    """After the parent ran them on several threads."""
    code = """
import multiprocessing, numpy as np, fastsep
image = np.random.default_rng(0).random((700, 800))
bank = fastsep.factorize_bank(np.ones((3, 5, 5)))
def work(_):
    one = fastsep.correlate(image, np.ones((33, 33)), method="fft", workers=3)
    return one.tobytes() + fastsep.correlate_bank(image, bank, method="separable", workers=3).tobytes()
expected = work(0)
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert all(result == expected for result in pool.map(work, range(6)))
print("same")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout == "same\n", done.stderr


def test_an_error_in_a_thread_reaches_the_caller(monkeypatch):
    def task(number):
        if number == 3:
            raise MemoryError("no room")

    for workers in (1, 4):
        with pytest.raises(MemoryError, match="no room"):
            bands.run_tasks(task, 9, workers)
    done = []
    bands.run_tasks(done.append, 9, 4)  # the pool is as good as before
    assert sorted(done) == list(range(9))


def test_blocks_of_a_transform_cover_the_image_once(rng):
    image, kernel = rng.random((211, 97)), rng.random((8, 13))
    fastsep.correlate(image, kernel, method="fft")
    from fastsep import _call

    plans = (call.program.runner.plan for call in reversed(_call._calls.values()))
    plan = next(plan for plan in plans if plan.strategy == "fft")
    seen = np.zeros(image.shape, int)
    transform = fft.Transform(plan)
    for number in range(plan.blocks.count):
        _, _, corner = transform.place(number)
        seen[tuple(slice(at, at + step) for at, step in zip(corner, plan.blocks.step, strict=True))] += 1
    assert (seen == 1).all()


# ---- the choice


def test_a_kernel_of_rank_one_runs_as_lines(rng):
    image = np.broadcast_to(np.float32(0), (1080, 1920))
    for kernel in (np.outer(rng.random(15), rng.random(21)), [[1, 2, 1], [0, 0, 0], [-1, -2, -1]]):
        plan = fastsep.explain(fastsep.correlate, image, kernel)
        assert plan.strategy in ("lines", "sweep")
        assert len(plan.terms) == 1
        assert {method for method, _, _ in plan.rejected} == {"direct", "fft"}


def test_small_kernels_run_tap_by_tap_and_large_ones_are_transformed(rng):
    image = np.broadcast_to(np.float32(0), (1080, 1920))
    assert fastsep.explain(fastsep.correlate, image, rng.random((5, 5))).strategy == "direct"
    assert fastsep.explain(fastsep.correlate, image, rng.random((63, 63))).strategy == "fft"


def some_kernels(rng):
    for size in (3, 5, 9, 15, 31, 63):
        shape = (size, size // 2 + 2)
        yield from (any_kernel(rng, shape) for _ in range(6))
        yield outer(rng, shape) + outer(rng, shape)
        yield gauss(size)
        yield disc(size)
        noise = rng.random(shape)
        yield noise + noise[::-1, ::-1]
        yield noise + noise[::-1]
        yield np.eye(size) * size**2 - 1
        yield rng.integers(-2, 3, shape).astype(float)
        yield (rng.random(shape) < 0.1).astype(float) + np.eye(*shape)
        y, x = abs(np.mgrid[:size, :size] - size // 2)
        yield (x + y <= size // 2).astype(float)
        yield disc(size) - (np.maximum(x, y) < size // 4)
        yield np.kron(np.eye(2), rng.integers(-2, 3, shape)).astype(float)
    yield from (any_kernel(rng, (5, 4, 6)) for _ in range(5))


@pytest.mark.slow
@pytest.mark.parametrize("side", [40, 300, 2000])
def test_a_kernel_is_only_taken_apart_where_that_may_pay(side, rng, monkeypatch):
    """And the choice is that between all of them."""
    for kernel in some_kernels(rng):
        image = np.broadcast_to(np.float32(0), (side,) * kernel.ndim)
        if kernel.ndim > 2 and side > 300:
            continue
        tol = rng.choice([0, 1e-3]) * float(np.abs(kernel).sum())
        fastsep.clear_caches()
        plan = fastsep.explain(fastsep.correlate, image, kernel, tol=tol)
        with monkeypatch.context() as patch:
            patch.setattr(choice, "takes_more_than", lambda *_: False)
            fastsep.clear_caches()
            whole = fastsep.explain(fastsep.correlate, image, kernel, tol=tol)
        assert (plan.strategy, plan.terms, plan.seconds) == (whole.strategy, whole.terms, whole.seconds)
        assert sorted(map(str, plan.rejected)) == sorted(map(str, whole.rejected))


@pytest.mark.parametrize("shape", [(15, 15), (63, 63), (63, 40), (127, 127)])
@pytest.mark.parametrize("side", [64, 256, 2000])
def test_a_kernel_of_noise_is_not_taken_apart(shape, side, rng, monkeypatch):
    monkeypatch.setattr(choice, "factorize", None)
    noise = rng.random(shape)
    for kernel in (noise, noise + noise[::-1, ::-1], noise.astype(np.float32)):
        for dtype in ("float32", "float64", "uint8"):
            fastsep.correlate(np.broadcast_to(np.zeros((), dtype), (side, 64)), kernel)


def test_tol_buys_fewer_terms(rng):
    image = np.broadcast_to(np.float32(0), (1080, 1920))
    y, x = np.mgrid[-15:16, -15:16] / 8
    kernel = np.exp(-((x + 0.6 * y) ** 2) - y**2)
    kernel /= kernel.sum()
    terms = [len(fastsep.explain(fastsep.correlate, image, kernel, tol=t, method="separable").terms) for t in (0, 1e-3)]
    assert terms[1] < terms[0]
    assert fastsep.explain(fastsep.correlate, image, kernel, tol=0.05).strategy == "lines"


def test_zero_kernels_give_zeros(rng):
    image = rng.random((9, 8))
    image[3, 3] = np.nan
    for method in ("auto", "direct"):
        np.testing.assert_array_equal(fastsep.correlate(image, np.zeros((3, 3)), method=method), np.zeros((9, 8)))
    with pytest.raises(ValueError, match="all taps are zero"):
        fastsep.correlate(image, np.zeros((3, 3)), method="separable")


def test_empty_images_give_empty_results():
    for method in METHODS:
        assert fastsep.correlate(np.zeros((0, 5), np.uint8), np.ones((3, 3)), method=method).shape == (0, 5)


def test_a_later_change_of_the_kernel_counts(rng):
    image, kernel = rng.random((20, 20)), rng.random((3, 3))
    first = fastsep.correlate(image, kernel)
    kernel[1, 1] += 1
    np.testing.assert_allclose(fastsep.correlate(image, kernel), first + image, rtol=1e-14)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"kernel": np.ones(3)}, ValueError, r"one axis for each of the 2 spatial axes .*; got shape \(3,\)"),
        ({"kernel": np.ones((3, 0))}, ValueError, r"`kernel` must have at least one .*; got shape \(3, 0\)"),
        ({"kernel": 2.0}, ValueError, r"`kernel` must have at least one .*; got shape \(\)"),
        ({"kernel": [[np.nan]]}, ValueError, "`kernel` must be finite in float64; got NaN or infinity in it"),
        ({"kernel": [[1j]]}, ValueError, r"`kernel` must be real; got dtype complex128"),
        ({"kernel": [["a"]]}, ValueError, "`kernel` must have a float, integer or bool dtype"),
        ({"kernel": [[1.0]], "tol": -1}, ValueError, "`tol` must be finite and not negative; got -1"),
        ({"kernel": [[1.0]], "tol": 0j}, TypeError, "`tol` must be a real number; got 0j"),
        ({"kernel": fastsep.factorize([[1.0]])}, TypeError, r"`kernel` must be an array; .* pass `\.dense\(\)`"),
        ({"kernel": [[1.0]], "tol": "x"}, TypeError, "`tol` must be a real number; got 'x'"),
        ({"kernel": [[1.0]], "method": "fast"}, ValueError, "must be one of auto, direct, separable, fft; got 'fast'"),
        ({"kernel": [[1.0]], "method": None}, ValueError, "must be one of auto, direct, separable, fft; got None"),
        ({"kernel": [[1.0]], "mode": "edge"}, ValueError, "`mode` must be one of reflect"),
        ({"kernel": [[1.0]], "workers": 0}, ValueError, "`workers` must be .* at least 1, or -1 for all cores; got 0"),
        ({"kernel": [[1.0]], "out": np.zeros((3, 3))}, ValueError, r"`out` must have the result's shape"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("function", [fastsep.correlate, fastsep.convolve])
def test_bad_arguments_get_one_line(function, arguments, error, message):
    with pytest.raises(error, match=message) as caught:
        function(np.zeros((4, 5)), **arguments)
    assert "\n" not in str(caught.value)
