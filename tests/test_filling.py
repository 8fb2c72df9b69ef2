"""Missing pixels filled in: with what, the ways to the same result, and Gaussians of means over blocks."""

from functools import partial

import numpy as np
import pytest
from helpers import slow

import fastsep
from fastsep._ops.missing import coarse, swept

NAN = float("nan")
SHAPES = [(1, 40), (5, 7), (90, 600)]


def scattered(rng, shape, dtype, part=0.2):
    """An image and which of its pixels are missing."""
    return (200 * rng.random(shape)).astype(dtype), rng.random(shape) < part


@pytest.mark.parametrize("dtype", [np.float32, ">f4", np.uint8, *slow(np.float64, np.float16, np.int16, np.int64)])
def test_filling_leaves_all_other_pixels_as_they_are(rng, dtype):
    image = (90 * rng.random((40, 50))).astype(dtype)
    if dtype is np.int64:
        image += 2**60
    holes = rng.random(image.shape) < 0.2
    holes[5:25, 5:30] = True
    broken = image.copy()
    broken[holes] = NAN if image.dtype.kind == "f" else 99
    filled = fastsep.interpolate_missing(broken, nodata=None if image.dtype.kind == "f" else 99)
    assert filled.dtype == image.dtype.newbyteorder("=")
    np.testing.assert_array_equal(filled[~holes], image[~holes])
    assert np.abs(filled.astype(float) - float(image[0, 0])).max() <= (2**8 if dtype is np.int64 else 90)  # a digit
    np.testing.assert_array_equal(fastsep.interpolate_missing(image), image)


@pytest.mark.parametrize("dtype", [np.float32, ">f4", *slow(np.uint8, np.float64, np.float16, np.int16, np.int64)])
def test_weights_of_zero_are_filled_as_missing_pixels_are(rng, dtype):
    image = (90 * rng.random((40, 50))).astype(dtype)
    holes = rng.random(image.shape) < 0.2
    holes[5:25, 5:30] = True
    image[holes] = NAN if image.dtype.kind == "f" else 99
    filled = fastsep.interpolate_missing(image, nodata=None if image.dtype.kind == "f" else 99)
    np.testing.assert_array_equal(fastsep.interpolate_missing(image, weights=~holes, nan="ignore"), filled)


@pytest.mark.parametrize("min_weight", [0.0, 0.01, 0.9])
@pytest.mark.parametrize("mode", ["ignore", "reflect", "wrap", ("nearest", "ignore")])
def test_filling_fills_everything_from_a_single_pixel(min_weight, mode):
    image = np.full((33, 70), NAN)
    image[30, 2] = 5
    filled = fastsep.interpolate_missing(image, (0.5, 0.7), min_weight=min_weight, mode=mode)
    np.testing.assert_allclose(filled, 5, rtol=1e-13)


def test_filling_follows_what_is_around(rng):
    y, x = np.mgrid[:60, :80] / 20
    image = np.sin(x) + np.cos(y)
    holes = rng.random(image.shape) < 0.5
    filled = fastsep.interpolate_missing(np.where(holes, NAN, image))
    assert np.abs(filled - image).max() < 0.2  # the range is 3
    assert np.abs(filled - image).mean() < 0.02


def test_a_hole_is_filled_by_the_first_gaussian_that_finds_enough():
    image = np.array([1.0, NAN, NAN, NAN, 2.0, 4.0, 4.0])
    filled = fastsep.interpolate_missing(image, 0.5, min_weight=0.05)
    narrow = fastsep.gaussian(image, 0.5, nan="ignore", mode="ignore", min_weight=0.05)
    wide = fastsep.gaussian(image, 1, nan="ignore", mode="ignore", min_weight=0.05)
    assert np.isnan(narrow[2])
    np.testing.assert_allclose(filled[[1, 2, 3]], [narrow[1], wide[2], narrow[3]], rtol=1e-14)


def test_what_cannot_be_filled_stays(rng):
    image = np.full((2, 10, 12), NAN)
    image[1] = rng.random((10, 12))
    image[1, 3, 4] = NAN
    filled = fastsep.interpolate_missing(image, channel_axis=0)
    assert np.isnan(filled[0]).all()
    assert not np.isnan(filled[1]).any()
    masked = fastsep.interpolate_missing(np.ma.masked_invalid(image), channel_axis=0)
    np.testing.assert_array_equal(masked.mask, np.isnan(filled))
    np.testing.assert_array_equal(masked[1], filled[1])
    last = fastsep.interpolate_missing(np.moveaxis(image, 0, 1), channel_axis=1)
    np.testing.assert_array_equal(np.moveaxis(last, 1, 0), filled)


# ---- the ways to the same result


@pytest.mark.parametrize(
    ("dtype", "mode"),
    [
        ("f4", "ignore"),
        *(
            pytest.param(*each, marks=pytest.mark.slow)
            for each in (("u1", "ignore"), ("f8", "reflect"), ("i2", "constant"))
        ),
    ],
)
def test_one_sweep_fills_as_whole_arrays_do(rng, dtype, mode, monkeypatch, small_images_go_parallel):
    cases = []
    for shape in SHAPES:
        image, holes = scattered(rng, shape, dtype)
        gone = {"nan": "ignore"} if image.dtype.kind == "f" else {"nodata": 7}
        image[holes] = NAN if image.dtype.kind == "f" else 7
        weights = rng.random(shape) > 0.1
        cases += [
            partial(fastsep.interpolate_missing, image, 1.5, mode=mode, workers=workers, **options)
            for workers in (1, 3)
            for options in (gone, gone | {"weights": weights}, {"weights": weights.astype(np.float32)})
        ]
    found = [case() for case in cases]
    monkeypatch.setattr(swept, "filling", lambda *arguments: None)
    fastsep.clear_caches()
    for case, one in zip(cases, found, strict=True):
        np.testing.assert_array_equal(case(), one, strict=True)
    fastsep.clear_caches()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_channels_are_filled_one_by_one(rng, axis):
    image, holes = scattered(rng, (40, 50, 3), "f4")
    image[holes] = NAN
    image[5:30, 8:40, 1] = NAN
    filled = fastsep.interpolate_missing(np.moveaxis(image, 2, axis), channel_axis=axis)
    for channel in range(3):
        np.testing.assert_allclose(
            np.take(filled, channel, axis), fastsep.interpolate_missing(image[..., channel]), rtol=1e-5
        )


def test_a_hole_is_filled_whatever_other_holes_there_are(rng):
    image, _ = scattered(rng, (500, 900), "f4", 0)
    one, other = image.copy(), image.copy()
    one[20:90, 30:100] = NAN
    other[390:480, 750:830] = NAN
    both = np.where(np.isnan(one), one, other)
    filled = fastsep.interpolate_missing(both, workers=2)
    for single in (one, other):
        holes = np.isnan(single)
        np.testing.assert_array_equal(filled[holes], fastsep.interpolate_missing(single)[holes])
    np.testing.assert_array_equal(filled[~np.isnan(both)], image[~np.isnan(both)])


def test_wide_gaussians_are_those_of_blocks_nearly():
    """Few pixels, of which one Gaussian finds just enough or not, are filled by another one and differ by more."""
    y, x = np.mgrid[:260, :320] / 60
    image = np.sin(x) + np.cos(1.3 * y)
    holed = image.copy()
    holed[60:200, 70:250] = NAN
    exact = holed.copy()
    for scale in range(10):
        blurred = fastsep.gaussian(holed, 2.0**scale, nan="ignore", mode="ignore", min_weight=0.01)
        exact = np.where(np.isnan(exact), blurred, exact)
    assert not np.isnan(exact).any()
    difference = np.abs(fastsep.interpolate_missing(holed) - exact)[np.isnan(holed)]
    assert difference.mean() < 0.001 * np.ptp(image)
    assert np.quantile(difference, 0.99) < 0.005 * np.ptp(image)


def test_means_over_blocks_and_what_lies_between(rng):
    line = np.arange(40.0).reshape(1, 40)
    (mean,) = coarse.of_blocks(coarse.Blocks(line, line, (1, 1)), (1, 8)).pixels
    np.testing.assert_array_equal(mean, [3.5, 11.5, 19.5, 27.5, 35.5])
    between = coarse.between(mean[None], (1, 8), (slice(None), slice(10, 30)), (1, 40))
    np.testing.assert_allclose(between[0], np.arange(10, 30))
    assert [coarse.block_of(sigma) for sigma in (15.9, 16, 31.9, 32, 64)] == [1, 4, 4, 8, 16]
    cut = coarse.strips((slice(None), slice(3, 1000)), (5000, 1000), 0, 8)
    assert cut[0][0].start == 0
    assert all(part[0].start % 8 == 0 and part[1] == slice(3, 1000) for part in cut)
    assert sum(part[0].stop - part[0].start for part in cut) == 5000
