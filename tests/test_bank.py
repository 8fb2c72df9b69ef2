"""`correlate_bank`: every result is that of its kernel alone, whatever the way."""

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from helpers import MODES, same_bits, slow
from scipy import ndimage

import fastsep
from fastsep._plan import tuning

EPS = float(np.finfo(np.float64).eps)


def gabor(sigma, angle, size=15):
    y, x = np.mgrid[-(size // 2) : size // 2 + 1, -(size // 2) : size // 2 + 1]
    u = x * np.cos(angle) + y * np.sin(angle)
    kernel = np.exp(-(x**2 + y**2) / (2 * sigma**2)) * np.cos(np.pi * u / sigma)
    return kernel / np.abs(kernel).sum()


@pytest.fixture(scope="module")
def gabors():
    kernels = np.array([gabor(sigma, angle) for sigma in (1.5, 2.5) for angle in np.arange(4) * np.pi / 4])
    return kernels, fastsep.factorize_bank(kernels)


def expected(image, kernels, **options):
    return np.stack([ndimage.correlate(image.astype(float), k.astype(float), **options) for k in kernels], -1)


def slack(kernels, largest, parts=None):
    """What float64 may lose: an eps for every operation of the terms, which may be `growth` times the kernels."""
    sizes = np.abs(kernels).sum(axis=(1, 2)).max() * largest
    operations = 3 * kernels[0].size + 2 * (0 if parts is None else parts.rank) + 16
    return EPS * operations * sizes * (1 if parts is None else parts.growth) + (0 if parts is None else parts.error)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("method", ["auto", "separable", "direct"])
def test_each_result_is_that_of_its_kernel(method, mode):
    rng = np.random.default_rng(MODES.index(mode))
    for _ in range(6):
        count, height, width = rng.integers(1, (12, 6, 6))
        kernels = rng.standard_normal((count, height, width))
        parts = fastsep.factorize_bank(kernels)
        image = rng.standard_normal(tuple(rng.integers(1, 45, 2)))
        given = parts if method == "separable" else kernels
        result = fastsep.correlate_bank(image, given, mode=mode, cval=2.0, method=method)
        assert result.shape == (*image.shape, count)
        exact = expected(image, kernels, mode=mode, cval=2.0)
        allowed = slack(kernels, max(2.0, np.abs(image).max()), parts)
        np.testing.assert_allclose(result, exact, rtol=0, atol=allowed)


@pytest.mark.parametrize(
    "dtype", ["float16", "float32", "float64", ">f8", "int32", *slow("bool", "uint8", "uint16", "int16")]
)
def test_dtypes(dtype, gabors, rng):
    kernels, parts = gabors
    image = (rng.random((37, 50)) * 100).astype(dtype)
    result = fastsep.correlate_bank(image, parts, method="separable")
    single = np.dtype(dtype).kind == "f" and np.dtype(dtype).itemsize <= 4
    assert result.dtype == (np.float32 if single else np.float64)
    allowed = slack(kernels, 100, parts) * (2.0**29 if single else 1)
    np.testing.assert_allclose(result, expected(image, kernels), rtol=0, atol=allowed)


@pytest.mark.parametrize(
    "dtype", ["float32", *slow("float16", "float64", ">f8", "int32", "bool", "uint8", "uint16", "int16")]
)
def test_results_have_the_dtype_that_is_asked_for(dtype, gabors, rng):
    _, parts = gabors
    image = (rng.random((37, 50)) * 100).astype(dtype)
    for wanted in (np.float32, np.float64):
        assert fastsep.correlate_bank(image, parts, dtype=wanted).dtype == wanted


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_channels_are_not_filtered(axis, gabors, rng):
    kernels, parts = gabors
    channels = rng.random((3, 40, 31))[:, :, ::-1]
    image = np.moveaxis(channels, 0, axis)
    exact = np.stack([expected(channel, kernels, mode="mirror") for channel in channels], axis)
    for method in ("separable", "direct"):
        result = fastsep.correlate_bank(image, parts, mode="mirror", channel_axis=axis, method=method)
        np.testing.assert_allclose(result, exact, rtol=0, atol=slack(kernels, 1, parts))


def test_modes_per_axis(gabors, rng):
    kernels, parts = gabors
    image = rng.random((20, 30))
    result = fastsep.correlate_bank(image, parts, mode=("reflect", "wrap"), method="separable")
    one = fastsep.correlate(image, kernels[3], mode=("reflect", "wrap"))
    np.testing.assert_allclose(result[..., 3], one, rtol=0, atol=slack(kernels, 1, parts))


@pytest.mark.usefixtures("small_images_go_parallel")
def test_any_number_of_threads_and_strips_gives_the_same_bits(gabors, rng, monkeypatch):
    _, parts = gabors
    image = rng.random((211, 150), np.float32)
    results = []
    for size in (1, tuning.PLANES_BYTES, 1 << 40):
        monkeypatch.setattr(tuning, "PLANES_BYTES", size)
        fastsep.clear_caches()
        for workers in (1, 2, 3, 8):
            results.append(fastsep.correlate_bank(image, parts, method="separable", workers=workers))
    fastsep.clear_caches()
    for result in results[1:]:
        assert same_bits(result, results[0])


def test_kernels_that_sum_to_zero_keep_digits_beside_others(gabors, rng):
    """Of an image that stands high: in float32, by terms that each take the pixel itself away first."""
    kernels = gabors[0].copy()
    kernels[::2] -= kernels[::2].mean(axis=(1, 2), keepdims=True)
    parts = fastsep.factorize_bank(kernels)
    image = (rng.random((60, 50)) + 1e5).astype(np.float32)
    assert fastsep.explain(fastsep.correlate_bank, image, parts, method="separable").arithmetic == np.float32
    result = fastsep.correlate_bank(image, parts, method="separable")
    exact = expected(image, kernels)
    # No taps sum to more than 1, and the range is 1. Large results are rounded to float32 on their way, too.
    allowed = 1e-6 + np.where(np.arange(len(kernels)) % 2, 2 * np.spacing(np.float32(1e5)), 0)
    assert (np.abs(result - exact).max(axis=(0, 1)) <= allowed).all()


def test_large_results_are_the_same_as_small_ones(gabors, rng):
    """From 8 MB on they are written around the cache."""
    kernels, parts = gabors
    image = rng.random((600, 700), np.float32)
    assert image.nbytes * len(kernels) > 8 << 20
    whole = fastsep.correlate_bank(image, parts, method="separable")
    part = fastsep.correlate_bank(image[:60], parts, method="separable")
    assert same_bits(whole[:50].copy(), part[:50].copy())


def test_results_are_written_into_out(gabors, rng):
    kernels, parts = gabors
    image = rng.random((30, 40), np.float32)
    result = fastsep.correlate_bank(image, parts)
    room = np.full((30, 40, 2 * len(kernels)), 7, np.float32)
    misaligned = np.empty(result.nbytes + 1, np.uint8)[1:].view("f4").reshape(result.shape)
    for out in (np.empty_like(result), room[..., ::2], misaligned):
        assert fastsep.correlate_bank(image, parts, out=out) is out
        assert same_bits(out.copy(), result)
    assert (room[..., 1::2] == 7).all()
    inside = result.copy()
    inside[..., 0] = image
    assert same_bits(fastsep.correlate_bank(inside[..., 0], parts, out=inside), result)


def test_results_of_the_other_byte_order(gabors, rng):
    image = rng.random((20, 20))
    out = np.empty((20, 20, 8), ">f8" if sys.byteorder == "little" else "<f8")
    assert fastsep.correlate_bank(image, gabors[1], out=out) is out
    np.testing.assert_array_equal(out, fastsep.correlate_bank(image, gabors[1]))


def test_many_shapes_from_many_threads(gabors):
    images = [np.zeros((n, 3), np.float32) for n in range(1, 64)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda image: fastsep.correlate_bank(image, gabors[1], method="separable"), images * 8))
    assert [result.shape for result in results[: len(images)]] == [(*image.shape, 8) for image in images]


def test_tol_is_kept_for_each_kernel(rng):
    y, x = np.mgrid[-5:6, -5:6] / 3
    kernels = np.array([np.exp(-((x + turn * y) ** 2) - y**2) / 30 for turn in (0.3, 0.6, 0.9)])  # of full rank
    image = rng.random((50, 60))
    loose = fastsep.correlate_bank(image, kernels, tol=0.01, method="separable")
    assert np.abs(loose - expected(image, kernels)).max() <= 0.01 + slack(kernels, 1)
    assert fastsep.factorize_bank(kernels, tol=0.01).rank < fastsep.factorize_bank(kernels).rank


def test_a_border_of_nan_stays_under_the_kernels(gabors, rng):
    result = fastsep.correlate_bank(rng.random((60, 70)), gabors[1], mode="constant", cval=np.nan)
    inner = result[7:-7, 7:-7]
    assert np.isfinite(inner).all()
    assert np.isnan(result).any()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_stay_under_their_kernel(value, rng):
    kernels = np.array([np.eye(5), np.ones((5, 5)), np.eye(5)[::-1] * rng.random(5)])
    image = rng.random((20, 20))
    image[8, 9] = value
    result = fastsep.correlate_bank(image, kernels)
    exact = expected(image, kernels)
    np.testing.assert_array_equal(np.isfinite(result), np.isfinite(exact))
    np.testing.assert_allclose(result[np.isfinite(exact)], exact[np.isfinite(exact)], rtol=1e-13)


def test_the_image_and_the_kernels_are_left_alone(gabors, rng):
    kernels, _ = gabors
    image, before = rng.random((20, 20)), kernels.copy()
    kept = image.copy()
    for array in (image, kernels):
        array.flags.writeable = False
    fastsep.correlate_bank(image[::-1, ::2], kernels)
    for array in (image, kernels):
        array.flags.writeable = True
    np.testing.assert_array_equal(image, kept)
    np.testing.assert_array_equal(kernels, before)


def test_empty_images_give_empty_results(gabors):
    assert fastsep.correlate_bank(np.zeros((0, 5)), gabors[1]).shape == (0, 5, 8)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"kernels": np.ones((3, 3))}, ValueError, r"`kernels` must be \(n, kh, kw\), .*; got shape \(3, 3\)"),
        ({"kernels": np.ones((0, 3, 3))}, ValueError, r"`kernels` must be \(n, kh, kw\)"),
        ({"kernels": np.full((1, 3, 3), np.nan)}, ValueError, "`kernels` must be finite in float64"),
        ({"image": np.ones(9)}, ValueError, "`image` must have 2 spatial axes for this filter; got 1"),
        ({"image": np.ones((3, 4, 5))}, ValueError, "`image` must have 2 spatial axes for this filter; got 3"),
        ({"tol": -1}, ValueError, "`tol` must be finite and not negative; got -1"),
        ({"method": "fft"}, ValueError, "`method` must be one of auto, separable, direct; got 'fft'"),
        ({"dtype": "uint8"}, ValueError, "`dtype`, .*, must be float32 or float64 for a bank; got uint8"),
        ({"out": np.zeros((8, 9))}, ValueError, r"`out` must have the result's shape \(8, 9, 2\); got \(8, 9\)"),
        ({"out": np.zeros((8, 9, 2), "u1")}, ValueError, "that of `out`, must be float32 or float64"),
        ({"kernels": fastsep.factorize_bank(np.ones((2, 3, 3))), "tol": 1}, ValueError, "`tol` must be 0"),
        ({"workers": 0}, ValueError, "`workers` must be an integer of at least 1, or -1 for all cores; got 0"),
        ({"mode": "edge"}, ValueError, "`mode` must be one of reflect"),
    ],
)  # fmt: skip
def test_bad_arguments_get_one_line(arguments, error, message):
    with pytest.raises(error, match=message) as caught:
        fastsep.correlate_bank(**({"image": np.zeros((8, 9)), "kernels": np.ones((2, 3, 3))} | arguments))
    assert "\n" not in str(caught.value)
