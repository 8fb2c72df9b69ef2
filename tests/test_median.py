"""`median` against scikit-image's, bit for bit."""

import numpy as np
import pytest
from helpers import ORDER_DTYPES, slow
from skimage import filters, morphology

import fastsep

MODES = ("reflect", "constant", "nearest", "mirror", "wrap")


def pixels(shape, dtype, seed=1):
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.normal(size=shape).astype(dtype)
    high = 2 if dtype == "bool" else min(np.iinfo(dtype).max, 2**40)
    return rng.integers(0, high, shape).astype(dtype)


def check(image, footprint=None, **options):
    expected = filters.median(image, footprint, **options)
    result = fastsep.median(image, footprint, **options)
    assert result.dtype == expected.dtype
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("dtype", ORDER_DTYPES)
def test_every_dtype(dtype):
    for footprint in (None, np.ones((9, 9))):
        check(pixels((17, 40), dtype), footprint)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["uint8", *slow("float32")])
def test_every_border(mode, dtype):
    for footprint in (None, np.ones((4, 5)), morphology.disk(2)):
        check(pixels((9, 14), dtype), footprint, mode=mode, cval=3)


@pytest.mark.parametrize(
    "footprint",
    [np.ones((1, 3)), np.ones((9, 9)), np.ones((4, 5)), np.ones((15, 15)), morphology.disk(2),
     np.array([[0, 0, 1], [0, 1, 1]]), np.array([[0, 0, 1]]),
     *slow(np.ones((2, 2)), np.ones((5, 5)), np.ones((7, 7)), morphology.disk(3), morphology.star(2))],
)  # fmt: skip
@pytest.mark.parametrize("dtype", ["uint8", *slow("uint16", "float32")])
def test_every_footprint(dtype, footprint):
    check(pixels((21, 37), dtype), footprint)


@pytest.mark.parametrize("shape", [(31,), (1, 1), (3, 1), (1, 40), (4, 5, 6), (3, 4, 2, 5)])
def test_every_number_of_axes(shape):
    for dtype in ("uint8", "float32"):
        check(pixels(shape, dtype))
    check(pixels(shape, "uint8"), np.ones((3, 3, 2, 1)[: len(shape)]))


def test_an_empty_image():
    assert fastsep.median(np.zeros((0, 3), np.uint8)).shape == (0, 3)


def test_channels_are_apart():
    image = pixels((12, 15, 3), "uint8")
    for axis in (0, 1, -1):
        result = np.moveaxis(fastsep.median(np.moveaxis(image, -1, axis), channel_axis=axis), axis, -1)
        for channel in range(3):
            np.testing.assert_array_equal(result[..., channel], filters.median(image[..., channel]))


def test_out():
    image = pixels((12, 15), "uint8")
    expected = filters.median(image)
    big = np.zeros((24, 30), "uint8")
    for out in (np.empty_like(image), big[::2, ::2]):
        assert fastsep.median(image, out=out) is out
        np.testing.assert_array_equal(out, expected)
    assert not big[1::2].any()
    assert fastsep.median(image, out=image) is image
    np.testing.assert_array_equal(image, expected)


def test_nan_counts_as_the_largest():
    assert fastsep.median(np.array([1.0, np.nan, 2.0, 3.0, 0.0], np.float32)).tolist() == [1.0, 2.0, 3.0, 2.0, 0.0]


def test_number_of_threads_changes_nothing():
    image = pixels((301, 200), "float32")
    np.testing.assert_array_equal(fastsep.median(image, workers=3), fastsep.median(image, workers=1))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"behavior": "rank"}, ValueError, "`behavior` must be ndimage; got 'rank'"),
        ({"mode": "symmetric"}, ValueError, "mode"),
        ({"mode": ["reflect", "wrap"]}, RuntimeError, "mode"),
        ({"footprint": np.zeros((3, 3))}, ValueError, "`footprint` must not be all zero"),
        ({"footprint": np.ones((3, 3, 3))}, RuntimeError, "footprint"),
        ({"out": np.zeros((3, 3), np.uint8)}, ValueError, "`out` must have"),
        ({"out": "uint8"}, TypeError, "`out` must be a NumPy array"),
        ({"channel_axis": 5}, ValueError, "channel_axis"),
        ({"workers": 0}, ValueError, "workers"),
    ],
)
def test_bad_options(options, error, message):
    with pytest.raises(error, match=message):
        fastsep.median(pixels((9, 9), "uint8"), **options)


def test_explained():
    assert fastsep.explain(fastsep.median, np.zeros((40, 50), np.uint8)).halo == ((1, 1), (1, 1))
