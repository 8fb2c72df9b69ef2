"""What is made of a picture's pixels: colours that nobody sees do not show, and edges are drawn over it."""

import numpy as np
import pytest
import scipy.ndimage as ndi
from helpers import slow

import fastsep
from fastsep._cli.pictures import filters, samples
from fastsep._cli.pictures import picture as _pictures
from fastsep._cli.pictures.picture import Picture

DTYPES = ("uint8", "uint16", "int16", "uint32", "float16", "float32", "float64")


@pytest.fixture(autouse=True)
def small_bands(monkeypatch):
    """The pictures here are small, and are to be worked on in several bands."""
    monkeypatch.setattr(samples, "BAND", 100)


def most(dtype):
    """The value of alpha where a pixel is seen wholly."""
    return np.iinfo(dtype).max if np.dtype(dtype).kind in "ui" else 1


def gaussian(values, sigma):
    return ndi.gaussian_filter(values, sigma, mode="nearest", truncate=4.0)


def visible_blur(pixels, alpha, sigma):
    """In float64: the blurred product of colours and alpha, divided by the blurred alpha."""
    weight = alpha.astype(np.float64)
    share = gaussian(weight, sigma)
    planes = [pixels] if pixels.ndim == 2 else np.moveaxis(pixels, 2, 0)
    blurred = [
        np.divide(gaussian(plane * weight, sigma), share, out=plane.astype(np.float64), where=share > 0)
        for plane in planes
    ]
    return blurred[0] if pixels.ndim == 2 else np.stack(blurred, axis=2)


@pytest.fixture(params=["uint8", "uint32", "float16", "float32", "float64", *slow("uint16", "int16")])
def picture(request, rng):
    """Noise in colour behind noise of transparency with a hole, a solid part and a border of both."""
    dtype = request.param
    full = most(dtype)
    alpha = rng.random((40, 56)) * full
    alpha[5:35, 4:30] = 0
    alpha[:, 40:] = full
    pixels = rng.random((40, 56, 3)) * (full if dtype != "float16" else 100)
    return Picture(pixels.astype(dtype), alpha.astype(dtype), None)


def assert_rounded(found, exact, dtype):
    """The exact values, rounded once to a type."""
    assert found.dtype == dtype
    if found.dtype.kind == "f":
        # A rounding of the result, and of the float64 sums.
        step = np.finfo(dtype).eps / 2 * np.abs(exact) + 1e-13 * np.abs(exact).max()
        assert (np.abs(found.astype(np.float64) - exact) <= step).all()
        return
    limits = np.iinfo(dtype)
    # Before that, bytes are computed in float32 and others in float64: two sums and a quotient.
    slack = 1e-6 * 255 if found.dtype == np.uint8 else 1e-14 * limits.max
    assert np.abs(found - exact.clip(limits.min, limits.max)).max() <= 0.5 + slack


@pytest.mark.parametrize("sigma", [0, 1, 3])
@pytest.mark.parametrize("channels", [1, 3])
def test_blur_is_weighted_by_alpha(picture, sigma, channels):
    if channels == 1:
        picture = picture._replace(pixels=picture.pixels[..., 0])
    found = filters.blur(picture, sigma, None)
    assert_rounded(found.pixels, visible_blur(picture.pixels, picture.alpha, sigma), picture.pixels.dtype)
    assert np.array_equal(found.alpha, picture.alpha)
    if sigma == 0 and picture.pixels.dtype != np.float64:  # of which the products are rounded, too
        assert np.array_equal(found.pixels, picture.pixels)


@pytest.mark.parametrize(("radius", "amount"), [(1, 1), (2.5, 0.4), (0, 3)])
def test_sharpen_adds_what_the_weighted_blur_takes_away(picture, radius, amount):
    found = filters.sharpen(picture, radius, amount, None)
    pixels = picture.pixels.astype(np.float64)
    exact = pixels + amount * (pixels - visible_blur(picture.pixels, picture.alpha, radius))
    assert_rounded(found.pixels, exact, picture.pixels.dtype)
    assert np.array_equal(found.alpha, picture.alpha)


@pytest.mark.parametrize(
    ("dtype", "behind"),
    [
        *(
            pytest.param(dtype, what, marks=[pytest.mark.slow] * (dtype in ("uint16", "int16")))
            for dtype in DTYPES
            for what in ("noise", "white")
        ),
        ("float32", "NaN"),
        ("float16", "NaN"),
    ],
)
def test_colours_that_nobody_sees_do_not_show(rng, dtype, behind):
    full = most(dtype)
    alpha = np.zeros((30, 40), dtype)
    alpha[8:20, 10:30] = full
    pixels = np.full((30, 40, 3), full // 3 if full > 1 else 0.25, dtype)
    hidden = alpha == 0
    pixels[hidden] = {"noise": rng.random((hidden.sum(), 3)) * full, "white": full, "NaN": np.nan}[behind]
    colour = pixels[10, 12]
    for result in (
        filters.blur(Picture(pixels, alpha, None), 2, None),
        filters.sharpen(Picture(pixels, alpha, None), 2, 1.5, None),
    ):
        # One colour is all that is seen, and it stays the same.
        assert np.array_equal(result.pixels[~hidden], np.broadcast_to(colour, result.pixels[~hidden].shape))


@pytest.mark.parametrize("value", [0, 1, 128, 255])
def test_where_transparency_is_the_same_everywhere_it_does_not_count(rng, value):
    pixels = rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)
    picture = Picture(pixels, np.full((30, 40), value, np.uint8), None)
    expected = fastsep.gaussian(pixels, 2, channel_axis=2, dtype=np.uint8)
    assert np.array_equal(filters.blur(picture, 2, None).pixels, expected)
    expected = fastsep.unsharp_mask(pixels, 2, 1.5, channel_axis=2, dtype=np.uint8)
    assert np.array_equal(filters.sharpen(picture, 2, 1.5, None).pixels, expected)


def test_the_result_does_not_depend_on_the_number_of_threads(picture):
    for run in (lambda n: filters.blur(picture, 3, n), lambda n: filters.sharpen(picture, 3, 1, n)):
        one, two = run(1), run(2)
        assert np.array_equal(one.pixels, two.pixels)


def test_further_channels_are_filtered_whatever_is_seen(rng, picture):
    others = (rng.random((40, 56, 2)) * most(picture.pixels.dtype)).astype(picture.pixels.dtype)
    for run in (lambda p: filters.blur(p, 2, None), lambda p: filters.sharpen(p, 2, 1.5, None)):
        found = run(picture._replace(others=others)).others
        for channel in range(2):
            expected = run(Picture(others[..., channel], None, None)).pixels
            assert np.array_equal(found[..., channel], expected)


# ---- edges over a picture


@pytest.mark.parametrize("pixels", ["grey", "colour", "16 bits", "float"])
def test_edges_hide_the_picture_by_their_strength(rng, pixels):
    image = {
        "grey": rng.integers(0, 256, (31, 40), dtype=np.uint8),
        "colour": rng.integers(0, 256, (31, 40, 3), dtype=np.uint8),
        "16 bits": rng.integers(0, 65536, (31, 40), dtype=np.uint16),
        "float": rng.random((31, 40, 3)),
    }[pixels]
    edges = rng.integers(0, 256, (31, 40), dtype=np.uint8)
    shown = _pictures.visible(image, image).astype(np.float64)
    ground = shown if shown.ndim == 3 else np.repeat(shown[..., None], 3, axis=2)
    weight = edges[..., None] / 255
    expected = ground * (1 - weight) + np.array([0, 255, 0]) * weight
    found = filters.overlay(image, edges)
    assert found.dtype == np.uint8
    assert np.abs(found - expected).max() <= 0.5 + 1e-9
