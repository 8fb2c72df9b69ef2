"""`peak_local_max` against scikit-image's, coordinate by coordinate."""

import numpy as np
import pytest
from helpers import slow
from skimage import feature

import fastsep

SHAPES = ((40,), (23, 31), (9, 1), (1, 1), (7, 12, 9))


def pixels(shape, dtype, heights, seed=3):
    """Random pixels of few heights, so that many are equal."""
    return (np.random.default_rng(seed).random(shape) * heights).astype(dtype)


def check(image, **options):
    expected = feature.peak_local_max(image, **options)
    result = fastsep.peak_local_max(image, **options)
    assert result.dtype == expected.dtype
    np.testing.assert_array_equal(result, expected.reshape(-1, image.ndim))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["uint8", "float32", *slow("int16", "uint16", "int64", "float64")])
@pytest.mark.parametrize("heights", [3, 100])
def test_every_dtype_and_shape(shape, dtype, heights):
    for distance in (1, 2, 5):
        check(pixels(shape, dtype, heights), min_distance=distance)


@pytest.mark.parametrize("norm", [1, 2, 3, 2.5, np.inf])
@pytest.mark.parametrize("distance", [2, 3, 5, 100])
def test_peaks_are_apart_by_any_norm(norm, distance):
    for heights in (2, 4, 1000):  # 2: plateaus
        check(pixels((31, 40), "uint8", heights), min_distance=distance, p_norm=norm, exclude_border=False)
    check(pixels((9, 11, 8), "float32", 20), min_distance=distance, p_norm=norm, exclude_border=False)


@pytest.mark.parametrize(
    "options",
    [
        {"threshold_abs": 2},
        {"threshold_abs": -1},
        {"threshold_rel": 0.7},
        {"threshold_abs": 1, "threshold_rel": 0.2},
        {"exclude_border": 0},
        {"exclude_border": 3},
        {"exclude_border": (0, 4)},
        {"exclude_border": 20},
        {"num_peaks": 0},
        {"num_peaks": 4},
        {"num_peaks": 4, "min_distance": 3},
        {"footprint": np.ones((2, 4))},
        {"footprint": np.eye(5, dtype=bool), "min_distance": 4},
        {"footprint": np.ones((3, 3)), "min_distance": 2.5, "exclude_border": False},
        {"footprint": np.ones((1, 1)), "min_distance": 2},
    ],
)
def test_options(options):
    check(pixels((23, 31), "uint8", 9), **options)
    check(pixels((23, 31), "float32", 9), **options)


@pytest.mark.parametrize("options", [{}, {"num_peaks_per_label": 2}, {"num_peaks": 3}, {"min_distance": 3}])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_regions_are_searched_one_by_one(options, dtype):
    image = pixels((30, 33), dtype, 8)
    labels = np.kron(np.arange(12).reshape(3, 4) % 5, np.ones((10, 8), int))
    labels = np.pad(labels, ((0, 0), (0, 1)))
    kept = labels.copy()
    check(image, labels=labels, **options)
    check(image, labels=labels, exclude_border=False, **options)
    np.testing.assert_array_equal(labels, kept)
    lonely = np.zeros((30, 33), int)
    lonely[4, 5], lonely[20, 20:22] = 1, 1
    check(image, labels=lonely, exclude_border=False, **options)


def test_all_pixels_alike_are_no_peaks():
    for image in (np.zeros((5, 6)), np.full((4, 4, 4), 9, np.uint8), np.full(3, -2.0)):
        check(image)
        check(image, labels=np.ones(image.shape, int), exclude_border=False)


def test_distances_below_one_find_all_that_is_above_the_threshold():
    image = pixels((9, 9), "uint8", 5)
    with pytest.warns(RuntimeWarning, match="min_distance < 1"):
        expected = feature.peak_local_max(image, min_distance=0)
    with pytest.warns(RuntimeWarning, match="min_distance < 1") as record:
        result = fastsep.peak_local_max(image, min_distance=0)
    assert record[0].filename == __file__
    np.testing.assert_array_equal(result, expected)


def test_bool_images():
    image = pixels((20, 21), "uint8", 1.2)
    np.testing.assert_array_equal(fastsep.peak_local_max(image.astype(bool)), fastsep.peak_local_max(image))


def test_number_of_threads_changes_nothing():
    image = pixels((200, 301), "float32", 50)
    for options in ({"min_distance": 1}, {"min_distance": 4}):
        one = fastsep.peak_local_max(image, workers=1, **options)
        np.testing.assert_array_equal(fastsep.peak_local_max(image, workers=3, **options), one)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"exclude_border": 1.0}, TypeError, "exclude_border"),
        ({"exclude_border": (1,)}, ValueError, "exclude_border"),
        ({"exclude_border": (1, "a")}, ValueError, "exclude_border"),
        ({"exclude_border": -1}, ValueError, "exclude_border"),
        ({"p_norm": 0.5}, ValueError, "p_norm"),
        ({"p_norm": 5000, "min_distance": 2}, ValueError, "p_norm"),
        ({"footprint": np.ones((3, 3, 3))}, ValueError, "`footprint` must have an axis for each"),
        ({"footprint": np.ones(1)}, ValueError, "`footprint` must have an axis for each"),
        ({"footprint": 5}, ValueError, "`footprint` must have an axis for each"),
        ({"footprint": np.ones((0, 3))}, ValueError, "`footprint` must not have an axis of length 0"),
        ({"min_distance": -1}, ValueError, "`min_distance` must be finite and not negative"),
        ({"labels": np.ones((9, 9))}, TypeError, "cast"),
        ({"workers": 0}, ValueError, "workers"),
    ],
)
def test_bad_options(options, error, message):
    with pytest.raises(error, match=message):
        fastsep.peak_local_max(pixels((9, 9), "uint8", 9), **options)


def test_an_empty_image_is_refused():
    with pytest.raises(ValueError, match="at least 1 pixels"):
        fastsep.peak_local_max(np.zeros((0, 3)))


def test_explained_by_its_maximum():
    assert "10" in str(fastsep.explain(fastsep.peak_local_max, np.zeros((50, 60)), min_distance=10).halo)
