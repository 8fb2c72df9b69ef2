"""Images with missing pixels: filters divided by what they make of the pixels' weights."""

import itertools
from functools import partial

import numpy as np
import pytest
import scipy.ndimage
from helpers import MODES, slow
from hypothesis import given
from hypothesis import strategies as st

import fastsep
import fastsep.ndimage as ndi

NAN = float("nan")
KERNEL = np.outer([1.0, 2.0, 1.0], [0.5, 1.0, 3.0])  # one term
DISC = np.hypot(*np.mgrid[-2:3, -2:3]) <= 2.3  # several
TAPS = ([1.0, 2.0, 3.0], [0.25, 0.5, 0.25])
NEGATIVE = ([-1.0, -2.0, -3.0], [1.0, 1.0])


def gaussian_taps(sigma):
    """Of a standard deviation, as the documentation has them."""
    x = np.arange(-int(4 * sigma + 0.5), int(4 * sigma + 0.5) + 1)
    taps = np.exp(-0.5 * (x / sigma) ** 2)
    return taps / taps.sum()


#: A call for an image of two axes, and the kernel that it correlates with, or lines, one after the other.
CALLS = {
    "gaussian": (partial(fastsep.gaussian, sigma=(1.5, 1)), np.outer(gaussian_taps(1.5), gaussian_taps(1))),
    "gaussian of one axis": (partial(fastsep.gaussian, sigma=(0, 2)), gaussian_taps(2)[None]),
    "box": (partial(fastsep.box, size=(3, 4)), np.full((3, 4), 1 / 12)),
    "large box": (partial(fastsep.box, size=17), np.full((17, 17), 1 / 289)),
    "separable_filter": (partial(fastsep.separable_filter, taps=TAPS), TAPS),
    "negative taps": (partial(fastsep.separable_filter, taps=NEGATIVE), NEGATIVE),
    "correlate": (partial(fastsep.correlate, kernel=KERNEL), KERNEL),
    "correlate of several terms": (partial(fastsep.correlate, kernel=DISC), DISC),
    "correlate by terms": (partial(fastsep.correlate, kernel=DISC, method="separable"), DISC),
    "correlate directly": (partial(fastsep.correlate, kernel=KERNEL, method="direct"), KERNEL),
    "convolve": (partial(fastsep.convolve, kernel=KERNEL), KERNEL[::-1, ::-1]),
}


def correlated(image, kernel, mode, cval):
    """SciPy's correlation in float64; beyond the border of "ignore" is nothing."""
    mode, cval = ("constant", 0.0) if mode == "ignore" else (mode, cval)
    if isinstance(kernel, tuple):
        for axis, line in enumerate(kernel):
            image = scipy.ndimage.correlate1d(image.astype(float), line, axis, mode=mode, cval=cval)
        return image
    return scipy.ndimage.correlate(image.astype(float), np.asarray(kernel, float), mode=mode, cval=cval)


def multiplied_out(kernel):
    """A kernel, of lines their product."""
    return np.outer(*kernel) if isinstance(kernel, tuple) else np.asarray(kernel, float)


def expected(image, weights, kernel, mode="reflect", cval=0.0):
    """S K(w f) / K(w), NaN where there is none."""
    weights = np.broadcast_to(weights, image.shape).astype(float)
    with np.errstate(all="ignore"):
        pixels = np.where(weights > 0, weights * np.where(weights > 0, image, 0).astype(float), 0)
        share = correlated(weights, multiplied_out(kernel), mode, 1.0)
        found = multiplied_out(kernel).sum() * correlated(pixels, kernel, mode, cval) / share
    return np.where(np.abs(share) > 1e-9 * np.abs(multiplied_out(kernel)).sum(), found, NAN)


def with_holes(rng, shape=(23, 31), dtype=np.float64, part=0.3):
    """An image with NaN at random places and in a corner."""
    image = rng.random(shape).astype(dtype)
    image[rng.random(shape) < part] = NAN
    image[(slice(0, 9),) * len(shape)] = NAN
    return image


def check(result, wanted, scale=1.0):
    """Equal to rounding, and missing at the same places."""
    tolerance = 1e-12 if result.dtype == np.float64 else 1e-6
    np.testing.assert_allclose(result, wanted, rtol=0, atol=4 * tolerance * scale)


# ---- against sums in float64


@pytest.mark.parametrize("mode", [*MODES, "ignore"])
@pytest.mark.parametrize("name", CALLS)
def test_results_are_quotients_of_sums(rng, name, mode):
    call, kernel = CALLS[name]
    cval = 0.5 if mode == "constant" else 0.0
    scale = np.abs(multiplied_out(kernel)).sum()
    for dtype in (np.float64, np.float32):
        image = with_holes(rng, dtype=dtype)
        weights = rng.random(image.shape)
        result = call(image, nan="ignore", mode=mode, cval=cval)
        check(result, expected(image, ~np.isnan(image), kernel, mode, cval), scale)
        result = call(image, nan="ignore", weights=weights, mode=mode, cval=cval)
        check(result, expected(image, np.where(np.isnan(image), 0, weights), kernel, mode, cval), scale)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_volume_of_one_plane_is_filtered_as_a_volume(rng, dtype):
    """Its kernels, which read other planes, too, cannot make some rows of a plane: they wrote beyond their memory."""
    plane = with_holes(rng, (14, 19), dtype)
    call = partial(fastsep.gaussian, sigma=1, nan="ignore", mode="mirror")
    assert "once over the image" not in str(fastsep.explain(call.func, plane[None], **call.keywords))
    check(call(plane[None])[0], call(plane))
    fill = partial(fastsep.interpolate_missing, sigma=1, mode="mirror")
    check(fill(plane[None])[0], fill(plane))


def test_a_kernel_of_several_planes_meets_the_border_beside_a_single_one(rng):
    """Pixels beyond it had full weight, and a NaN under no other tap than the middle one was not found."""
    image, kernel = with_holes(rng, (1, 40, 23), np.float32, part=0.002), rng.random((3, 3, 3))
    call = partial(fastsep.correlate, method="direct", nan="ignore")
    beside = kernel.sum() / kernel[1].sum()
    wanted = expected(image[0], ~np.isnan(image[0]), kernel[1], "mirror") * beside
    check(call(image, kernel, mode=("ignore", "mirror", "mirror"))[0], wanted, kernel.sum() * beside)
    kernel[1] = [[0, 0, 0], [0, 1, 0], [0, 0, 0]]
    wanted = expected(image, ~np.isnan(image), kernel, "constant", 0.5)
    check(call(image, kernel, mode="constant", cval=0.5), wanted, kernel.sum())


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("dtype", [np.uint8, bool, *slow(np.int16, np.int32)])
def test_integers_have_weights_and_a_value_for_missing_pixels(rng, name, dtype):
    call, kernel = CALLS[name]
    options = {"preserve_range": True, "mode": "reflect"} if "gaussian" in name else {}
    image = rng.integers(0, 2 if dtype is bool else 100, (23, 31)).astype(dtype)
    mask = rng.random(image.shape) > 0.3
    mask[:9, :9] = False
    result = call(image, weights=mask, **options)
    assert result.dtype == np.float64
    check(result, expected(image, mask, kernel), 100 * np.abs(multiplied_out(kernel)).sum())
    if dtype is not bool:
        image[~mask] = 7
        np.testing.assert_array_equal(call(image, nodata=7, **options), call(image, weights=image != 7, **options))


@pytest.mark.parametrize("shape", [(40,), (23, 31), (6, 11, 13), (3, 4, 5, 9)])
@pytest.mark.parametrize("mode", ["nearest", "ignore"])
def test_images_of_any_number_of_axes(rng, shape, mode):
    image = with_holes(rng, shape, part=0.1)
    taps = gaussian_taps(1)
    weights = (~np.isnan(image)).astype(float)
    values, shares = np.nan_to_num(image), weights
    border = {"mode": "constant"} if mode == "ignore" else {"mode": mode}
    for axis in range(image.ndim):
        values, shares = (scipy.ndimage.correlate1d(each, taps, axis, **border) for each in (values, shares))
    with np.errstate(all="ignore"):
        check(fastsep.gaussian(image, 1, nan="ignore", mode=mode), np.where(shares > 1e-12, values / shares, NAN))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_channels_have_missing_pixels_of_their_own_and_share_weights(rng, axis):
    image = np.moveaxis(with_holes(rng, (20, 21, 5)), 2, axis)
    weights = rng.random((20, 21))
    result = fastsep.gaussian(image, 1.5, channel_axis=axis, nan="ignore", weights=weights)
    own = np.stack(
        [fastsep.gaussian(np.take(image, k, axis), 1.5, nan="ignore", weights=weights) for k in range(5)], axis
    )
    np.testing.assert_array_equal(result, own)
    each = np.moveaxis(rng.random((20, 21, 5)), 2, axis)
    result = fastsep.box(image, 3, channel_axis=axis, nan="ignore", weights=each)
    own = [fastsep.box(np.take(image, k, axis), 3, nan="ignore", weights=np.take(each, k, axis)) for k in range(5)]
    np.testing.assert_array_equal(result, np.stack(own, axis))


def test_infinity_is_data_and_missing_infinity_is_none(rng):
    image = with_holes(rng)
    image[15, 20] = np.inf
    result = fastsep.box(image, 3, nan="ignore")
    assert (result[14:17, 19:22] == np.inf).all()
    assert np.isinf(result).sum() == 9
    weights = np.ones(image.shape)
    weights[15, 20] = 0
    assert not np.isinf(fastsep.box(image, 3, nan="ignore", weights=weights)).any()
    image[15, 20] = NAN  # which propagates
    assert np.isnan(fastsep.box(np.nan_to_num(image, nan=1.0), 3, weights=weights)).sum() == 0
    image = np.where(np.isnan(image), NAN, 1.0)
    np.testing.assert_array_equal(np.isnan(fastsep.box(image, 3, weights=np.ones(31))), np.isnan(fastsep.box(image, 3)))


# ---- properties


SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 40))
SOME = st.sampled_from(sorted(CALLS))


@given(SHAPES, SOME, st.sampled_from(["reflect", "nearest", "wrap", "ignore"]), st.integers(0, 2**32 - 1))
def test_constant_images_stay_what_the_plain_filter_makes_of_them(shape, name, mode, seed):
    rng = np.random.default_rng(seed)
    call, kernel = CALLS[name]
    weights = rng.random(shape) * (rng.random(shape) > 0.4)
    result = call(np.full(shape, 3.0), weights=weights, mode=mode)
    result = result[~np.isnan(result)]
    np.testing.assert_allclose(result, 3 * multiplied_out(kernel).sum(), rtol=1e-13)


@given(SHAPES, SOME, st.integers(0, 2**32 - 1))
def test_scaling_weights_changes_nothing(shape, name, seed):
    rng = np.random.default_rng(seed)
    call, kernel = CALLS[name]
    image, weights = rng.random(shape), rng.random(shape) * (rng.random(shape) > 0.4)
    result = call(image, weights=weights)
    check(call(image, weights=3.7e5 * weights), result, np.abs(multiplied_out(kernel)).sum())
    np.testing.assert_array_equal(call(image, weights=2.0**-9 * weights), result)  # rounds nothing


@pytest.mark.parametrize("name", [name for name in CALLS if name != "correlate by terms"])
@pytest.mark.parametrize(
    ("dtype", "result"),
    [
        ("f8", None),
        *(
            pytest.param(*each, marks=pytest.mark.slow)
            for each in (("u1", None), ("f4", None), (">i2", "f4"), ("f2", "u1"), ("u1", "u1"), ("i4", "i4"))
        ),
    ],
)
def test_weights_of_one_are_the_plain_filter_bit_for_bit(rng, name, dtype, result):
    call, _ = CALLS[name]
    if name == "correlate of several terms":  # of which the plain filter may take several, or a transform
        call = partial(call, method="direct")
    shapes = [(37, 75), (1, 70), (5, 3), (40, 2)]
    for shape, mode in zip(
        itertools.cycle(shapes), [*MODES, ("wrap", "constant"), "constant", "constant"], strict=False
    ):
        image = (90 * rng.random(shape)).astype(dtype)
        options = {"mode": mode, "cval": 2.5, "dtype": result and np.dtype(result)}
        plain = call(image, **options)
        for weights in (np.ones(shape[1], bool), [[1]], np.ones(shape, np.float64 if dtype == "f8" else np.float32)):
            weighted = call(image, weights=weights, fill_value=3, **options)
            np.testing.assert_array_equal(weighted, plain, strict=True)


@pytest.mark.parametrize("dtype", ["f8", "u1", *slow("f4")])
@pytest.mark.parametrize("name", CALLS)
def test_a_missing_pixel_changes_no_bit_outside_its_footprint(rng, name, dtype, small_images_go_parallel):
    call, kernel = CALLS[name]
    if name.startswith("correlate of") or name == "convolve":
        call = partial(call, method="direct")
    image = (90 * rng.random((61, 75))).astype(dtype)
    row, col = 30, 41
    weights = np.ones(image.shape, bool)
    weights[row, col] = False
    reach = np.maximum(multiplied_out(kernel).shape, 1)
    near = np.zeros(image.shape, bool)
    near[row - reach[0] : row + reach[0] + 1, col - reach[1] : col + reach[1] + 1] = True
    plain = call(image)
    for workers in (1, 2, 7, 61):
        result = call(image, weights=weights, workers=workers)
        np.testing.assert_array_equal(result[~near], plain[~near])
        np.testing.assert_array_equal(result, call(image, weights=weights))
        if image.dtype.kind == "f":
            holed = image.copy()
            holed[row, col] = NAN
            np.testing.assert_array_equal(call(holed, nan="ignore", workers=workers), result)
    assert not np.array_equal(result, plain)


@pytest.mark.parametrize("name", CALLS)
def test_layout_and_byte_order_do_not_matter(rng, name):
    call, _ = CALLS[name]
    image = with_holes(rng, dtype=np.float32)
    weights = rng.random(image.shape)
    plain = call(image, nan="ignore", weights=weights)
    spread = np.full((46, 93), 5, np.float32)
    spread[::2, ::3] = image
    locked = image.copy()
    locked.flags.writeable = False
    for same in (np.asfortranarray(image), spread[::2, ::3], image[::-1].copy()[::-1], locked, image.astype(">f4")):
        np.testing.assert_array_equal(call(same, nan="ignore", weights=np.asfortranarray(weights)), plain)
    np.testing.assert_array_equal(call(image, nan="ignore", weights=weights.astype(">f8")), plain)
    half = image.astype(np.float16)
    np.testing.assert_array_equal(call(half, nan="ignore"), call(half.astype(np.float32), nan="ignore"))
    out = np.empty_like(image)
    assert call(image, nan="ignore", weights=weights, out=out) is out
    np.testing.assert_array_equal(out, plain)
    assert call(locked.copy(), nan="ignore", weights=weights, out=image) is image
    np.testing.assert_array_equal(image, plain)
    weights = weights.astype(np.float32)
    wanted = call(locked, nan="ignore", weights=weights)
    np.testing.assert_array_equal(call(locked, nan="ignore", weights=weights, out=weights), wanted)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (1, 1)])
def test_images_without_pixels_or_of_one(shape):
    image = np.full(shape, NAN)
    assert fastsep.gaussian(image, nan="ignore").shape == shape
    assert np.isnan(fastsep.gaussian(image, nan="ignore")).all()


# ---- which results have a value


@pytest.mark.parametrize("dtype", [np.float32, *slow(np.float64)])
def test_results_have_a_value_where_enough_of_the_kernel_finds_weights(dtype):
    image = np.array([1.0, NAN, NAN, NAN, 2.0, 4.0], dtype)
    box = partial(fastsep.box, size=3, nan="ignore")
    check(box(image), [1, 1, NAN, 2, 3, 10 / 3])
    check(box(image, min_weight=0.5), [1, NAN, NAN, NAN, 3, 10 / 3])
    check(box(image, min_weight=1), [NAN, NAN, NAN, NAN, NAN, 10 / 3])
    check(box(image, keep_nan=True), [1, NAN, NAN, NAN, 3, 10 / 3])
    check(box(image, fill_value=-9), [1, 1, -9, 2, 3, 10 / 3])
    check(box(image, mode="ignore", min_weight=0.6), [NAN, NAN, NAN, NAN, 3, 3])


def test_integers_get_nodata_or_the_fill_value():
    image = np.array([10, 99, 99, 99, 20, 40], np.uint8)
    box = partial(fastsep.box, size=3, nodata=99)
    np.testing.assert_array_equal(box(image, dtype=np.uint8), np.uint8([10, 10, 99, 20, 30, 33]), strict=True)


@pytest.mark.slow
def test_integers_of_another_dtype_get_nodata_or_the_fill_value():
    image = np.array([10, 99, 99, 99, 20, 40], np.uint8)
    box = partial(fastsep.box, size=3, nodata=99)
    np.testing.assert_array_equal(
        box(image, dtype=np.int16, fill_value=-1), np.int16([10, 10, -1, 20, 30, 33]), strict=True
    )
    np.testing.assert_array_equal(
        box(image, dtype=np.int16, keep_nan=True), np.int16([10, 99, 99, 99, 30, 33]), strict=True
    )
    lowest = np.array([10, -(2**15), 30], np.int16)  # which is raised by one where signed integers are rescaled
    np.testing.assert_allclose(
        fastsep.gaussian(lowest, 0.1, nodata=-(2**15))[[0, 2]], np.array([10, 30]) / 32767, rtol=1e-12
    )
    near = np.array([2**53, 2**53 + 1, 2**53], np.int64)  # two of them are one in float64
    assert fastsep.box(near, 3, nodata=2**53 + 1)[1] == 2**53
    assert np.isnan(fastsep.box(near, 3, nodata=2**53)).sum() == 0


@pytest.mark.parametrize("kind", [bool, *slow(float)])
def test_masked_arrays_give_masked_arrays(rng, kind):
    image = np.ma.masked_less(rng.random((20, 30)), 0.3)
    image[:9, :9] = np.ma.masked
    result = fastsep.gaussian(image, 1)
    assert type(result) is np.ma.MaskedArray
    plain = fastsep.gaussian(image.data, 1, weights=~image.mask)
    np.testing.assert_array_equal(result.mask, np.isnan(plain))
    np.testing.assert_array_equal(result.filled(NAN), plain)
    whole = np.ma.MaskedArray((90 * rng.random((20, 30))).astype(np.uint8), image.mask)
    result = fastsep.box(whole, 3, dtype=np.uint8)
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result.mask, np.isnan(fastsep.box(whole.data, 3, weights=~image.mask)))
    dy, dx = fastsep.gradient(image, "gaussian")
    assert type(dy) is type(dx) is np.ma.MaskedArray
    weights = rng.random(image.shape)
    weights = weights > 0.4 if kind is bool else weights
    np.testing.assert_array_equal(
        fastsep.box(image, 3, weights=weights).filled(NAN),
        fastsep.box(image.data, 3, weights=weights * ~image.mask),
    )
    colours = np.ma.MaskedArray(rng.random((3, 20, 5, 30)), rng.random((3, 20, 5, 30)) < 0.9)
    result = fastsep.box(colours, 3, channel_axis=2)
    np.testing.assert_array_equal(result.mask, np.isnan(result.data))
    assert result.mask.any()


def test_masked_results_keep_the_fill_value_that_their_dtype_has():
    image = np.ma.MaskedArray(np.eye(5), np.eye(5) > 0, fill_value=-9999)
    assert fastsep.box(image, 3).fill_value == -9999
    assert all(each.fill_value == -9999 for each in fastsep.gradient(image, "gaussian"))
    image.fill_value = np.nan
    assert np.isnan(fastsep.interpolate_missing(image).fill_value)


@pytest.mark.slow
def test_masked_results_of_another_dtype_keep_the_fill_value_that_it_has():
    image = np.ma.MaskedArray(np.eye(5), np.eye(5) > 0, fill_value=-9999)
    assert fastsep.box(image, 3, dtype=np.int16).fill_value == -9999
    assert fastsep.box(image, 3, dtype=np.uint8).fill_value == np.ma.default_fill_value(np.dtype(np.uint8))
    image.fill_value = 0.1
    assert fastsep.box(image, 3, dtype=np.float32).fill_value == np.float32(0.1)
    counts = np.ma.MaskedArray(np.eye(5, dtype=np.uint8), np.eye(5) > 0)  # whose own is that of integers
    assert fastsep.box(counts, 3).fill_value == np.ma.default_fill_value(np.dtype(float))


# ---- filters of several parts


@pytest.mark.parametrize("dtype", [np.float32, *slow(np.float64)])
def test_differences_of_gaussians_are_those_of_normalized_ones(rng, dtype):
    image = 300 + 0.01 * with_holes(rng, (40, 50), dtype=dtype, part=0.1)
    low, high = (fastsep.gaussian(image.astype(float), sigma, nan="ignore") for sigma in (1, 2))
    result = fastsep.difference_of_gaussians(image, 1, 2, nan="ignore")
    assert result.dtype == dtype
    np.testing.assert_allclose(result, low - high, rtol=0, atol=0.01 * (1e-6 if dtype == np.float32 else 1e-10))


def test_a_difference_has_a_value_where_both_gaussians_have_one(rng):
    image = np.ma.MaskedArray(rng.random((40, 50)), False)
    image[8:28, 8:28] = np.ma.masked
    low, high = (fastsep.gaussian(image, sigma) for sigma in (1, 3))
    result = fastsep.difference_of_gaussians(image, 1, 3)
    assert low.mask.sum() > high.mask.sum()
    np.testing.assert_array_equal(result.mask, low.mask | high.mask)
    np.testing.assert_array_equal(result.mask, np.isnan(result.data))


@pytest.mark.slow
def test_a_difference_of_integers_has_the_fill_value_elsewhere(rng):
    whole = np.ma.MaskedArray(rng.integers(0, 256, (40, 50), np.uint8), False)
    whole[8:28, 8:28] = np.ma.masked
    low, high = (fastsep.gaussian(whole, sigma) for sigma in (1, 3))
    found = fastsep.difference_of_gaussians(whole, 1, 3, dtype=np.int16, fill_value=-9)
    np.testing.assert_array_equal(found.data[found.mask], -9)
    np.testing.assert_array_equal(found.mask, low.mask | high.mask)


@pytest.mark.parametrize("dtype", [np.float32, *slow(np.float64)])
@pytest.mark.parametrize("amount", [1.5, -0.5])
def test_unsharp_masks_take_the_blurred_image_for_missing_pixels(rng, amount, dtype):
    image = with_holes(rng, (40, 50), dtype, part=0.1)
    blurred = fastsep.gaussian(image, 1, mode="reflect", nan="ignore")
    sharp = np.where(np.isnan(image), blurred, image + amount * (image - blurred))
    result = fastsep.unsharp_mask(image, 1, amount, True, nan="ignore")
    check(result, sharp, 4)
    result = fastsep.unsharp_mask(image, 1, amount, nan="ignore", weights=np.ones(50))
    check(result, np.clip(sharp, 0, 1), 4)
    negative = image - 0.5
    check(fastsep.unsharp_mask(negative, 1, amount, nan="ignore"), np.clip(sharp - 0.5, -1, 1), 4)
    weights = image > 0.5  # of what counts nothing is negative
    result = fastsep.unsharp_mask(negative, 1, amount, nan="ignore", weights=weights)
    assert np.nanmin(result) >= 0


@pytest.mark.parametrize(
    "call",
    [
        fastsep.unsharp_mask,
        *slow(
            partial(fastsep.difference_of_gaussians, low_sigma=1),
            partial(fastsep.gaussian, sigma=1.5, order=(0, 1)),
            partial(fastsep.gradient, operator="gaussian", sigma=1, output="magnitude"),
            partial(fastsep.gradient, operator="gaussian", output="orientation"),
        ),
    ],
)
@pytest.mark.parametrize(
    ("dtype", "result"),
    [
        ("f4", None),
        *(pytest.param(*each, marks=pytest.mark.slow) for each in (("f8", None), ("u1", None), ("i2", "i2"))),
    ],
)
def test_what_is_combined_of_complete_pixels_is_the_plain_filter_bit_for_bit(rng, call, dtype, result):
    for mode in MODES:
        image = (90 * rng.random((61, 75))).astype(dtype)
        options = {"mode": mode, "cval": 0.25, "dtype": result and np.dtype(result)}
        plain = call(image, **options)
        for weights in (np.ones(75, bool), np.ones((61, 75), np.float32)):
            np.testing.assert_array_equal(call(image, weights=weights, fill_value=3, **options), plain, strict=True)
        weights = np.ones(image.shape, bool)
        weights[:10, :10] = False
        near = np.zeros(image.shape, bool)
        near[:24, :24] = True
        if mode == "wrap":
            near[-14:], near[:, -14:] = True, True  # the other side
        found = call(image, weights=weights, fill_value=3, **options)
        np.testing.assert_array_equal(found[~near], plain[~near])
        assert not np.array_equal(found, plain)


@pytest.mark.parametrize("dtype", [np.float32, *slow(np.float64)])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_channels_of_complete_images_are_filtered_one_by_one(rng, axis, dtype):
    image = rng.random((12, 12, 12)).astype(dtype)
    for nan in ("ignore", "propagate"):
        result = fastsep.unsharp_mask(image, channel_axis=axis, nan=nan)
        np.testing.assert_array_equal(result, fastsep.unsharp_mask(image, channel_axis=axis))


@pytest.mark.parametrize("offset", [0, 300])
@pytest.mark.parametrize("dtype", [np.float32, *slow(np.float64)])
def test_derivatives_are_those_of_the_normalized_image(offset, dtype):
    """Central differences of an image that is interpolated between pixels, by taps that are moved."""
    sigma, step = 1.5, 1e-4
    x = np.arange(60.0)
    image = (offset + 0.01 * np.sin(x / 3)).astype(dtype)
    image[[3, 4, 5, 20, 31, 33]] = NAN
    image[40:46] = NAN
    counts = ~np.isnan(image)
    radius = int(4 * sigma + 0.5)

    def normalized(at):
        distance = x - at[:, None]
        taps = np.exp(-0.5 * (distance / sigma) ** 2) * (np.abs(np.rint(distance)) <= radius) * counts
        return (taps * np.nan_to_num(image.astype(float) - offset)).sum(1) / taps.sum(1)

    wanted = (normalized(x + step) - normalized(x - step)) / (2 * step)
    result = fastsep.gaussian(image, sigma, order=1, nan="ignore", mode="ignore")
    # Of step ** 2, and of what float32 knows of the image.
    np.testing.assert_allclose(result, wanted, rtol=0, atol=0.01 * 1e-6)


@pytest.mark.parametrize("dtype", [np.float32, *slow(np.float64)])
def test_gradients_of_a_plane_with_holes_are_its_slopes(dtype):
    y, x = np.mgrid[:40, :50]
    image = (2 * y - 3 * x + 100).astype(dtype)
    image[10:20, 10:14] = NAN
    gradient = partial(fastsep.gradient, image, "gaussian", sigma=2, nan="ignore", mode="ignore")
    dy, dx = gradient(output=("dy", "dx"))
    inside = (slice(28, 32), slice(30, 40))  # far from holes and borders
    np.testing.assert_allclose(dy[inside], 2, rtol=1e-3)
    np.testing.assert_allclose(dx[inside], -3, rtol=1e-3)
    (alone,) = gradient(output=("dx",))
    np.testing.assert_array_equal(alone, dx)
    alone, magnitude, angle = gradient(output=("dx", "magnitude", "orientation"))
    np.testing.assert_array_equal(alone, dx)
    rounding = 1e-12 if dtype == np.float64 else 1e-6
    np.testing.assert_allclose(magnitude, np.hypot(dy, dx), rtol=rounding)
    np.testing.assert_allclose(angle, np.arctan2(dy, dx), rtol=rounding)


# ---- fastsep.ndimage


NDIMAGE = {
    "gaussian_filter": partial(ndi.gaussian_filter, sigma=1.5),
    "gaussian_filter1d": partial(ndi.gaussian_filter1d, sigma=1.5, axis=0),
    "uniform_filter": partial(ndi.uniform_filter, size=(5, 4)),
    "uniform_filter1d": partial(ndi.uniform_filter1d, size=5, origin=1),
    "correlate": partial(ndi.correlate, weights=DISC, origin=(1, 0)),
    "convolve": partial(ndi.convolve, weights=KERNEL / 20, origin=(0, -1)),
    "correlate1d": partial(ndi.correlate1d, weights=[1, 2, 3]),
    "convolve1d": partial(ndi.convolve1d, weights=[1, 2, 3], axis=0),
}


def of_scipy(name):
    """The same call of SciPy's function."""
    call = NDIMAGE[name]
    return partial(getattr(scipy.ndimage, name), **call.keywords)


@pytest.mark.parametrize("mode", ["reflect", "wrap", "ignore"])
@pytest.mark.parametrize("name", NDIMAGE)
def test_counterparts_in_ndimage_are_quotients_of_scipys_results(rng, name, mode):
    image = with_holes(rng)
    border = {"mode": "constant" if mode == "ignore" else mode}
    counts = ~np.isnan(image)
    with np.errstate(all="ignore"):
        share = of_scipy(name)(counts.astype(float), **border)
        total = of_scipy(name)(np.ones((50, 50)), **border)[25, 25]
        wanted = np.where(share > 1e-12 * total, total * of_scipy(name)(np.nan_to_num(image), **border) / share, NAN)
    check(NDIMAGE[name](image, nan="ignore", mode=mode), wanted, total)
    check(NDIMAGE[name](image.astype(np.float32), nan="ignore", mode=mode), wanted, total)
    check(NDIMAGE[name](image, pixel_weights=counts, mode=mode), wanted, total)
    check(NDIMAGE[name](np.ma.masked_invalid(image), nan="ignore", mode=mode).filled(NAN), wanted, total)


@pytest.mark.parametrize("dtype", [np.uint8, *slow(np.float32, np.int16, np.int32)])
@pytest.mark.parametrize("name", NDIMAGE)
def test_weights_of_one_give_what_scipy_gives_in_ndimage(rng, name, dtype):
    image = (90 * rng.random((30, 41))).astype(dtype)
    for mode in MODES:
        plain = NDIMAGE[name](image, mode=mode, cval=3)
        for weights in (np.ones(41, bool), np.ones(41)):
            found = NDIMAGE[name](image, mode=mode, cval=3, pixel_weights=weights, fill_value=0)
            np.testing.assert_array_equal(found, plain, strict=True)
    if dtype is not np.float32:
        np.testing.assert_array_equal(plain, of_scipy(name)(image, mode=mode, cval=3))
        holed = NDIMAGE[name](np.where(image == 7, 8, image), nodata=7)
        np.testing.assert_array_equal(holed, NDIMAGE[name](np.where(image == 7, 8, image)))


def test_ndimage_filters_what_masks_hide_as_scipy_does(rng):
    image = np.ma.masked_less(rng.random((20, 30)), 0.5)
    result = ndi.gaussian_filter(image, 1)
    assert type(result) is np.ndarray
    np.testing.assert_array_equal(result, ndi.gaussian_filter(image.data, 1))


# ---- arrays of other packages, block by block


WAYS = {
    "gaussian": partial(fastsep.gaussian, sigma=2),
    "a derivative": partial(fastsep.gaussian, sigma=1, order=(1, 0)),
    "box": partial(fastsep.box, size=17),
    "correlate": partial(fastsep.correlate, kernel=KERNEL),
    "difference_of_gaussians": partial(fastsep.difference_of_gaussians, low_sigma=1),
    "unsharp_mask": fastsep.unsharp_mask,
    "gradient": partial(fastsep.gradient, operator="gaussian", output=("dx", "magnitude")),
}


@pytest.mark.parametrize("mode", ["reflect", "ignore", "wrap", "constant"])
@pytest.mark.parametrize("name", ["gaussian", *slow(*(name for name in WAYS if name != "gaussian"))])
def test_dask_gives_the_same_bits(rng, name, mode):
    da = pytest.importorskip("dask.array")
    image = with_holes(rng, (53, 61), np.float32) - np.float32(0.2)
    numbers = rng.random(image.shape) * (rng.random(image.shape) > 0.1)
    call = partial(WAYS[name], nan="ignore", mode=mode)
    chunks = (tuple(rng.multinomial(53, [0.3, 0.3, 0.4])), 19)
    for weights in (None, numbers, numbers > 0.2, numbers[0], da.from_array(numbers, (20, 61)), image < 0):
        found = call(da.from_array(image, chunks), weights=weights)
        wanted = call(image, weights=None if weights is None else np.asarray(weights))
        for one, other in zip(found, wanted, strict=True) if isinstance(found, tuple) else [(found, wanted)]:
            assert isinstance(one, da.Array)
            np.testing.assert_array_equal(one.compute(scheduler="synchronous"), other, strict=True)


def test_xarray_names_dimensions_of_weights(rng):
    xr = pytest.importorskip("xarray")
    plain = with_holes(rng)
    numbers = rng.random(plain.shape)
    image = xr.DataArray(np.stack([plain] * 3, 1), dims=("y", "band", "x"))
    weights = xr.DataArray(numbers.T, dims=("x", "y"))
    wanted = fastsep.gaussian(plain, (2, 1), weights=numbers, nan="ignore")
    options = {"weights": weights, "nan": "ignore", "channel_axis": "band"}
    result = fastsep.gaussian(image, {"y": 2, "x": 1}, **options)
    assert result.dims == image.dims
    np.testing.assert_array_equal(result.data[:, 1], wanted)
    along = xr.DataArray(numbers[0], dims=("x",))
    result = fastsep.box(image[:, 0], {"x": 3}, weights=along, nan="ignore", mode={"x": "ignore"})
    wanted = fastsep.box(plain, (1, 3), weights=numbers[0], nan="ignore", mode=("reflect", "ignore"))
    np.testing.assert_array_equal(result, wanted)
    dy, dx = fastsep.gradient(image, "gaussian", sigma={"y": 2, "x": 1}, **options)
    assert dy.dims == dx.dims == image.dims
    assert not np.isnan(fastsep.interpolate_missing(image)).any()
    np.testing.assert_array_equal(
        ndi.uniform_filter(image[:, 0], 3, nan="ignore", pixel_weights=weights),
        ndi.uniform_filter(plain, 3, nan="ignore", pixel_weights=numbers),
    )


def test_blocks_have_missing_pixels_and_no_weights(rng):
    image = with_holes(rng, (60, 70), np.float32)
    target = np.empty_like(image)
    for call in (partial(fastsep.gaussian, sigma=2), fastsep.unsharp_mask):
        function, options = getattr(call, "func", call), getattr(call, "keywords", {})
        fastsep.filter_blocks(function, image, target, nan="ignore", mode="ignore", block=(20, 30), **options)
        np.testing.assert_array_equal(target, call(image, nan="ignore", mode="ignore"))
    with pytest.raises(ValueError, match="`weights` must not be given block by block"):
        fastsep.filter_blocks(fastsep.gaussian, image, target, weights=np.ones(70))


# ---- what is said


def test_explain_tells_that_weights_are_filtered_beside_pixels():
    image = np.zeros((60, 70), np.float32)
    told = fastsep.explain(fastsep.gaussian, image, 2, nan="ignore")
    assert told.strategy == "stages"
    assert any("weights" in stage for stage in told.stages)
    assert told.halo == ((8, 8), (8, 8))
    assert fastsep.explain(fastsep.gaussian, image, 2).strategy == "lines"
    assert "sigma doubled" in str(fastsep.explain(fastsep.interpolate_missing, image))
    fastsep.explain(fastsep.gradient, image, "gaussian", weights=np.ones(70))
    fastsep.explain(fastsep.unsharp_mask, image.astype(np.uint8), nodata=3)
    fastsep.explain(ndi.uniform_filter, image.astype(np.uint8), nodata=3)


def test_explain_tells_which_way_masked_arrays_go():
    masked = np.ma.masked_equal(np.zeros((60, 70), np.float32), 1)
    assert "once over the image" in fastsep.explain(fastsep.gaussian, masked, 2).why
    assert fastsep.explain(ndi.gaussian_filter, masked, 2, nan="ignore").strategy == "stages"
    assert fastsep.explain(ndi.gaussian_filter, masked, 2).strategy == "lines"  # which ignores masks, as SciPy does
    with pytest.raises(ValueError, match="masked"):
        fastsep.explain(fastsep.sobel, masked)
