"""Gradient magnitude and Laplacian of Gaussian against SciPy's functions of the same name."""

import numpy as np
import pytest
import scipy.ndimage as ndi
from helpers import MODES, make_image, slow
from reference import assert_close

import fastsep
from fastsep import gaussians

NAMES = gaussians.__all__


def scipys(name, image, sigma, **options):
    return getattr(ndi, name)(image, sigma, **options)


def by_derivatives(name, image, sigma, **options):
    """The same from derivatives of the blurred image, each with the modes of all axes.

    SciPy's functions take, for the derivative along an axis, that axis' mode on every axis.
    """
    squares = name == "gaussian_gradient_magnitude"
    orders = (1 if squares else 2) * np.eye(image.ndim, dtype=int)
    found = [ndi.gaussian_filter(image, sigma, order.tolist(), **options) for order in orders]
    return np.sqrt(sum(x * x for x in found)) if squares else sum(found)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(40,), (21, 34), (7, 12, 9), (5, 4, 6, 7)])
def test_agrees_with_scipy_in_every_mode_and_number_of_axes(name, dtype, shape, rng):
    image = make_image(rng, dtype, shape)
    for mode in (*MODES, "grid-wrap"):
        for cval in (0.0, -0.7) if mode == "constant" else (0.0,):
            expected = scipys(name, image, 1.3, mode=mode, cval=cval)
            result = getattr(fastsep, name)(image, 1.3, mode=mode, cval=cval)
            assert result.dtype == dtype
            assert_close(result, expected, image)


@pytest.mark.parametrize("name", NAMES)
def test_every_axis_has_its_own_sigma_and_mode(name, rng):
    image = make_image(rng, "float64", (15, 12, 9))
    for sigma, mode in [
        ((0.5, 2, 1), ("wrap", "constant", "mirror")),
        ([3, 0.8, 0.6], ["constant", "nearest", "constant"]),
    ]:
        for truncate in (4.0, 1.5):
            options = {"mode": mode, "cval": 0.6, "truncate": truncate}
            expected = by_derivatives(name, image, sigma, **options)
            assert_close(getattr(fastsep, name)(image, sigma, **options), expected, image)


@pytest.mark.parametrize("name", NAMES)
def test_an_axis_of_zero_sigma_is_neither_blurred_nor_differentiated(name, rng):
    image = make_image(rng, "float64", (15, 12, 9))
    for sigma in ((0, 1, 2), (1, 0, 0), (2, 1, 0), 0, (0, 0, 0), 1e-16):
        for mode in ("constant", "reflect"):
            options = {"mode": mode, "cval": 0.6}
            assert_close(getattr(fastsep, name)(image, sigma, **options), scipys(name, image, sigma, **options), image)


@pytest.mark.parametrize("name", NAMES)
def test_agrees_with_scipy_at_every_small_size(name, rng):
    for height in range(1, 10):
        for width in range(1, 10):
            mode = MODES[(height + width) % len(MODES)]
            image = make_image(rng, "float64", (height, width))
            expected = scipys(name, image, 1.1, mode=mode, cval=0.4)
            assert_close(getattr(fastsep, name)(image, 1.1, mode=mode, cval=0.4), expected, image)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "uint64", *slow("int8", "int16", "uint16")])
def test_integers_are_not_rescaled_and_give_float64(name, dtype, rng):
    image = (rng.random((21, 18)) * 120).astype(dtype)
    result = getattr(fastsep, name)(image, 1.5)
    assert result.dtype == np.float64
    assert_close(result, scipys(name, image.astype(float), 1.5), image)


@pytest.mark.parametrize("name", NAMES)
def test_layout_does_not_change_a_bit(name, rng):
    image = make_image(rng, "float32", (21, 18))
    expected = getattr(fastsep, name)(image, 1.5)
    read_only, spread = image.copy(), np.zeros((42, 54), "float32")[::2, ::3]
    read_only.flags.writeable = False
    spread[...] = image
    for same in (read_only, spread, np.asfortranarray(image), image[::-1].copy()[::-1], image.astype(">f4")):
        np.testing.assert_array_equal(getattr(fastsep, name)(same, 1.5), expected)
        np.testing.assert_array_equal(same, image)
    half = image.astype("float16")
    np.testing.assert_array_equal(getattr(fastsep, name)(half, 1.5), getattr(fastsep, name)(half.astype("f4"), 1.5))


@pytest.mark.parametrize("name", NAMES)
def test_nan_and_infinity_reach_as_far_as_in_scipy(name, rng):
    image = make_image(rng, "float64", (31, 38))
    image[4, 5], image[20, 30] = np.nan, np.inf
    with np.errstate(invalid="ignore"):
        expected = scipys(name, image, 1)
    result = getattr(fastsep, name)(image, 1)
    np.testing.assert_array_equal(np.isnan(result), np.isnan(expected))
    np.testing.assert_array_equal(np.isinf(result), np.isinf(expected))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channel_axis", [0, 1, -1])
def test_channels_are_filtered_one_by_one(name, channel_axis, rng):
    image = make_image(rng, "float64", (14, 3, 12))
    planes = [scipys(name, plane, 1.2) for plane in np.moveaxis(image, channel_axis, 0)]
    result = getattr(fastsep, name)(image, 1.2, channel_axis=channel_axis)
    assert_close(result, np.stack(planes, axis=channel_axis), image)


@pytest.mark.parametrize(
    ("source", "dtype"), [("float32", "float16"), pytest.param("uint8", "int16", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("name", NAMES)
def test_out_and_dtype_are_those_of_every_filter(name, source, dtype, rng):
    image = make_image(rng, source, (21, 18))
    exact = scipys(name, image.astype(float), 1.5)
    result = getattr(fastsep, name)(image, 1.5, dtype=dtype)
    assert result.dtype == dtype
    assert_close(result, exact, image)
    out = np.empty((21, 18), "float32")
    assert getattr(fastsep, name)(image, 1.5, out=out) is out
    assert_close(out, exact, image)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(310, 270), (20, 70, 81)])
def test_the_number_of_workers_does_not_change_a_bit(name, shape, rng):
    image = make_image(rng, "float32", shape)
    expected = getattr(fastsep, name)(image, 2, workers=1)
    for workers in (2, 3, 5, None):
        np.testing.assert_array_equal(getattr(fastsep, name)(image, 2, workers=workers), expected)


@pytest.mark.parametrize("name", NAMES)
def test_empty_images_give_empty_results(name):
    for dtype, expected in (("uint8", "float64"), ("float32", "float32")):
        result = getattr(fastsep, name)(np.empty((0, 5), dtype), 1)
        assert (result.shape, result.dtype) == ((0, 5), expected)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("sigma", "options", "error", "message"),
    [
        (-1, {}, ValueError, r"`sigma`.*-1"),
        (float("nan"), {}, ValueError, r"`sigma`.*nan"),
        ((1, 2, 3), {}, ValueError, r"`sigma`.*2 spatial.*3"),
        ((1, 2, 3), {}, RuntimeError, r"`sigma`.*2 spatial.*3"),
        ("1", {}, TypeError, r"`sigma`.*'1'"),
        (1, {"mode": "edge"}, RuntimeError, r"`mode`.*reflect.*'edge'"),
        (1, {"truncate": -1}, ValueError, r"`truncate`.*-1"),
        (1, {"cval": None}, TypeError, r"`cval`.*None"),
        (1, {"workers": 0}, ValueError, r"`workers`.*0"),
        (1, {"out": np.empty((3, 3))}, ValueError, r"`out`.*\(8, 9\).*\(3, 3\)"),
    ],
)
def test_a_bad_argument_gets_one_clear_line(name, sigma, options, error, message):
    with pytest.raises(error, match=message) as caught:
        getattr(fastsep, name)(np.ones((8, 9)), sigma, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_explain_tells_how_they_run(name):
    plan = fastsep.explain(getattr(fastsep, name), np.zeros((480, 640), np.float32), 2)
    assert (plan.strategy, len(plan.terms), plan.halo) == ("lines", 2, ((8, 8), (8, 8)))
